// Codes of rows of values, on the host: what is packed, and what is counted.
//
// Threads: pure.
#ifndef LBW_TRAIN_ROW_CODES_H_
#define LBW_TRAIN_ROW_CODES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace lbw::train {

// The grids of rows of one length. With scaled (v, [rows]) codes are sign(w) [|w| >=
// TernaryThreshold(v)], else the nearest ones under the exponents [rows].
struct RowGrids {
  int64_t row_elements = 0;
  int bits = 4;
  int magnitudes = 7;
  absl::Span<const int16_t> exponents;
  absl::Span<const float> scaled;
};

// One byte each (quant::NearestCodes).
std::vector<uint8_t> RowCodes(absl::Span<const float> values, const RowGrids& grids);
// m of a code, negative where its sign is: comparable between widths, for the largest magnitude is
// 1 in all of them.
std::vector<int8_t> SignedLevels(absl::Span<const uint8_t> codes, int bits);
// As quant::QuantizedTensor::codes.
std::vector<uint8_t> PackRows(absl::Span<const uint8_t> codes, int64_t row_elements, int bits);

// sum (w - q)^2 / sum w^2; 0 of zeros.
double RelativeError(absl::Span<const float> values, absl::Span<const float> projected);

// v = scale * 2^exponent with scale in [1, 2), exactly. v: above 0 and finite.
struct SplitScale {
  int16_t exponent = 0;
  float scale = 1;
};
SplitScale Split(float v);

}  // namespace lbw::train

#endif  // LBW_TRAIN_ROW_CODES_H_
