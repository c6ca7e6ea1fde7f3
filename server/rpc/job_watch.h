// WatchJob: streams of a job's events from a cursor, and the hub that wakes them.
//
// One thread waits for changes of the database while anybody watches. After a change it asks for
// each job that is watched whether there is news, and sends those watchers to the pool that read
// the old state. A watcher reads at most one page, writes it, and goes on only when gRPC has taken
// it: a slow reader holds one message and nobody else.
//
// A watcher is in one place at a time:
//
//     reading (a task of the pool) ---> writing (gRPC's) ---> reading, while there is more
//          ^                                 |
//          |---- news, or keep-alive ---- waiting (the hub's) <--- nothing more
//
// Whoever has it ends it: the task, gRPC's reaction, or who takes it out of waiting_.
//
// Drain:    watchers that wait end UNAVAILABLE, DRAINING, so that clients watch on elsewhere; one
//           whose reader takes nothing is cancelled after a second.
// Threads:  Watch may be called concurrently. The destructor joins; no watcher may be left, which
//           the grpc::Server's end sees to.
#ifndef LBW_RPC_JOB_WATCH_H_
#define LBW_RPC_JOB_WATCH_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "jobs/queue.h"
#include "lbw/v1/job.pb.h"
#include "rpc/services.h"

namespace lbw::rpc {

class JobWatcher;

class JobWatchers {
 public:
  // Of the context: queue, short_work, draining, limits.
  explicit JobWatchers(const ServiceContext& context);
  ~JobWatchers();
  JobWatchers(const JobWatchers&) = delete;
  JobWatchers& operator=(const JobWatchers&) = delete;

  // Errors that the stream ends with: kInvalidArgument, BAD_NAME; kNotFound - also when the job is
  // deleted meanwhile; kOutOfRange - after_cursor; kResourceExhausted, LIMIT_EXCEEDED - too many
  // watchers; kUnavailable, DRAINING.
  grpc::ServerWriteReactor<v1::WatchJobResponse>* Watch(grpc::CallbackServerContext& context,
                                                        const v1::WatchJobRequest& request)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  friend class JobWatcher;

  // A change that the hub sees after this was read is not lost on a watcher that waits with it.
  uint64_t epoch() const { return epoch_.load(); }
  // False where the watcher must end by itself: it was cancelled.
  bool Wait(JobWatcher* watcher, uint64_t epoch) ABSL_LOCKS_EXCLUDED(mu_);
  // True where it waited: it is the caller's now.
  bool Leave(JobWatcher* watcher) ABSL_LOCKS_EXCLUDED(mu_);
  void Remove(JobWatcher* watcher) ABSL_LOCKS_EXCLUDED(mu_);

  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_ || !all_.empty(); }
  // Takes out of waiting_ those that have something to do.
  std::vector<JobWatcher*> TakeReady(bool changed) ABSL_LOCKS_EXCLUDED(mu_);
  void EndAll() ABSL_LOCKS_EXCLUDED(mu_);

  const ServiceContext context_;
  std::atomic<uint64_t> epoch_{0};
  int64_t drain_began_ns_ = 0;  // the thread's own

  absl::Mutex mu_;
  std::set<JobWatcher*> all_ ABSL_GUARDED_BY(mu_);
  std::map<JobWatcher*, bool> waiting_ ABSL_GUARDED_BY(mu_);  // -> to be asked for in any case
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;
};

}  // namespace lbw::rpc

#endif  // LBW_RPC_JOB_WATCH_H_
