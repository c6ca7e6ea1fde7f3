#include "jobs/change_watcher.h"

#include <cstdint>

#include "absl/time/time.h"
#include "base/thread_pool.h"

namespace lbw::jobs {

ChangeWatcher::ChangeWatcher(Queue& queue) : queue_(queue), thread_([this] { Watch(); }) {}

ChangeWatcher::~ChangeWatcher() {
  stop_ = true;
  thread_.join();
}

void ChangeWatcher::Watch() {
  base::SetThreadName("job-watch");
  constexpr absl::Duration kPatience = absl::Milliseconds(250);
  uint64_t token = 0;
  while (!stop_) {
    const uint64_t now = queue_.WaitForChange(token, kPatience);
    if (now != token) changed_.Wake();
    token = now;
  }
}

}  // namespace lbw::jobs
