// Batches of augmented samples, made ahead by threads, in an order that the seed alone decides.
//
// Order:     epoch e is a permutation of the pictures drawn from (seed, e); batch k of it takes
//            batch pictures from k * batch on; a sample's chances come from (seed, e, place). So
//            batch (e, k) is the same whatever ran before: a run that goes on starts anywhere.
//            An epoch of more samples than there are pictures goes through its permutation again,
//            with other chances; what no whole batch is left for is not seen in it.
// Failures:  a picture that cannot be decoded is told once and replaced by the next of the
//            permutation that can: what stands at a place is decided by the place alone. A disk
//            that fails ends Next instead: it may be better the next time, and the run would
//            differ.
// Threads:   all methods from one thread; `threads` of its own, called loader-N, make at most
//            `ahead` batches ahead. The destructor waits for the pictures being made, no others.
#ifndef LBW_DATASET_BATCHES_H_
#define LBW_DATASET_BATCHES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "dataset/augment.h"
#include "dataset/pack.h"
#include "detect/spec.h"

namespace lbw::dataset {

struct BatchOptions {
  std::vector<size_t> pictures;  // indices into the pack
  int64_t batch = 16;            // 1..4096
  int64_t steps_an_epoch = 0;    // 0: pictures / batch, at least 1; at most 2^31 - 1
  uint64_t seed = 0;
  int threads = 1;  // 1..64
  int ahead = 4;    // 1..64
  Augmentation augmentation;
};

struct Batch {
  int64_t epoch = 0;
  int64_t step = 0;           // of the epoch
  std::vector<float> values;  // [N, C, H, W]
  std::vector<std::vector<SampleBox>> boxes;
  std::vector<int32_t> labels;
  std::vector<size_t> pictures;  // indices into the pack
  double waited_seconds = 0;     // of Next, until it was there
};

class Batches {
 public:
  // pack is borrowed and must outlive it. Begins to make batches at once. Errors:
  // kFailedPrecondition, BAD_DATASET - no pictures; kInvalidArgument, BAD_ARGUMENT - an option
  // outside its range, an index outside the pack, a batch of more than 2^31 values.
  static absl::StatusOr<std::unique_ptr<Batches>> Open(const Pack& pack,
                                                       const detect::InputSpec& input,
                                                       BatchOptions options);
  virtual ~Batches() = default;
  virtual int64_t steps_an_epoch() const = 0;
  // The next one will be step `step` of epoch `epoch`, both from 0; steps beyond an epoch count on
  // in the following ones. What was made ahead is dropped.
  virtual void Seek(int64_t epoch, int64_t step) = 0;
  // After the last step of an epoch comes the first of the next. Errors, which stay until Seek:
  // kFailedPrecondition, BAD_DATASET - none of the pictures can be read; those of MakeSample;
  // kResourceExhausted, OUT_OF_ROOM; the pack's reader's.
  virtual absl::StatusOr<Batch> Next() = 0;
  // Pictures that could not be read, each once, since the last call, with the reason; by index.
  virtual std::vector<std::pair<size_t, absl::Status>> TakeFailures() = 0;
};

}  // namespace lbw::dataset

#endif  // LBW_DATASET_BATCHES_H_
