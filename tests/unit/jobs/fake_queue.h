// A queue in memory for tests of the worker: what a worker asks of it, with the real retry policy,
// and faults on demand. The callers' side is not there.
#ifndef LBW_TESTS_UNIT_JOBS_FAKE_QUEUE_H_
#define LBW_TESTS_UNIT_JOBS_FAKE_QUEUE_H_

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "jobs/queue.h"
#include "jobs/retry_policy.h"

namespace lbw::jobs {

// What was done to one job.
struct FakeJob {
  Job job;
  std::vector<std::string> events;
  std::vector<CheckpointInfo> checkpoints;
  std::vector<Outcome> outcomes;
  std::string log;
  int64_t renewals = 0;
  int64_t reports = 0;
};

class FakeQueue final : public Queue {
 public:
  FakeQueue() { limits_.backoff_base = limits_.backoff_max = absl::Milliseconds(1); }

  std::string Add(const std::string& kind, const std::string& spec);
  FakeJob Look(const std::string& id);
  // Waits until it is so; false after 20 s.
  bool WaitUntil(const std::string& id, const std::function<bool(const FakeJob&)>& so);
  bool WaitUntilEnded(const std::string& id);
  void Wish(const std::string& id, JobState state);
  // As if another worker had it now.
  void TakeAway(const std::string& id);
  // Every call of a worker from now on answers it; OK ends that.
  void FailWith(const absl::Status& status);
  // Until so many writes have met it; false after 20 s.
  bool WaitForFaults(int64_t count);
  std::vector<std::string> reclaimed();
  std::vector<WorkerInfo> seen();
  std::vector<std::string> forgotten();

  absl::StatusOr<std::optional<Lease>> LeaseNext(std::string_view worker,
                                                 absl::Span<const std::string> kinds) override;
  absl::StatusOr<JobState> Renew(const LeaseKey& lease) override;
  absl::StatusOr<JobState> Peek(const LeaseKey& lease) override;
  absl::Status Report(const LeaseKey& lease, const Progress& progress) override;
  absl::Status AddCheckpoint(const LeaseKey& lease, const CheckpointInfo& checkpoint) override;
  absl::StatusOr<Job> Finish(const LeaseKey& lease, const Outcome& outcome,
                             std::string_view result_json, const ApplyResult& apply,
                             const ApplyFailure& on_failure) override;
  absl::StatusOr<int64_t> ExpireLeases(const ApplyFailure& on_failure) override;
  absl::StatusOr<int64_t> ReclaimLeases(std::string_view worker,
                                        const ApplyFailure& on_failure) override;
  absl::Status SeeWorker(const WorkerInfo& worker) override;
  absl::Status ForgetWorker(std::string_view id) override;
  uint64_t WaitForChange(uint64_t token, absl::Duration timeout) override;

  absl::StatusOr<Job> Create(const JobDraft&, const Record&) override { return NotThere(); }
  absl::StatusOr<std::optional<Job>> FindByRequest(const Request&) override { return NotThere(); }
  absl::StatusOr<Job> Get(std::string_view) override { return NotThere(); }
  absl::StatusOr<Page> List(const JobFilter&, int, std::string_view) override { return NotThere(); }
  absl::StatusOr<Job> Ask(std::string_view, jobs::Wish, const ApplyFailure&) override {
    return NotThere();
  }
  absl::Status Delete(std::string_view) override { return NotThere(); }
  absl::StatusOr<std::vector<Event>> EventsAfter(std::string_view, int64_t, int) override {
    return NotThere();
  }
  absl::StatusOr<std::vector<CheckpointInfo>> Checkpoints(std::string_view) override {
    return NotThere();
  }
  absl::StatusOr<Log> ReadLog(std::string_view) override { return NotThere(); }
  absl::StatusOr<std::vector<std::string>> ActiveUsersOf(std::string_view) override {
    return NotThere();
  }
  absl::StatusOr<int64_t> Sweep() override { return NotThere(); }
  absl::StatusOr<std::vector<WorkerInfo>> Workers() override { return NotThere(); }
  absl::StatusOr<std::vector<JobCount>> Counts() override { return NotThere(); }
  absl::StatusOr<std::vector<CheckpointAge>> CheckpointAges() override { return NotThere(); }

 private:
  static absl::Status NotThere() { return absl::UnimplementedError("no worker asks this"); }
  // The job of the lease, or why it may not be written.
  absl::StatusOr<FakeJob*> Held(const LeaseKey& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Changed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  RetryLimits limits_;

  absl::Mutex mu_;
  absl::CondVar changed_;
  uint64_t changes_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<std::string, FakeJob> jobs_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, absl::Time> due_ ABSL_GUARDED_BY(mu_);
  absl::Status fault_ ABSL_GUARDED_BY(mu_);
  int64_t faults_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::string> reclaimed_ ABSL_GUARDED_BY(mu_);
  std::vector<WorkerInfo> seen_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> forgotten_ ABSL_GUARDED_BY(mu_);
};

}  // namespace lbw::jobs

#endif  // LBW_TESTS_UNIT_JOBS_FAKE_QUEUE_H_
