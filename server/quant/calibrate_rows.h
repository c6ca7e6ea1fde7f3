// The coordinate descent of one block of rows. Private to the room.
#ifndef LBW_QUANT_CALIBRATE_ROWS_H_
#define LBW_QUANT_CALIBRATE_ROWS_H_

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "quant/calibrate.h"

namespace lbw::quant {

// What every row shares. All borrowed.
struct RowProblem {
  int64_t columns = 0;
  const float* h = nullptr;        // [columns, columns], damped
  const float* factor = nullptr;   // its triangle (Aim::factor)
  const int32_t* order = nullptr;  // columns by falling H_jj
  const LinearKernels* kernels = nullptr;
  int bits = 4;
  int magnitudes = 7;
  int sweeps = 3;
  ScaleKind scale = ScaleKind::kPowerOfTwo;
};

struct SolvedRow {
  int exponent = 0;
  float scale = 1;            // real factor on the grid; 1 for powers of two
  std::vector<float> values;  // [columns], scale included
  std::vector<uint8_t> codes;
};

// targets: rows of Wt, [rows, columns].
// Several rows at a time share each row of H while it is in the nearest cache.
std::vector<SolvedRow> SolveBlock(const RowProblem& problem, absl::Span<const float> targets);

// Rounding leaves no error below 0; one that is not finite says nothing: 0.
inline double TellableError(double error) {
  return std::isfinite(error) && error > 0 ? error : 0.0;
}

// The grid value nearest to u, ties to the larger magnitude: of {0, +-2^(s-m+1), m = 1..n}.
float NearestValue(float u, int magnitudes, int exponent);

}  // namespace lbw::quant

#endif  // LBW_QUANT_CALIBRATE_ROWS_H_
