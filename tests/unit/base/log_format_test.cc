#include "base/log_format.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace lbw::base {
namespace {

const absl::Time kTime = absl::FromUnixMicros(1'704'164'645'678'901);

std::string Json(std::string_view event, const std::vector<LogField>& fields) {
  return FormatLogJson({LogLevel::kInfo, kTime, event, fields});
}
std::string Text(std::string_view event, const std::vector<LogField>& fields,
                 LogColor color = LogColor::kNo) {
  return FormatLogText({LogLevel::kWarning, kTime, event, fields}, color);
}

TEST(FormatLogJson, WritesEveryTypeOfField) {
  EXPECT_EQ(
      Json("loaded",
           {{"name", "a b"}, {"n", -5}, {"big", INT64_MAX}, {"ok", true}, {"x", 0.1}, {"y", 2.0}}),
      R"({"time":"2024-01-02T03:04:05.678901Z","level":"info","event":"loaded","name":"a b","n":-5,)"
      R"("big":9223372036854775807,"ok":true,"x":0.1,"y":2})");
  EXPECT_EQ(
      Json("e", {{"s", absl::NotFoundError("gone")}}),
      R"({"time":"2024-01-02T03:04:05.678901Z","level":"info","event":"e","s":"NOT_FOUND: gone"})");
}

TEST(FormatLogJson, NumbersThatJsonDoesNotKnowAreStrings) {
  const std::string line = Json("e", {{"a", std::numeric_limits<double>::quiet_NaN()},
                                      {"b", -std::numeric_limits<double>::infinity()},
                                      {"c", 1.0 / 3.0}});
  EXPECT_NE(line.find(R"("a":"nan","b":"-inf","c":0.3333333333333333)"), std::string::npos) << line;
}

TEST(FormatLogJson, KeysOfTheLineItselfStayUnique) {
  const std::string line = Json("e", {{"time", 1}, {"level", 2}, {"event", 3}});
  EXPECT_NE(line.find(R"("time_":1,"level_":2,"event_":3)"), std::string::npos) << line;
}

TEST(JsonQuote, EscapesEveryByteThatCouldBreakALine) {
  EXPECT_EQ(JsonQuote("a\"b\\c\n\r\t"), R"("a\"b\\c\n\r\t")");
  EXPECT_EQ(JsonQuote(std::string_view("\0\x1b\x7f", 3)), R"("\u0000\u001b\u007f")");
  EXPECT_EQ(JsonQuote("\xc2\x9b"), R"("\u009b")");  // CSI in Latin-1's upper half
  EXPECT_EQ(JsonQuote("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
            "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

TEST(JsonQuote, BytesThatAreNotUtf8BecomeTheReplacementCharacter) {
  constexpr std::string_view kReplaced = "\xef\xbf\xbd";
  const auto times = [&](size_t n) {
    std::string out = "\"";
    for (size_t i = 0; i < n; ++i) out += kReplaced;
    return out + "\"";
  };
  EXPECT_EQ(JsonQuote("\xff"), times(1));
  EXPECT_EQ(JsonQuote("\x80\x80"), times(2));
  EXPECT_EQ(JsonQuote("\xc0\xaf"), times(2));          // overlong
  EXPECT_EQ(JsonQuote("\xe0\x80\xaf"), times(3));      // overlong
  EXPECT_EQ(JsonQuote("\xed\xa0\x80"), times(3));      // surrogate
  EXPECT_EQ(JsonQuote("\xf4\x90\x80\x80"), times(4));  // above U+10FFFF
  EXPECT_EQ(JsonQuote("\xe2\x82"), times(2));          // cut short
}

// Every byte in every neighbourhood gives one line of printable UTF-8 between quotes.
TEST(JsonQuote, NoByteEscapes) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      const std::string quoted = JsonQuote(text);
      for (const char c : quoted)
        ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << first << " " << second;
      ASSERT_EQ(quoted.front(), '"');
      ASSERT_EQ(quoted.back(), '"');
    }
  }
}

TEST(FormatLogText, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(Text("disk_low",
                 {{"path", "/data"}, {"free", 12}, {"why", "a b"}, {"none", ""}, {"q", "x=y"}}),
            "2024-01-02T03:04:05.678901Z WARN  disk_low path=/data free=12 why=\"a b\" none=\"\" "
            "q=\"x=y\"");
}

TEST(FormatLogText, AValueCannotForgeALine) {
  const std::string line = Text("e", {{"v", "x\n2024 ERROR forged\x1b[31m"}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
}

TEST(FormatLogText, ColorsOnlyTheLevel) {
  EXPECT_EQ(Text("e", {}, LogColor::kYes), "2024-01-02T03:04:05.678901Z \x1b[33mWARN \x1b[0m e");
}

}  // namespace
}  // namespace lbw::base
