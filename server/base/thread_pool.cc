#include "base/thread_pool.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace lbw::base {

void SetThreadName(const std::string& name) {
  constexpr size_t kMost = 15;
  ::pthread_setname_np(::pthread_self(), name.substr(0, kMost).c_str());
}

ThreadPool::ThreadPool(Options options) : options_(std::move(options)) {
  LBW_CHECK(options_.threads > 0);
  threads_.reserve(options_.threads);
  for (size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this, i] { Run(i); });
}

ThreadPool::~ThreadPool() { Shutdown(); }

absl::Status ThreadPool::Submit(absl::AnyInvocable<void()> task) {
  return Enqueue(std::move(task)).status();
}

absl::StatusOr<ThreadPool::Ticket> ThreadPool::Enqueue(absl::AnyInvocable<void()> task) {
  absl::MutexLock lock(&mu_);
  if (stopping_) {
    return Error(absl::StatusCode::kUnavailable, reason::kDraining,
                 StrCat(options_.name, " is shutting down"));
  }
  if (queue_.size() >= options_.max_queue) {
    return Error(absl::StatusCode::kResourceExhausted, reason::kQueueFull,
                 StrCat("the queue of ", options_.name, " is full: tasks=", queue_.size(),
                        " limit=", options_.max_queue));
  }
  queue_.push_back({next_ticket_, std::move(task)});
  return next_ticket_++;
}

bool ThreadPool::Withdraw(Ticket ticket) {
  Task withdrawn;  // destroyed after the lock is released: its captures may do anything
  absl::MutexLock lock(&mu_);
  const auto found =
      std::lower_bound(queue_.begin(), queue_.end(), ticket,
                       [](const Task& task, Ticket wanted) { return task.ticket < wanted; });
  if (found == queue_.end() || found->ticket != ticket) return false;
  withdrawn = std::move(*found);
  queue_.erase(found);
  return true;
}

void ThreadPool::Shutdown() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

size_t ThreadPool::queued() const {
  absl::MutexLock lock(&mu_);
  return queue_.size();
}

void ThreadPool::Run(size_t index) {
  SetThreadName(StrCat(options_.name, "-", index));
  const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return stopping_ || !queue_.empty();
  };
  while (true) {
    absl::AnyInvocable<void()> task;
    {
      absl::MutexLock lock(&mu_, absl::Condition(&ready));
      if (queue_.empty()) return;  // stopping, and everything queued is done
      task = std::move(queue_.front().run);
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace lbw::base
