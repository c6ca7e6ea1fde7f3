#include "app/worker_pool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "app/job_metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "config/config.h"

namespace lbw::app {
namespace {

constexpr absl::Duration kFirstDelay = absl::Seconds(1);
constexpr absl::Duration kLongestDelay = absl::Seconds(30);
// One that lived so long did not fail to start.
constexpr absl::Duration kHealthy = absl::Minutes(1);
constexpr int kChildFd = 3;

int64_t NowNs() { return base::RealClock().SteadyNs(); }

// The signals that the server blocks for its own watch must reach the worker.
void PrepareSignals(posix_spawnattr_t& attributes) {
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  // A group of its own: Ctrl-C reaches the server, which tells its workers.
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

// Returns the process's id, or -1 with errno.
pid_t Spawn(const WorkerPoolOptions& options, int socket_fd) {
  std::vector<std::string> texts = {options.program};
  texts.insert(texts.end(), options.arguments.begin(), options.arguments.end());
  texts.push_back(base::StrCat("--parent-fd=", kChildFd));
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, socket_fd, kChildFd);
  // Libraries may hold descriptors without close-on-exec; a worker that outlives the server for a
  // moment must not hold its ports.
  ::posix_spawn_file_actions_addclosefrom_np(&actions, kChildFd + 1);
  PrepareSignals(attributes);
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, options.program.c_str(), &actions, &attributes,
                                   arguments.data(), config::InheritedEnvironment());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  errno = failed;
  return failed == 0 ? pid : -1;
}

}  // namespace

WorkerPool::WorkerPool(const WorkerPoolOptions& options, jobs::JobObserver& observer)
    : options_(options), observer_(observer), processes_(static_cast<size_t>(options.workers)) {
  thread_ = std::thread([this] {
    base::SetThreadName("workers");
    Run();
  });
}

WorkerPool::~WorkerPool() { Stop(base::RealClock().Now()); }

void WorkerPool::Stop(absl::Time deadline) {
  if (!thread_.joinable()) return;
  stop_deadline_ = deadline;
  stop_.Wake();
  thread_.join();
}

void WorkerPool::StartProcess(Process& process) {
  process.restart_ns = NowNs() + absl::ToInt64Nanoseconds(process.delay);
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    base::LogError("worker_not_started", {{"error", std::strerror(errno)}});
    return;
  }
  process.socket_fd.Reset(pair[0]);
  jobs::UniqueFd theirs(pair[1]);
  process.start_ns = NowNs();
  process.pid = Spawn(options_, theirs.get());
  if (process.pid < 0) {
    base::LogError("worker_not_started",
                   {{"program", options_.program}, {"error", std::strerror(errno)}});
    Close(process);
    return;
  }
  process.exit_fd.Reset(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  base::LogInfo("worker_started", {{"pid", static_cast<int64_t>(process.pid)}});
}

void WorkerPool::Close(Process& process) {
  process.socket_fd.Reset();
  process.exit_fd.Reset();
  process.pid = -1;
  process.pending.clear();
}

void WorkerPool::Read(Process& process) {
  std::array<char, 4096> buffer{};
  const ssize_t got = ::recv(process.socket_fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got <= 0) {
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    process.socket_fd.Reset();  // its end follows on exit_fd
    return;
  }
  process.pending.append(buffer.data(), static_cast<size_t>(got));
  size_t begin = 0;
  for (size_t end = process.pending.find('\n'); end != std::string::npos;
       end = process.pending.find('\n', begin)) {
    ReplayLine(std::string_view(process.pending).substr(begin, end - begin), observer_);
    begin = end + 1;
  }
  process.pending.erase(0, begin);
  constexpr size_t kLongestLine = 1024;
  if (process.pending.size() > kLongestLine) process.pending.clear();
}

void WorkerPool::Reap(Process& process, bool stopping) {
  int status = 0;
  const pid_t reaped = ::waitpid(process.pid, &status, WNOHANG);
  if (reaped == 0 || (reaped < 0 && errno == EINTR)) return;
  const absl::Duration lived = absl::Nanoseconds(NowNs() - process.start_ns);
  if (!stopping) {
    base::LogWarning("worker_ended", {{"pid", static_cast<int64_t>(process.pid)},
                                      {"exit_status", WIFEXITED(status) ? WEXITSTATUS(status) : -1},
                                      {"signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0},
                                      {"seconds", absl::ToDoubleSeconds(lived)}});
  }
  Close(process);
  process.delay = lived > kHealthy ? kFirstDelay : std::min(process.delay * 2, kLongestDelay);
  process.restart_ns = NowNs() + absl::ToInt64Nanoseconds(process.delay);
}

bool WorkerPool::Wait(absl::Duration timeout, std::vector<Process*>& ready) {
  std::vector<pollfd> fds = {{stop_.get(), POLLIN, 0}};
  std::vector<Process*> owners = {nullptr};
  for (Process& process : processes_) {
    for (const int fd : {process.socket_fd.get(), process.exit_fd.get()}) {
      if (fd < 0) continue;
      fds.push_back({fd, POLLIN, 0});
      owners.push_back(&process);
    }
  }
  const int64_t wait_ms = std::clamp<int64_t>(absl::ToInt64Milliseconds(timeout), 0, 60'000);
  ::poll(fds.data(), fds.size(), static_cast<int>(wait_ms));
  for (size_t i = 1; i < fds.size(); ++i) {
    if (fds[i].revents != 0) ready.push_back(owners[i]);
  }
  return fds[0].revents != 0;
}

void WorkerPool::Run() {
  bool stopping = false;
  bool killed = false;
  while (true) {
    absl::Duration timeout = absl::Seconds(60);
    bool any = false;
    for (Process& process : processes_) {
      if (process.pid < 0 && !stopping) {
        if (NowNs() >= process.restart_ns) StartProcess(process);
        timeout = std::min(timeout,
                           absl::Nanoseconds(process.restart_ns - NowNs()) + absl::Milliseconds(1));
      }
      any = any || process.pid >= 0;
    }
    if (stopping && !any) return;
    if (stopping) timeout = stop_deadline_ - base::RealClock().Now() + absl::Milliseconds(1);
    std::vector<Process*> ready;
    const bool asked = Wait(killed ? absl::Seconds(1) : timeout, ready);
    for (Process* process : ready) {
      if (process->socket_fd.get() >= 0) Read(*process);
      if (process->pid >= 0) Reap(*process, stopping);
    }
    if (asked && !stopping) {
      stopping = true;
      stop_.Drain();
      for (const Process& process : processes_) {
        if (process.pid >= 0) ::kill(process.pid, SIGTERM);
      }
    }
    if (stopping && !killed && base::RealClock().Now() >= stop_deadline_) {
      killed = true;
      for (const Process& process : processes_) {
        if (process.pid >= 0) ::kill(process.pid, SIGKILL);
      }
    }
  }
}

}  // namespace lbw::app
