// What a kind of job is to the job system: how it is prepared and applied by the worker, and how it
// runs in its child process. Implemented in room tasks.
#ifndef LBW_JOBS_RUNNER_H_
#define LBW_JOBS_RUNNER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "jobs/job.h"
#include "store/blob_store.h"
#include "store/database.h"

namespace lbw::jobs {

// The worker's side: knows the database.
class JobKinds {
 public:
  virtual ~JobKinds() = default;
  virtual std::vector<std::string> names() const = 0;
  // Turns names in the spec into digests, as JSON for the child. Called before every attempt.
  // Errors: what the child would fail with: kNotFound - a dataset that was deleted meanwhile;
  // kFailedPrecondition - a version that is not READY.
  virtual absl::StatusOr<std::string> Prepare(const Job& job) = 0;
  // Writes what the result means (an evaluation's row, a dataset's state) inside the transaction
  // that ends the job. May rewrite the result that is kept with the job.
  virtual absl::Status Apply(store::Session& session, const Job& job, std::string& result_json) = 0;
  // Keeps the blobs that Apply makes rows for from being unlinked: taken before its transaction,
  // held until that has ended. nullptr where there is nothing to hold.
  virtual std::unique_ptr<store::BlobStore::Hold> HoldBlobs() { return nullptr; }
  // The same for the blob of a checkpoint, until its row is there: its child, which held it, may
  // have ended meanwhile. Errors: kUnavailable, BLOB_GONE - it was unlinked; the store's.
  virtual absl::StatusOr<std::unique_ptr<store::BlobStore::Hold>> HoldBlob(
      std::string_view /*sha256*/) {
    return nullptr;
  }
  // The job ended FAILED or CANCELLED: the same for what waits on it (a dataset becomes FAILED).
  virtual absl::Status ApplyFailure(store::Session& session, const Job& job) = 0;
};

// The child's side: what a running job says and hears. Threads: any.
class JobLink {
 public:
  virtual ~JobLink() = default;

  // What the job should do next; asked at least once an iteration. kStop, kPause: write a
  // checkpoint, then return the status that Obey makes. kCancel: return it at once.
  enum class Order : uint8_t { kGoOn, kCheckpoint, kPause, kStop, kCancel };
  virtual Order order() = 0;

  // Progress with named values; at most a few a second are sent, the newest always.
  struct Progress {
    int64_t step = 0;
    int64_t total_steps = 0;
    std::string stage;
    std::map<std::string, double> values;
    std::optional<absl::Duration> eta;
  };
  virtual void Report(const Progress& progress) = 0;
  enum class Severity : uint8_t { kInfo, kWarning, kError };
  virtual void Say(Severity severity, std::string_view text) = 0;
  // Tells of a checkpoint whose blob is durable, and waits until the worker has recorded it; until
  // then the caller holds BlobStore::Access::kName, from before it named the blob. Where the worker
  // dies meanwhile the process ends here. Errors: kInvalidArgument - no digest, a negative step.
  virtual absl::Status Checkpoint(const CheckpointInfo& checkpoint) = 0;
};

// What a job returns when it obeyed an order; the child's main turns it into the protocol's word.
absl::Status ObeyedStatus(JobLink::Order order);
std::optional<JobLink::Order> ObeyedOrder(const absl::Status& status);

struct JobContext {
  std::string job;
  std::string kind;
  std::string spec_json;
  std::string inputs_json;
  std::string checkpoint;  // sha256, "" at the beginning
  int64_t attempt = 1;
  int threads = 1;
  std::string scratch_folder;  // exists, empty, removed by the worker afterwards
  store::BlobStore* blobs = nullptr;
  JobLink* link = nullptr;
};

// Runs one job of any kind; answers its result as protojson.
class JobRunner {
 public:
  virtual ~JobRunner() = default;
  virtual absl::StatusOr<std::string> Run(const JobContext& context) = 0;
};

}  // namespace lbw::jobs

#endif  // LBW_JOBS_RUNNER_H_
