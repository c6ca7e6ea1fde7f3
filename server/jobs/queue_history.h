// A job's events and its log as rows. Everything here runs inside a transaction of its caller.
//
// Events:   rows with cursors that rise by one; the oldest that are not state changes go when there
//           are too many. Of state changes the first and the newest stay (QueueLimits).
// Log:      rows of up to log_tail_bytes / 16 (at most 16 KiB), each known by the place of its
// first
//           byte in all that was written. The head stays; behind it the newest rows stay.
#ifndef LBW_JOBS_QUEUE_HISTORY_H_
#define LBW_JOBS_QUEUE_HISTORY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "jobs/queue.h"
#include "jobs/queue_rows.h"
#include "store/database.h"

namespace lbw::jobs {

struct StateNote {
  std::string worker;
  std::string reason;
};
// {"state": {...}} at row.job.last_cursor, which its caller has raised.
absl::Status InsertStateEvent(store::Session& session, const JobRow& row, const StateNote& note);
// Appends at the cursors behind row.job.last_cursor, raises it and kept_events, and prunes. The
// caller writes the row.
absl::Status AppendEvents(JobRows& rows, JobRow& row, absl::Span<const std::string> events_json);
// Drops the oldest events but state changes until at most `most` are left; lowers kept_events.
absl::Status PruneEvents(store::Session& session, JobRow& row, int64_t most);
// Drops state changes between the first and the newest that are kept; lowers kept_events and
// state_events. The caller writes the row.
absl::Status PruneStateEvents(store::Session& session, JobRow& row, const QueueLimits& limits);
// Drops the oldest `count` events of whatever kind and writes kept_events: for a job that goes.
absl::Status DropEvents(store::Session& session, JobRow& row, int64_t count);
absl::StatusOr<std::vector<Event>> ReadEvents(store::Session& session, std::string_view id,
                                              int64_t cursor, int64_t limit);

// Raises row.log_bytes. The caller writes the row.
absl::Status AppendLog(JobRows& rows, JobRow& row, std::string_view text);
absl::StatusOr<Queue::Log> ReadJobLog(JobRows& rows, const JobRow& row);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_QUEUE_HISTORY_H_
