#include "quant/packing.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace lbw::quant {
namespace {

// Bit by bit, as the format says.
std::vector<uint8_t> PackBitByBit(const std::vector<uint8_t>& codes, int bits) {
  std::vector<uint8_t> packed((codes.size() * static_cast<size_t>(bits) + 7) / 8);
  for (size_t i = 0; i < codes.size(); ++i) {
    for (int bit = 0; bit < bits; ++bit) {
      const size_t at = i * static_cast<size_t>(bits) + static_cast<size_t>(bit);
      packed[at / 8] = static_cast<uint8_t>(packed[at / 8] | ((codes[i] >> bit & 1) << (at % 8)));
    }
  }
  return packed;
}

TEST(Packing, GoesBothWaysForEveryWidthAndLength) {
  std::mt19937_64 random(9);
  for (int bits = 1; bits <= 8; ++bits) {
    for (size_t length = 0; length <= 67; ++length) {
      std::vector<uint8_t> codes(length);
      for (uint8_t& code : codes) code = static_cast<uint8_t>(random() & ((1U << bits) - 1));
      const std::vector<uint8_t> expected = PackBitByBit(codes, bits);
      ASSERT_EQ(RowBytes(static_cast<int64_t>(length), bits),
                static_cast<int64_t>(expected.size()));
      std::vector<uint8_t> packed(expected.size(), 0xAA);
      PackRow(codes, bits, absl::MakeSpan(packed));
      ASSERT_EQ(packed, expected) << bits << " " << length;
      std::vector<uint8_t> unpacked(length, 0x55);
      UnpackRow(packed, bits, absl::MakeSpan(unpacked));
      ASSERT_EQ(unpacked, codes);
      ASSERT_TRUE(PaddingIsZero(packed, bits, static_cast<int64_t>(length)));
    }
  }
}

TEST(Packing, SeesPaddingBits) {
  const std::vector<uint8_t> packed = {0xFF, 0x80};
  EXPECT_FALSE(PaddingIsZero(packed, 3, 5));
  EXPECT_TRUE(PaddingIsZero(packed, 4, 4));
  EXPECT_TRUE(PaddingIsZero(std::vector<uint8_t>{0xFF, 0x7F}, 3, 5));
}

TEST(Packing, RowBytesDoNotOverflow) {
  EXPECT_EQ(RowBytes(int64_t{1} << 59, 8), int64_t{1} << 59);
  EXPECT_EQ(RowBytes((int64_t{1} << 31) - 1, 6), 1610612736);
}

}  // namespace
}  // namespace lbw::quant
