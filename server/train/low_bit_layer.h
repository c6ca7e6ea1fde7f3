// A layer whose weight is trained on the grid: its float shadow, and the codes that the network
// reads.
//
// Math:      the network reads q = projection of the shadow w (or, with a real scale a row,
//            sign(w) [|w| >= v/2] v exp(a)); the gradient of q is taken as that of w; that of a is
//            the row's sum of gradient times q.
//            Start: w = Wt pulled just inside the cell of its code Q. With powers of two, lo the
//            least magnitude, q = |Q|: Q = 0: clamp(Wt, -.48 lo, .48 lo), else sign(Q) *
//            clamp(Wt sign(Q), L, U), L = 1.02 * (lo/2 if q = lo, else .75 q), U = 1.47 q, none at
//            the largest. With a real scale v: Q = 0: clamp(Wt, -.48 v, .48 v), else sign(Q) *
//            max(Wt sign(Q), .52 v).
//            A stage of another width has powers of two, at the exact exponents of the shadow when
//            it begins; so has the layer's own width behind a stage. A blend (train/options.h) ends
//            with the codes' part of the run.
// Source:    P. Yin et al., arXiv 1612.06052 (2016), algorithm 2; the start is ours.
// Precision: what Packed gives dequantizes to q, bit for bit.
// Threads:   one.
#ifndef LBW_TRAIN_LOW_BIT_LAYER_H_
#define LBW_TRAIN_LOW_BIT_LAYER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tensor.h"
#include "quant/quantize.h"
#include "train/options.h"
#include "train/parameter.h"

namespace lbw::train {

struct LayerStart {
  std::string name;  // the weight's constant
  // Codes to start from: scheme exact, granularity channel; its real scales (2 bits only) are
  // trained. Its bias is not looked at.
  quant::QuantizedTensor codes;
  std::vector<float> target;  // [elements] in the tensor's own order: Wt
  // [rows]: not trained, whatever its gradient (all |w| of the float row < 1e-12). Empty: none.
  std::vector<uint8_t> dead;
  // Of the run, for the growth of a blend; 0: all steps are one epoch.
  int64_t steps_an_epoch = 0;
};

class LowBitLayer {
 public:
  // device: torch's word, "cpu" or "cuda:N". Errors: kInvalidArgument, BAD_OPTIONS - codes that
  // cannot be trained (uniform, per tensor), stages below the codes' own width; torch's.
  static absl::StatusOr<std::unique_ptr<LowBitLayer>> Make(LayerStart start,
                                                           const LowBitOptions& options,
                                                           const std::string& device);
  virtual ~LowBitLayer() = default;
  virtual const std::string& name() const = 0;

  // What the network reads in step t of total: in the tensor's own shape, a leaf with
  // requires_grad. Valid until the next call. Flips are counted once for a step, at its first call.
  virtual absl::StatusOr<at::Tensor> Student(int64_t t, int64_t total) = 0;
  // Takes the student's gradient to the parameters'. Behind backward.
  virtual absl::Status TakeGradient() = 0;
  // The shadow ([rows, row_elements], unit: rows' rms, 0 of dead rows), and a [rows] where scales
  // are real. Dead rows have gradient 0.
  virtual const std::vector<Parameter>& parameters() const = 0;
  // Codes stay as they are from now on: the shadow takes no more steps.
  virtual void FixCodes() = 0;

  // The codes of parameter values: the layer's own, or averages of them (in the parameters' order),
  // at the layer's own width also in a stage of another. Behind FixCodes the codes are those of the
  // shadow, whatever the values. No bias.
  virtual absl::StatusOr<quant::QuantizedTensor> Packed(
      const std::vector<at::Tensor>& values) const = 0;

  // Since the last call; changed: codes that differ from those at the last call.
  struct Facts {
    int64_t weights = 0;
    int64_t changed = 0;
    int64_t frozen = 0;         // for oscillating
    double relative_error = 0;  // sum (w - q)^2 / sum w^2 of the shadow now
  };
  virtual absl::StatusOr<Facts> TakeFacts() = 0;

  // Everything but the shadow's and a's values, which the caller keeps: exponents, flips, codes at
  // the last TakeFacts. Restore takes exactly what State gave. Errors: kDataLoss.
  virtual absl::StatusOr<std::map<std::string, base::Tensor>> State() const = 0;
  virtual absl::Status Restore(const std::map<std::string, base::Tensor>& state) = 0;
};

}  // namespace lbw::train

#endif  // LBW_TRAIN_LOW_BIT_LAYER_H_
