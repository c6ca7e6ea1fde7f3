// The durable queue: jobs, their leases, events, checkpoints and logs as rows.
//
// Leases:    LeaseNext gives a job to a worker with a fencing token that rises with every lease.
//            Every write of a worker carries it; a token that is not the newest, or whose lease was
//            taken away, is refused with kAborted, LEASE_LOST, and changes nothing.
// Order:     highest priority first; among submitters of equal priority the one with the fewest
//            running jobs, then the one that waited longest since its last lease (or its first
//            job); then the oldest. Costs the same with 100,000 jobs in the queue as with ten.
// Durability: creation, wishes, ends of attempts, results and checkpoints with kFull; leases,
//            renewals, events and logs with kNormal. A power cut that forgets a lease leaves a job
//            that waits; tokens come from the time, so that the forgotten one is never given again.
// Time:      the database's.
// Threads:   every method may be called concurrently, from several processes too.
#ifndef LBW_JOBS_QUEUE_H_
#define LBW_JOBS_QUEUE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "jobs/job.h"
#include "jobs/retry_policy.h"
#include "jobs/transitions.h"
#include "store/database.h"
#include "store/paging.h"

namespace lbw::jobs {

struct QueueLimits {
  int64_t max_active = 100'000;          // jobs that have not ended
  int64_t max_events_per_job = 100'000;  // the oldest that are no state changes are dropped
  // Of a job's state changes (retries, pauses) the first and the newest stay.
  int64_t first_state_events = 16;
  int64_t newest_state_events = 1'000;
  int64_t delete_rows_at_once = 2'000;  // events in one transaction, where jobs are deleted
  int64_t max_event_bytes = int64_t{64}
                            << 10;             // a larger one is recorded as a warning in its place
  int64_t log_head_bytes = int64_t{64} << 10;  // of a job's log, kept from its beginning
  int64_t log_tail_bytes = int64_t{960} << 10;    // and from its end
  size_t max_page_bytes = store::kMostPageBytes;  // of the texts that a list reads
  absl::Duration lease = absl::Seconds(30);
  absl::Duration retention = absl::Hours(24 * 30);  // of jobs that ended
  RetryLimits retry;
};

// The right to run a job until it expires.
struct Lease {
  Job job;
  int64_t token = 0;
};

// The right as every write carries it.
struct LeaseKey {
  std::string_view job;
  int64_t token = 0;
};

struct WorkerInfo {
  std::string id;
  std::string host;
  int64_t pid = 0;
  std::string device;  // "cpu (AMD EPYC, 2 threads)"
  absl::Time start_time;
  absl::Time last_seen_time;
  std::string job;  // "" when idle
};

// Conditions of ListJobs, all of which must hold. Parsed by ParseFilter.
struct JobFilter {
  struct Condition {
    enum class Field : uint8_t { kState, kKind, kSubmitter, kModel, kDataset, kLabel };
    Field field = Field::kState;
    std::string key;  // kLabel
    std::string value;
    bool negated = false;
  };
  std::vector<Condition> conditions;
};
// `state = RUNNING AND label.team != vision`; "" filters nothing; values may be quoted. "active" as
// a state means not ended. Errors: kInvalidArgument, BAD_ARGUMENT, field "filter" - names the
// place, what stands there and what is known.
absl::StatusOr<JobFilter> ParseFilter(std::string_view text);

struct JobCount {
  std::string kind;
  JobState state = JobState::kQueued;
  int64_t count = 0;
};

class Queue {
 public:
  virtual ~Queue() = default;

  // --- For callers of the API. Errors of all that take an id: kNotFound. -----------------------
  // record runs in the same transaction, with the job's id, before the job's own rows are written
  // (it looks whether what the job reads is still there, makes a dataset's row that names its job);
  // may be empty. With a request_id that the submitter used: that job when
  // the requests' digests are equal (record does not run); kind, spec, priority and labels are
  // compared where either has none.
  // Errors: kAlreadyExists, REQUEST_ID_REUSED; kResourceExhausted, LIMIT_EXCEEDED - max_active;
  // kInvalidArgument - priority, sizes of names and labels; kFailedPrecondition, NOT_FOUND - an
  // artifact that is not stored; record's.
  using Record = std::function<absl::Status(store::Session&, std::string_view job)>;
  virtual absl::StatusOr<Job> Create(const JobDraft& draft, const Record& record = {}) = 0;
  // The job that this request made before, whatever became since of the names in it. None: it made
  // none, or one without a digest. Errors: kAlreadyExists, REQUEST_ID_REUSED.
  struct Request {
    std::string_view submitter;
    std::string_view id;      // not ""
    std::string_view digest;  // not ""
  };
  virtual absl::StatusOr<std::optional<Job>> FindByRequest(const Request& request) = 0;
  virtual absl::StatusOr<Job> Get(std::string_view id) = 0;
  struct Page {
    std::vector<Job> jobs;  // newest first
    std::string next_token;
  };
  // page_size at most 1000, 100 where it is not positive. A page ends early where its texts would
  // be above max_page_bytes; it has one job at least. Errors: kInvalidArgument - a token not ours.
  virtual absl::StatusOr<Page> List(const JobFilter& filter, int page_size,
                                    std::string_view token) = 0;
  // What a job that ended FAILED or CANCELLED means to those who wait for it (a dataset that was
  // to be checked). Runs in the transaction that ends the job, with the job as it is after it; may
  // be empty. Its error undoes the transaction and is answered.
  using ApplyFailure = std::function<absl::Status(store::Session&, const Job&)>;
  // Cancel, pause, resume. on_failure runs when the job ends by it: one that no worker holds is
  // CANCELLED at once. Errors: as Apply; on_failure's.
  virtual absl::StatusOr<Job> Ask(std::string_view id, Wish wish,
                                  const ApplyFailure& on_failure = {}) = 0;
  // With its events, log, checkpoints and references, all at once; but events beyond
  // delete_rows_at_once go before, the oldest first, in transactions of their own. Errors:
  // kFailedPrecondition, WRONG_STATE - it has not ended.
  virtual absl::Status Delete(std::string_view id) = 0;
  // At most limit events behind the cursor, in order.
  virtual absl::StatusOr<std::vector<Event>> EventsAfter(std::string_view id, int64_t cursor,
                                                         int limit) = 0;
  virtual absl::StatusOr<std::vector<CheckpointInfo>> Checkpoints(std::string_view id) = 0;
  struct Log {
    std::string text;  // UTF-8; a line in its middle tells of bytes that were dropped
    uint64_t written_bytes = 0;
    uint64_t dropped_bytes = 0;
  };
  virtual absl::StatusOr<Log> ReadLog(std::string_view id) = 0;
  // Jobs that have not ended and use the resource.
  virtual absl::StatusOr<std::vector<std::string>> ActiveUsersOf(std::string_view resource) = 0;

