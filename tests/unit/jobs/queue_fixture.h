// A queue over a database in memory with a clock of its own, for the tests of the queue.
#ifndef LBW_TESTS_UNIT_JOBS_QUEUE_FIXTURE_H_
#define LBW_TESTS_UNIT_JOBS_QUEUE_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/queue.h"
#include "store/sqlite_database.h"
#include "support/temp_dir.h"

namespace lbw::jobs {

// Lets transactions fail: the statement (from 1) that is told, or the commit, which counts as the
// one behind the last.
class FaultyDatabase final : public store::Database {
 public:
  explicit FaultyDatabase(store::Database& real) : real_(real) {}
  // 0: nothing fails.
  void FailAt(int64_t statement) {
    fail_at_ = statement;
    failed_ = false;
  }
  bool failed() const { return failed_; }
  // Every statement that is run from now on.
  void RecordTo(std::vector<std::string>* statements) { recorded_ = statements; }

  absl::Status Transaction(const std::function<absl::Status(store::Session&)>& fn,
                           Durability durability) override;
  uint64_t WaitForChange(uint64_t token, absl::Duration timeout) override {
    return real_.WaitForChange(token, timeout);
  }

 private:
  class FaultySession;
  absl::Status Step();

  store::Database& real_;
  int64_t fail_at_ = 0;
  bool failed_ = false;
  std::vector<std::string>* recorded_ = nullptr;
};

class QueueTest : public ::testing::Test {
 protected:
  QueueTest();
  // A queue with other limits over the same rows.
  void Reopen(const QueueLimits& limits);
  void Advance(absl::Duration by) { now_us_ += absl::ToInt64Microseconds(by); }
  absl::Time Now() const { return absl::FromUnixMicros(now_us_); }

  static JobDraft Draft(std::string_view submitter = "ann", int32_t priority = 0,
                        std::string_view kind = "evaluate");
  Job Create(const JobDraft& draft = Draft());
  Job Create(std::string_view submitter, int32_t priority = 0, std::string_view kind = "evaluate") {
    return Create(Draft(submitter, priority, kind));
  }
  // Fails the test when nothing is due.
  Lease Take(std::string_view worker = "w1");
  bool NothingIsDue(const std::vector<std::string>& kinds = {"evaluate"});
  Job Get(std::string_view id) { return queue_->Get(id).value(); }
  Job Finish(const Lease& lease, Outcome::Kind kind, std::string_view result = "");
  // The job's history as "QUEUED RUNNING ...", with its messages and checkpoints.
  std::string History(std::string_view id);
  void AddArtifact(const std::string& sha256, bool uploaded = false);
  // The first column of the first row; "" without a row.
  std::string Ask(std::string_view sql);
  int64_t Count(std::string_view sql);
  // Every row of every table of the queue, as text.
  std::string Dump();

  static LeaseKey Key(const Lease& lease) { return LeaseKey{lease.job.id, lease.token}; }

  const testing::TempDir folder_{testing::TempDir::Place::kMemory};
  int64_t now_us_ = 1'700'000'000'000'000;
  std::unique_ptr<store::SqliteDatabase> database_;
  std::unique_ptr<FaultyDatabase> faulty_;
  std::unique_ptr<Queue> queue_;
};

Outcome Ended(Outcome::Kind kind);
Outcome Failed(absl::StatusCode code, std::string_view message);
std::string Digest(int number);
std::string ReasonOf(const absl::Status& status);

}  // namespace lbw::jobs

#endif  // LBW_TESTS_UNIT_JOBS_QUEUE_FIXTURE_H_
