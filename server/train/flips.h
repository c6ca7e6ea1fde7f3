// Which weights of a layer swing between two codes, and where those are held.
//
// Math:      a code's level is 0, +-1 for the least magnitude, +-2 for the next, ...; a = .99 a +
//            .01 [the level differs from the last step's], m = .99 m + .01 level, both from 0. From
//            a > share on a weight is held at the value of level round(m / (1 - .99^t)), the more
//            frequent of two neighbours.
// Source:    M. Nagel, M. Fournarakis, Y. Bondarenko, T. Blankevoort, "Overcoming Oscillations in
//            Quantization-Aware Training", arXiv 2203.11086 (2022), section 4.
// Precision: the same bits for the same values.
// Threads:   one. Throws what torch throws, but for Restore's Status.
#ifndef LBW_TRAIN_FLIPS_H_
#define LBW_TRAIN_FLIPS_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "train/named_tensors.h"

namespace at {
class Tensor;
}  // namespace at

namespace lbw::train {

// Values of level 1, [R, 1] f32: as the network reads it, and as the shadow holds it (they differ
// where a real scale is trained).
struct LevelOne {
  const at::Tensor& read;
  const at::Tensor& shadow;
};

class FlipTracker {
 public:
  // rows: [R, N], whose sizes and device count. share: in (0, 1).
  static std::unique_ptr<FlipTracker> Make(const at::Tensor& rows, double share);
  virtual ~FlipTracker() = default;

  // Counts one step. values: what the network reads, on the grid, [R, N]. moved: [R, 1] bool, rows
  // whose grid is another one than in the last step: nothing has flipped there; undefined: none.
  virtual void Observe(const at::Tensor& values, const LevelOne& one, const at::Tensor& moved) = 0;
  // rows with the weights that are held at their places. Writes into rows.
  virtual void Hold(at::Tensor& rows) const = 0;
  // A gradient [R, N] that leaves them where they are.
  virtual void Mask(at::Tensor& gradient) const = 0;
  virtual int64_t Held() const = 0;

  virtual absl::Status State(NamedTensors& state) const = 0;
  // Errors: kDataLoss.
  virtual absl::Status Restore(const NamedTensors& state) = 0;
};

}  // namespace lbw::train

#endif  // LBW_TRAIN_FLIPS_H_
