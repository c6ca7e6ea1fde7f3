#include "quant/uniform.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <vector>

namespace lbw::quant {
namespace {

constexpr double kLargestCode = 127;

// Calls visit(row, first, length) for every stretch of one row, in the tensor's own order.
template <typename Visit>
void ForEachStretch(const RowLayout& layout, const Visit& visit) {
  size_t at = 0;
  const size_t length = static_cast<size_t>(layout.inner);
  for (int64_t group = 0; group < layout.groups; ++group) {
    for (int64_t o = 0; o < layout.outer; ++o) {
      for (int64_t index = 0; index < layout.axis_size; ++index) {
        visit(static_cast<size_t>(group * layout.axis_size + index), at, length);
        at += length;
      }
    }
  }
}

float ScaleOf(float max_abs) {
  if (max_abs == 0) return 0;
  const float scale = std::max(static_cast<float>(max_abs / kLargestCode), PowerOfTwo(-149));
  // Rounded up at the end of float32's range, 127 * scale would be infinite.
  return scale * kLargestCode > FLT_MAX ? std::nextafter(scale, 0.0F) : scale;
}

int8_t CodeOf(float weight, float scale) {
  if (scale == 0) return 0;
  // Adding and taking away 1.5 * 2^52 rounds to the nearest whole number, ties to even.
  constexpr double kRound = 0x1.8p52;
  const double code = (static_cast<double>(weight) / static_cast<double>(scale) + kRound) - kRound;
  return static_cast<int8_t>(std::clamp(code, -kLargestCode, kLargestCode));
}

}  // namespace

void QuantizeUniform(absl::Span<const float> weights, QuantizedTensor& tensor,
                     ReportBuilder& report) {
  const RowLayout layout = MakeRowLayout(tensor.shape, tensor.options.axis, tensor.options.groups);
  const size_t rows = static_cast<size_t>(layout.rows);
  std::vector<float> max_abs(rows);
  ForEachStretch(layout, [&](size_t row, size_t first, size_t length) {
    for (size_t i = first; i < first + length; ++i) {
      max_abs[row] = std::max(max_abs[row], std::fabs(weights[i]));
    }
  });
  const bool per_tensor = tensor.options.granularity == Granularity::kTensor;
  if (per_tensor) {
    const auto largest = std::max_element(max_abs.begin(), max_abs.end());
    tensor.scales = {ScaleOf(largest == max_abs.end() ? 0.0F : *largest)};
  } else {
    tensor.scales.resize(rows);
    std::transform(max_abs.begin(), max_abs.end(), tensor.scales.begin(), ScaleOf);
  }
  tensor.codes.resize(weights.size());
  std::vector<RowSums> sums(rows);
  ForEachStretch(layout, [&](size_t row, size_t first, size_t length) {
    const float scale = tensor.scales[per_tensor ? 0 : row];
    for (size_t i = first; i < first + length; ++i) {
      tensor.codes[i] = static_cast<uint8_t>(CodeOf(weights[i], scale));
    }
    sums[row].Add(weights.subspan(first, length), [&](size_t i) {
      return scale * static_cast<float>(static_cast<int8_t>(tensor.codes[first + i]));
    });
  });
  for (const RowSums& row : sums) report.AddRow(row);
}

}  // namespace lbw::quant