  // --- For workers ------------------------------------------------------------------------------
  // None: nothing is due. kinds: those that this worker can run.
  virtual absl::StatusOr<std::optional<Lease>> LeaseNext(std::string_view worker,
                                                         absl::Span<const std::string> kinds) = 0;
  // Extends the lease. Answers the state, so that the worker hears of wishes. Errors: kAborted,
  // LEASE_LOST.
  virtual absl::StatusOr<JobState> Renew(const LeaseKey& lease) = 0;
  // The state alone, cheap. Errors: kAborted, LEASE_LOST.
  virtual absl::StatusOr<JobState> Peek(const LeaseKey& lease) = 0;
  struct Progress {
    std::vector<std::string> events_json;  // in order
    std::optional<int64_t> step;
    std::optional<int64_t> total_steps;
    std::string progress_json;  // the newest; "": unchanged
    std::string log_text;       // appended
  };
  virtual absl::Status Report(const LeaseKey& lease, const Progress& progress) = 0;
  // The blob of the checkpoint is durable, and the caller holds BlobStore::Access::kName since
  // before it saw that it is there. Its artifact row and reference are made here, the older ones
  // but the newest two and the best are dropped. One that goes beyond the newest's step makes the
  // job forget the attempts that failed or were lost. The best is the one that was told to be, or
  // whose metric is above the best's so far.
  virtual absl::Status AddCheckpoint(const LeaseKey& lease, const CheckpointInfo& checkpoint) = 0;
  // Ends the attempt: decides by retry_policy, writes the state, its event and the result, frees
  // the lease. apply runs in the same transaction when the outcome is a result (what the kind makes
  // of it: an evaluation's row), with the job as it was before; it may rewrite the result that is
  // kept. Its error makes the attempt fail with it, but for one of the database itself
  // (STORE_FAILED, OUT_OF_ROOM), which is answered and changes nothing. on_failure runs when the
  // job ended FAILED or CANCELLED. Answers the job after it.
  using ApplyResult =
      std::function<absl::Status(store::Session&, const Job&, std::string& result_json)>;
  virtual absl::StatusOr<Job> Finish(const LeaseKey& lease, const Outcome& outcome,
                                     std::string_view result_json, const ApplyResult& apply,
                                     const ApplyFailure& on_failure = {}) = 0;

  // --- Housekeeping -----------------------------------------------------------------------------
  // Leases that ran out: each job becomes what Decide says of kLost, in a transaction of its own;
  // on_failure runs in those that end a job. Answers how many; with an error, that of the first
  // job that could not be freed (the others are).
  virtual absl::StatusOr<int64_t> ExpireLeases(const ApplyFailure& on_failure = {}) = 0;
  // The same for a worker that is known to be dead (its lock is free), at once.
  virtual absl::StatusOr<int64_t> ReclaimLeases(std::string_view worker,
                                                const ApplyFailure& on_failure = {}) = 0;
  // Drops jobs that ended longer than retention ago (answers how many), in transactions of at most
  // delete_rows_at_once events, and workers that were not seen for as long.
  virtual absl::StatusOr<int64_t> Sweep() = 0;
  virtual absl::Status SeeWorker(const WorkerInfo& worker) = 0;  // inserts or refreshes
  virtual absl::Status ForgetWorker(std::string_view id) = 0;
  virtual absl::StatusOr<std::vector<WorkerInfo>> Workers() = 0;
  virtual absl::StatusOr<std::vector<JobCount>> Counts() = 0;
  // Age of the newest checkpoint of each job that runs, or of its start, by kind: the largest.
  struct CheckpointAge {
    std::string kind;
    absl::Duration age;
  };
  virtual absl::StatusOr<std::vector<CheckpointAge>> CheckpointAges() = 0;
  // As store::Database::WaitForChange.
  virtual uint64_t WaitForChange(uint64_t token, absl::Duration timeout) = 0;
};

// As Queue::ActiveUsersOf, inside a transaction of the caller: what nobody uses can be removed
// before somebody does.
absl::StatusOr<std::vector<std::string>> ActiveUsersOf(store::Session& session,
                                                       std::string_view resource);

// database is borrowed.
std::unique_ptr<Queue> NewQueue(store::Database& database, const QueueLimits& limits);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_QUEUE_H_
