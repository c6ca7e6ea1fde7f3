#include "jobs/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "base/strings.h"
#include "jobs/cgroup.h"
#include "jobs/fd.h"

// POSIX has every program declare it; it is handed on, not read.
extern char** environ;

namespace lbw::jobs {
namespace {

// Where the new program finds them; 0, 1 and 2 are as usual.
constexpr int kSocketFd = 3;
constexpr int kExecErrorFd = 4;
constexpr int kFirstUnusedFd = 5;
constexpr int kCannotStart = 127;  // as a shell says it

base::Error StartError(std::string_view step, int error) {
  const bool no_room = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
  return base::Error(
      no_room ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal,
      no_room ? base::reason::kOutOfRoom : base::reason::kInternal,
      base::StrCat("cannot start a job's process: ", step, ": ", std::strerror(error)));
}

// What the new process needs, made before the fork: behind it nothing may be allocated, because
// another thread may have held the allocator's lock.
struct Plan {
  std::vector<std::string> texts;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::string program;
  pid_t parent = 0;
  int socket = -1;
  int log = -1;
  int exec_error = -1;
  int null = -1;
};

Plan MakePlan(const ChildOptions& options) {
  Plan plan;
  plan.program = options.program;
  plan.texts.push_back(options.program);
  for (const std::string& argument : options.arguments) {
    plan.texts.push_back(absl::StrReplaceAll(argument, {{"{fd}", std::to_string(kSocketFd)}}));
  }
  const size_t arguments = plan.texts.size();
  std::map<std::string, std::string> variables;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string one = *at;
    variables[one.substr(0, one.find('='))] = one;
  }
  for (const auto& [name, value] : options.environment) {
    variables[name] = base::StrCat(name, "=", value);
  }
  for (auto& [name, text] : variables) plan.texts.push_back(std::move(text));
  // From here on no text moves.
  for (size_t i = 0; i < plan.texts.size(); ++i) {
    (i < arguments ? plan.arguments : plan.environment).push_back(plan.texts[i].data());
  }
  plan.arguments.push_back(nullptr);
  plan.environment.push_back(nullptr);
  plan.parent = ::getpid();
  return plan;
}

// --- Behind the fork: only async-signal-safe calls -----------------------------------------------

[[noreturn]] void GiveUp(int exec_error_fd) {
  const int error = errno;
  if (::write(exec_error_fd, &error, sizeof(error)) < 0) ::_exit(kCannotStart + 1);
  ::_exit(kCannotStart);
}

void CloseFrom(int first) {
  if (::syscall(SYS_close_range, static_cast<unsigned>(first), UINT_MAX, 0U) == 0) return;
  // Before Linux 5.9. Every descriptor of this program is opened with O_CLOEXEC; this is for those
  // of libraries.
  const long most = ::sysconf(_SC_OPEN_MAX);
  for (long fd = first; fd < most && fd < (1L << 16); ++fd) ::close(static_cast<int>(fd));
}

// The program begins with the signals of a fresh login, whatever this process made of them.
void ResetSignals() {
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void Become(const Plan& plan) {
  int error_fd = plan.exec_error;
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) GiveUp(error_fd);
  // The parent may have died before that; its death would go unheard then.
  if (::getppid() != plan.parent) ::_exit(kCannotStart);
  if (::setsid() < 0) GiveUp(error_fd);
  // First out of the way of the numbers that they are to have, then onto them.
  const int socket = ::fcntl(plan.socket, F_DUPFD, kFirstUnusedFd);
  const int log = ::fcntl(plan.log, F_DUPFD, kFirstUnusedFd);
  const int null = ::fcntl(plan.null, F_DUPFD, kFirstUnusedFd);
  const int error = ::fcntl(plan.exec_error, F_DUPFD, kFirstUnusedFd);
  if (socket < 0 || log < 0 || null < 0 || error < 0) GiveUp(error_fd);
  error_fd = error;
  if (::dup2(null, 0) < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0 ||
      ::dup2(socket, kSocketFd) < 0 || ::dup3(error, kExecErrorFd, O_CLOEXEC) < 0) {
    GiveUp(error_fd);
  }
  CloseFrom(kFirstUnusedFd);
  ResetSignals();
  ::execve(plan.program.c_str(), plan.arguments.data(), plan.environment.data());
  GiveUp(kExecErrorFd);
}

// -------------------------------------------------------------------------------------------------

// The new process's id, or -1 with errno. No signal may reach a handler of this program in the new
// process, and no handler of pthread_atfork may run there: both believe that all threads are there.
pid_t Fork(const Plan& plan) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::_Fork();
  if (pid == 0) Become(plan);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

// errno of what went wrong before the program began; 0 where it did begin.
int ReadExecError(int fd) {
  int error = 0;
  ssize_t got = ::read(fd, &error, sizeof(error));
  while (got < 0 && errno == EINTR) got = ::read(fd, &error, sizeof(error));
  return got == static_cast<ssize_t>(sizeof(error)) ? error : 0;
}

std::string SignalText(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? base::StrCat("killed by signal ", signal)
                         : base::StrCat("killed by signal ", signal, " (SIG", name, ")");
}

}  // namespace

