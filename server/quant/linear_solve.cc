#include "quant/linear_solve.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "quant/parallel.h"

namespace lbw::quant {
namespace {

constexpr int64_t kBlock = 64;
constexpr int64_t kRowsAPiece = 32;

// Factors the block on the diagonal that begins at `first`.
bool FactorBlock(double* h, int64_t n, int64_t first, int64_t size) {
  for (int64_t j = first; j < first + size; ++j) {
    double pivot = h[j * n + j];
    for (int64_t k = first; k < j; ++k) pivot -= h[j * n + k] * h[j * n + k];
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    const double root = std::sqrt(pivot);
    h[j * n + j] = root;
    for (int64_t i = j + 1; i < first + size; ++i) {
      double value = h[i * n + j];
      for (int64_t k = first; k < j; ++k) value -= h[i * n + k] * h[j * n + k];
      h[i * n + j] = value / root;
    }
  }
  return true;
}

// row[first..] of Y where Y L' = Z within the block: forward.
void ForwardRow(const double* factor, int64_t n, int64_t first, int64_t size, double* row) {
  for (int64_t j = first; j < first + size; ++j) {
    double value = row[j];
    for (int64_t k = first; k < j; ++k) value -= row[k] * factor[j * n + k];
    row[j] = value / factor[j * n + j];
  }
}

void BackwardRow(const double* factor, int64_t n, int64_t first, int64_t size, double* row) {
  for (int64_t j = first + size - 1; j >= first; --j) {
    double value = row[j];
    for (int64_t k = j + 1; k < first + size; ++k) value -= row[k] * factor[k * n + j];
    row[j] = value / factor[j * n + j];
  }
}

// [depth, count]: rows first_row.. of the factor, columns first_column.. of it, transposed, so that
// a kernel reads it along rows.
std::vector<double> Transposed(const double* factor, int64_t n, int64_t first_row, int64_t count,
                               int64_t first_column, int64_t depth) {
  std::vector<double> out(static_cast<size_t>(depth * count));
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t k = 0; k < depth; ++k) {
      out[static_cast<size_t>(k * count + r)] = factor[(first_row + r) * n + first_column + k];
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<bool> Cholesky(absl::Span<double> h, int64_t n, const SolveThreads& threads) {
  LBW_CHECK(static_cast<int64_t>(h.size()) == n * n);
  const LinearKernels& kernels = KernelsFor(threads.isa);
  double* const data = h.data();
  for (int64_t first = 0; first < n; first += kBlock) {
    if (threads.keep_going) LBW_RETURN_IF_ERROR(threads.keep_going());
    const int64_t size = std::min(kBlock, n - first);
    if (!FactorBlock(data, n, first, size)) return false;
    const int64_t below = first + size;
    const int64_t rest = n - below;
    if (rest == 0) break;
    const int64_t pieces = (rest + kRowsAPiece - 1) / kRowsAPiece;
    ParallelFor(pieces, threads.max_threads, [&](int64_t piece) {
      const int64_t begin = below + piece * kRowsAPiece;
      const int64_t end = std::min(begin + kRowsAPiece, n);
      for (int64_t i = begin; i < end; ++i) ForwardRow(data, n, first, size, data + i * n);
    });
    const std::vector<double> panel = Transposed(data, n, below, rest, first, size);
    ParallelFor(pieces, threads.max_threads, [&](int64_t piece) {
      const int64_t begin = piece * kRowsAPiece;
      OuterSum<double> sum;
      sum.m = std::min(kRowsAPiece, rest - begin);
      sum.n = std::min(begin + kRowsAPiece, rest);  // what lies right of the diagonal is nobody's
      sum.depth = size;
      sum.a = data + (below + begin) * n + first;
      sum.a_stride_i = n;
      sum.a_stride_k = 1;
      sum.b = panel.data();
      sum.b_stride = rest;
      sum.c = data + (below + begin) * n + below;
      sum.c_stride = n;
      sum.sign = -1;
      kernels.outer_f64(sum);
    });
  }
  return true;
}

absl::Status SolveRows(absl::Span<const double> factor, int64_t n, absl::Span<double> z,
                       const SolveThreads& threads) {
  LBW_CHECK(static_cast<int64_t>(factor.size()) == n * n);
  LBW_CHECK(n > 0 && static_cast<int64_t>(z.size()) % n == 0);
  const LinearKernels& kernels = KernelsFor(threads.isa);
  const int64_t rows = static_cast<int64_t>(z.size()) / n;
  const int64_t pieces = (rows + kRowsAPiece - 1) / kRowsAPiece;
  const double* const l = factor.data();
  // The update of a block of columns by the columns that are done; b holds factor values [depth,
  // size].
  struct Done {
    int64_t first;  // of the columns that are done
    int64_t depth;  // how many
    const double* b;
    int64_t b_stride;
  };
  const auto update = [&](int64_t piece, int64_t first, int64_t size, const Done& done) {
    double* const begin = z.data() + piece * kRowsAPiece * n;
    OuterSum<double> sum;
    sum.m = std::min(kRowsAPiece, rows - piece * kRowsAPiece);
    sum.n = size;
    sum.depth = done.depth;
    sum.a = begin + done.first;
    sum.a_stride_i = n;
    sum.a_stride_k = 1;
    sum.b = done.b;
    sum.b_stride = done.b_stride;
    sum.c = begin + first;
    sum.c_stride = n;
    sum.sign = -1;
    kernels.outer_f64(sum);
  };
  const auto each_row = [&](int64_t piece, const auto& work) {
    const int64_t end = std::min((piece + 1) * kRowsAPiece, rows);
    for (int64_t r = piece * kRowsAPiece; r < end; ++r) work(z.data() + r * n);
  };
  for (int64_t first = 0; first < n; first += kBlock) {
    if (threads.keep_going) LBW_RETURN_IF_ERROR(threads.keep_going());
    const int64_t size = std::min(kBlock, n - first);
    const std::vector<double> b = Transposed(l, n, first, size, 0, first);
    ParallelFor(pieces, threads.max_threads, [&](int64_t piece) {
      if (first > 0) update(piece, first, size, {0, first, b.data(), size});
      each_row(piece, [&](double* row) { ForwardRow(l, n, first, size, row); });
    });
  }
  for (int64_t first = (n - 1) / kBlock * kBlock; first >= 0; first -= kBlock) {
    if (threads.keep_going) LBW_RETURN_IF_ERROR(threads.keep_going());
    const int64_t size = std::min(kBlock, n - first);
    const int64_t done = first + size;
    ParallelFor(pieces, threads.max_threads, [&](int64_t piece) {
      if (done < n) update(piece, first, size, {done, n - done, l + done * n + first, n});
      each_row(piece, [&](double* row) { BackwardRow(l, n, first, size, row); });
    });
  }
  return absl::OkStatus();
}

}  // namespace lbw::quant
