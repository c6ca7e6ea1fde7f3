// A worker process: the same data folder as the server's, without its lock.
//
// Metrics:  with a server behind parent_fd it keeps them; a worker of its own serves them on
//           worker.admin.
#ifndef LBW_APP_WORKER_APP_H_
#define LBW_APP_WORKER_APP_H_

#include <memory>

#include "absl/status/statusor.h"
#include "app/signals.h"
#include "config/config.h"

namespace lbw::app {

class WorkerApp {
 public:
  // Errors (each names the key): those of the store; kInvalidArgument, kFailedPrecondition - the
  // admin address.
  static absl::StatusOr<std::unique_ptr<WorkerApp>> Start(const config::Config& config,
                                                          int parent_fd);
  ~WorkerApp();
  // On the calling thread, which starts every job's process, until the first signal or the end of
  // the server.
  void Run(SignalWatch& signals);

 private:
  struct Rooms;
  explicit WorkerApp(std::unique_ptr<Rooms> rooms);
  const std::unique_ptr<Rooms> rooms_;
};

}  // namespace lbw::app

#endif  // LBW_APP_WORKER_APP_H_