struct ChildProcess::Impl {
  pid_t pid = -1;
  UniqueFd socket;
  UniqueFd log;
  UniqueFd exit;
  std::optional<int64_t> oom_kills_before;
  bool killed = false;
  std::optional<Outcome> ended;

  // Its group outlives it where it left processes behind, and its id is ours until it is reaped.
  void KillGroup() const {
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL);
  }
  Outcome Judge(const siginfo_t& info) const;
  void Reap(int more_flags);
};

Outcome ChildProcess::Impl::Judge(const siginfo_t& info) const {
  Outcome outcome;
  outcome.kind = Outcome::Kind::kCrashed;
  if (info.si_code == CLD_EXITED) {
    outcome.detail = base::StrCat("exit status ", info.si_status);
    return outcome;
  }
  outcome.detail = SignalText(info.si_status);
  if (info.si_status != SIGKILL) return outcome;
  outcome.kind = Outcome::Kind::kKilled;
  if (killed) {
    outcome.detail = "killed by its worker";
    return outcome;
  }
  const std::optional<int64_t> now = ReadOomKills();
  if (now && oom_kills_before && *now > *oom_kills_before) {
    outcome.kind = Outcome::Kind::kOutOfMemory;
    outcome.detail = "killed by the kernel: out of memory";
  }
  return outcome;
}

void ChildProcess::Impl::Reap(int more_flags) {
  siginfo_t info = {};
  int failed = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | more_flags);
  while (failed != 0 && errno == EINTR) {
    failed = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | more_flags);
  }
  if (failed == 0 && info.si_pid == 0) return;  // it runs
  if (failed != 0) {
    // Somebody else reaped it: a program that ignores SIGCHLD.
    ended = Outcome{Outcome::Kind::kCrashed, {}, "ended, nobody knows how"};
    return;
  }
  ended = Judge(info);
  KillGroup();
  ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED);
}

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const ChildOptions& options) {
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    return StartError("socketpair", errno);
  }
  auto impl = std::make_unique<Impl>();
  impl->socket.Reset(sockets[0]);
  const UniqueFd child_socket(sockets[1]);
  int log[2];
  if (::pipe2(log, O_CLOEXEC) != 0) return StartError("pipe", errno);
  impl->log.Reset(log[0]);
  const UniqueFd child_log(log[1]);
  int exec_error[2];
  if (::pipe2(exec_error, O_CLOEXEC) != 0) return StartError("pipe", errno);
  const UniqueFd read_error(exec_error[0]);
  UniqueFd child_error(exec_error[1]);
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (null.get() < 0) return StartError("open /dev/null", errno);
  // Only this end: the child's end is a description of its own, and it reads with a thread.
  if (::fcntl(impl->socket.get(), F_SETFL, O_NONBLOCK) != 0 ||
      ::fcntl(impl->log.get(), F_SETFL, O_NONBLOCK) != 0) {
    return StartError("fcntl", errno);
  }
  impl->oom_kills_before = ReadOomKills();
  Plan plan = MakePlan(options);
  plan.socket = child_socket.get();
  plan.log = child_log.get();
  plan.exec_error = child_error.get();
  plan.null = null.get();
  impl->pid = Fork(plan);
  if (impl->pid < 0) return StartError("fork", errno);
  // From here on the destructor ends it.
  std::unique_ptr<ChildProcess> child(new ChildProcess(std::move(impl)));
  child_error.Reset();
  const int error = ReadExecError(read_error.get());
  if (error != 0) return StartError(options.program, error);
  child->impl_->exit.Reset(static_cast<int>(::syscall(SYS_pidfd_open, child->pid(), 0U)));
  if (child->impl_->exit.get() < 0) return StartError("pidfd_open", errno);
  return child;
}

ChildProcess::ChildProcess(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ChildProcess::~ChildProcess() {
  if (impl_->ended) return;
  Kill();
  impl_->Reap(0);
}

pid_t ChildProcess::pid() const { return impl_->pid; }
int ChildProcess::socket_fd() const { return impl_->socket.get(); }
int ChildProcess::log_fd() const { return impl_->log.get(); }
int ChildProcess::exit_fd() const { return impl_->exit.get(); }

void ChildProcess::Kill() {
  if (impl_->ended) return;
  // One that has ended already was not killed by us, whoever did it.
  if (!HowItEnded()) {
    impl_->killed = true;
    impl_->KillGroup();
  }
}

std::optional<Outcome> ChildProcess::HowItEnded() {
  if (!impl_->ended) impl_->Reap(WNOHANG);
  return impl_->ended;
}

}  // namespace lbw::jobs
