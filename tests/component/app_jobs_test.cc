#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "app/command_line.h"
#include "app/job_metrics.h"
#include "app/worker_pool.h"
#include "base/clock.h"
#include "base/strings.h"
#include "config/config.h"

namespace lbw::app {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

// Keeps what it hears as text.
class Heard final : public jobs::JobObserver {
 public:
  void JobStarted(std::string_view kind, double waited) override {
    Add(base::StrCat("started ", kind, " ", waited));
  }
  void AttemptEnded(std::string_view kind, std::string_view outcome, double seconds) override {
    Add(base::StrCat("ended ", kind, " ", outcome, " ", seconds));
  }
  void StepsDone(std::string_view kind, int64_t steps, double seconds) override {
    Add(base::StrCat("steps ", kind, " ", steps, " ", seconds));
  }
  void CheckpointDone(std::string_view kind, uint64_t bytes, double seconds) override {
    Add(base::StrCat("checkpoint ", kind, " ", bytes, " ", seconds));
  }
  void RenewalFailed(std::string_view kind) override { Add(base::StrCat("failed ", kind)); }

  std::vector<std::string> lines() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return lines_;
  }
  bool WaitFor(size_t count) const ABSL_LOCKS_EXCLUDED(mu_) {
    const auto enough = [this, count]()
                            ABSL_NO_THREAD_SAFETY_ANALYSIS { return lines_.size() >= count; };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(20));
  }

 private:
  void Add(std::string line) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    lines_.push_back(std::move(line));
  }
  mutable absl::Mutex mu_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mu_);
};

TEST(JobLines, ArriveAsTheyWereSent) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  JobLines lines(pair[0]);
  lines.JobStarted("evaluate", 0.25);
  lines.AttemptEnded("evaluate", "SUCCEEDED", 12.5);
  lines.StepsDone("evaluate", 8, 0.5);
  lines.CheckpointDone("evaluate", 4096, 0.125);
  lines.RenewalFailed("check_dataset");
  std::array<char, 4096> buffer{};
  const ssize_t got = ::recv(pair[1], buffer.data(), buffer.size(), 0);
  ASSERT_GT(got, 0);
  Heard heard;
  std::string text(buffer.data(), static_cast<size_t>(got));
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
    EXPECT_TRUE(ReplayLine(text.substr(0, end), heard)) << text;
    text.erase(0, end + 1);
  }
  EXPECT_THAT(heard.lines(), ElementsAre("started evaluate 0.25", "ended evaluate SUCCEEDED 12.5",
                                         "steps evaluate 8 0.5", "checkpoint evaluate 4096 0.125",
                                         "failed check_dataset"));
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST(JobLines, AFullOrClosedSocketDelaysNothing) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  JobLines lines(pair[0]);
  for (int i = 0; i < 100'000; ++i) lines.RenewalFailed("evaluate");
  ::close(pair[1]);
  lines.RenewalFailed("evaluate");  // no SIGPIPE
  ::close(pair[0]);
}

TEST(ReplayLine, RefusesWhatIsNoLine) {
  Heard heard;
  for (const char* line : {"", "started", "started evaluate", "started evaluate soon",
                           "steps evaluate 8", "steps evaluate -1 0.5", "steps evaluate x 0.5",
                           "steps evaluate 1 0.5 9", "dance evaluate 1 0.5", "renewal_failed"}) {
    EXPECT_FALSE(ReplayLine(line, heard)) << line;
  }
  EXPECT_THAT(heard.lines(), IsEmpty());
}

WorkerPoolOptions Shell(const std::string& script) {
  WorkerPoolOptions options;
  options.program = "/bin/sh";
  options.arguments = {"-c", script};
  return options;
}

TEST(WorkerPool, HearsItsWorkersAndStopsThem) {
  Heard heard;
  WorkerPoolOptions options =
      Shell("printf 'started evaluate 0.5\\nsteps evaluate 2 0.1\\n' >&3; exec cat <&3");
  options.workers = 2;
  WorkerPool pool(options, heard);
  EXPECT_TRUE(heard.WaitFor(4));
  const base::Stopwatch watch;
  pool.Stop(base::RealClock().Now() + absl::Seconds(20));
  EXPECT_LT(watch.ElapsedNs(), int64_t{10'000'000'000});  // SIGTERM was enough
  EXPECT_THAT(heard.lines(), Contains("steps evaluate 2 0.1"));
}

TEST(WorkerPool, StartsAWorkerAgainThatEnded) {
  Heard heard;
  WorkerPool pool(Shell("echo 'started evaluate 1' >&3; exit 3"), heard);
  EXPECT_TRUE(heard.WaitFor(2));
}

TEST(WorkerPool, KillsAWorkerThatDoesNotObey) {
  Heard heard;
  // Ignores SIGTERM and the end of its socket.
  WorkerPool pool(Shell("trap '' TERM; echo 'started evaluate 1' >&3; while :; do sleep 1; done"),
                  heard);
  ASSERT_TRUE(heard.WaitFor(1));
  const base::Stopwatch watch;
  pool.Stop(base::RealClock().Now() + absl::Milliseconds(100));
  EXPECT_LT(watch.ElapsedNs(), int64_t{10'000'000'000});
}

TEST(CommandLine, AWorkerAndAJobAreTold) {
  const std::vector<const char*> worker = {"worker", "--data-dir=/d", "--parent-fd=3"};
  const auto told = ParseCommandLine(worker);
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_EQ(told->command, Command::kWorker);
  EXPECT_EQ(told->flags.at("data_dir"), "/d");
  EXPECT_EQ(told->fd, 3);
  const std::vector<const char*> job = {"run-job", "--fd=5", "--nice=7"};
  const auto run = ParseCommandLine(job);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->command, Command::kRunJob);
  EXPECT_EQ(run->fd, 5);
  EXPECT_EQ(run->nice, 7);
}

// A worker that a server starts is given every value that is in force there.
TEST(ToFlags, GiveTheSameConfiguration) {
  config::Config config;
  config.data_dir = "/some where/data";
  config.job_lease = absl::Seconds(7);
  config.workers = 3;
  config.reflection = false;
  std::vector<std::string> flags = config::ToFlags(config);
  std::vector<const char*> arguments = {"worker"};
  for (const std::string& flag : flags) arguments.push_back(flag.c_str());
  const auto line = ParseCommandLine(arguments);
  ASSERT_TRUE(line.ok()) << line.status();
  const auto loaded = config::Load({line->flags, "", {}});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(config::ToFlags(loaded->config), flags);
  EXPECT_EQ(loaded->config.data_dir, "/some where/data");
  EXPECT_EQ(loaded->config.job_lease, absl::Seconds(7));
  EXPECT_FALSE(loaded->config.reflection);
  EXPECT_THAT(flags, Not(Contains("--tls-cert=")));
}

}  // namespace
}  // namespace lbw::app
