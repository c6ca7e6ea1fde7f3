#include "app/periodic.h"

#include <utility>

#include "base/thread_pool.h"

namespace lbw::app {

Periodic::Periodic(std::string name, absl::Duration interval, std::function<void()> work)
    : name_(std::move(name)),
      interval_(interval),
      work_(std::move(work)),
      thread_([this] { Run(); }) {}

void Periodic::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Periodic::Run() {
  base::SetThreadName(name_);
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout(absl::Condition(&stopping_), interval_)) return;
    }
    work_();
  }
}

}  // namespace lbw::app
