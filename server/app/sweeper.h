// Runs a task every so often on a thread of its own, until it is destroyed.
#ifndef LBW_APP_SWEEPER_H_
#define LBW_APP_SWEEPER_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace lbw::app {

class Sweeper {
 public:
  Sweeper(absl::Duration interval, std::function<void()> task);
  ~Sweeper();

 private:
  void Run(absl::Duration interval) ABSL_LOCKS_EXCLUDED(mu_);

  const std::function<void()> task_;
  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace lbw::app

#endif  // LBW_APP_SWEEPER_H_
