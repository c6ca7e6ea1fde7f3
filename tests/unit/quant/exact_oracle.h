// An exact brute force of the projection for a handful of weights: integers in units of 2^-149,
// every exponent, every grid value. Shares nothing with room quant.
#ifndef LBW_TESTS_UNIT_QUANT_EXACT_ORACLE_H_
#define LBW_TESTS_UNIT_QUANT_EXACT_ORACLE_H_

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace lbw::quant::oracle {

// An unsigned integer of 640 bits, least word first.
using Big = std::array<uint32_t, 20>;

inline bool Less(const Big& a, const Big& b) {
  for (size_t i = a.size(); i-- > 0;) {
    if (a[i] != b[i]) return a[i] < b[i];
  }
  return false;
}

// 2^-149 * result = |value|.
inline Big FromFloat(float value) {
  Big big{};
  int exponent = 0;
  const auto mantissa = static_cast<uint64_t>(
      std::ldexp(std::frexp(std::fabs(static_cast<double>(value)), &exponent), 24));
  if (mantissa == 0) return big;
  const int shift = exponent - 24 + 149;
  for (int bit = 0; bit < 24; ++bit) {
    if ((mantissa >> bit & 1) == 0) continue;
    const int at = shift + bit;
    big[static_cast<size_t>(at / 32)] |= uint32_t{1} << (at % 32);
  }
  return big;
}

inline Big PowerOfTwo(int exponent) {
  Big big{};
  const int at = exponent + 149;
  if (at >= 0) big[static_cast<size_t>(at / 32)] = uint32_t{1} << (at % 32);
  return big;
}

// |a - b|
inline Big Distance(const Big& a, const Big& b) {
  const Big& high = Less(a, b) ? b : a;
  const Big& low = Less(a, b) ? a : b;
  Big out{};
  int64_t borrow = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    int64_t digit = int64_t{high[i]} - int64_t{low[i]} - borrow;
    borrow = digit < 0 ? 1 : 0;
    if (digit < 0) digit += int64_t{1} << 32;
    out[i] = static_cast<uint32_t>(digit);
  }
  return out;
}

inline void AddSquare(const Big& a, Big& sum) {
  for (size_t i = 0; i < 10; ++i) {
    if (a[i] == 0) continue;
    uint64_t carry = 0;
    for (size_t j = 0; i + j < sum.size(); ++j) {
      const uint64_t product = j < 10 ? uint64_t{a[i]} * a[j] : 0;
      const uint64_t low = (product & 0xffffffff) + sum[i + j] + carry;
      sum[i + j] = static_cast<uint32_t>(low);
      carry = (low >> 32) + (product >> 32);
    }
  }
}

// The error at s in units of 2^-298: the nearest grid value is found by trying all.
inline Big ErrorAt(const std::vector<float>& weights, int magnitudes, int s) {
  std::vector<Big> grid = {Big{}};
  for (int t = 0; t < magnitudes; ++t) grid.push_back(PowerOfTwo(s - t));
  Big error{};
  for (const float weight : weights) {
    const Big magnitude = FromFloat(weight);
    Big best = Distance(magnitude, grid[0]);
    for (const Big& value : grid) {
      const Big distance = Distance(magnitude, value);
      if (Less(distance, best)) best = distance;
    }
    AddSquare(best, error);
  }
  return error;
}

// The smallest s in -149..127 with the least error.
inline int BestExponent(const std::vector<float>& weights, int magnitudes) {
  int best_s = -149;
  Big best = ErrorAt(weights, magnitudes, best_s);
  for (int s = -148; s <= 127; ++s) {
    const Big error = ErrorAt(weights, magnitudes, s);
    if (Less(error, best)) {
      best = error;
      best_s = s;
    }
  }
  return best_s;
}

inline double ToDouble(const Big& big, int unit_exponent) {
  double value = 0;
  for (size_t i = big.size(); i-- > 0;) value = value * 4294967296.0 + big[i];
  return std::ldexp(value, unit_exponent);
}

}  // namespace lbw::quant::oracle

#endif  // LBW_TESTS_UNIT_QUANT_EXACT_ORACLE_H_
