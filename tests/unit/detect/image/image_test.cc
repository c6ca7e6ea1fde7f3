#include "detect/image/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "base/io.h"
#include "base/status.h"
#include "unit/detect/image/pictures.h"

namespace lbw::detect {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<Image> Decode(std::string_view bytes, const ImageLimits& limits = {}) {
  return DecodeImage(base::AsBytes(bytes), limits);
}

std::string Encode(const Image& image, ImageFormat format) {
  auto encoded = EncodeImage(image, format);
  EXPECT_TRUE(encoded.ok()) << encoded.status();
  return encoded.ok() ? *encoded : "";
}

std::string ReasonOf(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return base::GetErrorDetails(status).reason;
}

TEST(DecodeImage, PngRoundTripIsExact) {
  const Image image = Gradient(37, 23);
  const auto decoded = Decode(Encode(image, ImageFormat::kPng));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->width, 37);
  EXPECT_EQ(decoded->height, 23);
  EXPECT_EQ(decoded->rgb, image.rgb);
}

TEST(DecodeImage, JpegRoundTripIsClose) {
  const Image image = Gradient(64, 48);
  const auto decoded = Decode(Encode(image, ImageFormat::kJpeg));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->rgb.size(), image.rgb.size());
  for (size_t i = 0; i < image.rgb.size(); ++i) ASSERT_NEAR(decoded->rgb[i], image.rgb[i], 14) << i;
}

TEST(DecodeImage, RefusesWhatIsNoPicture) {
  for (const std::string bytes : {"", "x", "GIF89a", "\xFF\xD8", "not a picture at all"}) {
    const absl::Status status = Decode(bytes).status();
    EXPECT_EQ(ReasonOf(status), "BAD_IMAGE");
    EXPECT_THAT(std::string(status.message()), HasSubstr("not a JPEG or PNG"));
  }
}

// A picture cut short at any byte, the last one included, is an error and not a grey remainder.
TEST(DecodeImage, RefusesEveryTruncation) {
  for (const ImageFormat format : {ImageFormat::kJpeg, ImageFormat::kPng}) {
    const std::string whole = Encode(Gradient(40, 24), format);
    ASSERT_TRUE(Decode(whole).ok());
    for (size_t length = 0; length < whole.size(); ++length) {
      const auto decoded = Decode(std::string_view(whole).substr(0, length));
      ASSERT_FALSE(decoded.ok()) << length << " of " << whole.size();
      ASSERT_EQ(ReasonOf(decoded.status()), "BAD_IMAGE");
    }
  }
}

TEST(DecodeImage, SurvivesFlippedBytes) {
  for (const ImageFormat format : {ImageFormat::kJpeg, ImageFormat::kPng}) {
    const std::string whole = Encode(Gradient(24, 16), format);
    for (size_t i = 0; i < whole.size(); ++i) {
      std::string broken = whole;
      broken[i] = static_cast<char>(~broken[i]);
      ImageLimits limits;
      limits.max_pixels = 1'000'000;
      const auto decoded = Decode(broken, limits);
      if (decoded.ok()) {
        ASSERT_EQ(decoded->rgb.size(), static_cast<size_t>(decoded->width * decoded->height * 3));
      } else {
        ASSERT_NE(ReasonOf(decoded.status()), "");
      }
    }
  }
}

TEST(DecodeImage, BytesBehindTheEndAreNoMatter) {
  for (const ImageFormat format : {ImageFormat::kJpeg, ImageFormat::kPng}) {
    EXPECT_TRUE(Decode(Encode(Gradient(24, 16), format) + "trailing bytes").ok());
  }
}

