#include "config/values.h"

#include <gtest/gtest.h>

namespace lbw::config {
namespace {

TEST(ParseCount, TakesDecimalDigitsAlone) {
  EXPECT_EQ(ParseCount("0"), 0);
  EXPECT_EQ(ParseCount("-7"), -7);
  EXPECT_EQ(ParseCount("9223372036854775807"), INT64_MAX);
  for (const char* text :
       {"", "-", " 1", "1 ", "+1", "1.0", "0x10", "1e3", "9223372036854775808"}) {
    EXPECT_EQ(ParseCount(text), std::nullopt) << text;
  }
}

TEST(ParseBytes, KnowsBinaryAndDecimalUnits) {
  EXPECT_EQ(ParseBytes("0"), 0);
  EXPECT_EQ(ParseBytes("1000B"), 1000);
  EXPECT_EQ(ParseBytes("1KiB"), 1024);
  EXPECT_EQ(ParseBytes("48MiB"), int64_t{48} << 20);
  EXPECT_EQ(ParseBytes("64 GiB"), int64_t{64} << 30);
  EXPECT_EQ(ParseBytes("2TiB"), int64_t{2} << 40);
  EXPECT_EQ(ParseBytes("1.5GiB"), int64_t{3} << 29);
  EXPECT_EQ(ParseBytes("1kB"), 1000);
  EXPECT_EQ(ParseBytes("3TB"), 3'000'000'000'000);
}

TEST(ParseBytes, RefusesWhatIsNotAWholeNumberOfBytesOrOverflows) {
  for (const char* text :
       {"", "MiB", "-1MiB", "1.5B", "0.3KiB", "1M", "1mib", "nan", "inf", "1e3", ".5MiB", "5.MiB",
        "1..5MiB", "9223372036854775808", "8388608TiB", "8388608.0TiB"}) {
    EXPECT_EQ(ParseBytes(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseBytes("8388607TiB"), int64_t{8388607} << 40);
}

TEST(FormatBytes, IsReadBack) {
  for (const int64_t bytes :
       {int64_t{0}, int64_t{1}, int64_t{1000}, int64_t{1024}, int64_t{1} << 20, int64_t{48} << 20,
        int64_t{3} << 29, int64_t{1} << 40, int64_t{5'000'000'000}, INT64_MAX}) {
    EXPECT_EQ(ParseBytes(FormatBytes(bytes)), bytes) << FormatBytes(bytes);
  }
  EXPECT_EQ(FormatBytes(int64_t{48} << 20), "48MiB");
  EXPECT_EQ(FormatBytes(1000), "1000B");
}

TEST(ParseDuration, TakesUnitsAndRefusesNakedNumbers) {
  EXPECT_EQ(ParseDuration("30s"), absl::Seconds(30));
  EXPECT_EQ(ParseDuration("1h30m"), absl::Minutes(90));
  EXPECT_EQ(ParseDuration("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(ParseDuration("30"), std::nullopt);
  EXPECT_EQ(ParseDuration(""), std::nullopt);
  EXPECT_EQ(ParseDuration(absl::FormatDuration(absl::Hours(24))), absl::Hours(24));
}

TEST(ParseSwitch, TakesYamlsWords) {
  for (const char* text : {"true", "True", "yes", "on", "1"}) EXPECT_EQ(ParseSwitch(text), true);
  for (const char* text : {"false", "NO", "off", "0"}) EXPECT_EQ(ParseSwitch(text), false);
  for (const char* text : {"", "2", "truee"}) EXPECT_EQ(ParseSwitch(text), std::nullopt);
}

TEST(ParseAddress, SplitsHostAndPort) {
  const auto plain = ParseAddress("127.0.0.1:8500");
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->host, "127.0.0.1");
  EXPECT_EQ(plain->port, 8500);
  const auto six = ParseAddress("[::1]:0");
  ASSERT_TRUE(six.has_value());
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->port, 0);
  EXPECT_EQ(FormatAddress(*six), "[::1]:0");
  EXPECT_EQ(FormatAddress(*plain), "127.0.0.1:8500");
  EXPECT_EQ(ParseAddress("localhost:65535")->port, 65535);
}

TEST(ParseAddress, RefusesWhatIsNotHostAndPort) {
  for (const char* text : {"", ":", "8500", ":8500", "host:", "host:65536", "host:-1", "::1:8500",
                           "[]:1", "[::1]", "a b:1", "host:http"}) {
    EXPECT_FALSE(ParseAddress(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace lbw::config
