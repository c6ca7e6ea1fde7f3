#include "dataset/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lbw::dataset {
namespace {

TEST(IsUtf8, FollowsTheUnicodeTable) {
  for (const char* good : {"", "abc", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEF\xBF\xBF",
                           "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "a\xE2\x82", "\xFF"}) {
    EXPECT_FALSE(IsUtf8(bad)) << Shown(bad);
  }
}

TEST(HasControlCharacter, KnowsBothSets) {
  EXPECT_FALSE(HasControlCharacter("a b\xC3\xA4"));
  EXPECT_TRUE(HasControlCharacter(std::string_view("a\0b", 3)));
  EXPECT_TRUE(HasControlCharacter("\x7F"));
  EXPECT_TRUE(HasControlCharacter("\xC2\x9F"));
  EXPECT_FALSE(HasControlCharacter("\xC2\xA0"));
}

TEST(Shown, EscapesAndShortens) {
  EXPECT_EQ(Shown("a\nb\xFF"
                  "c"),
            "a\\x0ab\\xffc");
  EXPECT_EQ(Shown("J\xC3\xBCrgen"), "J\xC3\xBCrgen");
  const std::string text = Shown(std::string(5'000, 'x') + "end", 40);
  EXPECT_EQ(text.size(), 40U);
  EXPECT_THAT(text, ::testing::EndsWith("end"));
  EXPECT_THAT(text, ::testing::HasSubstr("..."));
}

// However it is cut, no character is.
TEST(Shown, StaysUtf8) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "\xF0\x9F\x98\x80\xC3\xA4";
  for (size_t limit = 16; limit < 80; ++limit) {
    EXPECT_TRUE(IsUtf8(Shown(text, limit)));
    EXPECT_LE(Shown(text, limit).size(), limit);
  }
}

}  // namespace
}  // namespace lbw::dataset
