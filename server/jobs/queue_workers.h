// The table of workers, and figures about the queue. Everything here runs inside a transaction of
// its caller.
#ifndef LBW_JOBS_QUEUE_WORKERS_H_
#define LBW_JOBS_QUEUE_WORKERS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "jobs/queue.h"
#include "store/database.h"

namespace lbw::jobs {

absl::Status PutWorker(store::Session& session, const WorkerInfo& worker);
absl::StatusOr<std::vector<WorkerInfo>> ReadWorkers(store::Session& session);
absl::StatusOr<std::vector<JobCount>> CountJobs(store::Session& session);
absl::StatusOr<int64_t> CountActive(store::Session& session);
absl::StatusOr<std::vector<Queue::CheckpointAge>> OldestCheckpoints(store::Session& session);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_QUEUE_WORKERS_H_
