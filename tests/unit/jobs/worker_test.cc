#include "jobs/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "base/clock.h"
#include "base/status.h"
#include "jobs/worker_slot.h"
#include "support/temp_dir.h"
#include "unit/jobs/fake_queue.h"
#include "unit/jobs/test_kinds.h"

namespace lbw::jobs {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Kind = Outcome::Kind;

class CountingObserver final : public JobObserver {
 public:
  void JobStarted(std::string_view, double) override { ++started; }
  void AttemptEnded(std::string_view, std::string_view outcome, double) override {
    ++ended[std::string(outcome)];
  }
  void StepsDone(std::string_view, int64_t done, double) override { steps += done; }
  void CheckpointDone(std::string_view, uint64_t bytes, double) override {
    checkpoint_bytes += bytes;
  }
  void RenewalFailed(std::string_view) override { ++renewals_failed; }

  // Of the worker's thread; read when it has ended.
  int started = 0;
  std::map<std::string, int> ended;
  int64_t steps = 0;
  uint64_t checkpoint_bytes = 0;
  int renewals_failed = 0;
};

class WorkerTest : public ::testing::Test {
 protected:
  void Start() {
    worker_ = Worker::New(queue_, kinds_, &observer_, options_);
    thread_ = std::thread([this] { worker_->Run(); });
  }
  void Stop() {
    if (!thread_.joinable()) return;
    worker_->Stop();
    thread_.join();
  }
  void TearDown() override { Stop(); }
  // Runs one job to its end.
  FakeJob Run(const std::string& spec) {
    const std::string id = queue_.Add("test", spec);
    Start();
    EXPECT_TRUE(queue_.WaitUntilEnded(id));
    Stop();
    return queue_.Look(id);
  }
  bool WaitForStep(const std::string& id) {
    return queue_.WaitUntil(id, [](const FakeJob& fake) { return fake.job.step > 0; });
  }
  bool WaitForAttempts(const std::string& id, size_t ended) {
    return queue_.WaitUntil(id, [=](const FakeJob& fake) { return fake.outcomes.size() >= ended; });
  }
  bool WaitForState(const std::string& id, JobState state) {
    return queue_.WaitUntil(id, [=](const FakeJob& fake) { return fake.job.state == state; });
  }
  static std::vector<Kind> Kinds(const FakeJob& fake) {
    std::vector<Kind> kinds;
    for (const Outcome& outcome : fake.outcomes) kinds.push_back(outcome.kind);
    return kinds;
  }

  const testing::TempDir folder_;
  FakeQueue queue_;
  TestKinds kinds_;
  CountingObserver observer_;
  WorkerOptions options_ = TestWorkerOptions(folder_.path());
  std::unique_ptr<Worker> worker_;
  std::thread thread_;
};

TEST_F(WorkerTest, RunsAJobAndAppliesItsResult) {
  const FakeJob fake = Run("succeed");
  EXPECT_EQ(fake.job.state, JobState::kSucceeded);
  EXPECT_EQ(fake.job.result_json, R"(applied {"threads":3})");
  EXPECT_THAT(Kinds(fake), ElementsAre(Kind::kResult));
  EXPECT_EQ(fake.job.step, 4);
  EXPECT_EQ(fake.job.total_steps, 4);
  EXPECT_EQ(fake.job.progress_json,
            R"({"stage":"counting","step":"4","total_steps":"4","values":{"map":1.0}})");
  EXPECT_THAT(fake.log, HasSubstr("inputs are inputs of job0\n"));
  EXPECT_EQ(observer_.started, 1);
  EXPECT_EQ(observer_.ended["SUCCEEDED"], 1);
  EXPECT_EQ(observer_.steps, 4);
  EXPECT_THAT(kinds_.failed(), IsEmpty());
}

TEST_F(WorkerTest, RunsManyJobsOneAfterTheOther) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(queue_.Add("test", "succeed"));
  const std::string other = queue_.Add("unknown", "succeed");
  Start();
  for (const std::string& id : ids) EXPECT_TRUE(queue_.WaitUntilEnded(id));
  Stop();
  for (const std::string& id : ids) EXPECT_THAT(Kinds(queue_.Look(id)), ElementsAre(Kind::kResult));
  EXPECT_EQ(queue_.Look(other).job.state, JobState::kQueued);
}

