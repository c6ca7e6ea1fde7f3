// The exact projection of rows on the device that they are on.
//
// Math:      quant/projection.h and quant/grid.h: the same exponents and values, bit for bit. On
//            the CPU quant's own kernels run; elsewhere torch's operators count a histogram a row
//            (integers: sums do not depend on their order), and the exponent is chosen from it by
//            the same code on the host.
// Errors:    kResourceExhausted, kInternal - torch's.
// Threads:   pure; on the CPU large tensors use up to the threads that torch may.
// Cost:      values: one pass; exponents: one pass on the CPU, elsewhere 40 bytes an element of at
//            most kHistogramElements elements (or one row) at a time, and a wait for the device.
#ifndef LBW_TRAIN_PROJECTION_H_
#define LBW_TRAIN_PROJECTION_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace at {
class Tensor;
}  // namespace at

namespace lbw::train {

inline constexpr int64_t kHistogramElements = int64_t{1} << 22;

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
// The same among the exponents around[r] - reach .. around[r] + reach of each row; a row of zeros
// keeps around[r]. reach < 0: among all, so that around is not read.
struct ExponentSearch {
  absl::Span<const int16_t> around;  // [R]
  int reach = -1;
};
absl::StatusOr<std::vector<int16_t>> ExactExponentsNear(
    const at::Tensor& rows, const GridShape& grid, const ExponentSearch& search,
    ProjectionPath path = ProjectionPath::kAuto);
// The nearest grid values under given exponents [R]: quant::NearestCodes, decoded. out [R, N] f32
// contiguous on the same device is overwritten; it may be rows.
absl::Status NearestValues(const at::Tensor& rows, const std::vector<int16_t>& exponents,
                           const GridShape& grid, at::Tensor& out,
                           ProjectionPath path = ProjectionPath::kAuto);
// sign(w) [|w| >= threshold] value; threshold and value [R] f32, not negative, on the same device.
absl::Status TernaryValues(const at::Tensor& rows, const at::Tensor& threshold,
                           const at::Tensor& value, at::Tensor& out,
                           ProjectionPath path = ProjectionPath::kAuto);

}  // namespace lbw::train

#endif  // LBW_TRAIN_PROJECTION_H_
