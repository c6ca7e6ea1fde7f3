// The child's side of the protocol: reads the assignment, runs the job, reports.
//
// Life:     ends when its socket ends (the worker died). A thread of its own sends a heartbeat with
//           the step every second; another reads orders.
// Signals:  SIGINT and SIGTERM are ignored: the worker speaks on the socket.
#ifndef LBW_JOBS_CHILD_MAIN_H_
#define LBW_JOBS_CHILD_MAIN_H_

#include <functional>
#include <memory>

#include "jobs/protocol.h"
#include "jobs/runner.h"

namespace lbw::jobs {

// What the child needs once it knows its assignment: opens the blob store of data_dir.
struct ChildEnvironment {
  std::unique_ptr<store::BlobStore> blobs;
  std::unique_ptr<JobRunner> runner;
};
using OpenEnvironment = std::function<absl::StatusOr<ChildEnvironment>(const Assignment&)>;

// Runs on the calling thread until the job has ended. Returns the process's exit status: 0 when
// result, error or an obeyed order was told, 1 otherwise.
int RunChild(int socket_fd, const OpenEnvironment& open);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_CHILD_MAIN_H_
