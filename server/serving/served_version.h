// One version from its first use until it is forgotten: it loads once, then one thread runs its
// calls from a bounded queue.
//
// A slot of the queue is taken when a call is admitted and given back when the call starts to run
// or ends, whichever is first; it covers the load, the decoding of the pictures, and the turn.
//
// Lifetime: held by shared pointers whose deleter hands it to the Supervisor, since the last
// pointer may be dropped by the thread that the destructor joins.
// Threads: every method may be called concurrently.
#ifndef LBW_SERVING_SERVED_VERSION_H_
#define LBW_SERVING_SERVED_VERSION_H_

#include <atomic>
#include <compare>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "serving/network.h"
#include "serving/policy.h"

namespace lbw::serving {

class Call;
class ServedVersion;

// What is served: a version of a model or, with number 0, the newest checkpoint of a job.
struct ServedName {
  std::string model;
  int64_t number = 0;
  std::string job;  // "": a version
  auto operator<=>(const ServedName&) const = default;
};
// "models/M/versions/N" or "models/M/aliases/job-ID".
std::string ResourceName(const ServedName& name);

// A call's place in the queue; gives it back when it is dropped.
class Slot {
 public:
  Slot() = default;
  Slot(std::shared_ptr<ServedVersion> version, uint64_t bytes)
      : version_(std::move(version)), bytes_(bytes) {}
  Slot(Slot&& other) noexcept = default;
  Slot& operator=(Slot&& other) noexcept;
  ~Slot() { Reset(); }

  void Reset();
  bool held() const { return version_ != nullptr; }
  void Grow(uint64_t bytes) { bytes_ += bytes; }

 private:
  std::shared_ptr<ServedVersion> version_;
  uint64_t bytes_ = 0;
};

class ServedVersion {
 public:
  // Runs one call on the version's thread; must not throw. False: there was nothing left to run.
  using RunCall = std::function<bool(ServedVersion&, const std::shared_ptr<Call>&)>;

  ServedVersion(ServedName name, const QueueLimits& limits, RunCall run);
  // Joins the thread; no call may be waiting.
  ~ServedVersion();
  ServedVersion(const ServedVersion&) = delete;
  ServedVersion& operator=(const ServedVersion&) = delete;

  const ServedName& name() const { return name_; }

  // Takes a place. self: this object. Errors: kResourceExhausted, QUEUE_FULL, with a retry delay;
  // kInvalidArgument, LIMIT_EXCEEDED - larger than the whole queue.
  static absl::StatusOr<Slot> TakeSlot(const std::shared_ptr<ServedVersion>& self, uint64_t bytes);
  // Brings a call that has a place with `counted` bytes to `total`; the caller grows its slot by
  // the difference. Errors: as above.
  absl::Status TakeBytes(uint64_t counted, uint64_t total) ABSL_LOCKS_EXCLUDED(mu_);
  void Release(size_t calls, uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);

  // True: loaded, go on. False: the call is among those that FinishLoad returns. An error: loading
  // failed.
  absl::StatusOr<bool> WaitForLoad(const std::shared_ptr<Call>& call) ABSL_LOCKS_EXCLUDED(mu_);
  // Ends the load, once; with a network the thread starts. Returns the calls that waited.
  std::vector<std::shared_ptr<Call>> FinishLoad(absl::StatusOr<std::unique_ptr<Network>> network)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Not null once WaitForLoad or FinishLoad said that it is loaded.
  Network* network() const ABSL_LOCKS_EXCLUDED(mu_);

  // Queues a call that is ready to run.
  void Enqueue(std::shared_ptr<Call> call) ABSL_LOCKS_EXCLUDED(mu_);
  // Takes a call that ended out of the queue and of those that wait for the load.
  void Remove(const Call* call) ABSL_LOCKS_EXCLUDED(mu_);

  QueueSnapshot queue() const ABSL_LOCKS_EXCLUDED(mu_);
  void CountPictures(uint64_t pictures) { pictures_ += pictures; }
  uint64_t pictures() const { return pictures_; }

  // Calls that hold it; see VersionUse.
  void BeginUse() { ++uses_; }
  void EndUse() { --uses_; }
  bool in_use() const { return uses_ > 0; }

 private:
  enum class Phase : uint8_t { kLoading, kLoaded, kFailed };

  absl::Status Reserve(size_t calls, uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status TooLarge(uint64_t bytes) const;
  void Serve() ABSL_LOCKS_EXCLUDED(mu_);

  const ServedName name_;
  const QueueLimits limits_;
  const RunCall run_;

  std::atomic<uint64_t> pictures_{0};
  std::atomic<int64_t> uses_{0};

  mutable absl::Mutex mu_;
  Phase phase_ ABSL_GUARDED_BY(mu_) = Phase::kLoading;
  absl::Status load_error_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Network> network_ ABSL_GUARDED_BY(mu_);  // what it points to is not guarded
  std::vector<std::shared_ptr<Call>> load_waiters_ ABSL_GUARDED_BY(mu_);
  std::deque<std::shared_ptr<Call>> ready_ ABSL_GUARDED_BY(mu_);
  QueueSnapshot queue_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mu_);
};

// Keeps a version from being evicted as long as it lives.
class VersionUse {
 public:
  VersionUse() = default;
  explicit VersionUse(std::shared_ptr<ServedVersion> version) : version_(std::move(version)) {
    version_->BeginUse();
  }
  VersionUse(VersionUse&& other) noexcept = default;
  VersionUse& operator=(VersionUse&& other) noexcept {
    std::swap(version_, other.version_);
    return *this;
  }
  ~VersionUse() {
    if (version_ != nullptr) version_->EndUse();
  }

  const std::shared_ptr<ServedVersion>& version() const { return version_; }

 private:
  std::shared_ptr<ServedVersion> version_;
};

}  // namespace lbw::serving

#endif  // LBW_SERVING_SERVED_VERSION_H_
