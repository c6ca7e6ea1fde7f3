#include "base/checked.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace lbw::base {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr uint64_t kMaxU = std::numeric_limits<uint64_t>::max();

TEST(Checked, AddAndMultiplyTellOfOverflow) {
  EXPECT_EQ(CheckedAdd<int64_t>(kMax - 1, 1), kMax);
  EXPECT_FALSE(CheckedAdd<int64_t>(kMax, 1).has_value());
  EXPECT_FALSE(CheckedAdd<int64_t>(-kMax, -2).has_value());
  EXPECT_FALSE(CheckedAdd<uint64_t>(kMaxU, 1).has_value());
  EXPECT_EQ(CheckedMul<uint64_t>(uint64_t{1} << 32, (uint64_t{1} << 32) - 1), 0xffffffff00000000u);
  EXPECT_FALSE(CheckedMul<uint64_t>(uint64_t{1} << 32, uint64_t{1} << 32).has_value());
  EXPECT_FALSE(CheckedMul<int64_t>(kMax, 2).has_value());
  EXPECT_FALSE(CheckedMul<uint8_t>(16, 16).has_value());
}

TEST(Checked, CeilDivDoesNotOverflowAtTheTop) {
  EXPECT_EQ(CeilDiv(0, 4), 0);
  EXPECT_EQ(CeilDiv(1, 4), 1);
  EXPECT_EQ(CeilDiv(4, 4), 1);
  EXPECT_EQ(CeilDiv(5, 4), 2);
  EXPECT_EQ(CeilDiv<uint64_t>(kMaxU, 8), (kMaxU / 8) + 1);
}

}  // namespace
}  // namespace lbw::base
