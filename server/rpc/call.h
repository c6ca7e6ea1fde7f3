// The shapes of a call: unary work on a pool, and a stream of progress that ends in one result.
//
// gRPC's threads only start and finish calls; the work runs on the pool that is given. A reactor
// deletes itself when gRPC is done with it, which is after the work has called Finish.
#ifndef LBW_RPC_CALL_H_
#define LBW_RPC_CALL_H_

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "rpc/status_mapping.h"

namespace lbw::rpc {

// Shared by a reactor, which sets it, and the work, which asks.
using CancelFlag = std::shared_ptr<std::atomic<bool>>;

inline base::CancelToken MakeToken(const CancelFlag& flag,
                                   const grpc::CallbackServerContext& context) {
  return base::CancelToken([flag] { return flag->load(std::memory_order_relaxed); },
                           absl::FromChrono(context.deadline()));
}

// The place of a call's work in a pool's queue: a call that is cancelled, or whose deadline passes,
// while it waits leaves the queue at once.
class PoolPlace {
 public:
  // Errors: the pool's.
  absl::Status Enter(base::ThreadPool& pool, absl::AnyInvocable<void()> task)
      ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::StatusOr<base::ThreadPool::Ticket> ticket = pool.Enqueue(std::move(task));
    if (!ticket.ok()) return ticket.status();
    absl::MutexLock lock(&mu_);
    pool_ = &pool;
    ticket_ = *ticket;
    return absl::OkStatus();
  }
  // True, once, where the work had not begun; then it never will, and the caller ends the call.
  bool Leave() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return pool_ != nullptr && pool_->Withdraw(ticket_);
  }

 private:
  absl::Mutex mu_;
  base::ThreadPool* pool_ ABSL_GUARDED_BY(mu_) = nullptr;
  base::ThreadPool::Ticket ticket_ ABSL_GUARDED_BY(mu_) = 0;
};

inline absl::Status LeftTheQueue() {
  return base::Error(absl::StatusCode::kCancelled, base::reason::kCancelled,
                     "the call was given up while it waited");
}

// A unary call whose answer comes from another thread: exactly one Finish.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  void OnCancel() override {
    cancelled_->store(true);
    if (place_->Leave()) Finish(ToGrpcStatus(LeftTheQueue()));
  }
  void OnDone() override { delete this; }
  const CancelFlag& cancelled() const { return cancelled_; }
  PoolPlace& place() { return *place_; }
  // Work that enters a second pool holds the place by itself: as soon as it has entered, the call
  // may be finished and gone.
  const std::shared_ptr<PoolPlace>& shared_place() const { return place_; }

 private:
  const std::shared_ptr<PoolPlace> place_ = std::make_shared<PoolPlace>();
  const CancelFlag cancelled_ = std::make_shared<std::atomic<bool>>(false);
};

// Runs work(cancel) on the pool and finishes the call with its status. A full pool answers
// RESOURCE_EXHAUSTED at once.
template <typename Work>
grpc::ServerUnaryReactor* RunUnary(grpc::CallbackServerContext* context, base::ThreadPool& pool,
                                   Work work) {
  auto* call = new UnaryCall;
  const base::CancelToken token = MakeToken(call->cancelled(), *context);
  const absl::Status queued =
      call->place().Enter(pool, [call, token, work = std::move(work)]() mutable {
        absl::Status status = token.Check();
        if (status.ok()) status = work(token);
        call->Finish(ToGrpcStatus(status));
      });
  // gRPC acts on Finish only after the handler has returned: the call is still here.
  if (!queued.ok()) {
    call->Finish(ToGrpcStatus(queued));
  } else if (call->cancelled()->load() && call->place().Leave()) {
    call->Finish(ToGrpcStatus(LeftTheQueue()));
  }
  return call;
}

// A server stream of progress messages followed by one result. The newest progress waits while an
// older one is being sent; the others are dropped, so a slow reader slows nothing down. Threads:
// Progress and End are the work's; the rest is gRPC's.
template <typename Response>
class ProgressCall final : public grpc::ServerWriteReactor<Response> {
 public:
  void OnCancel() override {
    cancelled_->store(true);
    if (place_.Leave()) End(LeftTheQueue(), std::nullopt);
  }
  void OnDone() override { delete this; }
  const CancelFlag& cancelled() const { return cancelled_; }
  PoolPlace& place() { return place_; }

