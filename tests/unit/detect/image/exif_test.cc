#include "detect/image/exif.h"

#include <gtest/gtest.h>

#include "base/io.h"
#include "unit/detect/image/pictures.h"

namespace lbw::detect {
namespace {

int Parse(std::string_view tiff) { return ExifOrientation(base::AsBytes(tiff)); }

TEST(ExifOrientation, ReadsBothByteOrders) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    EXPECT_EQ(Parse(OrientationTiff(orientation, false)), orientation);
    EXPECT_EQ(Parse(OrientationTiff(orientation, true)), orientation);
  }
}

TEST(ExifOrientation, IsUprightWhereItIsBroken) {
  EXPECT_EQ(Parse(OrientationTiff(0, false)), 1);
  EXPECT_EQ(Parse(OrientationTiff(9, false)), 1);
  const std::string tiff = OrientationTiff(6, false);
  for (size_t length = 0; length + 4 < tiff.size(); ++length) {
    EXPECT_EQ(Parse(std::string_view(tiff).substr(0, length)), 1) << length;
  }
  std::string far = tiff;
  far.replace(4, 4, "\xF0\xFF\xFF\xFF");
  EXPECT_EQ(Parse(far), 1) << "a directory outside the data";
}

}  // namespace
}  // namespace lbw::detect
