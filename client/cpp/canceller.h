// One switch that ends everything a program has under way: its calls, its waits, its loops.
#ifndef LBW_CLIENT_CANCELLER_H_
#define LBW_CLIENT_CANCELLER_H_

#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"

namespace lbw::client {

// Threads: every method may be called concurrently. Not from a signal handler: it takes a lock.
class Canceller {
 public:
  // Cancels every call that is registered now or later, and wakes every wait. For good.
  void Cancel();
  bool is_cancelled() const;
  // OK, or kCancelled.
  absl::Status Check() const;
  // Waits; true as soon as everything is cancelled.
  bool WaitFor(absl::Duration duration) const;

  // Registers a call for its lifetime.
  class Scope {
   public:
    Scope(Canceller& canceller, grpc::ClientContext& context);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Canceller& canceller_;
    grpc::ClientContext& context_;
  };

 private:
  mutable absl::Mutex mu_;
  bool is_cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mu_);
};

// Cancels one call when it has not moved for `limit`: a peer that vanished without a word (a pulled
// cable, a frozen machine) would otherwise hold it for ever.
// Threads: Feed and is_stalled may be called concurrently.
class StallGuard {
 public:
  // context must outlive the guard.
  StallGuard(grpc::ClientContext& context, absl::Duration limit);
  ~StallGuard();
  StallGuard(const StallGuard&) = delete;
  StallGuard& operator=(const StallGuard&) = delete;

  // The call moved.
  void Feed();
  bool is_stalled() const;

 private:
  struct State;
  State* const state_;
};

}  // namespace lbw::client

#endif  // LBW_CLIENT_CANCELLER_H_
