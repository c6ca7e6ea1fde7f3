#include "client/cpp/format.h"

#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace lbw::client {
namespace {

TEST(HumanBytes, ThreeDigitsAtEveryUnit) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1024), "1.00 KiB");
  EXPECT_EQ(HumanBytes(10 * 1024), "10.0 KiB");
  EXPECT_EQ(HumanBytes(1023 * 1024), "1.00 MiB");
  EXPECT_EQ(HumanBytes(uint64_t{97} << 20), "97.0 MiB");
  EXPECT_EQ(HumanBytes(std::numeric_limits<uint64_t>::max()), "16.0 EiB");
}

TEST(HumanDuration, GrowsFromSecondsToHours) {
  EXPECT_EQ(HumanDuration(absl::ZeroDuration()), "0.0 s");
  EXPECT_EQ(HumanDuration(absl::Milliseconds(420)), "0.4 s");
  EXPECT_EQ(HumanDuration(absl::Seconds(59)), "59 s");
  EXPECT_EQ(HumanDuration(absl::Seconds(185)), "3:05");
  EXPECT_EQ(HumanDuration(absl::Seconds(3723)), "1:02:03");
  EXPECT_EQ(HumanDuration(absl::InfiniteDuration()), "-");
}

TEST(Decimal, MissingAndNotFiniteAreADash) {
  EXPECT_EQ(Decimal(1.25, 1), "1.2");
  EXPECT_EQ(Decimal(std::nullopt, 2), "-");
  EXPECT_EQ(Decimal(std::numeric_limits<double>::infinity(), 2), "-");
  EXPECT_EQ(Percent(0.12345), "12.3");
}

TEST(Shape, ScalarVectorAndConvolution) {
  EXPECT_EQ(Shape(std::vector<int64_t>{}), "[]");
  EXPECT_EQ(Shape(std::vector<int64_t>{7}), "[7]");
  EXPECT_EQ(Shape(std::vector<int64_t>{64, 3, 7, 7}), "[64,3,7,7]");
}

TEST(Count, OneIsSingular) {
  EXPECT_EQ(Count(0, "tensor"), "0 tensors");
  EXPECT_EQ(Count(1, "tensor"), "1 tensor");
}

TEST(Printable, KeepsUtf8AndDefusesTheRest) {
  EXPECT_EQ(Printable("caf\xC3\xA9 \xE2\x82\xAC"), "caf\xC3\xA9 \xE2\x82\xAC");
  EXPECT_EQ(Printable("a\tb\x7F"), "a?b?");
  EXPECT_EQ(Printable("\xC2\x9B"
                      "31m"),
            "?31m");
  EXPECT_EQ(Printable("\xFFx\xE2\x82"), "?x??");
}

TEST(Grouped, ThousandsApart) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1839), "1,839");
  EXPECT_EQ(Grouped(12345678), "12,345,678");
}

TEST(Measured, FourDigits) {
  EXPECT_EQ(Measured(0.89571), "0.8957");
  EXPECT_EQ(Measured(12.305), "12.3");
  EXPECT_EQ(Measured(18392.4), "18392");
  EXPECT_EQ(Measured(0.00003), "3e-05");
  EXPECT_EQ(Measured(0.0), "0");
  EXPECT_EQ(Measured(0.0 / 0.0), "-");
}

TEST(CutColumns, CountsCodePoints) {
  EXPECT_EQ(CutColumns("Größe", 3), "Grö");
  EXPECT_EQ(CutColumns("▁▂▃", 2), "▁▂");
  EXPECT_EQ(CutColumns("abc", 9), "abc");
  EXPECT_EQ(CutColumns("abc", -1), "");
}

}  // namespace
}  // namespace lbw::client
