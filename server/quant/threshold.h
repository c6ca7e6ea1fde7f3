// The paper's threshold scheme: every weight's t from one free parameter mu, then the exponent that
// suits that pattern.
//
// Math:      t = 0    if |w| >= mu
//            t        if 2^-t mu <= |w| < 2^(1-t) mu,  t = 1 .. n-2
//            t = n-1  if 2^(2-n)/3 mu <= |w| < 2^(2-n) mu;  else zero
//            s* = floor(log2(4B / 3A)),  B = sum 2^-t |w|,  A = sum 4^-t
// Source:    P. Yin, S. Zhang, Y. Qi, J. Xin, "Quantization and Training of Low Bit-Width
//            Convolutional Neural Networks for Object Detection", arXiv 1612.06052 (2016).
//            Its error is never below the exact optimum's.
// weights    finite, borrowed. magnitudes = n in 2 .. 31; mu > 0 and finite.
// Precision: sums are integers and s* is compared without rounding: the same whatever the order and
//            the platform.
// Threads:   pure.
#ifndef LBW_QUANT_THRESHOLD_H_
#define LBW_QUANT_THRESHOLD_H_

#include <cstdint>

#include "absl/types/span.h"

namespace lbw::quant {

// The codes alone: sign << (bits-1) | (t + 1), or 0. codes has room for as many as there are
// weights.
void ThresholdPattern(absl::Span<const float> weights, int bits, int magnitudes, double mu,
                      absl::Span<uint8_t> codes);

// s* of the pattern, clamped to kMinExponent..kMaxExponent; 0 where every code is zero.
int ThresholdExponent(absl::Span<const float> weights, int magnitudes, double mu);

// Both: fills codes, returns s*.
int ThresholdCodes(absl::Span<const float> weights, int bits, int magnitudes, double mu,
                   absl::Span<uint8_t> codes);

}  // namespace lbw::quant

#endif  // LBW_QUANT_THRESHOLD_H_