  // At most ten a second are sent, the rest cost nothing but the call.
  template <typename Fill>
  void Progress(Fill fill) ABSL_LOCKS_EXCLUDED(mu_) {
    const int64_t now_ns = base::RealClock().SteadyNs();
    if (last_progress_ns_ != 0 && now_ns - last_progress_ns_ < kIntervalNs) return;
    last_progress_ns_ = now_ns;
    Response message;
    fill(message);
    Next next = Next::kNothing;
    {
      absl::MutexLock lock(&mu_);
      pending_ = std::move(message);
      next = Decide();
    }
    Do(next);
  }

  // Sends the result, where there is one, and ends the call. Nothing of this object may be used
  // afterwards.
  void End(const absl::Status& status, std::optional<Response> result) ABSL_LOCKS_EXCLUDED(mu_) {
    Next next = Next::kNothing;
    {
      // What to do is decided under the same lock: as soon as it is released, OnWriteDone may
      // finish the call and delete this object.
      absl::MutexLock lock(&mu_);
      pending_ = std::move(result);
      ended_ = ToGrpcStatus(status);
      next = Decide();
    }
    Do(next);
  }

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    Next next = Next::kNothing;
    {
      absl::MutexLock lock(&mu_);
      writing_ = false;
      broken_ = broken_ || !ok;
      next = Decide();
    }
    Do(next);
  }

 private:
  static constexpr int64_t kIntervalNs = 100'000'000;

  enum class Next { kNothing, kWrite, kFinish };

  // The next write, or the end once nothing is left to write.
  Next Decide() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (writing_ || finished_) return Next::kNothing;
    if (pending_.has_value() && !broken_) {
      sending_ = *std::move(pending_);
      pending_.reset();
      writing_ = true;
      return Next::kWrite;
    }
    if (!ended_.has_value()) return Next::kNothing;
    finished_ = true;
    ending_ = *ended_;
    return Next::kFinish;
  }

  void Do(Next next) {
    if (next == Next::kWrite) this->StartWrite(&sending_);
    if (next == Next::kFinish) this->Finish(ending_);
  }

  PoolPlace place_;
  const CancelFlag cancelled_ = std::make_shared<std::atomic<bool>>(false);
  int64_t last_progress_ns_ = 0;  // the work's own
  Response sending_;              // gRPC's while writing_
  grpc::Status ending_;           // set once, with finished_

  absl::Mutex mu_;
  std::optional<Response> pending_ ABSL_GUARDED_BY(mu_);
  std::optional<grpc::Status> ended_ ABSL_GUARDED_BY(mu_);
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool broken_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
};

// Runs work(call, cancel) on the pool; work returns StatusOr<Response> and may report progress on
// the call meanwhile.
template <typename Response, typename Work>
grpc::ServerWriteReactor<Response>* RunWithProgress(grpc::CallbackServerContext* context,
                                                    base::ThreadPool& pool, Work work) {
  auto* call = new ProgressCall<Response>;
  const base::CancelToken token = MakeToken(call->cancelled(), *context);
  const absl::Status queued =
      call->place().Enter(pool, [call, token, work = std::move(work)]() mutable {
        absl::Status status = token.Check();
        if (!status.ok()) {
          call->End(status, std::nullopt);
          return;
        }
        absl::StatusOr<Response> result = work(*call, token);
        if (result.ok()) {
          call->End(absl::OkStatus(), *std::move(result));
        } else {
          call->End(result.status(), std::nullopt);
        }
      });
  if (!queued.ok()) {
    call->End(queued, std::nullopt);
  } else if (call->cancelled()->load() && call->place().Leave()) {
    call->End(LeftTheQueue(), std::nullopt);
  }
  return call;
}

}  // namespace lbw::rpc

#endif  // LBW_RPC_CALL_H_
