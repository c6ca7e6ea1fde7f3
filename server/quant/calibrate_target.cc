#include "quant/calibrate_target.h"

#include <algorithm>
#include <numeric>

#include "base/status.h"
#include "quant/linear_solve.h"
#include "quant/parallel.h"

namespace lbw::quant {
namespace {

constexpr int64_t kRowsABlock = 8;
constexpr int64_t kRowsATarget = 512;

SolveThreads ThreadsOf(const CalibrateOptions& options) {
  return {options.isa, options.max_threads, options.keep_going};
}

std::vector<int32_t> OrderOf(const Gram& gram) {
  const auto n = static_cast<size_t>(gram.columns);
  std::vector<int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return gram.h[static_cast<size_t>(a) * (n + 1)] > gram.h[static_cast<size_t>(b) * (n + 1)];
  });
  return order;
}

// H + lambda I with its columns in another order, factored.
struct Damped {
  absl::Span<const int32_t> place;  // of its columns among H's
  double lambda = 0;
  std::vector<double> factor;
  bool good = false;
};

absl::StatusOr<Damped> Damp(const Gram& gram, absl::Span<const int32_t> place,
                            const CalibrateOptions& options) {
  const auto n = static_cast<size_t>(gram.columns);
  double trace = 0;
  for (size_t j = 0; j < n; ++j) trace += gram.h[j * (n + 1)];
  constexpr int kTries = 4;
  Damped damped;
  damped.place = place;
  damped.lambda = options.damping * trace / static_cast<double>(n);
  damped.factor.resize(n * n);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    if (attempt > 0) damped.lambda *= 10;
    for (size_t i = 0; i < n; ++i) {
      const double* const row = gram.h.data() + static_cast<size_t>(place[i]) * n;
      for (size_t j = 0; j <= i; ++j) damped.factor[i * n + j] = row[place[j]];
      damped.factor[i * (n + 1)] += damped.lambda;
    }
    LBW_ASSIGN_OR_RETURN(damped.good,
                         Cholesky(absl::MakeSpan(damped.factor), gram.columns, ThreadsOf(options)));
    if (damped.good) break;
  }
  return damped;
}

// Wf (G + lambda I), its columns in the factor's order.
std::vector<double> Mixed(absl::Span<const float> weights, const Gram& gram, const Damped& damped,
                          const CalibrateOptions& options) {
  const int64_t n = gram.columns;
  const int64_t rows = static_cast<int64_t>(weights.size()) / n;
  std::vector<double> out(weights.size());
  ParallelFor((rows + kRowsABlock - 1) / kRowsABlock, options.max_threads, [&](int64_t block) {
    const int64_t first = block * kRowsABlock;
    const int64_t count = std::min(kRowsABlock, rows - first);
    const absl::Span<const float> own =
        weights.subspan(static_cast<size_t>(first * n), static_cast<size_t>(count * n));
    const std::vector<double> wide(own.begin(), own.end());
    std::vector<double> mixed(wide.size(), 0.0);
    OuterSum<double> sum;
    sum.m = count;
    sum.n = n;
    sum.depth = n;
    sum.a = wide.data();
    sum.a_stride_i = n;
    sum.a_stride_k = 1;
    sum.b = gram.g.data();
    sum.b_stride = n;
    sum.c = mixed.data();
    sum.c_stride = n;
    KernelsFor(options.isa).outer_f64(sum);
    for (size_t i = 0; i < wide.size(); ++i) mixed[i] += damped.lambda * wide[i];
    double* const to = out.data() + first * n;
    for (int64_t at = 0; at < count * n; at += n) {
      for (int64_t j = 0; j < n; ++j) {
        to[at + j] = mixed[static_cast<size_t>(at + damped.place[static_cast<size_t>(j)])];
      }
    }
  });
  return out;
}

// Wt, so many rows at a time that float64 of them all is never kept.
absl::StatusOr<std::vector<float>> Target(absl::Span<const float> weights, const Gram& gram,
                                          const Damped& damped, const CalibrateOptions& options) {
  const auto n = static_cast<size_t>(gram.columns);
  const size_t step = n * static_cast<size_t>(kRowsATarget);
  std::vector<float> target(weights.size());
  for (size_t first = 0; first < weights.size(); first += step) {
    if (options.keep_going) LBW_RETURN_IF_ERROR(options.keep_going());
    std::vector<double> rows = Mixed(weights.subspan(first, step), gram, damped, options);
    LBW_RETURN_IF_ERROR(
        SolveRows(damped.factor, gram.columns, absl::MakeSpan(rows), ThreadsOf(options)));
    for (size_t at = 0; at < rows.size(); at += n) {
      for (size_t j = 0; j < n; ++j) {
        target[first + at + static_cast<size_t>(damped.place[j])] =
            static_cast<float>(rows[at + j]);
      }
    }
  }
  return target;
}

}  // namespace

absl::StatusOr<Aim> TakeAim(absl::Span<const float> weights, const Gram& gram,
                            const CalibrateOptions& options) {
  Aim aim;
  std::vector<int32_t> order = OrderOf(gram);
  const std::vector<int32_t> place(order.rbegin(), order.rend());
  LBW_ASSIGN_OR_RETURN(const Damped damped, Damp(gram, place, options));
  if (!damped.good) return aim;
  LBW_ASSIGN_OR_RETURN(aim.target, Target(weights, gram, damped, options));
  const auto n = static_cast<size_t>(gram.columns);
  aim.factor.reserve(n * (n + 1) / 2);
  for (size_t k = 0; k < n; ++k) {
    const auto row = damped.factor.begin() + static_cast<std::ptrdiff_t>(k * n);
    aim.factor.insert(aim.factor.end(), row, row + static_cast<std::ptrdiff_t>(k + 1));
  }
  aim.good = true;
  aim.lambda = damped.lambda;
  aim.order = std::move(order);
  return aim;
}

}  // namespace lbw::quant
