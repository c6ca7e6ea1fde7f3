#include "unit/jobs/test_child.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "base/clock.h"
#include "base/digest.h"
#include "base/io.h"
#include "base/status.h"
#include "jobs/child_main.h"
#include "jobs/protocol.h"
#include "jobs/worker.h"
#include "support/temp_dir.h"
#include "unit/jobs/fake_queue.h"
#include "unit/jobs/test_kinds.h"

namespace lbw::jobs {
namespace {

constexpr char kMode[] = "LBW_TEST_CHILD_MODE";
constexpr int kSocket = 3;

[[noreturn]] void SleepForEver() {
  while (true) ::pause();
}

// Waits as a job between two iterations would, 1 ms at a time.
void ShortWork() { ::poll(nullptr, 0, 1); }

std::string DigestOfStep(int64_t step) {
  return base::Sha256Hex(base::AsBytes("checkpoint of step " + std::to_string(step)));
}

// What the spec says, a job does:
//   succeed         some progress, a result
//   error, final    an error that may pass, one that may not
//   throw, huge     throws; gives a result that is too large
//   crash_once      counts ten steps with checkpoints, crashes at the 5th of its first attempt
//   obey            counts until it is told to end, with a checkpoint where that is asked
//   ignore          counts for ever and obeys nothing
//   stall           says one step and then nothing
//   result_ignore   tells a result and stays
//   log             writes much to its log, not all of it UTF-8
//   flood           says 3000 messages
//   bad_checkpoint  a checkpoint that the queue refuses
//   scratch         its scratch folder's content and name
class SpecRunner final : public JobRunner {
 public:
  absl::StatusOr<std::string> Run(const JobContext& context) override {
    JobLink& link = *context.link;
    const std::string& spec = context.spec_json;
    if (spec == "error") return absl::UnavailableError("the disk is busy");
    if (spec == "final") {
      return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound, "no dataset d");
    }
    if (spec == "throw") throw std::runtime_error("thrown");
    if (spec == "huge") return std::string((size_t{256} << 10) + 1, 'x');
    if (spec == "largest") return std::string(size_t{256} << 10, '"');
    if (spec == "crash_once") return CrashOnce(context);
    if (spec == "obey") return CountUntilTold(link);
    if (spec == "ignore") return CountForEver(link);
    if (spec == "stall") return Stall(link);
    if (spec == "log") return WriteLog();
    if (spec == "flood") return Flood(link);
    if (spec == "checkpoint") return TellPidAndCheckpoint(context);
    if (spec == "bad_checkpoint") return BadCheckpoint(link);
    if (spec == "scratch") return Scratch(context);
    for (int64_t step = 1; step <= 4; ++step) {
      link.Report({step, 4, "counting", {{"map", 0.25 * static_cast<double>(step)}}, {}});
    }
    std::printf("inputs are %s\n", context.inputs_json.c_str());
    return std::string(R"({"threads":)") + std::to_string(context.threads) + "}";
  }

 private:
  static absl::Status TellCheckpoint(JobLink& link, int64_t step) {
    CheckpointInfo info;
    info.sha256 = DigestOfStep(step);
    info.size_bytes = 10;
    info.step = step;
    return link.Checkpoint(info);
  }

  static absl::StatusOr<std::string> TellPidAndCheckpoint(const JobContext& context) {
    context.link->Say(JobLink::Severity::kInfo, "pid " + std::to_string(::getpid()));
    LBW_RETURN_IF_ERROR(TellCheckpoint(*context.link, 1));
    return "{\"from\":\"" + context.checkpoint + "\"}";
  }

  static absl::StatusOr<std::string> CrashOnce(const JobContext& context) {
    int64_t from = 0;
    for (int64_t step = 1; step <= 10; ++step) {
      if (DigestOfStep(step) == context.checkpoint) from = step;
    }
    for (int64_t step = from + 1; step <= 10; ++step) {
      if (step == 5 && context.attempt == 1) ::raise(SIGSEGV);
      context.link->Report({step, 10, "", {}, {}});
      LBW_RETURN_IF_ERROR(TellCheckpoint(*context.link, step));
    }
    return "{\"from\":" + std::to_string(from) + "}";
  }

