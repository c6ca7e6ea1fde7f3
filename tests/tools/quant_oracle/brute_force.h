// The projection by trial: every exponent, every weight, nothing clever. The judge of what the
// server writes; shares no code with it.
//
// Precision: squares in float64, sums in long double: relative error of a sum below 4e-13 for four
//            million weights.
// Threads:   pure.
#ifndef LBW_TESTS_TOOLS_QUANT_ORACLE_BRUTE_FORCE_H_
#define LBW_TESTS_TOOLS_QUANT_ORACLE_BRUTE_FORCE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace lbw::oracle {

struct Optimum {
  int exponent = 0;      // of the least error; 0 where every weight is zero
  double error = 0;      // sum (w - q)^2 at that exponent
  double runner_up = 0;  // the least error at any other exponent
};

// weights: finite. magnitudes: n >= 1 powers of two below and including 2^s.
Optimum BruteForce(absl::Span<const float> weights, int magnitudes);

// sum (w - q)^2 of what a file holds: sign-magnitude codes of `bits` bits, element i at bits
// [i*bits, (i+1)*bits), value 2^(exponent - m + 1).
double ErrorOfCodes(absl::Span<const float> weights, absl::Span<const uint8_t> packed, int bits,
                    int exponent);

// The rows of a tensor of shape `shape` whose output channels stand on `axis`, `groups` groups
// sharing its indices.
std::vector<std::vector<float>> SplitRows(absl::Span<const float> tensor,
                                          absl::Span<const int64_t> shape, int axis, int groups);

}  // namespace lbw::oracle

#endif  // LBW_TESTS_TOOLS_QUANT_ORACLE_BRUTE_FORCE_H_
