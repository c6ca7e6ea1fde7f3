// Signed fixed-width integers of 640 bits: sums of shifted 64-bit numbers without rounding or
// overflow.
//
// Why 640: errors of a projection are sums of count * 4^k and |w| * 2^(k+1). With the least
// exponent taken out, exponents differ by at most 127 + 149 = 276, so a sum of 2^39 weights stays
// below 2^(40 + 2 * 276 + 26).
//
// Threads:   values.
#ifndef LBW_QUANT_WIDE_INT_H_
#define LBW_QUANT_WIDE_INT_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace lbw::quant {

class WideInt {
 public:
  static constexpr int kBits = 640;

  // *this += value * 2^shift; shift >= 0 and the result must fit.
  void AddShifted(uint64_t value, int shift) {
    const size_t limb = static_cast<size_t>(shift) / 64;
    const unsigned __int128 spread = static_cast<unsigned __int128>(value) << (shift % 64);
    uint64_t carry = AddAt(limb, static_cast<uint64_t>(spread), 0);
    carry = AddAt(limb + 1, static_cast<uint64_t>(spread >> 64), carry);
    for (size_t i = limb + 2; carry != 0 && i < kLimbs; ++i) carry = AddAt(i, 0, carry);
  }

  // *this -= value * 2^shift; as above.
  void SubtractShifted(uint64_t value, int shift) {
    const size_t limb = static_cast<size_t>(shift) / 64;
    const unsigned __int128 spread = static_cast<unsigned __int128>(value) << (shift % 64);
    uint64_t borrow = SubtractAt(limb, static_cast<uint64_t>(spread), 0);
    borrow = SubtractAt(limb + 1, static_cast<uint64_t>(spread >> 64), borrow);
    for (size_t i = limb + 2; borrow != 0 && i < kLimbs; ++i) borrow = SubtractAt(i, 0, borrow);
  }

  // Position of the highest set bit + 1 of a number that is not negative; 0 for 0.
  int BitWidth() const {
    for (size_t i = kLimbs; i-- > 0;) {
      if (limbs_[i] != 0)
        return static_cast<int>(i) * 64 + static_cast<int>(std::bit_width(limbs_[i]));
    }
    return 0;
  }

  friend bool operator<(const WideInt& a, const WideInt& b) {
    const auto top_a = static_cast<int64_t>(a.limbs_[kLimbs - 1]);
    const auto top_b = static_cast<int64_t>(b.limbs_[kLimbs - 1]);
    if (top_a != top_b) return top_a < top_b;
    for (size_t i = kLimbs - 1; i-- > 0;) {
      if (a.limbs_[i] != b.limbs_[i]) return a.limbs_[i] < b.limbs_[i];
    }
    return false;
  }

 private:
  static constexpr size_t kLimbs = kBits / 64;

  uint64_t AddAt(size_t i, uint64_t value, uint64_t carry) {
    if (i >= kLimbs) return 0;
    const unsigned __int128 sum = static_cast<unsigned __int128>(limbs_[i]) + value + carry;
    limbs_[i] = static_cast<uint64_t>(sum);
    return static_cast<uint64_t>(sum >> 64);
  }
  uint64_t SubtractAt(size_t i, uint64_t value, uint64_t borrow) {
    if (i >= kLimbs) return 0;
    const unsigned __int128 difference = static_cast<unsigned __int128>(limbs_[i]) - value - borrow;
    limbs_[i] = static_cast<uint64_t>(difference);
    return static_cast<uint64_t>(difference >> 64) & 1;
  }

  std::array<uint64_t, kLimbs> limbs_{};
};

}  // namespace lbw::quant

#endif  // LBW_QUANT_WIDE_INT_H_