  static absl::StatusOr<std::string> CountUntilTold(JobLink& link) {
    for (int64_t step = 1;; ++step) {
      link.Report({step, 0, "", {}, {}});
      const JobLink::Order order = link.order();
      if (order == JobLink::Order::kPause || order == JobLink::Order::kStop) {
        LBW_RETURN_IF_ERROR(TellCheckpoint(link, step));
      }
      if (order != JobLink::Order::kGoOn) return ObeyedStatus(order);
      ShortWork();
    }
  }

  static absl::StatusOr<std::string> CountForEver(JobLink& link) {
    for (int64_t step = 1;; ++step) {
      link.Report({step, 0, "", {}, {}});
      ShortWork();
    }
  }

  static absl::StatusOr<std::string> Stall(JobLink& link) {
    link.Report({1, 2, "", {}, {}});
    link.Say(JobLink::Severity::kInfo, "pid " + std::to_string(::getpid()));
    SleepForEver();
  }

  static absl::StatusOr<std::string> WriteLog() {
    std::printf("first line\n");
    const std::string line(1023, '.');
    for (int i = 0; i < 4096; ++i) std::printf("%s\n", line.c_str());
    std::printf("bad \xFF bytes\nlast line\n");
    return std::string("{}");
  }

  static absl::StatusOr<std::string> Flood(JobLink& link) {
    for (int i = 0; i < 3000; ++i) {
      link.Say(JobLink::Severity::kWarning, "message " + std::to_string(i));
    }
    return std::string("{}");
  }

  static absl::StatusOr<std::string> BadCheckpoint(JobLink& link) {
    CheckpointInfo info;
    info.sha256 = DigestOfStep(1);
    info.epoch = 404;
    LBW_RETURN_IF_ERROR(link.Checkpoint(info));
    return std::string("{}");
  }

  static absl::StatusOr<std::string> Scratch(const JobContext& context) {
    const bool empty = std::filesystem::is_empty(context.scratch_folder);
    std::FILE* file = std::fopen((context.scratch_folder + "/left").c_str(), "w");
    if (file != nullptr) std::fclose(file);
    return empty ? context.scratch_folder : "not empty";
  }
};

void AnswerAssignment(const std::string& bytes) {
  ReadUntil(kSocket, "\n");
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t sent = ::send(kSocket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent <= 0) ::_exit(9);
    rest.remove_prefix(static_cast<size_t>(sent));
  }
  SleepForEver();
}

// One word a line: descriptors that are open, ignored signals, blocked signals, the session.
void Describe() {
  std::string text;
  DIR* folder = ::opendir("/proc/self/fd");
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != ::dirfd(folder)) {
      text += std::string("fd ") + entry->d_name + "\n";
    }
  }
  ::closedir(folder);
  for (int signal = 1; signal < 32; ++signal) {
    struct sigaction action = {};
    ::sigaction(signal, nullptr, &action);
    if (action.sa_handler == SIG_IGN) text += "ignored " + std::to_string(signal) + "\n";
  }
  sigset_t blocked;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  for (int signal = 1; signal < 32; ++signal) {
    if (::sigismember(&blocked, signal) == 1) text += "blocked " + std::to_string(signal) + "\n";
  }
  int death_signal = 0;
  ::prctl(PR_GET_PDEATHSIG, &death_signal);
  text += "pdeathsig " + std::to_string(death_signal) + "\n";
  text += std::string("leader ") + (::getsid(0) == ::getpid() ? "yes" : "no") + "\n";
  const char* value = ::getenv("LBW_TEST_VALUE");
  text += std::string("value ") + (value == nullptr ? "none" : value) + "\n";
  char byte = 0;
  text += "stdin " + std::to_string(::read(0, &byte, 1)) + "\n";
  std::fprintf(stderr, "%send\n", text.c_str());
}

