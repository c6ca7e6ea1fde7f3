// ServeUntilSignal: the process around an App.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "app/adapters.h"
#include "app/app.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/thread_pool.h"

namespace lbw::app {
namespace {

// Whole or not at all: a reader that sees the file sees all of it.
absl::Status WritePortFile(const std::string& path, const App& app) {
  const std::string temporary = base::StrCat(path, ".", getpid(), ".tmp");
  const std::string text =
      base::StrCat("{\"grpc\": ", app.grpc_port(), ", \"admin\": ", app.admin_port(), "}\n");
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const bool written =
      file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) close(file);
  if (!written || std::rename(temporary.c_str(), path.c_str()) != 0) {
    unlink(temporary.c_str());
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("cannot write port_file: ", path))
        .Field("port_file");
  }
  return absl::OkStatus();
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

int Fail(const absl::Status& status) {
  std::cerr << absl::StatusCodeToString(status.code()) << ": " << status.message() << "\n";
  return 1;
}

}  // namespace

int ServeUntilSignal(const config::Config& config) {
  // Blocked before any thread starts, so that every thread inherits it and only sigwait sees them.
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  base::LogInfo("server_starting", {{"data_dir", config.data_dir}});
  absl::StatusOr<std::unique_ptr<App>> app = App::Start(config);
  if (!app.ok()) return Fail(app.status());
  if (!config.port_file.empty()) {
    const absl::Status status = WritePortFile(config.port_file, **app);
    if (!status.ok()) return Fail(status);
  }
  base::LogInfo("server_ready", {{"grpc_port", (*app)->grpc_port()},
                                 {"admin_port", (*app)->admin_port()},
                                 {"data_dir", config.data_dir},
                                 {"cpu", DescribeCpu()}});
  int signal = 0;
  sigwait(&signals, &signal);
  base::LogInfo("signal", {{"signal", signal}});
  std::thread([signals] {
    base::SetThreadName("second-signal");
    int second = 0;
    sigwait(&signals, &second);
    base::LogWarning("second_signal", {{"signal", second}});
    std::_Exit(1);
  }).detach();
  (*app)->Shutdown();
  app->reset();
  base::LogInfo("server_stopped");
  // The detached thread may still wait for a signal; nothing of ours is left for it to touch.
  std::fflush(nullptr);
  std::_Exit(0);
}

}  // namespace lbw::app
