// A job's checkpoints as rows, with the artifacts that they are. Everything here runs inside a
// transaction of its caller.
#ifndef LBW_JOBS_QUEUE_CHECKPOINTS_H_
#define LBW_JOBS_QUEUE_CHECKPOINTS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "jobs/job.h"
#include "jobs/queue_rows.h"
#include "store/database.h"

namespace lbw::jobs {

absl::StatusOr<std::optional<CheckpointInfo>> FindCheckpoint(store::Session& session,
                                                             std::string_view job,
                                                             std::string_view sha256);
// Newest first.
absl::StatusOr<std::vector<CheckpointInfo>> ReadCheckpoints(store::Session& session,
                                                            std::string_view job);
// Records it as the newest, with its artifact, reference and event; drops those that are neither
// the newest two nor the best. Writes the job's row. The same content again only becomes the
// newest.
absl::Status RecordCheckpoint(JobRows& rows, JobRow& row, const CheckpointInfo& told);
absl::Status DropAllCheckpoints(store::Session& session, const JobRow& row);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_QUEUE_CHECKPOINTS_H_
