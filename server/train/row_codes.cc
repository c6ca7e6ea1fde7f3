#include "train/row_codes.h"

#include <cmath>
#include <cstddef>

#include "quant/packing.h"
#include "quant/projection.h"
#include "train/shadow_start.h"

namespace lbw::train {

std::vector<uint8_t> RowCodes(absl::Span<const float> values, const RowGrids& grids) {
  std::vector<uint8_t> codes(values.size());
  const auto length = static_cast<size_t>(grids.row_elements);
  for (size_t row = 0; row * length < values.size(); ++row) {
    const absl::Span<const float> from = values.subspan(row * length, length);
    const absl::Span<uint8_t> to = absl::MakeSpan(codes).subspan(row * length, length);
    if (grids.scaled.empty()) {
      quant::NearestCodes(from, grids.bits, grids.magnitudes, grids.exponents[row], to);
    } else {
      TernaryCodes(from, grids.scaled[row], grids.bits, to);
    }
  }
  return codes;
}

std::vector<int8_t> SignedLevels(absl::Span<const uint8_t> codes, int bits) {
  std::vector<int8_t> levels(codes.size());
  const int sign = 1 << (bits - 1);
  for (size_t i = 0; i < codes.size(); ++i) {
    const int m = codes[i] & (sign - 1);
    levels[i] = static_cast<int8_t>((codes[i] & sign) != 0 ? -m : m);
  }
  return levels;
}

std::vector<uint8_t> PackRows(absl::Span<const uint8_t> codes, int64_t row_elements, int bits) {
  const auto length = static_cast<size_t>(row_elements);
  const auto row_bytes = static_cast<size_t>(quant::RowBytes(row_elements, bits));
  std::vector<uint8_t> packed(codes.size() / length * row_bytes);
  for (size_t row = 0; row * length < codes.size(); ++row) {
    quant::PackRow(codes.subspan(row * length, length), bits,
                   absl::MakeSpan(packed).subspan(row * row_bytes, row_bytes));
  }
  return packed;
}

double RelativeError(absl::Span<const float> values, absl::Span<const float> projected) {
  double error = 0;
  double power = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto w = static_cast<double>(values[i]);
    const double difference = w - static_cast<double>(projected[i]);
    error += difference * difference;
    power += w * w;
  }
  return power > 0 ? error / power : 0;
}

SplitScale Split(float v) {
  const int exponent = std::ilogb(v);
  return {static_cast<int16_t>(exponent), std::scalbn(v, -exponent)};
}

}  // namespace lbw::train
