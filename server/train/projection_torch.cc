#include "train/projection_torch.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/bitwise_and.h>
#include <ATen/ops/bitwise_left_shift.h>
#include <ATen/ops/bitwise_or.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "quant/grid.h"

namespace lbw::train {
namespace {

using quant::Histogram;

constexpr int64_t kMagnitudeMask = 0x7fffffff;
constexpr int64_t kSignMask = -0x80000000LL;  // as int32
constexpr int64_t kFractionMask = 0x007fffff;
constexpr int64_t kLeastNormalBits = 0x00800000;
constexpr int64_t kHalfOctave = 0x00400000;
constexpr int64_t kExponentMask = 0x7f800000;
constexpr int kBias = 127;
// Half-octaves of 1.0, and of a denormal's bits read as an integer: 1.0 stands for 2^-149.
constexpr int64_t kUnitHalfOctave = 2 * kBias;
constexpr int64_t kDenormalShift = -149 + kBias;  // of the biased exponent

at::Tensor MagnitudeBits(const at::Tensor& rows) {
  return at::bitwise_and(rows.view(at::kInt), kMagnitudeMask);
}

// Bits of |w|, of a denormal those of its significand as a float32.
at::Tensor NormalBits(const at::Tensor& magnitude, const at::Tensor& denormal) {
  return at::where(denormal, magnitude.to(at::kFloat).view(at::kInt), magnitude);
}

std::vector<int64_t> ToHost(const at::Tensor& tensor) {
  const at::Tensor here = tensor.cpu().contiguous();
  std::vector<int64_t> values(static_cast<size_t>(here.numel()));
  if (!values.empty()) {
    std::memcpy(values.data(), here.data_ptr<int64_t>(), values.size() * sizeof(int64_t));
  }
  return values;
}

// [R, 1] int32 on the device of `like`.
at::Tensor Column(std::vector<int32_t> values, const at::Tensor& like) {
  const auto rows = static_cast<int64_t>(values.size());
  const at::Tensor borrowed =
      at::from_blob(values.data(), {rows, 1}, at::TensorOptions().dtype(at::kInt));
  return borrowed.clone().to(like.device());
}

// Where every row's denormals are zeros: as quant/nearest_values.h.
at::Tensor NearestNormal(const at::Tensor& magnitude, const at::Tensor& biased, int magnitudes) {
  const at::Tensor greatest = at::bitwise_left_shift(biased, 23);
  const at::Tensor least = at::bitwise_left_shift(biased.sub(magnitudes - 1), 23);
  const at::Tensor half = at::bitwise_left_shift(biased.sub(magnitudes), 23);
  at::Tensor value = at::minimum(magnitude, greatest);
  value.add_(kHalfOctave).bitwise_and_(kExponentMask);
  value = at::maximum(value, least);
  return value.masked_fill_(magnitude.lt(half), 0);
}

// Any row: biased exponents of denormals go on below 1, down to -22 for 2^-149.
at::Tensor NearestAny(const at::Tensor& magnitude, const at::Tensor& biased, int magnitudes) {
  const at::Tensor denormal = magnitude.lt(kLeastNormalBits);
  const at::Tensor half_octave = at::bitwise_right_shift(NormalBits(magnitude, denormal), 22);
  const at::Tensor octave =
      at::where(denormal, half_octave.add(2 * kDenormalShift - kUnitHalfOctave), half_octave);
  const at::Tensor rounded = at::bitwise_right_shift(octave.add(1), 1);
  const at::Tensor lowest = biased.sub(magnitudes - 1);
  const at::Tensor k = at::minimum(at::maximum(rounded, lowest), biased);
  const at::Tensor small =
      at::bitwise_left_shift(at::full_like(k, 1), at::clamp(k.sub(kDenormalShift), 0, 23));
  at::Tensor value = at::where(k.ge(1), at::bitwise_left_shift(at::clamp(k, 0, 254), 23), small);
  const at::Tensor zero = at::bitwise_right_shift(octave, 1).lt(lowest.sub(1));
  return value.masked_fill_(zero.logical_or(magnitude.eq(0)), 0);
}

}  // namespace

TorchHistograms::TorchHistograms(const at::Tensor& rows) {
  const at::Tensor magnitude = MagnitudeBits(rows);
  const at::Tensor denormal = magnitude.lt(kLeastNormalBits);
  const at::Tensor bits = NormalBits(magnitude, denormal);
  const at::Tensor not_zero = magnitude.ne(0);
  const at::Tensor half_octave = at::bitwise_right_shift(bits, 22);
  // A zero adds nothing to a bin that exists.
  const at::Tensor bin = at::where(denormal, half_octave.sub(kUnitHalfOctave),
                                   half_octave.add(Histogram::kDenormalBins))
                             .clamp_min_(0)
                             .to(at::kLong);
  const at::Tensor count = not_zero.to(at::kLong);
  const at::Tensor significand =
      at::bitwise_or(at::bitwise_and(bits, kFractionMask), kLeastNormalBits)
          .to(at::kLong)
          .mul_(count);
  const at::TensorOptions options = at::TensorOptions().dtype(at::kLong).device(rows.device());
  const std::vector<int64_t> shape = {rows.size(0), Histogram::kAllBins};
  counts_ = ToHost(at::zeros(shape, options).scatter_add_(1, bin, count));
  sums_ = ToHost(at::zeros(shape, options).scatter_add_(1, bin, significand));
}

absl::Span<const Histogram::Bin> TorchHistograms::Bins(
    int64_t row, std::array<Histogram::Bin, Histogram::kAllBins>& storage) const {
  size_t filled = 0;
  const size_t first = static_cast<size_t>(row) * Histogram::kAllBins;
  for (int bin = 0; bin < Histogram::kAllBins; ++bin) {
    const size_t at = first + static_cast<size_t>(bin);
    if (counts_[at] == 0) continue;
    const bool denormal = bin < Histogram::kDenormalBins;
    const int half_octave = denormal ? bin : bin - Histogram::kDenormalBins;
    storage[filled++] =
        Histogram::Bin{.exponent = half_octave / 2 + (denormal ? quant::kMinExponent : -kBias),
                       .upper = half_octave % 2 != 0,
                       .count = static_cast<uint64_t>(counts_[at]),
                       .significand_sum = static_cast<uint64_t>(sums_[at])};
  }
  return {storage.data(), filled};
}

void NearestByTorch(const at::Tensor& rows, const std::vector<int16_t>& exponents, int magnitudes,
                    at::Tensor& out) {
  if (rows.numel() == 0) return;
  std::vector<int32_t> biased;
  for (const int16_t exponent : exponents) biased.push_back(exponent + kBias);
  const bool normal = *std::min_element(biased.begin(), biased.end()) - magnitudes >= 1;
  const at::Tensor column = Column(std::move(biased), rows);
  const at::Tensor magnitude = MagnitudeBits(rows);
  at::Tensor value = normal ? NearestNormal(magnitude, column, magnitudes)
                            : NearestAny(magnitude, column, magnitudes);
  const at::Tensor sign = at::bitwise_and(rows.view(at::kInt), kSignMask);
  const at::Tensor zero = value.eq(0);
  value.bitwise_or_(sign).masked_fill_(zero, 0);
  out.copy_(value.view(at::kFloat));
}

void TernaryByTorch(const at::Tensor& rows, const at::Tensor& threshold, const at::Tensor& value,
                    at::Tensor& out) {
  const at::Tensor bits = rows.view(at::kInt);
  const at::Tensor below =
      at::bitwise_and(bits, kMagnitudeMask).lt(threshold.view(at::kInt).unsqueeze(1));
  at::Tensor chosen =
      at::bitwise_or(at::bitwise_and(bits, kSignMask), value.view(at::kInt).unsqueeze(1));
  chosen.masked_fill_(below, 0);
  out.copy_(chosen.view(at::kFloat));
}

}  // namespace lbw::train
