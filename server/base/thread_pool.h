// A fixed number of named threads that run tasks from a bounded queue, first in, first out.
//
// Lifetime: the destructor calls Shutdown, which runs what is queued and joins.
// Threads: Submit may be called concurrently; a task may submit, but must not wait for a task of
// the same pool.
#ifndef LBW_BASE_THREAD_POOL_H_
#define LBW_BASE_THREAD_POOL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace lbw::base {

// Names the calling thread (at most 15 characters are kept), so that a debugger and /proc show it.
void SetThreadName(const std::string& name);

class ThreadPool {
 public:
  struct Options {
    std::string name = "pool";  // threads are called NAME-0, NAME-1, ...
    size_t threads = 1;
    size_t max_queue = 1024;  // tasks that wait
  };
  explicit ThreadPool(Options options);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Errors: kResourceExhausted, QUEUE_FULL - max_queue tasks wait; kUnavailable, DRAINING - shut
  // down. The task is dropped then.
  absl::Status Submit(absl::AnyInvocable<void()> task) ABSL_LOCKS_EXCLUDED(mu_);
  // The same for a task that may be withdrawn while it waits. Tickets are never used again.
  using Ticket = uint64_t;
  absl::StatusOr<Ticket> Enqueue(absl::AnyInvocable<void()> task) ABSL_LOCKS_EXCLUDED(mu_);
  // True where the task had not begun: it is dropped without being run, and its place is free.
  bool Withdraw(Ticket ticket) ABSL_LOCKS_EXCLUDED(mu_);
  // Takes no more tasks, finishes those queued, joins. Idempotent; one caller at a time, none of
  // the pool's own threads.
  void Shutdown() ABSL_LOCKS_EXCLUDED(mu_);
  size_t queued() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Task {
    Ticket ticket = 0;
    absl::AnyInvocable<void()> run;
  };
  void Run(size_t index) ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  std::vector<std::thread> threads_;

  mutable absl::Mutex mu_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mu_);  // in order of their tickets
  Ticket next_ticket_ ABSL_GUARDED_BY(mu_) = 1;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace lbw::base

#endif  // LBW_BASE_THREAD_POOL_H_
