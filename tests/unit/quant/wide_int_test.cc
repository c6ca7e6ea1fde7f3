#include "quant/wide_int.h"

#include <random>

#include "gtest/gtest.h"

namespace lbw::quant {
namespace {

TEST(WideInt, CarriesAndBorrowsAcrossEveryLimb) {
  for (int shift = 0; shift < 575; ++shift) {
    WideInt a;
    a.AddShifted(1, shift);
    EXPECT_EQ(a.BitWidth(), shift + 1);
    WideInt b = a;
    b.SubtractShifted(1, 0);
    EXPECT_TRUE(b < a);
    EXPECT_EQ(b.BitWidth(), shift);
    b.AddShifted(1, 0);
    EXPECT_FALSE(b < a);
    EXPECT_FALSE(a < b);
  }
}

TEST(WideInt, OrdersNegativeNumbers) {
  WideInt zero;
  WideInt minus_one;
  minus_one.SubtractShifted(1, 0);
  WideInt minus_large;
  minus_large.SubtractShifted(1, 500);
  EXPECT_TRUE(minus_one < zero);
  EXPECT_TRUE(minus_large < minus_one);
  EXPECT_FALSE(zero < minus_large);
}

TEST(WideInt, SumsLikeInt128) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    __int128 expected[2] = {0, 0};
    WideInt wide[2];
    for (int i = 0; i < 12; ++i) {
      const uint64_t value = random() >> (random() % 64);
      const int shift = static_cast<int>(random() % 58);
      const size_t to = random() % 2;
      if ((random() & 1) != 0) {
        expected[to] += static_cast<__int128>(value) << shift;
        wide[to].AddShifted(value, shift);
      } else {
        expected[to] -= static_cast<__int128>(value) << shift;
        wide[to].SubtractShifted(value, shift);
      }
    }
    ASSERT_EQ(wide[0] < wide[1], expected[0] < expected[1]) << round;
  }
}

}  // namespace
}  // namespace lbw::quant
