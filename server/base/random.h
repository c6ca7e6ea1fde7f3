// Numbers that look random and are the same everywhere: for generators and choices whose result
// must not depend on a library. Not for secrets.
//
// Source: splitmix64 - G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number
//         generators", OOPSLA 2014.
#ifndef LBW_BASE_RANDOM_H_
#define LBW_BASE_RANDOM_H_

#include <cstddef>
#include <cstdint>

namespace lbw::base {

constexpr uint64_t MixBits(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

// Threads: one at a time.
class Random {
 public:
  explicit constexpr Random(uint64_t seed) : state_(MixBits(seed + kStep)) {}

  constexpr uint64_t Next() {
    state_ += kStep;
    return MixBits(state_);
  }
  // [0, 1), multiples of 2^-24: exact as a float.
  constexpr float Unit() { return static_cast<float>(Next() >> 40) * 0x1p-24F; }
  constexpr float Between(float low, float high) { return low + (high - low) * Unit(); }
  // 0..count-1; 0 < count < 2^32.
  constexpr size_t Below(size_t count) {
    return static_cast<size_t>(((Next() >> 32) * static_cast<uint64_t>(count)) >> 32);
  }
  constexpr bool Chance(float probability) { return Unit() < probability; }
  // Mean 0, standard deviation 1, close to normal: the sum of four 16-bit numbers (variance
  // 4 * (2^32 - 1) / 12).
  constexpr float Bell() {
    const uint64_t bits = Next();
    const auto sum = static_cast<int32_t>((bits & 0xFFFF) + (bits >> 16 & 0xFFFF) +
                                          (bits >> 32 & 0xFFFF) + (bits >> 48));
    return static_cast<float>(sum - 2 * 0xFFFF) * (1.0F / 37837.0F);
  }

 private:
  static constexpr uint64_t kStep = 0x9E3779B97F4A7C15U;
  uint64_t state_;
};

}  // namespace lbw::base

#endif  // LBW_BASE_RANDOM_H_
