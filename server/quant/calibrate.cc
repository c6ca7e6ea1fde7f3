#include "quant/calibrate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/status.h"
#include "base/strings.h"
#include "quant/calibrate_rows.h"
#include "quant/calibrate_target.h"
#include "quant/parallel.h"
#include "quant/projection.h"
#include "quant/report.h"

namespace lbw::quant {
namespace {

constexpr int64_t kRowsABlock = 8;

base::Error BadOption(std::string_view name, std::string_view value, std::string_view limit) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions,
                     base::StrCat(name, " must be ", limit, ": ", name, "=", value));
}

absl::Status CheckOptions(const CalibrateOptions& options) {
  if (options.bits < kMinBits || options.bits > kMaxBits) {
    return BadOption("bits", base::StrCat(options.bits), "2..6");
  }
  if (options.scale == ScaleKind::kReal && options.bits != 2) {
    return BadOption("scale", "real", "pow2 above 2 bits");
  }
  if (!(options.damping > 0) || !(options.damping <= 1)) {
    return BadOption("damping", base::StrCat(options.damping), "above 0 and at most 1");
  }
  if (options.sweeps < 1 || options.sweeps > 100) {
    return BadOption("sweeps", base::StrCat(options.sweeps), "1..100");
  }
  return absl::OkStatus();
}

bool IsDead(const CalibrateOptions& options, size_t r, absl::Span<const float> row) {
  if (!options.dead.empty()) return options.dead[r] != 0;
  return IsDeadRow(row);
}

bool AllFinite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

// Whether H has something to go by.
Plain SignalOf(const Gram& gram) {
  const auto n = static_cast<size_t>(gram.columns);
  double trace = 0;
  double square = 0;
  for (size_t j = 0; j < n; ++j) {
    trace += gram.h[j * (n + 1)];
    square += gram.mean_quantized[j] * gram.mean_quantized[j];
  }
  if (gram.samples == 0) return Plain::kNoSignal;
  const bool finite = std::isfinite(trace) && AllFinite(gram.mean_quantized) &&
                      AllFinite(gram.mean_float) && AllFinite(gram.g);
  if (!finite) return Plain::kNotFinite;
  // A layer before may leave a constant the rounding of its own sums, some 1e-14 of its square.
  return trace > 1e-12 * square && trace > 0 ? Plain::kNo : Plain::kNoSignal;
}

// x A for a block of rows x [rows, n], A [n, n].
std::vector<double> Product(const LinearKernels& kernels, const std::vector<double>& x,
                            const std::vector<double>& a, int64_t n) {
  std::vector<double> out(x.size(), 0.0);
  OuterSum<double> sum;
  sum.m = static_cast<int64_t>(x.size()) / n;
  sum.n = n;
  sum.depth = n;
  sum.a = x.data();
  sum.a_stride_i = n;
  sum.a_stride_k = 1;
  sum.b = a.data();
  sum.b_stride = n;
  sum.c = out.data();
  sum.c_stride = n;
  kernels.outer_f64(sum);
  return out;
}

double Dot(const double* x, const double* y, int64_t n) {
  double total = 0;
  for (int64_t j = 0; j < n; ++j) total += x[j] * y[j];
  return total;
}

SolvedRow Nearest(absl::Span<const float> row, const CalibrateOptions& options, int magnitudes) {
  SolvedRow solved;
  Histogram histogram;
  histogram.Add(row);
  solved.exponent = ExactExponent(histogram, magnitudes);
  solved.codes.resize(row.size());
  NearestCodes(row, options.bits, magnitudes, solved.exponent, absl::MakeSpan(solved.codes));
  solved.values.resize(row.size());
  for (size_t j = 0; j < row.size(); ++j) {
    solved.values[j] = DecodeValue(solved.codes[j], options.bits, solved.exponent);
  }
  return solved;
}

// Everything that the rows share.
struct Problem {
  absl::Span<const float> weights;
  const Gram& gram;
  absl::Span<const double> power;
  const CalibrateOptions& options;
  RowProblem rows;
  std::vector<float> target;  // empty: plain
};

// Writes the codes of row r.
void Keep(const Problem& problem, int64_t r, const SolvedRow& solved, CalibratedRows& out) {
  const auto row = static_cast<size_t>(r);
  std::copy(solved.codes.begin(), solved.codes.end(),
            out.codes.begin() + static_cast<std::ptrdiff_t>(r * problem.gram.columns));
  out.exponents[row] = static_cast<int16_t>(solved.exponent);
  if (!out.scales.empty()) out.scales[row] = solved.scale;
}

