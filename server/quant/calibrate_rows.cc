#include "quant/calibrate_rows.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "quant/projection.h"

namespace lbw::quant {
namespace {

constexpr int kRealStarts = 9;
constexpr int kRealRounds = 4;

// One attempt at one row: codes on one grid, and what is left of the target.
struct Attempt {
  const float* target = nullptr;  // [columns]
  int exponent = 0;               // kPowerOfTwo
  float value = 0;                // kReal: v
  std::vector<float> q;           // [columns]
  std::vector<float> residual;    // R = (Wt - Q) H

  float Nearest(float u, const RowProblem& problem) const {
    if (problem.scale == ScaleKind::kPowerOfTwo) {
      return NearestValue(u, problem.magnitudes, exponent);
    }
    if (std::fabs(u) < 0.5F * value) return 0.0F;
    return u < 0 ? -value : value;
  }
};

// The nearest plane: |(Wt - Q) L| is decided from its last element on, each element by one column
// more.
void Begin(const RowProblem& problem, Attempt& attempt) {
  const auto columns = static_cast<size_t>(problem.columns);
  attempt.q.resize(columns);
  attempt.residual.resize(columns);
  std::vector<float> carried(columns, 0.0F);  // what decided columns add to the elements
  for (size_t k = columns; k-- > 0;) {
    const auto j = static_cast<size_t>(problem.order[columns - 1 - k]);
    const float* const row = problem.factor + k * (k + 1) / 2;
    attempt.q[j] = attempt.Nearest(attempt.target[j] + carried[k] / row[k], problem);
    const float missed = attempt.target[j] - attempt.q[j];
    if (missed == 0) continue;
    problem.kernels->axpy_f32(missed, row, carried.data(), static_cast<int64_t>(k));
  }
}

// R of every attempt from nothing: each row of H is read once for all of them.
void Residuals(const RowProblem& problem, absl::Span<Attempt> attempts) {
  for (Attempt& attempt : attempts) {
    std::fill(attempt.residual.begin(), attempt.residual.end(), 0.0F);
  }
  for (int64_t j = 0; j < problem.columns; ++j) {
    const float* const row = problem.h + j * problem.columns;
    for (Attempt& attempt : attempts) {
      const auto at = static_cast<size_t>(j);
      const float difference = attempt.target[at] - attempt.q[at];
      if (difference == 0) continue;
      problem.kernels->axpy_f32(difference, row, attempt.residual.data(), problem.columns);
    }
  }
}

void Sweep(const RowProblem& problem, absl::Span<Attempt> attempts) {
  for (int64_t k = 0; k < problem.columns; ++k) {
    const auto j = static_cast<size_t>(problem.order[k]);
    const float* const row = problem.h + static_cast<int64_t>(j) * problem.columns;
    const float diagonal = row[j];
    for (Attempt& attempt : attempts) {
      const float u = attempt.q[j] + attempt.residual[j] / diagonal;
      const float v = attempt.Nearest(u, problem);
      if (v == attempt.q[j]) continue;
      problem.kernels->axpy_f32(attempt.q[j] - v, row, attempt.residual.data(), problem.columns);
      attempt.q[j] = v;
    }
  }
}

// (Wt - Q) H (Wt - Q)' from the residual.
double ErrorOf(const RowProblem& problem, const Attempt& attempt) {
  double error = 0;
  for (size_t j = 0; j < static_cast<size_t>(problem.columns); ++j) {
    error += static_cast<double>(attempt.residual[j]) *
             (static_cast<double>(attempt.target[j]) - static_cast<double>(attempt.q[j]));
  }
  return error;
}

// v *= (Q H Wt') / (Q H Q'). With R = (Wt - Q) H and P = Q H: Q H Wt' = Q R' + Q P'.
void Rescale(const RowProblem& problem, absl::Span<Attempt> attempts) {
  std::vector<float> product(static_cast<size_t>(problem.columns));
  for (Attempt& attempt : attempts) {
    std::fill(product.begin(), product.end(), 0.0F);
    for (int64_t j = 0; j < problem.columns; ++j) {
      const float q = attempt.q[static_cast<size_t>(j)];
      if (q == 0) continue;
      problem.kernels->axpy_f32(q, problem.h + j * problem.columns, product.data(),
                                problem.columns);
    }
    double with_residual = 0;
    double with_itself = 0;
    for (size_t j = 0; j < product.size(); ++j) {
      const auto q = static_cast<double>(attempt.q[j]);
      with_residual += q * static_cast<double>(attempt.residual[j]);
      with_itself += q * static_cast<double>(product[j]);
    }
    double alpha = 1;
    if (with_itself > 0) alpha = std::clamp((with_residual + with_itself) / with_itself, 0.25, 4.0);
    const auto factor = static_cast<float>(alpha);
    attempt.value *= factor;
    // Values are the code's again, so that they stay exactly +-v.
    for (float& q : attempt.q) q = q == 0 ? 0.0F : (q < 0 ? -attempt.value : attempt.value);
  }
  Residuals(problem, attempts);
}

SolvedRow ToRow(const RowProblem& problem, const Attempt& best) {
  SolvedRow row;
  row.values = best.q;
  row.exponent = best.exponent;
  if (problem.scale == ScaleKind::kReal) {
    row.exponent =
        best.value > 0 ? std::clamp(std::ilogb(best.value), kMinExponent, kMaxExponent) : 0;
    row.scale = best.value > 0 ? best.value / PowerOfTwo(row.exponent) : 1.0F;
  }
  row.codes.resize(best.q.size());
  for (size_t j = 0; j < best.q.size(); ++j) {
    const float q = best.q[j];
    if (q == 0) continue;
    const int m = problem.scale == ScaleKind::kReal ? 1 : row.exponent - std::ilogb(q) + 1;
    row.codes[j] = static_cast<uint8_t>((q < 0 ? 1 << (problem.bits - 1) : 0) | m);
  }
  return row;
}

int ExactExponentOf(absl::Span<const float> row, int magnitudes) {
  Histogram histogram;
  histogram.Add(row);
  return ExactExponent(histogram, magnitudes);
}

// The attempts of one row.
std::vector<Attempt> AttemptsOf(const RowProblem& problem, absl::Span<const float> target) {
  const int s0 = ExactExponentOf(target, problem.magnitudes);
  std::vector<Attempt> attempts;
  if (problem.scale == ScaleKind::kPowerOfTwo) {
    for (int s = std::max(s0 - 1, kMinExponent); s <= std::min(s0 + 1, kMaxExponent); ++s) {
      attempts.push_back({target.data(), s, 0, {}, {}});
    }
    return attempts;
  }
  for (int i = 0; i < kRealStarts; ++i) {
    const float value = std::exp2(static_cast<float>(s0) + 0.25F * static_cast<float>(i - 5));
    attempts.push_back({target.data(), s0, value, {}, {}});
  }
  return attempts;
}

}  // namespace

float NearestValue(float u, int magnitudes, int exponent) {
  const float magnitude = std::fabs(u);
  const int least = exponent - magnitudes + 1;
  // Below half of the least value lies zero; the midpoint itself belongs to the value.
  if (!(static_cast<double>(magnitude) >= std::ldexp(1.0, least - 1))) return 0.0F;
  int k = std::ilogb(magnitude);
  if (static_cast<double>(magnitude) >= std::ldexp(1.5, k)) ++k;
  k = std::clamp(k, least, exponent);
  const float value = PowerOfTwo(k);
  return u < 0 ? -value : value;
}

std::vector<SolvedRow> SolveBlock(const RowProblem& problem, absl::Span<const float> targets) {
  const auto columns = static_cast<size_t>(problem.columns);
  std::vector<Attempt> attempts;
  std::vector<size_t> first;  // attempts of row r: first[r] .. first[r + 1]
  for (size_t row = 0; row * columns < targets.size(); ++row) {
    first.push_back(attempts.size());
    for (Attempt& attempt : AttemptsOf(problem, targets.subspan(row * columns, columns))) {
      attempts.push_back(std::move(attempt));
    }
  }
  first.push_back(attempts.size());
  for (Attempt& attempt : attempts) Begin(problem, attempt);
  Residuals(problem, absl::MakeSpan(attempts));
  if (problem.scale == ScaleKind::kReal) {
    for (int round = 0; round < kRealRounds; ++round) {
      Sweep(problem, absl::MakeSpan(attempts));
      Rescale(problem, absl::MakeSpan(attempts));
    }
  } else {
    for (int sweep = 0; sweep < problem.sweeps; ++sweep) Sweep(problem, absl::MakeSpan(attempts));
  }
  std::vector<SolvedRow> solved;
  for (size_t row = 0; row + 1 < first.size(); ++row) {
    size_t best = first[row];
    double least = ErrorOf(problem, attempts[best]);
    for (size_t i = best + 1; i < first[row + 1]; ++i) {
      const double error = ErrorOf(problem, attempts[i]);
      if (error < least) {
        least = error;
        best = i;
      }
    }
    solved.push_back(ToRow(problem, attempts[best]));
  }
  return solved;
}

}  // namespace lbw::quant