TEST(DecodeImage, HugePngIsRefusedByItsHeader) {
  PngParts parts;
  parts.width = parts.height = 30'000;
  parts.rows = "x";
  const absl::Status status = Decode(MakePng(parts)).status();
  EXPECT_EQ(ReasonOf(status), "IMAGE_TOO_LARGE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("width=30000 height=30000 limit=40000000"));
  parts.width = parts.height = 0x7FFFFFFF;
  EXPECT_EQ(ReasonOf(Decode(MakePng(parts)).status()), "IMAGE_TOO_LARGE");
  parts.width = 0;
  EXPECT_EQ(ReasonOf(Decode(MakePng(parts)).status()), "BAD_IMAGE");
}

TEST(DecodeImage, LimitsHoldAtTheirEdge) {
  for (const ImageFormat format : {ImageFormat::kJpeg, ImageFormat::kPng}) {
    const std::string bytes = Encode(Gradient(20, 10), format);
    ImageLimits limits;
    limits.max_pixels = 200;
    limits.max_bytes = bytes.size();
    EXPECT_TRUE(Decode(bytes, limits).ok());
    limits.max_pixels = 199;
    EXPECT_EQ(ReasonOf(Decode(bytes, limits).status()), "IMAGE_TOO_LARGE");
    limits = {bytes.size() - 1, 200};
    EXPECT_EQ(ReasonOf(Decode(bytes, limits).status()), "IMAGE_TOO_LARGE");
  }
}

// Two pixels in every kind of PNG.
struct PngCase {
  const char* name;
  uint8_t depth;
  uint8_t color_type;
  std::string ancillary;
  std::string row;
  std::array<uint8_t, 6> expected;
};

class PngKinds : public ::testing::TestWithParam<PngCase> {};

TEST_P(PngKinds, BecomeRgb) {
  const PngCase& c = GetParam();
  const auto decoded =
      Decode(MakePng({2, 1, c.depth, c.color_type, c.ancillary, std::string(1, '\0') + c.row}));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_THAT(decoded->rgb, ::testing::ElementsAreArray(c.expected));
}

INSTANTIATE_TEST_SUITE_P(
    , PngKinds,
    ::testing::Values(
        PngCase{"rgb", 8, 2, "", "\x01\x02\x03\xF0\xF1\xF2", {1, 2, 3, 240, 241, 242}},
        PngCase{"grey", 8, 0, "", "\x07\xF0", {7, 7, 7, 240, 240, 240}},
        PngCase{"bilevel", 1, 0, "", "\x40", {0, 0, 0, 255, 255, 255}},
        PngCase{"palette",
                8,
                3,
                PngChunk("PLTE", "\x09\x08\x07\x10\x20\x30"),
                std::string("\x01\x00", 2),
                {16, 32, 48, 9, 8, 7}},
        PngCase{"alpha_dropped",
                8,
                6,
                "",
                std::string("\x01\x02\x03\x00\x04\x05\x06\xFF", 8),
                {1, 2, 3, 4, 5, 6}},
        PngCase{"grey_alpha", 8, 4, "", "\x11\x80\x22\xFF", {17, 17, 17, 34, 34, 34}},
        PngCase{"rgb16",
                16,
                2,
                "",
                "\x01\x02\x03\x04\x05\x06\xF0\xFF\xF1\xFF\xF2\xFF",
                {1, 3, 5, 240, 241, 242}}),
    [](const auto& test) { return std::string(test.param.name); });

// The corner that EXIF 2.32 table 6 puts at the top left, and whether the sides change places.
struct Turn {
  int orientation;
  bool swapped;
  // Stored position of the upright picture's (0, 0) and of its (1, 0), in steps of the last index.
  int x0, y0, x1, y1;
};

class Orientation : public ::testing::TestWithParam<Turn> {};

TEST_P(Orientation, IsAppliedInJpegAndPng) {
  const Turn& turn = GetParam();
  const Image stored = Gradient(32, 16);
  for (const bool big_endian : {false, true}) {
    const std::string tiff = OrientationTiff(turn.orientation, big_endian);
    const std::string jpeg = Encode(stored, ImageFormat::kJpeg);
    std::string png = Encode(stored, ImageFormat::kPng);
    png.insert(8 + 25, PngChunk("eXIf", tiff));
    for (const std::string& bytes : {WithExif(jpeg, tiff), png}) {
      const auto decoded = Decode(bytes);
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      EXPECT_EQ(decoded->width, turn.swapped ? 16 : 32);
      EXPECT_EQ(decoded->height, turn.swapped ? 32 : 16);
      const uint8_t* origin = PixelAt(stored, turn.x0 * 31, turn.y0 * 15);
      const uint8_t* along = PixelAt(stored, turn.x1 * 31, turn.y1 * 15);
      for (int c = 0; c < 3; ++c) {
        EXPECT_NEAR(PixelAt(*decoded, 0, 0)[c], origin[c], 16);
        EXPECT_NEAR(PixelAt(*decoded, decoded->width - 1, 0)[c], along[c], 16);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Orientation,
                         ::testing::Values(Turn{1, false, 0, 0, 1, 0}, Turn{2, false, 1, 0, 0, 0},
                                           Turn{3, false, 1, 1, 0, 1}, Turn{4, false, 0, 1, 1, 1},
                                           Turn{5, true, 0, 0, 0, 1}, Turn{6, true, 0, 1, 0, 0},
                                           Turn{7, true, 1, 1, 1, 0}, Turn{8, true, 1, 0, 1, 1}),
                         [](const auto& test) {
                           return "exif" + std::to_string(test.param.orientation);
                         });

TEST(EncodeImage, SaysWhatItCouldNotEncode) {
  const absl::StatusOr<std::string> encoded = EncodeImage(Image{}, ImageFormat::kPng);
  EXPECT_EQ(encoded.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(encoded.status().message()), HasSubstr("width=0 height=0"));
}

}  // namespace
}  // namespace lbw::detect
