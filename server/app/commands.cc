#include "app/commands.h"

#include <grpc/support/log.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>

#include "app/app.h"
#include "app/run_job.h"
#include "app/signals.h"
#include "app/version.h"
#include "app/worker_app.h"
#include "base/log.h"
#include "base/status.h"

namespace lbw::app {
namespace {

base::LogLevel LevelOf(const std::string& name) {
  if (name == "debug") return base::LogLevel::kDebug;
  if (name == "warning") return base::LogLevel::kWarning;
  if (name == "error") return base::LogLevel::kError;
  return base::LogLevel::kInfo;
}

base::LogFormat FormatOf(const std::string& name) {
  if (name == "json") return base::LogFormat::kJson;
  if (name == "text") return base::LogFormat::kText;
  return ::isatty(STDERR_FILENO) == 1 ? base::LogFormat::kText : base::LogFormat::kJson;
}

// gRPC's own lines (a failed handshake, a broken connection) in the log's form. None of them is an
// error of this server.
void LogFromGrpc(gpr_log_func_args* line) {
  const auto level =
      line->severity == GPR_LOG_SEVERITY_ERROR ? base::LogLevel::kWarning : base::LogLevel::kDebug;
  base::Log(level, "grpc", {{"message", line->message}});
}

// OpenMP's threads spin while they wait for each other. Where cores are shared (with the decoding
// of pictures, or in a container) they then spin away the time that the one they wait for needs: a
// network that takes 30 ms took 300 on a busy machine of two cores. The library reads the variable
// when it is loaded, which is before main. Who sets it keeps it.
void LetOpenMpSleep(char** argv) {
  if (config::SetVariableIfUnset("OMP_WAIT_POLICY", "passive")) ::execv("/proc/self/exe", argv);
}

// A network's activations are taken and given back with every picture. By default glibc returns
// such blocks to the system at once and the next picture faults them in again: eight pictures of a
// small detector took 217 ms instead of 134. Up to these sizes freed memory is kept for the next
// picture.
void KeepFreedMemory() {
  constexpr int kLargestThreshold = 32 << 20;  // glibc refuses more
  constexpr int kKeptBytes = 256 << 20;
  ::mallopt(M_MMAP_THRESHOLD, kLargestThreshold);
  ::mallopt(M_TRIM_THRESHOLD, kKeptBytes);
}

}  // namespace

int Serve(const config::Config& config, char** argv) {
  LetOpenMpSleep(argv);
  KeepFreedMemory();
  base::ConfigureLog(LevelOf(config.log_level), FormatOf(config.log_format));
  ::gpr_set_log_function(LogFromGrpc);
  SignalWatch signals;
  const absl::StatusOr<std::unique_ptr<App>> app = App::Start(config);
  if (!app.ok()) return Fail(app.status());
  signals.Wait();
  (*app)->Shutdown();
  return 0;
}

int Work(const config::Config& config, int parent_fd) {
  base::ConfigureLog(LevelOf(config.log_level), FormatOf(config.log_format));
  SignalWatch signals(SignalWatch::Again::kIgnored);
  const absl::StatusOr<std::unique_ptr<WorkerApp>> app = WorkerApp::Start(config, parent_fd);
  if (!app.ok()) return Fail(app.status());
  (*app)->Run(signals);
  return 0;
}

int RunJob(int fd, int nice) {
  KeepFreedMemory();
  return RunJobProcess(fd, nice);
}

std::string ConfigTable(absl::Span<const config::Provenance> values) {
  size_t key_width = 3;
  size_t value_width = 5;
  for (const config::Provenance& entry : values) {
    key_width = std::max(key_width, entry.key.size());
    value_width = std::max(value_width, entry.value.size());
  }
  // A long path must not push every source out of sight.
  constexpr size_t kMostWidth = 40;
  value_width = std::min(value_width, kMostWidth);
  const auto line = [&](std::string_view key, std::string_view value, std::string_view source) {
    std::string text(key);
    text.resize(key_width + 2, ' ');
    text.append(value);
    text.resize(std::max(text.size() + 2, key_width + value_width + 4), ' ');
    return text.append(source).append("\n");
  };
  std::string table = line("KEY", "VALUE", "SOURCE");
  for (const config::Provenance& entry : values) {
    table += line(entry.key, entry.value, entry.source);
  }
  return table;
}

int PrintConfig(absl::Span<const config::Provenance> values) {
  std::cout << ConfigTable(values) << std::flush;
  return std::cout.good() ? 0 : 1;
}

int PrintVersion() {
  std::cout << "lbw-server " << kVersion << std::endl;
  return 0;
}

int PrintHelp(const std::string& help) {
  std::cout << help << std::flush;
  return 0;
}

int Fail(const absl::Status& status) {
  std::cerr << absl::StatusCodeToString(status.code()) << ": " << status.message() << std::endl;
  return 1;
}

}  // namespace lbw::app
