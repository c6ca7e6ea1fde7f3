#include "base/digest.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/io.h"

namespace lbw::base {
namespace {

// Bit by bit from the polynomial.
uint32_t SlowCrc32c(std::string_view text) {
  uint32_t crc = 0xffffffffu;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1u) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(Crc32c(AsBytes("123456789")), 0xe3069283u);
  EXPECT_EQ(Crc32c({}), 0u);
  EXPECT_EQ(Crc32c(AsBytes(std::string(32, '\0'))), 0x8a9136aau);  // RFC 3720 B.4
  EXPECT_EQ(Crc32c(AsBytes(std::string(32, '\xff'))), 0x62a8ab43u);
}

TEST(Crc32c, EqualsTheDefinitionAtEveryLengthAndOffset) {
  std::string text;
  for (int i = 0; i < 300; ++i) text.push_back(static_cast<char>(i * 37 + 11));
  for (size_t offset = 0; offset < 9; ++offset) {
    for (size_t length = 0; length + offset <= text.size(); ++length) {
      const std::string_view part = std::string_view(text).substr(offset, length);
      ASSERT_EQ(Crc32c(AsBytes(part)), SlowCrc32c(part)) << offset << " " << length;
    }
  }
}

TEST(Sha256, KnownVectors) {
  EXPECT_EQ(Sha256Hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex(AsBytes("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(AsBytes(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesGiveWhatTheWholeGives) {
  const std::string text(1000, 'q');
  for (const size_t piece : {1u, 7u, 64u, 999u}) {
    Sha256 running;
    for (size_t at = 0; at < text.size(); at += piece)
      running.Update(AsBytes(std::string_view(text).substr(at, piece)));
    Sha256 moved = std::move(running);
    EXPECT_EQ(moved.FinishHex(), Sha256Hex(AsBytes(text)));
  }
}

TEST(IsSha256Hex, TakesOnly64LowerCaseDigits) {
  const std::string good(64, 'a');
  EXPECT_TRUE(IsSha256Hex(good));
  EXPECT_FALSE(IsSha256Hex(good.substr(1)));
  EXPECT_FALSE(IsSha256Hex(good + "0"));
  EXPECT_FALSE(IsSha256Hex(std::string(64, 'A')));
  EXPECT_FALSE(IsSha256Hex(std::string(63, '0') + "g"));
  EXPECT_FALSE(IsSha256Hex(std::string(63, '0') + "/"));
  EXPECT_FALSE(IsSha256Hex(""));
}

}  // namespace
}  // namespace lbw::base
