// Where the shadow of a layer begins: the float target, moved just inside the cells of its codes.
//
// Math:      train/low_bit_layer.h. unit = sqrt(sum w^2 / N) of a row of the shadow; 0 of a row
//            that is not trained, which then moves by no step and no decay.
// Precision: the shadow's nearest codes are the start's, whatever the target.
// Threads:   pure.
#ifndef LBW_TRAIN_SHADOW_START_H_
#define LBW_TRAIN_SHADOW_START_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quant/quantize.h"
#include "train/low_bit_layer.h"

namespace lbw::train {

// Rows are those of packing: [rows, row_elements].
struct Shadow {
  quant::RowLayout layout;
  int magnitudes = 0;
  std::vector<float> values;
  std::vector<float> units;        // [rows]
  std::vector<int16_t> exponents;  // [rows]
  std::vector<float> scaled;       // [rows]: v; empty: powers of two
  std::vector<int64_t> dead_rows;  // indices, rising
};

// in_cell false: the target itself is the shadow. Errors: kInvalidArgument, BAD_OPTIONS - codes
// that cannot be trained, a target or dead rows of another size; NON_FINITE - the target.
absl::StatusOr<Shadow> StartShadow(const LayerStart& start, const LowBitOptions& options);

// v / 2, but never 0: where half of the least denormal would round to it.
float TernaryThreshold(float v);
// Codes of sign(w) [|w| >= TernaryThreshold(v)], one a byte.
void TernaryCodes(absl::Span<const float> row, float v, int bits, absl::Span<uint8_t> codes);

}  // namespace lbw::train

#endif  // LBW_TRAIN_SHADOW_START_H_
