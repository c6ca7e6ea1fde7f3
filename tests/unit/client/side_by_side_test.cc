#include "client/cpp/side_by_side.h"

#include "client/cpp/plot.h"
#include "gmock/gmock.h"

namespace lbw::client {
namespace {

using ::testing::StartsWith;

std::string MakePng() {
  plot::Figure figure;
  figure.panels.emplace_back(plot::Chart{});
  figure.panel_width_px = 300;
  figure.panel_height_px = 200;
  return *plot::RenderPng(figure);
}

uint32_t Number(const std::string& png, size_t at) {
  uint32_t value = 0;
  for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<uint8_t>(png[i]);
  return value;
}
uint32_t Width(const std::string& png) { return Number(png, 16); }
uint32_t Height(const std::string& png) { return Number(png, 20); }

TEST(FitPng, KeepsTheShapeWhicheverSideBinds) {
  const std::string png = MakePng();
  const double shape = static_cast<double>(Width(png)) / Height(png);
  for (const PixelBox box : {PixelBox{100, 1000}, PixelBox{1000, 100}, PixelBox{500, 500}}) {
    const auto fitted = FitPng(png, box);
    ASSERT_TRUE(fitted.ok()) << fitted.status();
    EXPECT_LE(Width(*fitted), static_cast<uint32_t>(box.width));
    EXPECT_LE(Height(*fitted), static_cast<uint32_t>(box.height));
    EXPECT_NEAR(static_cast<double>(Width(*fitted)) / Height(*fitted), shape, 0.03);
  }
}

TEST(FitPng, GrowsAtMostFourfoldAndNeverVanishes) {
  const std::string small = *FitPng(MakePng(), {10, 10});
  EXPECT_EQ(Width(small), 10U);
  EXPECT_EQ(Width(*FitPng(small, {1000, 1000})), 40U);
  const std::string one = *FitPng(small, {1, 1});
  EXPECT_EQ(Width(one), 1U);
  EXPECT_EQ(Height(one), 1U);
}

TEST(FitPng, RefusesWhatIsNoPngAndWhatIsTooLarge) {
  const std::string png = MakePng();
  EXPECT_FALSE(FitPng("", {10, 10}).ok());
  EXPECT_FALSE(FitPng("a JPEG, rather; long enough for a header", {10, 10}).ok());
  EXPECT_FALSE(FitPng(png.substr(0, png.size() / 2), {10, 10}).ok());
  std::string huge = png;
  huge.replace(16, 8, std::string("\x00\x01\x00\x00\x00\x01\x00\x00", 8));
  const auto refused = FitPng(huge, {10, 10});
  EXPECT_THAT(std::string(refused.status().message()), StartsWith("a PNG of 65536 x 65536 pixels"));
}

TEST(RenderPairs, RowsAreAsHighAsTheirPictures) {
  SidePair pair;
  pair.caption =
      "photo.jpg: 3 matched, a caption that is much too long for what there is of room " +
      std::string(200, 'x');
  pair.left_title = "face/1 (reference): 5 detections";
  pair.left_png = *FitPng(MakePng(), {400, 400});
  pair.right_title = "face/2: \x1b[2J";
  pair.right_png = *FitPng(MakePng(), {200, 200});
  const auto one = RenderPairs({&pair, 1});
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_GE(Width(*one), 800U);
  const std::vector<SidePair> three(3, pair);
  const auto sheet = RenderPairs(three);
  ASSERT_TRUE(sheet.ok()) << sheet.status();
  EXPECT_EQ(Width(*sheet), Width(*one));
  EXPECT_NEAR(Height(*sheet), 3.0 * Height(*one), 40.0);
}

TEST(RenderPairs, RefusesNothingAndBrokenPictures) {
  EXPECT_FALSE(RenderPairs({}).ok());
  SidePair pair;
  pair.left_png = MakePng();
  pair.right_png = "no picture";
  EXPECT_FALSE(RenderPairs({&pair, 1}).ok());
}

}  // namespace
}  // namespace lbw::client
