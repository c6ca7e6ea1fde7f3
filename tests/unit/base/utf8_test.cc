#include "base/utf8.h"

#include <gtest/gtest.h>

namespace lbw::base {
namespace {

TEST(Utf8Length, FollowsTheUnicodeTable) {
  EXPECT_EQ(Utf8Length(""), 0U);
  EXPECT_EQ(Utf8Length(std::string_view("\0", 1)), 1U);
  EXPECT_EQ(Utf8Length("\x7F"), 1U);
  EXPECT_EQ(Utf8Length("\xC2\x80z"), 2U);
  EXPECT_EQ(Utf8Length("\xE0\xA0\x80z"), 3U);
  EXPECT_EQ(Utf8Length("\xED\x9F\xBF"), 3U);
  EXPECT_EQ(Utf8Length("\xEE\x80\x80"), 3U);
  EXPECT_EQ(Utf8Length("\xF0\x90\x80\x80"), 4U);
  EXPECT_EQ(Utf8Length("\xF4\x8F\xBF\xBFz"), 4U);
  for (const char* none : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80",
                           "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
                           "\xC3", "\xE2\x82", "\xE2\x82z", "\xF0\x9F\x98"}) {
    EXPECT_EQ(Utf8Length(none), 0U) << testing::PrintToString(none);
  }
}

TEST(FirstUtf8Character, TellsWhatIsCutFromWhatIsWrong) {
  const auto is = [](std::string_view text, size_t bytes, bool valid, bool cut) {
    const Utf8Character first = FirstUtf8Character(text);
    EXPECT_EQ(first.bytes, bytes) << testing::PrintToString(text);
    EXPECT_EQ(first.valid, valid) << testing::PrintToString(text);
    EXPECT_EQ(first.cut, cut) << testing::PrintToString(text);
  };
  is("\xE2\x82\xAC", 3, true, false);
  is("\xE2\x82", 2, false, true);
  is("\xE2", 1, false, true);
  is("\xE2\x82z", 2, false, false);
  is("\xED\xA0", 1, false, false);  // a surrogate, whatever follows
  is("\xF4\x90", 1, false, false);  // beyond U+10FFFF
  is("\x82\xAC", 1, false, false);
}

TEST(CutUtf8, CutsBetweenCharacters) {
  EXPECT_EQ(CutUtf8("abc", 3), "abc");
  EXPECT_EQ(CutUtf8("abc", 2), "ab");
  EXPECT_EQ(CutUtf8("a\xE2\x82\xAC", 3), "a");
  EXPECT_EQ(CutUtf8("a\xE2\x82\xAC", 4), "a\xE2\x82\xAC");
  EXPECT_EQ(CutUtf8("\xE2\x82\xAC", 0), "");
}

}  // namespace
}  // namespace lbw::base
