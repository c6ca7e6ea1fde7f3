// Wakes a poll() when the queue's database has changed, by a thread of its own.
#ifndef LBW_JOBS_CHANGE_WATCHER_H_
#define LBW_JOBS_CHANGE_WATCHER_H_

#include <atomic>
#include <thread>

#include "jobs/fd.h"
#include "jobs/queue.h"

namespace lbw::jobs {

class ChangeWatcher {
 public:
  // queue is borrowed.
  explicit ChangeWatcher(Queue& queue);
  // Returns within a quarter of a second.
  ~ChangeWatcher();

  int fd() const { return changed_.get(); }  // readable since a change
  // Forgets the changes so far; who looks at the database does so afterwards.
  void Drain() { changed_.Drain(); }

 private:
  void Watch();

  Queue& queue_;
  WakeFd changed_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace lbw::jobs

#endif  // LBW_JOBS_CHANGE_WATCHER_H_
