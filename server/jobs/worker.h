// The worker's loop: takes leases, runs each job in a child process, keeps the lease alive while
// its step moves, records what the child tells, passes orders down, and ends attempts.
//
// Warm child: while idle it keeps one child started and waiting for its assignment (loading the
//             libraries takes longer than many a job).
// Shutdown:   Stop (or the destructor) tells the child to write a checkpoint and end, gives the
//             lease back, and returns; a child that does not obey within obey_timeout is killed.
// Start:      takes its own leases of an earlier life back, and those of dead workers of its data
//             folder; theirs again every 10 s.
// Threads:    Run on one thread, which starts every child; Stop from any.
#ifndef LBW_JOBS_WORKER_H_
#define LBW_JOBS_WORKER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "jobs/child_process.h"
#include "jobs/queue.h"
#include "jobs/runner.h"

namespace lbw::jobs {

struct WorkerOptions {
  WorkerInfo info;          // id, host, pid, device
  std::string data_dir;     // of the blob store that children open
  std::string scratch_dir;  // a folder a job is made below it
  ChildOptions child;
  int threads = 0;  // that a job may use; 0: the machine's cores
  bool warm_child = true;
  absl::Duration lease = absl::Seconds(30);         // renewed at a third of it
  absl::Duration stall_timeout = absl::Minutes(5);  // without a step
  absl::Duration obey_timeout = absl::Seconds(60);  // for pause, cancel and stop; then it is killed
  absl::Duration poll = absl::Milliseconds(25);     // how soon a new job or a wish is heard of
};

// What metrics wants to hear of. Called from the worker's thread; must not block.
class JobObserver {
 public:
  virtual ~JobObserver() = default;
  virtual void JobStarted(std::string_view kind, double waited_seconds) = 0;
  // outcome: the job's state after the attempt ("SUCCEEDED", "QUEUED", ...).
  virtual void AttemptEnded(std::string_view kind, std::string_view outcome, double seconds) = 0;
  virtual void StepsDone(std::string_view kind, int64_t steps, double seconds) = 0;
  virtual void CheckpointDone(std::string_view kind, uint64_t bytes, double seconds) = 0;
  virtual void RenewalFailed(std::string_view kind) = 0;
};

class Worker {
 public:
  // All are borrowed; observer may be nullptr.
  static std::unique_ptr<Worker> New(Queue& queue, JobKinds& kinds, JobObserver* observer,
                                     const WorkerOptions& options);
  virtual ~Worker() = default;
  // Until Stop; errors of the database are retried with a back-off and logged.
  virtual void Run() = 0;
  virtual void Stop() = 0;
};

}  // namespace lbw::jobs

#endif  // LBW_JOBS_WORKER_H_
