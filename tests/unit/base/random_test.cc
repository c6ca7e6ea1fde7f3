#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

namespace lbw::base {
namespace {

// The first numbers of splitmix64 from the state 0, as they are published with it.
TEST(MixBits, IsThatOfSplitMix64) {
  constexpr uint64_t kStep = 0x9E3779B97F4A7C15U;
  EXPECT_EQ(MixBits(kStep), 0xE220A8397B1DCDAFU);
  EXPECT_EQ(MixBits(2 * kStep), 0x6E789E6AA1B965F4U);
  EXPECT_EQ(MixBits(3 * kStep), 0x06C45D188009454FU);
  EXPECT_EQ(MixBits(0), 0U);
}

// What is stored by seed alone (scenes, chosen pictures) hangs on these numbers.
TEST(Random, HasTheNumbersOfItsSeed) {
  struct Row {
    uint64_t seed;
    std::array<uint64_t, 3> numbers;
  };
  const std::vector<Row> rows = {
      {0, {0xa706dd2f4d197e6fU, 0xb382a305f4414f5eU, 0x631a9154fbabf717U}},
      {1, {0x5e41ab087439611eU, 0xf18d6ce93d6cf1eeU, 0x0b95f66d327e8d78U}},
      {7, {0xb8b4c2977eabce45U, 0xa65305fd338ec8feU, 0x8ca3cbb6ca63129bU}},
      {UINT64_MAX, {0x5dc20aa7b2a27137U, 0xbda5668a01d7049cU, 0x82b43276abb80226U}},
  };
  for (const Row& row : rows) {
    Random random(row.seed);
    for (const uint64_t number : row.numbers) EXPECT_EQ(random.Next(), number) << row.seed;
  }
}

TEST(Random, IsKnownWhenCompiling) {
  constexpr uint64_t kFirst = [] { return Random(1).Next(); }();
  static_assert(kFirst == 0x5e41ab087439611eU);
  EXPECT_EQ(Random(1).Next(), kFirst);
}

// Neighbouring seeds are no shifted copies of each other.
TEST(Random, NeighbouringSeedsShareNoNumbers) {
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(seen.insert(random.Next()).second) << seed;
  }
}

TEST(Random, UnitIsTheTop24BitsAndStaysBelowOne) {
  Random random(3);
  Random bits(3);
  float least = 1;
  float largest = 0;
  double sum = 0;
  constexpr int kCount = 100'000;
  for (int i = 0; i < kCount; ++i) {
    const float unit = random.Unit();
    ASSERT_EQ(unit, std::ldexp(static_cast<float>(bits.Next() >> 40), -24));
    least = std::min(least, unit);
    largest = std::max(largest, unit);
    sum += static_cast<double>(unit);
  }
  EXPECT_GE(least, 0);
  EXPECT_LT(largest, 1);
  EXPECT_LT(least, 1e-3);
  EXPECT_GT(largest, 0.999);
  EXPECT_NEAR(sum / kCount, 0.5, 0.005);
}

TEST(Random, BetweenStaysInItsBounds) {
  Random random(5);
  for (int i = 0; i < 1000; ++i) {
    const float value = random.Between(-3, 2);
    EXPECT_GE(value, -3);
    EXPECT_LT(value, 2);
  }
  EXPECT_EQ(random.Between(4, 4), 4);
}

TEST(Random, BelowReachesEveryNumberAboutEquallyOften) {
  Random random(7);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70'000; ++i) ++counts[random.Below(7)];
  // Standard deviation: sqrt(70000 * 1/7 * 6/7) = 93.
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(random.Below(1), 0U);
  constexpr size_t kMost = 0xFFFFFFFFU;
  size_t largest = 0;
  for (int i = 0; i < 1000; ++i) largest = std::max(largest, random.Below(kMost));
  EXPECT_LT(largest, kMost);
  EXPECT_GT(largest, kMost / 2);
}

TEST(Random, ChanceHasItsProbability) {
  Random random(9);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) {
    hits += random.Chance(0.3F) ? 1 : 0;
    EXPECT_FALSE(random.Chance(0));
    EXPECT_TRUE(random.Chance(1));
  }
  EXPECT_NEAR(hits, 3000, 230);  // five standard deviations
}

TEST(Random, BellHasMeanZeroAndUnitVariance) {
  Random random(11);
  constexpr int kCount = 100'000;
  double sum = 0;
  double squares = 0;
  double largest = 0;
  int within = 0;
  for (int i = 0; i < kCount; ++i) {
    const auto value = static_cast<double>(random.Bell());
    sum += value;
    squares += value * value;
    largest = std::max(largest, std::fabs(value));
    within += std::fabs(value) < 1 ? 1 : 0;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.02);
  EXPECT_NEAR(squares / kCount, 1, 0.02);
  EXPECT_NEAR(static_cast<double>(within) / kCount, 0.68, 0.03);  // a uniform one: 0.577
  EXPECT_LE(largest, 2 * 0xFFFF / 37837.0 + 1e-6);
}

}  // namespace
}  // namespace lbw::base
