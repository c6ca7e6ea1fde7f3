// Follows a job to its end, over connections and servers that come and go.
//
// The server keeps every event under a cursor. A stream that breaks is opened again behind the last
// cursor that was seen, so nothing is missed and nothing comes twice; it is given up once the
// server has said nothing for RetryLimits::no_progress (10 minutes).
//
// Threads: the functions may be called concurrently, each with a connection or session of its own.
#ifndef LBW_CLIENT_WATCH_H_
#define LBW_CLIENT_WATCH_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/connection.h"
#include "client/cpp/job_view.h"
#include "client/cpp/session.h"
#include "lbw/v1/job.pb.h"

namespace lbw::client {

struct FollowOptions {
  uint64_t after_cursor = 0;
  // Ends once the events up to here were seen, also when the job goes on; 0: only with the job.
  uint64_t until_cursor = 0;
};

// on_response: every answer in order. on_lost: the connection broke and will be tried again.
// Returns the job as the server showed it last.
// Errors: kNotFound - no such job, or it was deleted meanwhile; on_response's; kUnavailable - no
//         answer for too long; kCancelled, kDeadlineExceeded.
absl::StatusOr<v1::Job> FollowJob(
    Connection& connection, const std::string& name, const FollowOptions& options,
    absl::FunctionRef<absl::Status(const v1::WatchJobResponse&)> on_response,
    absl::FunctionRef<void(const absl::Status&)> on_lost);

// `lbw job watch`: the live view where standard output is a terminal, else the lines of JobLog;
// with --json each answer on a line; nothing with --quiet. Returns the job at its end.
// Errors: those of FollowJob; kCancelled says that the job goes on.
absl::StatusOr<v1::Job> WatchJob(Session& session, Connection& connection, const std::string& name);

// Waits behind the progress bar. Returns the job once it SUCCEEDED.
// Errors: those of FollowJob and JobOutcome; kCancelled says that the job goes on.
absl::StatusOr<v1::Job> WaitForJob(Session& session, Connection& connection,
                                   const std::string& name);

// All events up to now, for Curves(). Errors: those of FollowJob.
absl::StatusOr<JobView> ReadHistory(Connection& connection, const v1::Job& job);

}  // namespace lbw::client

#endif  // LBW_CLIENT_WATCH_H_