void StartOrphan() {
  const pid_t pid = ::fork();
  if (pid == 0) SleepForEver();
  std::fprintf(stderr, "pid %d\n", pid);
}

void RunWorker() {
  const testing::TempDir folder;
  FakeQueue queue;
  TestKinds kinds;
  const std::string job = queue.Add("test", "stall");
  WorkerOptions options = TestWorkerOptions(folder.path());
  const std::unique_ptr<Worker> worker = Worker::New(queue, kinds, nullptr, options);
  std::thread thread([&] { worker->Run(); });
  queue.WaitUntil(job, [](const FakeJob& fake) { return fake.events.size() >= 2; });
  std::fprintf(stderr, "%s\n", queue.Look(job).events.back().c_str());
  thread.join();
}

[[noreturn]] void BeChild(const std::string& mode) {
  int status = 0;
  if (mode == "run") {
    status = RunChild(kSocket, [](const Assignment&) -> absl::StatusOr<ChildEnvironment> {
      ChildEnvironment environment;
      environment.runner = std::make_unique<SpecRunner>();
      return environment;
    });
  } else if (mode == "garbage") {
    AnswerAssignment("no message\n");
  } else if (mode == "long_line") {
    AnswerAssignment(std::string(kMaxLineBytes + 1, 'x'));
  } else if (mode == "deaf") {
    ::close(kSocket);
    SleepForEver();
  } else if (mode == "sleep") {
    if (::send(kSocket, "ready\n", 6, 0) == 6) SleepForEver();
  } else if (mode == "exit_3") {
    status = 3;
  } else if (mode == "segv") {
    ::signal(SIGSEGV, SIG_DFL);
    ::raise(SIGSEGV);
  } else if (mode == "kill_self") {
    ::raise(SIGKILL);
  } else if (mode == "describe") {
    Describe();
  } else if (mode == "orphan") {
    StartOrphan();
  } else if (mode == "worker") {
    RunWorker();
  }
  std::fflush(stdout);
  ::_exit(status);
}

// Every static object is there and no test has begun.
class BecomeChild final : public ::testing::Environment {
 public:
  void SetUp() override {
    const char* mode = ::getenv(kMode);
    if (mode == nullptr) return;
    const std::string copy = mode;
    ::unsetenv(kMode);
    BeChild(copy);
  }
};
[[maybe_unused]] const auto* const kBecomeChild =
    ::testing::AddGlobalTestEnvironment(new BecomeChild);

}  // namespace

ChildOptions ChildInMode(std::string_view mode) {
  ChildOptions options;
  options.program = std::filesystem::read_symlink("/proc/self/exe").string();
  options.arguments = {"--gtest_brief=1", "--socket={fd}"};
  options.environment = {{kMode, std::string(mode)}, {"LBW_TEST_VALUE", "given"}};
  return options;
}

bool IsReadable(int fd, absl::Duration timeout) {
  pollfd one = {fd, POLLIN, 0};
  return ::poll(&one, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) == 1;
}

std::string ReadUntil(int fd, std::string_view text) {
  const base::Stopwatch watch;
  std::string all;
  std::array<char, 4096> piece;
  while (all.find(text) == std::string::npos && watch.ElapsedNs() < int64_t{20'000'000'000}) {
    if (!IsReadable(fd, absl::Milliseconds(500))) continue;
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got <= 0) break;
    all.append(piece.data(), static_cast<size_t>(got));
  }
  return all;
}

Outcome WaitForEnd(ChildProcess& child) {
  EXPECT_TRUE(IsReadable(child.exit_fd(), absl::Seconds(20)));
  const std::optional<Outcome> end = child.HowItEnded();
  EXPECT_TRUE(end.has_value());
  return end.value_or(Outcome{});
}

}  // namespace lbw::jobs