TEST_F(WorkerTest, WorksWithoutAWarmChildToo) {
  options_.warm_child = false;
  EXPECT_EQ(Run("succeed").job.state, JobState::kSucceeded);
}

TEST_F(WorkerTest, AJobThatComesToAnIdleWorkerIsHeardOf) {
  Start();
  const std::string first = queue_.Add("test", "succeed");
  ASSERT_TRUE(queue_.WaitUntilEnded(first));
  const std::string second = queue_.Add("test", "succeed");
  EXPECT_TRUE(queue_.WaitUntilEnded(second));
}

// Scenario: a checkpoint a step, a crash at the fifth. The second attempt goes on from the fourth.
TEST_F(WorkerTest, ACrashedJobGoesOnFromItsLastCheckpoint) {
  const FakeJob fake = Run("crash_once");
  EXPECT_THAT(Kinds(fake), ElementsAre(Kind::kCrashed, Kind::kResult));
  EXPECT_EQ(fake.job.result_json, R"(applied {"from":4})");
  EXPECT_THAT(fake.checkpoints, SizeIs(10));
  EXPECT_EQ(fake.job.checkpoint->step, 10);
  EXPECT_EQ(fake.job.step, 10);
  EXPECT_EQ(observer_.ended["QUEUED"], 1);
  EXPECT_EQ(observer_.ended["SUCCEEDED"], 1);
  EXPECT_EQ(observer_.checkpoint_bytes, 100U);
}

TEST_F(WorkerTest, AnErrorThatMayPassIsTriedAgainUntilItIsTooOften) {
  const FakeJob fake = Run("error");
  EXPECT_EQ(fake.job.state, JobState::kFailed);
  EXPECT_THAT(fake.outcomes, SizeIs(5));
  EXPECT_EQ(fake.outcomes[0].error.message, "the disk is busy");
  EXPECT_THAT(kinds_.failed(), ElementsAre("job0"));
}

TEST_F(WorkerTest, AnErrorOfTheJobsOwnIsFinal) {
  const FakeJob fake = Run("final");
  EXPECT_EQ(fake.job.state, JobState::kFailed);
  EXPECT_THAT(Kinds(fake), ElementsAre(Kind::kError));
  EXPECT_EQ(fake.job.error.reason, "NOT_FOUND");
}

TEST_F(WorkerTest, WhatCannotBePreparedFailsWithThatError) {
  const FakeJob fake = Run("unprepared");
  EXPECT_EQ(fake.job.state, JobState::kFailed);
  EXPECT_EQ(fake.job.error.message, "no dataset d");
  EXPECT_EQ(fake.job.error.code, absl::StatusCode::kNotFound);
}

TEST_F(WorkerTest, AnAssignmentThatIsTooLongFailsWithThatError) {
  const FakeJob fake = Run("long");
  EXPECT_EQ(fake.job.state, JobState::kFailed);
  EXPECT_EQ(fake.job.error.reason, "LIMIT_EXCEEDED");
}

TEST_F(WorkerTest, ALongLogIsKeptInPartsAndIsText) {
  const FakeJob fake = Run("log");
  EXPECT_EQ(fake.job.state, JobState::kSucceeded);
  EXPECT_THAT(fake.log, HasSubstr("first line\n"));
  EXPECT_THAT(fake.log, HasSubstr("bad \xEF\xBF\xBD bytes\nlast line\n"));
}

TEST_F(WorkerTest, NoMessageIsLostInAFlood) {
  const FakeJob fake = Run("flood");
  ASSERT_THAT(fake.events, SizeIs(3000));
  EXPECT_THAT(fake.events.back(), HasSubstr("message 2999"));
  EXPECT_LT(fake.reports, 100);
}

TEST_F(WorkerTest, AScratchFolderIsEmptyAndGoneAfterwards) {
  std::filesystem::create_directories(options_.scratch_dir + "/left_over");
  const FakeJob fake = Run("scratch");
  EXPECT_EQ(fake.job.result_json, "applied " + options_.scratch_dir + "/job0-1");
  EXPECT_FALSE(std::filesystem::exists(options_.scratch_dir + "/job0-1"));
  EXPECT_FALSE(std::filesystem::exists(options_.scratch_dir + "/left_over"));
}

