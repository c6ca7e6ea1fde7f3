#include "client/cpp/canceller.h"

#include <algorithm>
#include <thread>

#include "base/status.h"

namespace lbw::client {

void Canceller::Cancel() {
  const absl::MutexLock lock(&mu_);
  is_cancelled_ = true;
  for (grpc::ClientContext* call : calls_) call->TryCancel();
}

bool Canceller::is_cancelled() const {
  const absl::MutexLock lock(&mu_);
  return is_cancelled_;
}

absl::Status Canceller::Check() const {
  if (!is_cancelled()) return absl::OkStatus();
  return base::Error(absl::StatusCode::kCancelled, base::reason::kCancelled, "interrupted");
}

bool Canceller::WaitFor(absl::Duration duration) const {
  const absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&is_cancelled_), duration);
}

Canceller::Scope::Scope(Canceller& canceller, grpc::ClientContext& context)
    : canceller_(canceller), context_(context) {
  const absl::MutexLock lock(&canceller_.mu_);
  canceller_.calls_.push_back(&context_);
  if (canceller_.is_cancelled_) context_.TryCancel();
}

Canceller::Scope::~Scope() {
  const absl::MutexLock lock(&canceller_.mu_);
  auto& calls = canceller_.calls_;
  calls.erase(std::find(calls.begin(), calls.end(), &context_));
}

struct StallGuard::State {
  State(grpc::ClientContext& call, absl::Duration stall_limit)
      : context(call), limit(stall_limit), thread([this] { Watch(); }) {}

  void Watch() {
    const absl::MutexLock lock(&mu);
    while (!is_done) {
      is_fed = false;
      const auto moved = [this]() { return is_fed || is_done; };
      if (mu.AwaitWithTimeout(absl::Condition(&moved), limit)) continue;
      is_stalled = true;
      context.TryCancel();
      return;
    }
  }

  grpc::ClientContext& context;
  const absl::Duration limit;
  absl::Mutex mu;
  bool is_fed = false;
  bool is_done = false;
  bool is_stalled = false;
  std::thread thread;
};

StallGuard::StallGuard(grpc::ClientContext& context, absl::Duration limit)
    : state_(new State(context, limit)) {}

StallGuard::~StallGuard() {
  {
    const absl::MutexLock lock(&state_->mu);
    state_->is_done = true;
  }
  state_->thread.join();
  delete state_;
}

void StallGuard::Feed() {
  const absl::MutexLock lock(&state_->mu);
  state_->is_fed = true;
}

bool StallGuard::is_stalled() const {
  const absl::MutexLock lock(&state_->mu);
  return state_->is_stalled;
}

}  // namespace lbw::client
