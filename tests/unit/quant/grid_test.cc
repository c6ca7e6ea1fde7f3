#include "quant/grid.h"

#include <cmath>

#include "gtest/gtest.h"

namespace lbw::quant {
namespace {

TEST(Grid, CountsMagnitudesOfBothBooks) {
  const int paper[] = {1, 2, 4, 8, 16};
  const int full[] = {1, 3, 7, 15, 31};
  for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
    EXPECT_EQ(MagnitudeCount(bits, CodeBook::kPaper), paper[bits - 2]);
    EXPECT_EQ(MagnitudeCount(bits, CodeBook::kFull), full[bits - 2]);
  }
}

TEST(Grid, PowerOfTwoIsExactDownToTheLeastDenormal) {
  for (int exponent = -149; exponent <= 127; ++exponent) {
    EXPECT_EQ(PowerOfTwo(exponent), std::ldexp(1.0F, exponent)) << exponent;
  }
  EXPECT_EQ(PowerOfTwo(-150), 0.0F);
  EXPECT_EQ(PowerOfTwo(-200), 0.0F);
}

TEST(Grid, DecodesSignAndMagnitude) {
  EXPECT_EQ(DecodeValue(0b0000, 4, 3), 0.0F);
  EXPECT_EQ(DecodeValue(0b0001, 4, 3), 8.0F);
  EXPECT_EQ(DecodeValue(0b1001, 4, 3), -8.0F);
  EXPECT_EQ(DecodeValue(0b0111, 4, 3), 0.125F);
  EXPECT_EQ(DecodeValue(0b10, 2, -149), 0.0F);
  EXPECT_EQ(DecodeValue(0b11, 2, -149), -std::ldexp(1.0F, -149));
  // Below the least denormal there is nothing.
  EXPECT_EQ(DecodeValue(0b0010, 4, -149), 0.0F);
}

TEST(Grid, KnowsEveryInvalidCode) {
  for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
    for (const CodeBook book : {CodeBook::kPaper, CodeBook::kFull}) {
      const int magnitudes = MagnitudeCount(bits, book);
      int valid = 0;
      for (int code = 0; code < 1 << bits; ++code) {
        valid += IsValidCode(static_cast<uint8_t>(code), bits, magnitudes) ? 1 : 0;
      }
      EXPECT_EQ(valid, 2 * magnitudes + 1) << bits;
      EXPECT_FALSE(IsValidCode(static_cast<uint8_t>(1 << (bits - 1)), bits, magnitudes));
    }
  }
}

TEST(Grid, NamesGoBothWays) {
  for (const CodeBook book : {CodeBook::kPaper, CodeBook::kFull}) {
    EXPECT_EQ(CodeBookFromName(Name(book)), book);
  }
  for (const Granularity granularity : {Granularity::kTensor, Granularity::kChannel}) {
    EXPECT_EQ(GranularityFromName(Name(granularity)), granularity);
  }
  for (const Scheme scheme : {Scheme::kExact, Scheme::kThreshold, Scheme::kUniform}) {
    EXPECT_EQ(SchemeFromName(Name(scheme)), scheme);
  }
  EXPECT_EQ(CodeBookFromName("Paper"), std::nullopt);
  EXPECT_EQ(GranularityFromName(""), std::nullopt);
  EXPECT_EQ(SchemeFromName("lbw"), std::nullopt);
}

}  // namespace
}  // namespace lbw::quant
