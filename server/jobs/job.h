// A job's values: its states, what is asked, what stands in its row.
#ifndef LBW_JOBS_JOB_H_
#define LBW_JOBS_JOB_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace lbw::jobs {

enum class JobState : uint8_t {
  kQueued,      // waits for a worker
  kRunning,     // a worker holds its lease
  kPausing,     // as running; its process is told to write a checkpoint and end
  kPaused,      // keeps its checkpoint, waits to be resumed
  kCancelling,  // as running; its process is told to end
  kSucceeded,
  kFailed,
  kCancelled,
};
inline constexpr int kJobStates = 8;

// "QUEUED", "RUNNING", ... as the database and the API have them.
std::string_view Name(JobState state);
std::optional<JobState> ParseState(std::string_view name);
bool HasEnded(JobState state);  // SUCCEEDED, FAILED, CANCELLED
bool HasLease(JobState state);  // RUNNING, PAUSING, CANCELLING

// What a caller asks for.
struct JobDraft {
  std::string kind;        // "evaluate", ...
  std::string spec_json;   // protojson of the API's message for the kind; opaque here
  std::string submitter;   // "" while there is no authentication and none was told
  std::string request_id;  // "": not idempotent
  // SHA-256 of what the caller sent, before anything was filled in; two requests with one
  // request_id are the same when these are equal. "": kind, spec, priority and labels are compared.
  std::string request_digest;
  int32_t priority = 0;  // -100..100
  std::map<std::string, std::string> labels;
  std::string estimate_json;  // protojson of JobEstimate; opaque here
  // Names of resources that the job reads, for filters, lineage and deletion's checks:
  // "models/m/versions/3", "datasets/d".
  std::vector<std::string> uses;
  // SHA-256 of stored artifacts that must not go away while the job exists.
  std::vector<std::string> artifacts;
};

struct JobError {
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string reason;  // base/reason.h
  std::string message;
};

struct CheckpointInfo {
  std::string sha256;
  uint64_t size_bytes = 0;
  int64_t step = 0;
  int64_t epoch = 0;
  absl::Time create_time;
  bool best = false;
  std::optional<double> metric;  // higher is better
};

struct Job {
  std::string id;
  std::string kind;
  JobState state = JobState::kQueued;
  std::string spec_json;
  std::string submitter;
  std::string request_id;
  std::string request_digest;  // "": of an older program, or none was told
  int32_t priority = 0;
  std::map<std::string, std::string> labels;
  std::string estimate_json;
  std::vector<std::string> uses;
  absl::Time create_time;
  absl::Time update_time;
  std::optional<absl::Time> start_time;  // of the first attempt
  std::optional<absl::Time> end_time;
  absl::Time queued_time;                // when it last became QUEUED
  std::optional<absl::Time> retry_time;  // QUEUED, and not before this
  int64_t attempts = 0;                  // begun
  int64_t failed_attempts = 0;  // that count against max_attempts, since the last checkpoint
  int64_t lost_attempts = 0;    // in a row that do not count; they lengthen the back-off
  int64_t not_begun = 0;        // in a row that the server could not begin; bounded
  int64_t lease_token = 0;      // of the newest lease; rises with every lease
  std::string worker;           // "" without a lease
  std::optional<absl::Time> lease_expire_time;
  int64_t step = 0;
  int64_t total_steps = 0;                   // 0: not known
  std::string progress_json;                 // protojson of the newest JobProgress
  std::optional<CheckpointInfo> checkpoint;  // the newest
  JobError error;                            // of a FAILED job, or of the last attempt that failed
  std::string result_json;                   // protojson of JobResult; SUCCEEDED only
  int64_t last_cursor = 0;
};

// One row of a job's history. Cursors rise by one from 1.
struct Event {
  int64_t cursor = 0;
  absl::Time time;
  std::string json;  // protojson of JobEvent without cursor and time: {"progress": {...}}
};

}  // namespace lbw::jobs

#endif  // LBW_JOBS_JOB_H_