TEST_F(WorkerTest, ACheckpointThatIsRefusedForEverEndsTheAttempt) {
  const FakeJob fake = Run("bad_checkpoint");
  EXPECT_EQ(fake.job.state, JobState::kFailed);
  EXPECT_EQ(fake.job.error.message, "no such blob");
}

base::Error Swept() {
  return base::Error(absl::StatusCode::kUnavailable, base::reason::kBlobGone, "swept");
}

// A checkpoint whose child was killed before it was recorded is nobody's to hold, and a sweep may
// have taken its bytes: recorded all the same, the job could never go on.
TEST_F(WorkerTest, ASweptCheckpointOfAKilledChildIsNotRecorded) {
  kinds_.AnswerHold(absl::UnavailableError("not yet"));
  const std::string id = queue_.Add("test", "checkpoint");
  Start();
  ASSERT_TRUE(queue_.WaitUntil(id, [](const FakeJob& fake) { return !fake.events.empty(); }));
  const std::string said = queue_.Look(id).events[0];
  const pid_t pid = std::atoi(said.c_str() + said.find("pid ") + 4);
  ::kill(pid, SIGKILL);
  // Until the worker has seen it end.
  const base::Stopwatch watch;
  while (::kill(pid, 0) == 0 && watch.ElapsedNs() < int64_t{20'000'000'000}) {
    ::poll(nullptr, 0, 1);
  }
  kinds_.AnswerHold(Swept());
  ASSERT_TRUE(WaitForAttempts(id, 1));
  kinds_.AnswerHold(absl::OkStatus());
  ASSERT_TRUE(queue_.WaitUntilEnded(id));
  Stop();
  const FakeJob fake = queue_.Look(id);
  EXPECT_EQ(fake.outcomes[0].kind, Kind::kKilled);
  EXPECT_EQ(fake.job.state, JobState::kSucceeded);
}

TEST_F(WorkerTest, ASweptCheckpointOfALivingChildIsMadeAgain) {
  kinds_.AnswerHold(Swept());
  const std::string id = queue_.Add("test", "checkpoint");
  Start();
  ASSERT_TRUE(WaitForAttempts(id, 1));
  EXPECT_THAT(queue_.Look(id).checkpoints, IsEmpty());
  kinds_.AnswerHold(absl::OkStatus());
  ASSERT_TRUE(queue_.WaitUntilEnded(id));
  Stop();
  const FakeJob fake = queue_.Look(id);
  EXPECT_EQ(fake.outcomes[0].kind, Kind::kError);
  EXPECT_EQ(fake.outcomes[0].error.reason, "BLOB_GONE");
  EXPECT_EQ(fake.job.state, JobState::kSucceeded);
  EXPECT_EQ(fake.job.result_json, R"(applied {"from":""})");
  EXPECT_THAT(fake.checkpoints, SizeIs(1));
}

TEST_F(WorkerTest, GarbageIsACrash) {
  options_.child = ChildInMode("garbage");
  const FakeJob fake = Run("succeed");
  EXPECT_EQ(fake.outcomes[0].kind, Kind::kCrashed);
  EXPECT_THAT(fake.outcomes[0].detail, HasSubstr("no JSON object"));
}

TEST_F(WorkerTest, ALineThatIsTooLongIsACrash) {
  options_.child = ChildInMode("long_line");
  const FakeJob fake = Run("succeed");
  EXPECT_EQ(fake.outcomes[0].kind, Kind::kCrashed);
  EXPECT_THAT(fake.outcomes[0].detail, HasSubstr("too long"));
}

TEST_F(WorkerTest, OneThatOnlyEndsIsACrash) {
  options_.child = ChildInMode("exit_3");
  options_.warm_child = false;
  const FakeJob fake = Run("succeed");
  EXPECT_EQ(fake.outcomes[0].kind, Kind::kCrashed);
  EXPECT_EQ(fake.outcomes[0].detail, "exit status 3");
}

TEST_F(WorkerTest, AnOutsidersKillDoesNotCount) {
  const std::string id = queue_.Add("test", "stall");
  Start();
  ASSERT_TRUE(queue_.WaitUntil(id, [](const FakeJob& fake) { return fake.events.size() >= 2; }));
  const std::string said = queue_.Look(id).events[1];
  ::kill(std::atoi(said.c_str() + said.find("pid ") + 4), SIGKILL);
  ASSERT_TRUE(WaitForAttempts(id, 1));
  const FakeJob fake = queue_.Look(id);
  EXPECT_EQ(fake.outcomes[0].kind, Kind::kKilled);
  EXPECT_EQ(fake.job.failed_attempts, 0);
  queue_.TakeAway(id);
}

TEST_F(WorkerTest, AStalledJobIsKilledAndItsLeaseNotRenewed) {
  options_.stall_timeout = absl::Milliseconds(300);
  options_.lease = absl::Seconds(60);
  const std::string id = queue_.Add("test", "stall");
  Start();
  ASSERT_TRUE(WaitForAttempts(id, 1));
  const FakeJob fake = queue_.Look(id);
  EXPECT_EQ(fake.outcomes[0].kind, Kind::kStalled);
  EXPECT_EQ(fake.renewals, 0);
}

TEST_F(WorkerTest, RenewsWhileTheStepMoves) {
  options_.lease = absl::Milliseconds(900);
  const std::string id = queue_.Add("test", "ignore");
  Start();
  EXPECT_TRUE(queue_.WaitUntil(id, [](const FakeJob& fake) { return fake.renewals >= 4; }));
  EXPECT_THAT(queue_.Look(id).outcomes, IsEmpty());
  queue_.TakeAway(id);
}

TEST_F(WorkerTest, CancelIsPassedOn) {
  const std::string id = queue_.Add("test", "obey");
  Start();
  ASSERT_TRUE(WaitForStep(id));
  queue_.Wish(id, JobState::kCancelling);
  ASSERT_TRUE(WaitForState(id, JobState::kCancelled));
  EXPECT_THAT(Kinds(queue_.Look(id)), ElementsAre(Kind::kCancelled));
  EXPECT_THAT(queue_.Look(id).checkpoints, IsEmpty());
  EXPECT_THAT(kinds_.failed(), ElementsAre(id));
}

TEST_F(WorkerTest, PauseIsPassedOnAndAPausedJobGoesOn) {
  const std::string id = queue_.Add("test", "obey");
  Start();
  ASSERT_TRUE(WaitForStep(id));
  queue_.Wish(id, JobState::kPausing);
  ASSERT_TRUE(WaitForState(id, JobState::kPaused));
  EXPECT_THAT(Kinds(queue_.Look(id)), ElementsAre(Kind::kPaused));
  EXPECT_THAT(queue_.Look(id).checkpoints, SizeIs(1));
  queue_.Wish(id, JobState::kQueued);
  ASSERT_TRUE(WaitForState(id, JobState::kRunning));
}

TEST_F(WorkerTest, TheDisobedientAreKilled) {
  options_.obey_timeout = absl::Milliseconds(200);
  const std::string cancelled = queue_.Add("test", "ignore");
  Start();
  ASSERT_TRUE(WaitForStep(cancelled));
  queue_.Wish(cancelled, JobState::kCancelling);
  ASSERT_TRUE(WaitForState(cancelled, JobState::kCancelled));
  EXPECT_THAT(queue_.Look(cancelled).outcomes[0].detail, HasSubstr("did not obey cancel"));
  const std::string paused = queue_.Add("test", "ignore");
  ASSERT_TRUE(WaitForStep(paused));
  queue_.Wish(paused, JobState::kPausing);
  ASSERT_TRUE(WaitForState(paused, JobState::kPaused));
  EXPECT_THAT(Kinds(queue_.Look(paused)), ElementsAre(Kind::kKilled));
}

TEST_F(WorkerTest, StopGivesTheLeaseBackWithACheckpoint) {
  const std::string id = queue_.Add("test", "obey");
  Start();
  ASSERT_TRUE(WaitForStep(id));
  Stop();
  const FakeJob fake = queue_.Look(id);
  EXPECT_THAT(Kinds(fake), ElementsAre(Kind::kStopped));
  EXPECT_EQ(fake.job.state, JobState::kQueued);
  EXPECT_THAT(fake.checkpoints, SizeIs(1));
  EXPECT_EQ(fake.job.failed_attempts + fake.job.lost_attempts, 0);
  EXPECT_THAT(queue_.forgotten(), Contains("worker0"));
}

TEST_F(WorkerTest, StopKillsWhatDoesNotObeyAndGivesTheLeaseBack) {
  options_.obey_timeout = absl::Milliseconds(200);
  const std::string id = queue_.Add("test", "ignore");
  Start();
  ASSERT_TRUE(WaitForStep(id));
  Stop();
  EXPECT_THAT(Kinds(queue_.Look(id)), ElementsAre(Kind::kStopped));
}

// Somebody else has the job: what this one still says is recorded nowhere.
TEST_F(WorkerTest, ALostLeaseEndsTheChildAndIsForgotten) {
  const std::string id = queue_.Add("test", "ignore");
  Start();
  ASSERT_TRUE(WaitForStep(id));
  queue_.TakeAway(id);
  // It has time for the next one only when the first has ended.
  const std::string next = queue_.Add("test", "succeed");
  ASSERT_TRUE(queue_.WaitUntilEnded(next));
  Stop();
  EXPECT_THAT(queue_.Look(id).outcomes, IsEmpty());
  EXPECT_EQ(queue_.Look(id).job.state, JobState::kRunning);
  EXPECT_EQ(observer_.ended["LOST"], 1);
}

TEST_F(WorkerTest, ADatabaseThatFailsForAWhileCostsNothing) {
  options_.lease = absl::Seconds(3);
  const std::string id = queue_.Add("test", "obey");
  Start();
  ASSERT_TRUE(WaitForStep(id));
  queue_.FailWith(absl::UnavailableError("busy"));
  // With its back-off that is most of a second, and the lease still holds.
  ASSERT_TRUE(queue_.WaitForFaults(4));
  const int64_t reports = queue_.Look(id).reports;
  queue_.FailWith(absl::OkStatus());
  EXPECT_TRUE(queue_.WaitUntil(id, [=](const FakeJob& fake) { return fake.reports > reports; }));
  queue_.Wish(id, JobState::kCancelling);
  ASSERT_TRUE(WaitForState(id, JobState::kCancelled));
  EXPECT_THAT(Kinds(queue_.Look(id)), ElementsAre(Kind::kCancelled));
  EXPECT_EQ(queue_.Look(id).job.attempts, 1);
}

// Past its lease another worker may run the job.
TEST_F(WorkerTest, ADatabaseThatFailsForLongerThanTheLeaseEndsTheChild) {
  options_.lease = absl::Milliseconds(600);
  const std::string id = queue_.Add("test", "stall");
  Start();
  ASSERT_TRUE(queue_.WaitUntil(id, [](const FakeJob& fake) { return fake.events.size() >= 2; }));
  const std::string said = queue_.Look(id).events[1];
  const pid_t pid = std::atoi(said.c_str() + said.find("pid ") + 4);
  queue_.FailWith(absl::UnavailableError("busy"));
  const base::Stopwatch watch;
  while (::kill(pid, 0) == 0 && watch.ElapsedNs() < int64_t{10'000'000'000}) {
    ::poll(nullptr, 0, 10);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
  Stop();
  EXPECT_EQ(observer_.ended["LOST"], 1);
  EXPECT_GE(observer_.renewals_failed, 1);
}

TEST_F(WorkerTest, AProgramThatCannotStartIsNotTheJobsFault) {
  options_.child.program = "/no/such/program";
  const std::string id = queue_.Add("test", "succeed");
  Start();
  ASSERT_TRUE(WaitForAttempts(id, 1));
  Stop();
  EXPECT_EQ(queue_.Look(id).outcomes[0].kind, Kind::kNotStarted);
  EXPECT_EQ(queue_.Look(id).job.failed_attempts, 0);
}

TEST_F(WorkerTest, TakesItsOwnLeasesBackAndThoseOfTheDead) {
  std::string dead;
  {
    const auto slot = WorkerSlot::Take(folder_.path());
    ASSERT_TRUE(slot.ok()) << slot.status();
    dead = (*slot)->id();
  }
  Run("succeed");
  EXPECT_THAT(queue_.reclaimed(), Contains("worker0"));
  EXPECT_THAT(queue_.reclaimed(), Contains(dead));
  EXPECT_THAT(queue_.forgotten(), Contains(dead));
  ASSERT_THAT(queue_.seen(), Not(IsEmpty()));
  EXPECT_EQ(queue_.seen()[0].id, "worker0");
}

TEST_F(WorkerTest, StopsAtOnceWhenItIsIdle) {
  Start();
  const base::Stopwatch watch;
  Stop();
  EXPECT_LT(watch.ElapsedNs(), int64_t{5'000'000'000});
}

}  // namespace
}  // namespace lbw::jobs
