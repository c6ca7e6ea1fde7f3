// Who is next: the fair choice among queued jobs by seeks in indexes.
//
// A lane is a row for the ready jobs (QUEUED, not waiting for a retry) of one kind, priority and
// submitter. Every ready job has its lane; a lane may be empty and is then removed when it is met.
// Lanes of a kind and priority stand in the order of their submitters' last leases; a submitter's
// own row knows its last lease only while it has no lane (a lease then writes one row less).
// Everything here runs inside a transaction of its caller.
// Cost:      seeks; rows read: as many as workers run jobs, never as many as jobs are queued.
#ifndef LBW_JOBS_QUEUE_LANES_H_
#define LBW_JOBS_QUEUE_LANES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "store/database.h"

namespace lbw::jobs {

struct Lane {
  std::string submitter;
  std::string kind;
  int64_t priority = 0;
};

// For a job that has become ready. A submitter's first lane stands where a lease at this moment
// would have put it.
absl::Status OpenLane(store::Session& session, const Lane& lane);
// Makes jobs ready whose retry time has come.
absl::Status OpenDueLanes(store::Session& session);

struct NextJob {
  std::string id;
  Lane lane;
  bool last = false;  // no other ready job stands in its lane
};
// The job to lease. Removes empty lanes that it meets.
absl::StatusOr<std::optional<NextJob>> FindNextJob(store::Session& session,
                                                   absl::Span<const std::string> kinds);
// Moves the submitter behind everybody else, and closes the lane that has become empty. Called
// once the job is not QUEUED any more.
absl::Status TakeTurn(store::Session& session, const NextJob& next);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_QUEUE_LANES_H_
