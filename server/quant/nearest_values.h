// The values that are nearest to weights, without codes in between: what training reads in every
// step.
//
// Math:      the nearest power of two of |w| is (bits(|w|) + 2^22) & 0x7f800000: half an octave is
//            half of the significand's field, and a tie carries to the larger. Ours.
// weights    f32, finite; borrowed for the call.
// values     as many as there are weights; may be the weights themselves, must not overlap them
//            otherwise. A zero is +0.
// Precision: bit-identical to what decoding the codes gives.
// Threads:   pure.
// Cost:      one pass that the compiler vectorises.
#ifndef LBW_QUANT_NEAREST_VALUES_H_
#define LBW_QUANT_NEAREST_VALUES_H_

#include "absl/types/span.h"

namespace lbw::quant {

// DecodeValue of NearestCodes (quant/projection.h, quant/grid.h). magnitudes 1..31, exponent in
// kMinExponent..kMaxExponent.
void NearestValues(absl::Span<const float> weights, int magnitudes, int exponent,
                   absl::Span<float> values);

// sign(w) [|w| >= threshold] value: two bits with a real scale. threshold and value are not
// negative.
struct Ternary {
  float threshold = 0;
  float value = 0;
};
void TernaryValues(absl::Span<const float> weights, const Ternary& ternary,
                   absl::Span<float> values);

}  // namespace lbw::quant

#endif  // LBW_QUANT_NEAREST_VALUES_H_
