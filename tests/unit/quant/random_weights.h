// Random rows of weights, ordinary and hostile, from a seed.
#ifndef LBW_TESTS_UNIT_QUANT_RANDOM_WEIGHTS_H_
#define LBW_TESTS_UNIT_QUANT_RANDOM_WEIGHTS_H_

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace lbw::quant::testing {

inline std::vector<float> NormalWeights(size_t count, uint64_t seed, float sigma = 1.0F) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0F, sigma);
  std::vector<float> weights(count);
  for (float& weight : weights) weight = normal(random);
  return weights;
}

// Any finite bits; values on and beside the decision boundaries; denormals; signed zeros; repeated
// values.
inline std::vector<float> HostileWeights(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  const int kind = static_cast<int>(random() % 6);
  const int centre = static_cast<int>(random() % 277) - 149;
  const auto any = [&] {
    const auto bits = static_cast<uint32_t>(random()) & 0xff7fffff;
    return std::bit_cast<float>(bits);
  };
  const auto near_boundary = [&](int exponent) {
    float value = std::ldexp((random() & 1) != 0 ? 1.5F : 1.0F, exponent);
    const int steps = static_cast<int>(random() % 5) - 2;
    for (int i = 0; i < std::abs(steps); ++i)
      value = std::nextafter(value, steps < 0 ? 0.0F : 3e38F);
    return (random() & 1) != 0 ? -value : value;
  };
  std::vector<float> weights(count);
  for (float& weight : weights) {
    const int pick = kind == 5 ? static_cast<int>(random() % 5) : kind;
    const int spread = static_cast<int>(random() % 9) - 4;
    if (pick == 0) weight = any();
    if (pick == 1) weight = near_boundary(std::min(126, std::max(-149, centre + spread)));
    if (pick == 2) weight = std::bit_cast<float>(static_cast<uint32_t>(random()) & 0x807fffff);
    if (pick == 3) weight = (random() & 1) != 0 ? 0.0F : near_boundary(std::min(126, centre));
    if (pick == 4) weight = near_boundary(static_cast<int>(random() % 4) - 2);
  }
  return weights;
}

}  // namespace lbw::quant::testing

#endif  // LBW_TESTS_UNIT_QUANT_RANDOM_WEIGHTS_H_
