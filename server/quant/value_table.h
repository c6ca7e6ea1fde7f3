// The value of every code of a row, so that decoding is a look-up.
//
// Threads:   a value; const methods may be called concurrently.
#ifndef LBW_QUANT_VALUE_TABLE_H_
#define LBW_QUANT_VALUE_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "quant/grid.h"

namespace lbw::quant {

class ValueTable {
 public:
  // bits in 2..6, exponent in kMinExponent..kMaxExponent. scale multiplies every value, in float32.
  ValueTable(int bits, int exponent, float scale = 1.0F) {
    for (int code = 0; code < 1 << bits; ++code) {
      values_[static_cast<size_t>(code)] =
          scale * DecodeValue(static_cast<uint8_t>(code), bits, exponent);
    }
    values_[0] = 0;
  }

  // code below 2^bits.
  float operator[](uint8_t code) const { return values_[code]; }

 private:
  // Only the first 2^bits are filled.
  std::array<float, 1 << kMaxBits> values_;
};

}  // namespace lbw::quant

#endif  // LBW_QUANT_VALUE_TABLE_H_