// Values of rows first .. first+count-1 as they will be read back.
std::vector<double> ValuesOf(const Problem& problem, int64_t first, int64_t count,
                             const CalibratedRows& out) {
  std::vector<double> values;
  values.reserve(static_cast<size_t>(count * problem.gram.columns));
  for (int64_t r = first; r < first + count; ++r) {
    const auto row = static_cast<size_t>(r);
    const float scale = out.scales.empty() ? 1.0F : out.scales[row];
    for (int64_t j = 0; j < problem.gram.columns; ++j) {
      const uint8_t code = out.codes[static_cast<size_t>(r * problem.gram.columns + j)];
      const float value = scale * DecodeValue(code, problem.options.bits, out.exponents[row]);
      values.push_back(static_cast<double>(value));
    }
  }
  return values;
}

// The bias change and the errors of rows whose codes are known: E (Wf xf - Q xq)^2 behind the bias
// change = power - 2 Wf G Q' + Q H Q'.
void Judge(const Problem& problem, int64_t first, int64_t count, CalibratedRows& out) {
  const int64_t n = problem.gram.columns;
  const LinearKernels& kernels = *problem.rows.kernels;
  const absl::Span<const float> weights =
      problem.weights.subspan(static_cast<size_t>(first * n), static_cast<size_t>(count * n));
  const std::vector<double> w(weights.begin(), weights.end());
  const std::vector<double> q = ValuesOf(problem, first, count, out);
  std::vector<double> nearest;
  nearest.reserve(q.size());
  for (int64_t r = 0; r < count; ++r) {
    const SolvedRow row =
        Nearest(weights.subspan(static_cast<size_t>(r * n), static_cast<size_t>(n)),
                problem.options, problem.rows.magnitudes);
    nearest.insert(nearest.end(), row.values.begin(), row.values.end());
  }
  const std::vector<double> wg = Product(kernels, w, problem.gram.g, n);
  const std::vector<double> qh = Product(kernels, q, problem.gram.h, n);
  const std::vector<double> nh = Product(kernels, nearest, problem.gram.h, n);
  for (int64_t r = 0; r < count; ++r) {
    const auto row = static_cast<size_t>(first + r);
    const double power = problem.power.empty() ? 0.0 : problem.power[row];
    const int64_t at = r * n;
    const auto error = [&](const std::vector<double>& values, const std::vector<double>& product) {
      return TellableError(
          power - 2 * Dot(&wg[static_cast<size_t>(at)], &values[static_cast<size_t>(at)], n) +
          Dot(&product[static_cast<size_t>(at)], &values[static_cast<size_t>(at)], n));
    };
    out.output_power[row] = power;
    out.error[row] = error(q, qh);
    out.nearest_error[row] = error(nearest, nh);
    out.bias_change[row] = Dot(&w[static_cast<size_t>(at)], problem.gram.mean_float.data(), n) -
                           Dot(&q[static_cast<size_t>(at)], problem.gram.mean_quantized.data(), n);
  }
}

void SolveRowsOf(const Problem& problem, int64_t first, int64_t count, CalibratedRows& out) {
  const auto n = static_cast<size_t>(problem.gram.columns);
  std::vector<int64_t> alive;
  std::vector<float> targets;
  for (int64_t r = first; r < first + count; ++r) {
    const absl::Span<const float> row = problem.weights.subspan(static_cast<size_t>(r) * n, n);
    if (problem.target.empty() || IsDead(problem.options, static_cast<size_t>(r), row)) {
      Keep(problem, r, Nearest(row, problem.options, problem.rows.magnitudes), out);
      continue;
    }
    alive.push_back(r);
    const auto begin =
        problem.target.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(r) * n);
    targets.insert(targets.end(), begin, begin + static_cast<std::ptrdiff_t>(n));
  }
  if (alive.empty()) return;
  const std::vector<SolvedRow> solved = SolveBlock(problem.rows, targets);
  for (size_t i = 0; i < alive.size(); ++i) Keep(problem, alive[i], solved[i], out);
}

