#include "jobs/child_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "jobs/fd.h"
#include "unit/jobs/test_child.h"

namespace lbw::jobs {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::unique_ptr<ChildProcess> Start(std::string_view mode) {
  absl::StatusOr<std::unique_ptr<ChildProcess>> child = ChildProcess::Start(ChildInMode(mode));
  EXPECT_TRUE(child.ok()) << child.status();
  return child.ok() ? *std::move(child) : nullptr;
}

pid_t PidIn(const std::string& text) {
  const size_t at = text.find("pid ");
  return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + 4);
}

int PidFd(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)); }

TEST(ChildProcess, TellsHowItEnded) {
  EXPECT_EQ(WaitForEnd(*Start("exit_3")).kind, Outcome::Kind::kCrashed);
  EXPECT_EQ(WaitForEnd(*Start("exit_3")).detail, "exit status 3");
  const Outcome crash = WaitForEnd(*Start("segv"));
  EXPECT_EQ(crash.kind, Outcome::Kind::kCrashed);
  EXPECT_EQ(crash.detail, "killed by signal 11 (SIGSEGV)");
}

TEST(ChildProcess, AnOutsidersKillIsNotItsWorkers) {
  const Outcome outside = WaitForEnd(*Start("kill_self"));
  EXPECT_EQ(outside.kind, Outcome::Kind::kKilled);
  EXPECT_EQ(outside.detail, "killed by signal 9 (SIGKILL)");
  const auto child = Start("sleep");
  EXPECT_THAT(ReadUntil(child->socket_fd(), "ready"), HasSubstr("ready"));
  EXPECT_EQ(child->HowItEnded(), std::nullopt);
  child->Kill();
  const Outcome ours = WaitForEnd(*child);
  EXPECT_EQ(ours.kind, Outcome::Kind::kKilled);
  EXPECT_EQ(ours.detail, "killed by its worker");
  child->Kill();  // of one that is gone: nothing
  EXPECT_EQ(child->HowItEnded()->detail, "killed by its worker");
}

TEST(ChildProcess, TheDestructorKillsAndReaps) {
  auto child = Start("sleep");
  ReadUntil(child->socket_fd(), "ready");
  const pid_t pid = child->pid();
  child.reset();
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

// Scenario: this process has files open that nobody marked close-on-exec, ignores SIGPIPE and
// SIGINT, and blocks SIGTERM. The child has none of that.
TEST(ChildProcess, BeginsWithNothingOfItsParents) {
  const UniqueFd leaking(::open("/dev/null", O_RDONLY));
  const UniqueFd high(::fcntl(leaking.get(), F_DUPFD, 200));
  ASSERT_GE(high.get(), 200);
  const auto before_pipe = ::signal(SIGPIPE, SIG_IGN);
  const auto before_int = ::signal(SIGINT, SIG_IGN);
  sigset_t term;
  sigset_t before_mask;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &term, &before_mask);
  const auto child = Start("describe");
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, &before_mask, &mask);
  ::signal(SIGPIPE, before_pipe);
  ::signal(SIGINT, before_int);
  EXPECT_EQ(sigismember(&mask, SIGTERM), 1);  // and ours is as it was

  const std::string text = ReadUntil(child->log_fd(), "end\n");
  EXPECT_THAT(text, HasSubstr("fd 0\n"));
  EXPECT_THAT(text, HasSubstr("fd 3\n"));
  EXPECT_THAT(text, Not(HasSubstr("fd 4\n")));
  EXPECT_THAT(text, Not(HasSubstr("fd 200")));
  EXPECT_THAT(text, Not(HasSubstr("ignored")));
  EXPECT_THAT(text, Not(HasSubstr("blocked")));
  EXPECT_THAT(text, HasSubstr("pdeathsig 9\n"));
  EXPECT_THAT(text, HasSubstr("leader yes\n"));
  EXPECT_THAT(text, HasSubstr("value given\n"));
  EXPECT_THAT(text, HasSubstr("stdin 0\n"));  // at its end
}

TEST(ChildProcess, SpeaksOnItsSocket) {
  const auto child = Start("sleep");
  EXPECT_EQ(ReadUntil(child->socket_fd(), "ready\n"), "ready\n");
  char byte = 0;
  EXPECT_EQ(::recv(child->socket_fd(), &byte, 1, 0), -1);  // and never blocks its parent
  EXPECT_EQ(errno, EAGAIN);
  ::kill(child->pid(), SIGTERM);
  EXPECT_EQ(WaitForEnd(*child).detail, "killed by signal 15 (SIGTERM)");
}

TEST(ChildProcess, AProgramThatIsNotThereIsAnError) {
  ChildOptions options;
  options.program = "/no/such/program";
  const absl::Status status = ChildProcess::Start(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/no/such/program"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("No such file"));
}

TEST(ChildProcess, WhatItLeavesBehindEndsWithIt) {
  const auto child = Start("orphan");
  const pid_t left = PidIn(ReadUntil(child->log_fd(), "\n"));
  ASSERT_GT(left, 0);
  const UniqueFd pid_fd(PidFd(left));
  ASSERT_GE(pid_fd.get(), 0);
  EXPECT_EQ(WaitForEnd(*child).detail, "exit status 0");
  EXPECT_TRUE(IsReadable(pid_fd.get(), absl::Seconds(10)));
}

TEST(ChildProcess, EndsWithTheThreadThatStartedIt) {
  std::unique_ptr<ChildProcess> child;
  std::thread([&child] {
    child = Start("sleep");
    ReadUntil(child->socket_fd(), "ready");
  }).join();
  EXPECT_TRUE(IsReadable(child->exit_fd(), absl::Seconds(1)));
  EXPECT_EQ(WaitForEnd(*child).kind, Outcome::Kind::kKilled);
}

// Scenario: a process runs a worker, whose job's process never ends by itself; kill -9 to the
// former. The latter is in a session of its own and hears of it all the same.
TEST(ChildProcess, IsGoneWithinASecondOfItsWorker) {
  const auto worker = Start("worker");
  const pid_t job = PidIn(ReadUntil(worker->log_fd(), "pid "));
  ASSERT_GT(job, 0);
  const UniqueFd pid_fd(PidFd(job));
  ASSERT_GE(pid_fd.get(), 0);
  EXPECT_FALSE(IsReadable(pid_fd.get(), absl::ZeroDuration()));
  ::kill(worker->pid(), SIGKILL);
  EXPECT_TRUE(IsReadable(pid_fd.get(), absl::Seconds(1)));
}

}  // namespace
}  // namespace lbw::jobs
