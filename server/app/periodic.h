// Calls a function now and then on a thread of its own.
#ifndef LBW_APP_PERIODIC_H_
#define LBW_APP_PERIODIC_H_

#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace lbw::app {

class Periodic {
 public:
  // First after one interval. name: of the thread.
  Periodic(std::string name, absl::Duration interval, std::function<void()> work);
  ~Periodic() { Stop(); }
  // Waits for a call that is running; none comes afterwards. Idempotent; one caller at a time.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);

  const std::string name_;
  const absl::Duration interval_;
  const std::function<void()> work_;

  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // last: it uses everything above
};

}  // namespace lbw::app

#endif  // LBW_APP_PERIODIC_H_