// What rows aimed at: Wt, or their own weights.
std::vector<float> KeptTarget(Problem& problem) {
  if (problem.target.empty()) return {problem.weights.begin(), problem.weights.end()};
  const auto n = static_cast<size_t>(problem.gram.columns);
  for (size_t at = 0; at < problem.weights.size(); at += n) {
    const absl::Span<const float> row = problem.weights.subspan(at, n);
    if (IsDead(problem.options, at / n, row)) {
      std::copy(row.begin(), row.end(), problem.target.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
  return std::move(problem.target);
}

// What RowProblem borrows.
struct RowMatrix {
  std::vector<float> h, factor;
  std::vector<int32_t> order;
};

// The target, and H for the rows; or why there is none.
absl::StatusOr<Plain> Prepare(Problem& problem, RowMatrix& matrix) {
  const Gram& gram = problem.gram;
  if (const Plain plain = SignalOf(gram); plain != Plain::kNo) return plain;
  LBW_ASSIGN_OR_RETURN(Aim aim, TakeAim(problem.weights, gram, problem.options));
  if (!aim.good) return Plain::kNotFactored;
  // A target beyond float32 (weights of 1e30 behind inputs of 1e-30) has no place on the grid.
  if (FirstNonFinite(aim.target) >= 0) return Plain::kBeyondFloat;
  problem.target = std::move(aim.target);
  const auto n = static_cast<size_t>(gram.columns);
  matrix.h.assign(gram.h.begin(), gram.h.end());
  for (size_t j = 0; j < n; ++j) {
    matrix.h[j * (n + 1)] = static_cast<float>(gram.h[j * (n + 1)] + aim.lambda);
  }
  matrix.factor = std::move(aim.factor);
  matrix.order = std::move(aim.order);
  problem.rows.h = matrix.h.data();
  problem.rows.factor = matrix.factor.data();
  problem.rows.order = matrix.order.data();
  return Plain::kNo;
}

}  // namespace

absl::StatusOr<CalibratedRows> CalibrateRows(absl::Span<const float> weights, const Gram& gram,
                                             absl::Span<const double> output_power,
                                             const CalibrateOptions& options) {
  LBW_RETURN_IF_ERROR(CheckOptions(options));
  LBW_CHECK(gram.moments == Moments::kAll);
  LBW_CHECK(gram.columns > 0 && static_cast<int64_t>(weights.size()) % gram.columns == 0);
  const auto n = static_cast<size_t>(gram.columns);
  const size_t rows = weights.size() / n;
  LBW_CHECK(output_power.empty() || output_power.size() == rows);
  LBW_CHECK(options.dead.empty() || options.dead.size() == rows);
  if (const int64_t bad = FirstNonFinite(weights); bad >= 0) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kNonFinite,
                       base::StrCat("weights must be finite: element ", bad, " is not"));
  }
  CalibratedRows out;
  out.codes.assign(weights.size(), 0);
  out.exponents.assign(rows, 0);
  if (options.scale == ScaleKind::kReal) out.scales.assign(rows, 1.0F);
  out.bias_change.assign(rows, 0.0);
  out.nearest_error.assign(rows, 0.0);
  out.error.assign(rows, 0.0);
  out.output_power.assign(rows, 0.0);
  for (size_t r = 0; r < rows; ++r) {
    out.dead_rows += IsDead(options, r, weights.subspan(r * n, n)) ? 1 : 0;
  }

  Problem problem{weights, gram, output_power, options, {}, {}};
  problem.rows.columns = gram.columns;
  problem.rows.kernels = &KernelsFor(options.isa);
  problem.rows.bits = options.bits;
  problem.rows.magnitudes = MagnitudeCount(options.bits, options.code_book);
  problem.rows.sweeps = options.sweeps;
  problem.rows.scale = options.scale;
  RowMatrix matrix;
  LBW_ASSIGN_OR_RETURN(out.plain, Prepare(problem, matrix));
  const auto count = static_cast<int64_t>(rows);
  LBW_RETURN_IF_ERROR(
      ParallelWhile((count + kRowsABlock - 1) / kRowsABlock, options.max_threads,
                    options.keep_going, [&](int64_t block) {
                      const int64_t first = block * kRowsABlock;
                      SolveRowsOf(problem, first, std::min(kRowsABlock, count - first), out);
                      Judge(problem, first, std::min(kRowsABlock, count - first), out);
                    }));
  if (options.keep_target) out.target = KeptTarget(problem);
  return out;
}

}  // namespace lbw::quant
