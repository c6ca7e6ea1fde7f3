// Calibrated rounding: the codes of a layer whose outputs stay closest to the float network's,
// found from second moments of its inputs. No labels, no gradients.
//
// Math:      with H, G of quant/gram.h, damped by lambda = damping * mean(diag H) on the diagonal:
//            the target Wt = Wf G inverse(H) repairs what the layers before broke; then, a row at a
//            time, minimise (Q - Wt) H (Q - Wt)' over Q on the grid. Start: the nearest plane; with
//            H = L L', the columns decided one after the other, each nearest to what its weight and
//            the errors so far ask of it (as GPTQ does). Then sweeps over the columns j in the
//            order of falling H_jj, which is the start's too: u = Q_j + R_j / H_jj, Q_j = the grid
//            value nearest to u, R = (Wt - Q) H kept up to date. Tried at the exact projection's
//            exponent of Wt and one to either side; the least error wins.
//            Real scales (ScaleKind::kReal, 2 bits): nine starts v = 2^(s0 + j/4), j = -5..3, four
//            times one sweep and v *= (Q H Wt') / (Q H Q'), clamped to [1/4, 4].
//            Bias: b' = b + Wf mf - Q mq. An input without variance keeps its weights' own target.
// Source:    A. Zhang et al., "COMQ: A Backpropagation-Free Algorithm for Post-Training
//            Quantization", arXiv 2403.07134 (2024), on a power-of-two grid; the start: L. Babai,
//            "On Lovasz' lattice reduction and the nearest lattice point problem", Combinatorica 6
//            (1986), and E. Frantar et al., "GPTQ", arXiv 2210.17323 (2022). The corrected target,
//            the exponent search and the real scale are ours.
// Precision: the same bits for every thread count and ISA.
// Threads:   pure; uses up to options.max_threads.
#ifndef LBW_QUANT_CALIBRATE_H_
#define LBW_QUANT_CALIBRATE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quant/gram.h"
#include "quant/grid.h"
#include "quant/kernels/linear.h"
#include "quant/parallel.h"
#include "quant/quantize.h"

namespace lbw::quant {

enum class ScaleKind : uint8_t { kPowerOfTwo, kReal };

struct CalibrateOptions {
  int bits = 4;  // 2..6
  CodeBook code_book = CodeBook::kFull;
  ScaleKind scale = ScaleKind::kPowerOfTwo;  // kReal: 2 bits only
  double damping = 0.01;
  int sweeps = 3;  // of kPowerOfTwo; 1..100
  int max_threads = 1;
  Isa isa = BestIsa();
  // [rows] or empty; borrowed. Not 0: the row is dead, whatever its weights are, because nothing
  // that follows the layer sees it; 0: it is not. Empty: rows with all |w| < 1e-12 are.
  absl::Span<const uint8_t> dead = {};
  // Asked between blocks of rows and of columns, on the calling thread; what it allows changes no
  // bit.
  KeepGoing keep_going = {};
  bool keep_target = false;  // CalibratedRows::target is wanted
};

// Why rows were projected plainly. The bias change holds all the same where the means are finite.
enum class Plain : uint8_t {
  kNo,
  kNoSignal,     // no samples, or inputs that never change
  kNotFinite,    // sums of the inputs are not
  kNotFactored,  // H is not definite even with much damping
  kBeyondFloat,  // the target is
};

// What the sums of a group and its solver take at a time, beside what belongs to the rows.
// At 2^28 columns and more it stays what it is there.
constexpr uint64_t CalibrationBytes(int64_t columns) {
  constexpr int64_t kMost = int64_t{1} << 28;
  const auto n = static_cast<uint64_t>(columns < kMost ? columns : kMost);
  // H, G, the factor of H and its triangle in float32; H in float32 then takes the factor's room.
  return 26 * n * n;
}

// Rows of one group of a layer, [rows, columns]; every row has its own exponent.
struct CalibratedRows {
  std::vector<uint8_t> codes;       // [rows, columns], one a byte (quant/grid.h)
  std::vector<int16_t> exponents;   // [rows]
  std::vector<float> scales;        // [rows]; empty for kPowerOfTwo
  std::vector<double> bias_change;  // [rows], to be added to the layer's bias
  // Mean squared difference of the layer's output from the float network's, behind the bias change,
  // a row: of the nearest codes of Wf with their own bias change, and of these codes. Never
  // negative; 0 where the sums are not finite.
  std::vector<double> nearest_error;
  std::vector<double> error;
  // Mean square of the float network's output about its mean, a row. 0 where it was not told.
  std::vector<double> output_power;
  // keep_target: [rows, columns], Wt; Wf of rows that were projected plainly. Else empty.
  std::vector<float> target;
  // Projected plainly (CalibrateOptions::dead).
  int64_t dead_rows = 0;
  Plain plain = Plain::kNo;
};

// weights        [rows, columns] f32, finite, borrowed: Wf.
// gram           of the same columns, Moments::kAll.
// output_power   [rows] or empty: mean square of Wf xf about its mean. It makes the errors exact;
//                without it they are relative to the target's own.
// Errors:        kInvalidArgument - BAD_OPTIONS (names option, value and limit), NON_FINITE (names
//                the first bad element); keep_going's.
// Cost:          O(columns^3 + rows * columns^2). Memory: CalibrationBytes, of which 16 * columns^2
//                are the gram's; 5 bytes an element of the rows, 48 * columns a thread and row.
absl::StatusOr<CalibratedRows> CalibrateRows(absl::Span<const float> weights, const Gram& gram,
                                             absl::Span<const double> output_power,
                                             const CalibrateOptions& options);

// What any values for the same rows would give: the error of CalibratedRows::error behind their own
// bias change, and that change.
struct RowErrors {
  std::vector<double> error;        // [rows]
  std::vector<double> bias_change;  // [rows]
};
// weights, values [rows, columns]; output_power [rows] or empty. With Moments::kDiagonal errors are
// estimates: of inputs that go together in nothing and are the float network's.
RowErrors MeasureRows(absl::Span<const float> weights, absl::Span<const float> values,
                      const Gram& gram, absl::Span<const double> output_power);

// The codes of all groups of a tensor as one.
// groups    in order; their rows one behind the other are the rows of packing, their columns the
//           elements of a row.
// options   of the call; axis and groups are the tensor's.
// Errors:   those of ValidateOptions; kInternal - rows or columns that do not fit the shape, a
//           granularity or scheme without an exponent a row.
absl::StatusOr<QuantizedTensor> AssembleTensor(absl::Span<const CalibratedRows> groups,
                                               const base::Shape& shape,
                                               const TensorOptions& options,
                                               base::DType source_dtype);

}  // namespace lbw::quant

#endif  // LBW_QUANT_CALIBRATE_H_
