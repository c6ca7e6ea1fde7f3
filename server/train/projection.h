// The exact projection of rows on the device that they are on.
//
// Math:      quant/projection.h and quant/grid.h: the same exponents and values, bit for bit. On
//            the CPU quant's own kernels run; elsewhere torch's operators count a histogram a row
//            (integers: sums do not depend on their order), and the exponent is chosen from it by
//            the same code on the host.
// Threads:   pure.
#ifndef LBW_TRAIN_PROJECTION_H_
#define LBW_TRAIN_PROJECTION_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

namespace at {
class Tensor;
}  // namespace at

namespace lbw::train {

struct GridShape {
  int bits = 4;
  int magnitudes = 7;  // quant::MagnitudeCount
};
// kAuto: quant's kernels on the CPU, torch's operators elsewhere. kTorch: those everywhere, so that
// they can be tested without a device.
enum class ProjectionPath : uint8_t { kAuto, kTorch };

// rows [R, N] f32 contiguous, finite. One exponent a row: quant::ExactExponent.
absl::StatusOr<std::vector<int16_t>> ExactExponents(const at::Tensor& rows, const GridShape& grid,
                                                    ProjectionPath path = ProjectionPath::kAuto);
// The nearest grid values under given exponents [R]: quant::NearestCodes, decoded. out [R, N] f32
// contiguous on the same device is overwritten; it may be rows.
absl::Status NearestValues(const at::Tensor& rows, const std::vector<int16_t>& exponents,
                           const GridShape& grid, at::Tensor& out,
                           ProjectionPath path = ProjectionPath::kAuto);
// sign(w) [|w| >= v / 2] v, v [R] f32 on the same device.
absl::Status TernaryValues(const at::Tensor& rows, const at::Tensor& v, at::Tensor& out);

}  // namespace lbw::train

#endif  // LBW_TRAIN_PROJECTION_H_
