#include "serving/call.h"

#include <utility>

namespace lbw::serving {

Call::Call(DetectRequest call_request, Done done, CallSet& live)
    : request(std::move(call_request)),
      work(request.images.size()),
      live_(live),
      done_(std::move(done)) {}

bool Call::Finish(absl::StatusOr<DetectResponse> result) {
  if (finished_.exchange(true, std::memory_order_acq_rel)) return false;
  GiveSlotBack();
  if (const std::shared_ptr<ServedVersion> version = this->version()) version->Remove(this);
  Done done = std::move(done_);
  done(std::move(result));
  live_.Forget(this);
  return true;
}

void Call::EndIfUnwanted() {
  if (finished()) return;
  absl::Status wanted = request.cancel.Check();
  if (!wanted.ok()) Finish(std::move(wanted));
}

void Call::Attach(VersionUse use) {
  absl::MutexLock lock(&mu_);
  use_ = std::move(use);
}

void Call::TakeSlot(Slot slot) {
  {
    absl::MutexLock lock(&mu_);
    std::swap(slot_, slot);
  }
  // Ended between admission and here: nobody else would give it back before the call goes.
  if (finished()) GiveSlotBack();
}

void Call::GrowSlot(uint64_t bytes) {
  std::shared_ptr<ServedVersion> version;
  {
    absl::MutexLock lock(&mu_);
    if (slot_.held()) {
      slot_.Grow(bytes);
      return;
    }
    version = use_.version();
  }
  version->Release(0, bytes);
}

void Call::GiveSlotBack() {
  // Under the lock to its end: when a second caller returns, the place is free as well. The
  // version, whose lock this takes, is kept alive by use_ and never calls back.
  absl::MutexLock lock(&mu_);
  slot_.Reset();
}

std::shared_ptr<ServedVersion> Call::version() const {
  absl::MutexLock lock(&mu_);
  return use_.version();
}

}  // namespace lbw::serving
