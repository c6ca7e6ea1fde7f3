// The worker processes that a server starts: kept running, heard for their metrics, stopped with
// it.
//
// Life:     a worker that ends by itself is started again, after 1 s at first and 30 s at most.
// Each
//           holds a socket to the server: when the server is gone it checkpoints its job, gives the
//           lease back and ends.
// Threads:  one of the pool's own; Start and Stop from one thread.
#ifndef LBW_APP_WORKER_POOL_H_
#define LBW_APP_WORKER_POOL_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "jobs/fd.h"
#include "jobs/worker.h"

namespace lbw::app {

struct WorkerPoolOptions {
  std::string program;                 // absolute path
  std::vector<std::string> arguments;  // of a worker; "--parent-fd=N" is added
  int workers = 1;
};

class WorkerPool {
 public:
  // observer is borrowed and outlives the pool.
  WorkerPool(const WorkerPoolOptions& options, jobs::JobObserver& observer);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // SIGTERM to all, waits until the deadline for them to give their leases back, then SIGKILL.
  // Idempotent.
  void Stop(absl::Time deadline);

 private:
  struct Process {
    pid_t pid = -1;  // -1: not running
    jobs::UniqueFd exit_fd;
    jobs::UniqueFd socket_fd;
    std::string pending;  // the beginning of a line
    absl::Duration delay = absl::Seconds(1);
    int64_t start_ns = 0;
    int64_t restart_ns = 0;  // not before
  };
  void Run();
  void StartProcess(Process& process);
  void Read(Process& process);
  void Reap(Process& process, bool stopping);
  void Close(Process& process);
  // Fills `ready` with processes that have something to say; returns whether Stop was called.
  bool Wait(absl::Duration timeout, std::vector<Process*>& ready);

  const WorkerPoolOptions options_;
  jobs::JobObserver& observer_;
  jobs::WakeFd stop_;               // readable once Stop was called
  absl::Time stop_deadline_;        // written before stop_ becomes readable
  std::vector<Process> processes_;  // the thread's own
  std::thread thread_;
};

}  // namespace lbw::app

#endif  // LBW_APP_WORKER_POOL_H_
