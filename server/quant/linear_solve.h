// Symmetric positive definite systems for many right-hand sides: X H = Z.
//
// Math:      H = L L' (Cholesky), then Y L' = Z and X L = Y. Source: G. Golub, C. Van Loan, "Matrix
//            Computations", 4th edition (2013), sections 4.2 and 3.1; blocks of 64.
// Precision: float64; the same bits for every ISA and thread count.
// Threads:   pure; each call uses up to max_threads, and asks keep_going between blocks of 64
// columns.
#ifndef LBW_QUANT_LINEAR_SOLVE_H_
#define LBW_QUANT_LINEAR_SOLVE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quant/kernels/linear.h"
#include "quant/parallel.h"

namespace lbw::quant {

struct SolveThreads {
  Isa isa = Isa::kScalar;
  int max_threads = 1;
  KeepGoing keep_going = {};
};

// Replaces the lower triangle of h [n, n] row-major by L; the rest is left undefined. False where h
// is not positive definite: h is spoilt then. Errors: keep_going's.
absl::StatusOr<bool> Cholesky(absl::Span<double> h, int64_t n, const SolveThreads& threads);

// Replaces z [rows, n] row-major by the X with X H = Z, from H's factor (Cholesky). Errors:
// keep_going's; z is spoilt then.
absl::Status SolveRows(absl::Span<const double> factor, int64_t n, absl::Span<double> z,
                       const SolveThreads& threads);

}  // namespace lbw::quant

#endif  // LBW_QUANT_LINEAR_SOLVE_H_
