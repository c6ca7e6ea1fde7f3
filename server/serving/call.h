// One Detect call on its way through the stages; ends exactly once.
//
// A stage works on the call while it holds a pointer to it, and stages follow each other; only the
// end may come from anywhere (a client that is gone, a deadline, a drain). A stage that meets an
// ended call drops it.
//
// Threads: Finish, finished, EndIfUnwanted, Attach and the slot's methods may be called
// concurrently; `work` belongs to the stage, each entry of its pictures to the task of that
// picture.
#ifndef LBW_SERVING_CALL_H_
#define LBW_SERVING_CALL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/tensor.h"
#include "serving/detector.h"
#include "serving/served_version.h"

namespace lbw::serving {

class Call;

// Where a call that ended says so.
class CallSet {
 public:
  virtual ~CallSet() = default;
  virtual void Forget(const Call* call) = 0;
};

// Pictures that travel in one Run of the executor.
struct Batch {
  size_t first = 0;          // index of the first picture of the call
  size_t count = 0;          // pictures, good or not
  base::Tensor input;        // [count, C, H, W]; after Compact the good ones stand in front
  std::vector<size_t> good;  // indices of the pictures in the rows of input
  std::vector<base::Tensor> outputs;
};

// What the stages make of a call.
struct CallWork {
  explicit CallWork(size_t pictures) : placements(pictures) { response.pictures.resize(pictures); }

  Network* network = nullptr;
  detect::DecodeOptions decode;
  std::vector<Batch> batches;
  std::vector<detect::Placement> placements;  // of every picture
  std::atomic<size_t> pending{0};             // tasks of the stage that are not done
  DetectResponse response;
  uint64_t counted_bytes = 0;  // of its slot, when it was admitted
  int64_t wait_start_ns = 0;
  int64_t waited_ns = 0;
};

class Call {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<DetectResponse>)>;
  // live: told once the call has ended; outlives it.
  Call(DetectRequest call_request, Done done, CallSet& live);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Ends the call, unless it has ended: leaves the queue, gives its slot back, answers. True when
  // it was this that ended it.
  bool Finish(absl::StatusOr<DetectResponse> result) ABSL_LOCKS_EXCLUDED(mu_);
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  // Ends it when its client is gone or its deadline has passed.
  void EndIfUnwanted();

  // Ties it to its version.
  void Attach(VersionUse use) ABSL_LOCKS_EXCLUDED(mu_);
  void TakeSlot(Slot slot) ABSL_LOCKS_EXCLUDED(mu_);
  // For bytes that were taken from the version's queue; given back at once where the slot is gone.
  void GrowSlot(uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);
  void GiveSlotBack() ABSL_LOCKS_EXCLUDED(mu_);
  // Null before Attach.
  std::shared_ptr<ServedVersion> version() const ABSL_LOCKS_EXCLUDED(mu_);

  DetectRequest request;  // images[i] belongs to the task of picture i
  CallWork work;

 private:
  CallSet& live_;
  std::atomic<bool> finished_{false};
  Done done_;  // of whoever sets finished_

  mutable absl::Mutex mu_;
  VersionUse use_ ABSL_GUARDED_BY(mu_);
  Slot slot_ ABSL_GUARDED_BY(mu_);
};

}  // namespace lbw::serving

#endif  // LBW_SERVING_CALL_H_
