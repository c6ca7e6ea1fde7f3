#include "serving/served_version.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "serving/call.h"

namespace lbw::serving {

Slot& Slot::operator=(Slot&& other) noexcept {
  if (this == &other) return *this;
  Reset();
  version_ = std::move(other.version_);
  bytes_ = other.bytes_;
  return *this;
}

void Slot::Reset() {
  if (version_ == nullptr) return;
  version_->Release(1, bytes_);
  version_.reset();
}

std::string ResourceName(const ServedName& name) {
  if (name.job.empty()) return base::VersionName(name.model, name.number);
  return base::AliasName(name.model, base::StrCat("job-", name.job));
}

ServedVersion::ServedVersion(ServedName name, const QueueLimits& limits, RunCall run)
    : name_(std::move(name)), limits_(limits), run_(std::move(run)) {}

ServedVersion::~ServedVersion() {
  std::thread thread;
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

absl::StatusOr<Slot> ServedVersion::TakeSlot(const std::shared_ptr<ServedVersion>& self,
                                             uint64_t bytes) {
  LBW_RETURN_IF_ERROR(self->Reserve(1, bytes));
  return Slot(self, bytes);
}

absl::Status ServedVersion::TakeBytes(uint64_t counted, uint64_t total) {
  if (total > limits_.bytes) return TooLarge(total);
  return Reserve(0, total - counted);
}

absl::Status ServedVersion::TooLarge(uint64_t bytes) const {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                     base::StrCat("the call's pictures are larger than the queue of a version: "
                                  "bytes=",
                                  bytes, " limit=", limits_.bytes,
                                  "; send fewer or smaller pictures in one call"))
      .Field("images");
}

absl::Status ServedVersion::Reserve(size_t calls, uint64_t bytes) {
  QueueSnapshot seen;
  Admission admission = Admission::kQueueFull;
  {
    absl::MutexLock lock(&mu_);
    seen = queue_;
    admission = Admit(queue_, limits_, calls, bytes);
    if (admission == Admission::kAdmit) {
      queue_.calls += calls;
      queue_.bytes += bytes;
      return absl::OkStatus();
    }
  }
  if (admission == Admission::kNeverFits) return TooLarge(bytes);
  return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kQueueFull,
                     base::StrCat("the queue of ", ResourceName(name_),
                                  " is full: calls=", seen.calls, " limit=", limits_.calls,
                                  " bytes=", seen.bytes, " limit=", limits_.bytes))
      .RetryAfterMs(RetryAfterMs(seen));
}

void ServedVersion::Release(size_t calls, uint64_t bytes) {
  absl::MutexLock lock(&mu_);
  queue_.calls -= calls;
  queue_.bytes -= bytes;
}

absl::StatusOr<bool> ServedVersion::WaitForLoad(const std::shared_ptr<Call>& call) {
  absl::MutexLock lock(&mu_);
  if (phase_ == Phase::kFailed) return load_error_;
  if (phase_ == Phase::kLoaded) return true;
  load_waiters_.push_back(call);
  return false;
}

std::vector<std::shared_ptr<Call>> ServedVersion::FinishLoad(
    absl::StatusOr<std::unique_ptr<Network>> network) {
  absl::MutexLock lock(&mu_);
  LBW_CHECK(phase_ == Phase::kLoading);
  if (network.ok()) {
    phase_ = Phase::kLoaded;
    network_ = *std::move(network);
    thread_ = std::thread([this] { Serve(); });
  } else {
    phase_ = Phase::kFailed;
    load_error_ = network.status();
  }
  return std::exchange(load_waiters_, {});
}

Network* ServedVersion::network() const {
  absl::MutexLock lock(&mu_);
  return network_.get();
}

void ServedVersion::Enqueue(std::shared_ptr<Call> call) {
  absl::MutexLock lock(&mu_);
  ready_.push_back(std::move(call));
}

void ServedVersion::Remove(const Call* call) {
  // Destroyed behind the lock: the last pointer to a call frees pictures.
  std::vector<std::shared_ptr<Call>> removed;
  absl::MutexLock lock(&mu_);
  const auto is_it = [call](const std::shared_ptr<Call>& other) { return other.get() == call; };
  const auto ready = std::find_if(ready_.begin(), ready_.end(), is_it);
  if (ready != ready_.end()) {
    removed.push_back(std::move(*ready));
    ready_.erase(ready);
  }
  const auto waiter = std::find_if(load_waiters_.begin(), load_waiters_.end(), is_it);
  if (waiter != load_waiters_.end()) {
    removed.push_back(std::move(*waiter));
    load_waiters_.erase(waiter);
  }
}

QueueSnapshot ServedVersion::queue() const {
  absl::MutexLock lock(&mu_);
  return queue_;
}

void ServedVersion::Serve() {
  base::SetThreadName(base::StrCat("run-", name_.model));
  const auto wake = [this]()
                        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_ || !ready_.empty(); };
  while (true) {
    std::shared_ptr<Call> call;
    {
      absl::MutexLock lock(&mu_, absl::Condition(&wake));
      if (ready_.empty()) return;
      call = std::move(ready_.front());
      ready_.pop_front();
    }
    call->GiveSlotBack();
    const base::Stopwatch busy;
    const bool ran = run_(*this, call);
    const double seconds = busy.ElapsedSeconds();
    call.reset();
    if (!ran) continue;
    absl::MutexLock lock(&mu_);
    queue_.seconds_per_call = UpdateAverage(queue_.seconds_per_call, seconds);
  }
}

}  // namespace lbw::serving
