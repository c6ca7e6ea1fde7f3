// What calibrated rows aim at, and the damped H in the order in which columns are decided. Private
// to the room.
//
// Math:      Wt = Wf (G + lambda I) inverse(H + lambda I), lambda = damping * mean(diag H).
#ifndef LBW_QUANT_CALIBRATE_TARGET_H_
#define LBW_QUANT_CALIBRATE_TARGET_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quant/calibrate.h"
#include "quant/gram.h"

namespace lbw::quant {

struct Aim {
  // False: H is not definite even with much damping; the rest is empty then.
  bool good = false;
  double lambda = 0;           // ten times the damping each time it had to be
  std::vector<int32_t> order;  // columns by falling H_jj
  // [columns * (columns + 1) / 2]: L with L L' = H + lambda I, rows and columns in reverse order;
  // its lower triangle row by row.
  std::vector<float> factor;
  std::vector<float> target;  // [rows, columns]: Wt
};

// Memory: CalibrationBytes, of which the gram's are the caller's. Errors: keep_going's.
absl::StatusOr<Aim> TakeAim(absl::Span<const float> weights, const Gram& gram,
                            const CalibrateOptions& options);

}  // namespace lbw::quant

#endif  // LBW_QUANT_CALIBRATE_TARGET_H_
