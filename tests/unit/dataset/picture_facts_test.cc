#include "dataset/picture_facts.h"

#include <gtest/gtest.h>

#include "support/jpeg.h"
#include "unit/dataset/reading.h"

namespace lbw::dataset {
namespace {

std::string Png(uint8_t depth, uint8_t color_type, std::string ancillary = "") {
  detect::PngParts parts;
  parts.width = 3;
  parts.height = 2;
  parts.depth = depth;
  parts.color_type = color_type;
  parts.ancillary = std::move(ancillary);
  return detect::MakePng(parts);
}

TEST(LookAtPicture, TellsKindsOfPngApart) {
  const PictureFacts rgb = LookAtPicture(Png(8, 2));
  EXPECT_EQ(rgb.kind, PictureFacts::Kind::kPng);
  EXPECT_EQ(rgb.stored_width, 3);
  EXPECT_EQ(rgb.stored_height, 2);
  EXPECT_FALSE(rgb.grey || rgb.alpha || rgb.palette || rgb.cmyk || rgb.sixteen_bit);
  EXPECT_TRUE(LookAtPicture(Png(8, 0)).grey);
  EXPECT_TRUE(LookAtPicture(Png(8, 3)).palette);
  EXPECT_TRUE(LookAtPicture(Png(8, 4)).grey);
  EXPECT_TRUE(LookAtPicture(Png(8, 4)).alpha);
  EXPECT_TRUE(LookAtPicture(Png(8, 6)).alpha);
  EXPECT_TRUE(LookAtPicture(Png(16, 2)).sixteen_bit);
}

TEST(LookAtPicture, TellsKindsOfJpegApart) {
  const PictureFacts rgb = LookAtPicture(Jpeg(40, 30));
  EXPECT_EQ(rgb.kind, PictureFacts::Kind::kJpeg);
  EXPECT_EQ(rgb.stored_width, 40);
  EXPECT_EQ(rgb.stored_height, 30);
  EXPECT_FALSE(rgb.grey || rgb.alpha || rgb.palette || rgb.cmyk || rgb.sixteen_bit);
  EXPECT_TRUE(LookAtPicture(lbw::testing::MakeJpeg({JCS_GRAYSCALE, 1}, {90})).grey);
  EXPECT_TRUE(LookAtPicture(lbw::testing::MakeJpeg({JCS_CMYK, 4, true}, {90, 90, 90, 90})).cmyk);
}

// The same as the decoder, which turns the picture: else boxes would stay behind.
TEST(LookAtPicture, ReadsTheOrientationOfBoth) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string tiff = detect::OrientationTiff(orientation, orientation % 2 == 0);
    EXPECT_EQ(LookAtPicture(detect::WithExif(Jpeg(), tiff)).orientation, orientation);
    EXPECT_EQ(LookAtPicture(Png(8, 2, detect::PngChunk("eXIf", tiff))).orientation, orientation);
  }
}

TEST(LookAtPicture, TakesTheFirstOrientationOfTwo) {
  const std::string once = detect::WithExif(Jpeg(), detect::OrientationTiff(6, true));
  const std::string twice = detect::WithExif(once, detect::OrientationTiff(3, true));
  EXPECT_EQ(LookAtPicture(twice).orientation, 3);
  const auto image = detect::DecodeImage(base::AsBytes(twice));
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image->width, 40) << "the decoder's too: turned by half";
}

TEST(LookAtPicture, KnowsNothingElse) {
  for (const std::string_view text : {"", "GIF89a", "BM", "\xFF\xD8", "\x89PNG"}) {
    EXPECT_EQ(LookAtPicture(text).kind, PictureFacts::Kind::kOther) << text;
  }
}

TEST(LookAtPicture, TakesEveryCut) {
  const std::string tiff = detect::OrientationTiff(6, false);
  for (const std::string& whole :
       {detect::WithExif(Jpeg(), tiff), Png(8, 2, detect::PngChunk("eXIf", tiff))}) {
    for (size_t i = 0; i < whole.size(); ++i) {
      const PictureFacts facts = LookAtPicture(std::string_view(whole).substr(0, i));
      EXPECT_TRUE(facts.orientation == 1 || facts.orientation == 6) << i;
    }
  }
}

}  // namespace
}  // namespace lbw::dataset
