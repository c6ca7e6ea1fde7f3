#include "app/sweeper.h"

#include <utility>

#include "base/thread_pool.h"

namespace lbw::app {

Sweeper::Sweeper(absl::Duration interval, std::function<void()> task)
    : task_(std::move(task)), thread_([this, interval] { Run(interval); }) {}

Sweeper::~Sweeper() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

void Sweeper::Run(absl::Duration interval) {
  base::SetThreadName("sweeper");
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout(absl::Condition(&stopping_), interval)) return;
    }
    task_();
  }
}

}  // namespace lbw::app
