#include "support/jpeg.h"

#include <gtest/gtest.h>

#include <string>

#include "base/io.h"
#include "base/status.h"
#include "detect/image/image.h"
#include "unit/detect/image/pictures.h"

namespace lbw::detect {
namespace {

using lbw::testing::MakeJpeg;

void ExpectColor(std::string_view bytes, std::array<int, 3> color) {
  const auto image = DecodeImage(base::AsBytes(bytes));
  ASSERT_TRUE(image.ok()) << image.status();
  for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(image->rgb[c], color[c], 3) << c;
}

TEST(DecodeJpeg, GreyProgressiveAndColour) {
  ExpectColor(MakeJpeg({JCS_GRAYSCALE, 1, false, false, 0}, {90}), {90, 90, 90});
  ExpectColor(MakeJpeg({JCS_RGB, 3, false, false, 0}, {200, 40, 90}), {200, 40, 90});
  ExpectColor(MakeJpeg({JCS_RGB, 3, false, true, 0}, {200, 40, 90}), {200, 40, 90});
}

// Ink 0.2, 0.6, 0 and black 0.25: red = (1 - 0.2) * (1 - 0.25).
TEST(DecodeJpeg, CmykWithAndWithoutAdobesInversion) {
  ExpectColor(MakeJpeg({JCS_CMYK, 4, false, false, 0}, {51, 153, 0, 64}), {153, 76, 191});
  ExpectColor(MakeJpeg({JCS_CMYK, 4, true, false, 0}, {204, 102, 255, 191}), {153, 76, 191});
}

// Each scan of a progressive file walks the whole picture: a small file could keep a thread busy.
TEST(DecodeJpeg, RefusesAFileWithEndlessScans) {
  const std::string jpeg = MakeJpeg({JCS_GRAYSCALE, 1, false, true, 0}, {90});
  // The last scan, from its SOS marker to the EOI, again and again.
  const size_t scan = jpeg.rfind("\xFF\xDA");
  ASSERT_NE(scan, std::string::npos);
  std::string bomb = jpeg.substr(0, jpeg.size() - 2);
  for (int i = 0; i < 600; ++i) bomb += jpeg.substr(scan, jpeg.size() - 2 - scan);
  bomb += "\xFF\xD9";
  const auto image = DecodeImage(base::AsBytes(bomb));
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(base::GetErrorDetails(image.status()).reason, "BAD_IMAGE");
}

// What follows the gap would stand in the wrong place.
TEST(DecodeJpeg, ALostRestartIntervalIsDamage) {
  const std::string jpeg = MakeJpeg({JCS_GRAYSCALE, 1, false, false, 1}, {90});
  const size_t first = jpeg.find("\xFF\xD0");
  const size_t second = jpeg.find("\xFF\xD1");
  ASSERT_LT(first, second);
  ASSERT_NE(second, std::string::npos);
  EXPECT_TRUE(DecodeImage(base::AsBytes(jpeg)).ok());
  const std::string gap = jpeg.substr(0, first) + jpeg.substr(second);
  const auto image = DecodeImage(base::AsBytes(gap));
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(base::GetErrorDetails(image.status()).reason, "BAD_IMAGE");
}

// Half of the picture is there: other readers show it over grey.
TEST(DecodeJpeg, ACutPictureIsSaidToBeCut) {
  const auto whole = EncodeImage(Gradient(200, 200), ImageFormat::kJpeg);
  ASSERT_TRUE(whole.ok());
  const auto image = DecodeImage(base::AsBytes(whole->substr(0, whole->size() / 2)));
  ASSERT_FALSE(image.ok());
  EXPECT_NE(image.status().message().find("cut short"), absl::string_view::npos) << image.status();
}

}  // namespace
}  // namespace lbw::detect
