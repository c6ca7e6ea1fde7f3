// A job's row, its uses and labels as values, and the one way in which a job changes its state.
//
// Everything here runs inside a transaction of its caller. Nothing is written on an error; the
// caller's transaction is undone anyway.
#ifndef LBW_JOBS_QUEUE_ROWS_H_
#define LBW_JOBS_QUEUE_ROWS_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "jobs/job.h"
#include "jobs/queue.h"
#include "store/database.h"

namespace lbw::jobs {

struct JobRow {
  Job job;
  std::vector<std::string> artifacts;  // of the draft
  int64_t kept_events = 0;
  int64_t state_events = 0;  // of those; not kept up once a job has ended
  int64_t log_bytes = 0;     // written, dropped ones too
};

class JobRows {
 public:
  // Both are borrowed.
  JobRows(store::Session& session, const QueueLimits& limits)
      : session_(session), limits_(limits) {}

  store::Session& session() { return session_; }
  const QueueLimits& limits() const { return limits_; }
  absl::Time Now() { return absl::FromUnixMicros(session_.NowUs()); }

  // Errors: kNotFound.
  absl::StatusOr<JobRow> Load(std::string_view id);
  // The job if the key holds its lease. Errors: kAborted, LEASE_LOST.
  absl::StatusOr<JobRow> LoadLeased(const LeaseKey& lease);
  // The jobs that `SELECT ... FROM jobs <rest>` answers, in its order.
  absl::StatusOr<std::vector<JobRow>> Select(std::string_view rest,
                                             absl::Span<const store::Value> parameters);

  // A QUEUED job with its uses, labels, references and first event. Errors: kFailedPrecondition,
  // NOT_FOUND - an artifact that is not stored; kAlreadyExists - id or request_id.
  absl::Status Insert(JobRow& row);
  // Moves the job on and writes every column that an attempt changes, and an event that tells of
  // it. Sets the times that go with the state, and frees the lease where the state has none.
  // Aborts on a move that IsAllowed refuses.
  absl::Status Move(JobRow& row, JobState to, std::string_view reason);
  // With everything that belongs to it; checkpoints and other artifacts lose its references.
  absl::Status Remove(const JobRow& row);

 private:
  store::Session& session_;
  const QueueLimits& limits_;
};

// The owner of a job's references in artifact_references.
std::string ReferenceOwner(std::string_view id);
absl::Status LeaseLost(const LeaseKey& lease);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_QUEUE_ROWS_H_
