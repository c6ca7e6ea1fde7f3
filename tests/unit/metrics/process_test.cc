#include "metrics/process.h"

#include <gtest/gtest.h>

namespace lbw::metrics {
namespace {

TEST(ParseStat, ReadsBehindANameWithSpacesAndBrackets) {
  const auto fields = ParseStat(
      "42 (a) b) S 1 42 42 0 -1 4194304 100 0 0 0 70 30 0 0 20 0 5 0 12345 1000000 256 "
      "18446744073709551615 1 1 0\n");
  ASSERT_TRUE(fields.has_value());
  EXPECT_EQ(fields->cpu_ticks, 100U);
  EXPECT_EQ(fields->start_ticks, 12345U);
  EXPECT_EQ(fields->resident_pages, 256U);
}

TEST(ParseStat, RefusesWhatIsCutShortOrNoNumber) {
  EXPECT_FALSE(ParseStat("").has_value());
  EXPECT_FALSE(ParseStat("42 (a) S 1 42").has_value());
  EXPECT_FALSE(ParseStat("42 (a) S 1 42 42 0 -1 0 1 0 0 0 x 30 0 0 20 0 5 0 1 1 2 3").has_value());
}

TEST(ParseBootTime, FindsItsLine) {
  EXPECT_EQ(ParseBootTime("cpu 1 2\nbtime 1700000000\nprocesses 3\n"), 1'700'000'000U);
  EXPECT_EQ(ParseBootTime("cpu 1 2\n"), std::nullopt);
}

TEST(ReadProcessNumbers, SaysSomethingPlausible) {
  const ProcessNumbers numbers = ReadProcessNumbers();
  EXPECT_GT(numbers.start_time_seconds, 1.6e9);
  EXPECT_GT(numbers.resident_bytes, 1U << 20);
  EXPECT_GE(numbers.open_fds, 3U);
  EXPECT_GE(numbers.cpu_seconds, 0.0);
}

}  // namespace
}  // namespace lbw::metrics
