// The projection by torch's operators, for rows that are on a device. Internal to the room.
//
// Math:      bins are those of quant::Histogram. A denormal's bits, converted to float32 (exactly:
//            they are below 2^24), show its own octave and significand as a normal number's do.
// Threads:   pure. Throws what torch throws.
#ifndef LBW_TRAIN_PROJECTION_TORCH_H_
#define LBW_TRAIN_PROJECTION_TORCH_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "quant/projection.h"

namespace at {
class Tensor;
}  // namespace at

namespace lbw::train {

// Of each row, brought to the host. Counts and sums are 64-bit integers: a row has less than 2^39
// elements.
class TorchHistograms {
 public:
  // rows [R, N] f32, finite.
  explicit TorchHistograms(const at::Tensor& rows);
  // As quant::Histogram::Bins.
  absl::Span<const quant::Histogram::Bin> Bins(
      int64_t row, std::array<quant::Histogram::Bin, quant::Histogram::kAllBins>& storage) const;

 private:
  std::vector<int64_t> counts_;  // [R, kAllBins]
  std::vector<int64_t> sums_;
};

// train/projection.h, with exponents [R] on the host; threshold and value [R].
void NearestByTorch(const at::Tensor& rows, const std::vector<int16_t>& exponents, int magnitudes,
                    at::Tensor& out);
void TernaryByTorch(const at::Tensor& rows, const at::Tensor& threshold, const at::Tensor& value,
                    at::Tensor& out);

}  // namespace lbw::train

#endif  // LBW_TRAIN_PROJECTION_TORCH_H_
