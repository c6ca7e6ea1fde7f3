// The worker over the rows that the product uses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "jobs/queue.h"
#include "jobs/worker.h"
#include "store/sqlite_database.h"
#include "support/temp_dir.h"
#include "unit/jobs/test_kinds.h"

namespace lbw::jobs {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

// The kinds of another, over a database that is busy for so many preparations.
class BusyKinds final : public JobKinds {
 public:
  explicit BusyKinds(JobKinds& kinds) : kinds_(kinds) {}
  void BusyFor(int preparations) { busy_ = preparations; }
  std::vector<std::string> names() const override { return kinds_.names(); }
  absl::StatusOr<std::string> Prepare(const Job& job) override {
    if (busy_-- > 0) {
      return base::Error(absl::StatusCode::kUnavailable, base::reason::kStoreFailed,
                         "database is locked");
    }
    return kinds_.Prepare(job);
  }
  absl::Status Apply(store::Session& session, const Job& job, std::string& result) override {
    return kinds_.Apply(session, job, result);
  }
  absl::Status ApplyFailure(store::Session& session, const Job& job) override {
    return kinds_.ApplyFailure(session, job);
  }

 private:
  JobKinds& kinds_;
  std::atomic<int> busy_ = 0;
};

// Two workers, each with a database of its own as two processes have.
class WorkersWithTheirQueue : public ::testing::Test {
 protected:
  void SetUp() override {
    store::SqliteOptions store_options;
    store_options.folder = folder_.path();
    store_options.lock = store::SqliteOptions::Lock::kNone;
    QueueLimits limits;
    limits.retry.backoff_base = absl::Milliseconds(1);
    limits.retry.max_attempts = 2;
    for (size_t i = 0; i < sides_.size(); ++i) {
      auto database = store::SqliteDatabase::Open(store_options);
      ASSERT_TRUE(database.ok()) << database.status();
      sides_[i].database = *std::move(database);
      sides_[i].queue = NewQueue(*sides_[i].database, limits);
      WorkerOptions options = TestWorkerOptions(folder_.path());
      options.info.id = "worker" + std::to_string(i);
      options.scratch_dir += std::to_string(i);
      sides_[i].worker = Worker::New(*sides_[i].queue, busy_, nullptr, options);
    }
  }
  Queue& queue() { return *sides_[0].queue; }
  std::string Create(const std::string& spec) {
    JobDraft draft;
    draft.kind = "test";
    draft.spec_json = spec;
    const absl::StatusOr<Job> job = queue().Create(draft);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->id : "";
  }
  void RunUntilEnded(const std::vector<std::string>& ids) {
    for (Side& side : sides_) side.thread = std::thread([&side] { side.worker->Run(); });
    const base::Stopwatch watch;
    uint64_t token = 0;
    for (const std::string& id : ids) {
      while (!HasEnded(queue().Get(id)->state) && watch.ElapsedNs() < int64_t{60'000'000'000}) {
        token = queue().WaitForChange(token, absl::Milliseconds(200));
      }
    }
    for (Side& side : sides_) side.worker->Stop();
    for (Side& side : sides_) side.thread.join();
  }

  struct Side {
    std::unique_ptr<store::SqliteDatabase> database;
    std::unique_ptr<Queue> queue;
    std::unique_ptr<Worker> worker;
    std::thread thread;
  };
  const testing::TempDir folder_;
  TestKinds kinds_;
  BusyKinds busy_{kinds_};
  std::array<Side, 2> sides_;
};

// Every job crashes once and goes on from its fourth checkpoint.
TEST_F(WorkersWithTheirQueue, EveryJobSucceedsOnceAndFromItsCheckpoint) {
  std::vector<std::string> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(Create("crash_once"));
  RunUntilEnded(ids);
  for (const std::string& id : ids) {
    const Job job = *queue().Get(id);
    EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
    EXPECT_EQ(job.result_json, R"(applied {"from":4})");
    EXPECT_EQ(job.attempts, 2);
    EXPECT_EQ(job.step, 10);
    const auto checkpoints = queue().Checkpoints(id);
    ASSERT_TRUE(checkpoints.ok());
    ASSERT_THAT(*checkpoints, Not(IsEmpty()));
    EXPECT_EQ(checkpoints->front().step, 10);
    const auto events = queue().EventsAfter(id, 0, 1000);
    ASSERT_TRUE(events.ok());
    for (size_t i = 0; i < events->size(); ++i) {
      EXPECT_EQ((*events)[i].cursor, static_cast<int64_t>(i) + 1);
    }
  }
  EXPECT_THAT(*queue().Workers(), IsEmpty());
}

// More often than a job has attempts; then the database answers again.
TEST_F(WorkersWithTheirQueue, ABusyDatabaseWhileAJobIsPreparedIsNoAttemptOfTheJob) {
  busy_.BusyFor(3);
  const std::string id = Create("succeed");
  RunUntilEnded({id});
  const Job job = *queue().Get(id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(job.failed_attempts, 0);
  EXPECT_EQ(job.attempts, 4) << "leases, not attempts that count";
  EXPECT_THAT(kinds_.failed(), IsEmpty());
  const auto events = queue().EventsAfter(id, 0, 1000);
  ASSERT_TRUE(events.ok());
  std::string told;
  for (const Event& event : *events) told += event.json;
  EXPECT_THAT(told, ::testing::HasSubstr("could not be begun yet: database is locked"));
}

TEST_F(WorkersWithTheirQueue, AFailureIsAppliedInItsTransaction) {
  const std::string id = Create("final");
  RunUntilEnded({id});
  EXPECT_EQ(queue().Get(id)->state, JobState::kFailed);
  EXPECT_EQ(queue().Get(id)->error.reason, "NOT_FOUND");
  EXPECT_THAT(kinds_.failed(), ::testing::ElementsAre(id));
}

}  // namespace
}  // namespace lbw::jobs
