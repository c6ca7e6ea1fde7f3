#include "dataset/sheet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataset/scenes.h"
#include "dataset/sheet_canvas.h"
#include "detect/image/image.h"
#include "unit/dataset/make.h"

namespace lbw::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Pictures of scenes; picture 2 is broken, picture 3 is grey and tall.
Pack ScenePack(int count) {
  Dataset dataset;
  dataset.classes = SceneClasses();
  dataset.classes.push_back("nowhere");
  dataset.splits = {"train", "val"};
  std::string bytes;
  SceneOptions options;
  options.width = 120;
  options.height = 90;
  for (int i = 0; i < count; ++i) {
    Scene scene = *MakeScene(options, static_cast<uint64_t>(i));
    if (i == 3) {
      scene.image = {30, 200, std::vector<uint8_t>(30 * 200 * 3, 128)};
      scene.annotations.clear();
    }
    std::string png = *detect::EncodeImage(scene.image, detect::ImageFormat::kPng);
    if (i == 2) png.resize(png.size() / 2);
    Picture picture{"p" + std::to_string(100 + i) + ".png",
                    scene.image.width,
                    scene.image.height,
                    {i % 4 == 0 ? 1 : 0},
                    scene.annotations,
                    std::nullopt,
                    bytes.size(),
                    png.size()};
    bytes += png;
    dataset.pictures.push_back(std::move(picture));
  }
  auto pack = OpenPack(PackBytes(dataset, bytes));
  LBW_CHECK(pack.ok());
  return *std::move(pack);
}

detect::Image Decode(const Sheet& sheet) {
  auto image = detect::DecodeImage(base::AsBytes(sheet.png));
  LBW_CHECK(image.ok());
  return *std::move(image);
}

int CountPixels(const detect::Image& image, const std::array<uint8_t, 3>& rgb) {
  int count = 0;
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    count += std::equal(rgb.begin(), rgb.end(), image.rgb.begin() + static_cast<ptrdiff_t>(i));
  }
  return count;
}

TEST(RenderSheet, ShowsAsManyAsFit) {
  const Pack pack = ScenePack(8);
  SheetOptions options;
  options.columns = 3;
  options.rows = 2;
  options.cell_px = 100;
  const auto sheet = RenderSheet(pack, options);
  ASSERT_TRUE(sheet.ok()) << sheet.status();
  EXPECT_EQ(sheet->pictures, 6);
  const detect::Image image = Decode(*sheet);
  EXPECT_GT(image.width, 300);
  EXPECT_LT(image.width, 400);
  EXPECT_GT(image.height, 200);
  EXPECT_LT(image.height, 360);
}

TEST(RenderSheet, IsNoLargerThanItsPictures) {
  const Pack pack = ScenePack(2);
  SheetOptions options;
  const auto sheet = RenderSheet(pack, options);
  ASSERT_TRUE(sheet.ok()) << sheet.status();
  EXPECT_EQ(sheet->pictures, 2);
  const detect::Image image = Decode(*sheet);
  EXPECT_LT(image.width, 3 * 240);
  EXPECT_LT(image.height, 2 * 240);  // 4:3, one row
}

TEST(RenderSheet, ShowsTheErrorOfABrokenPicture) {
  const Pack pack = ScenePack(4);
  SheetOptions options;
  options.columns = 4;
  options.rows = 1;
  options.cell_px = 160;
  const detect::Image image = Decode(*RenderSheet(pack, options));
  // A cell of the error's ground, less its text.
  EXPECT_GT(CountPixels(image, {58, 32, 36}), 160 * 160 / 2);
  options.columns = 2;
  EXPECT_EQ(CountPixels(Decode(*RenderSheet(pack, options)), {58, 32, 36}), 0);
}

TEST(RenderSheet, DrawsBoxesWhereTheyAre) {
  Dataset dataset;
  dataset.classes = {"thing"};
  dataset.splits = {"all"};
  const detect::Image grey{100, 100, std::vector<uint8_t>(100 * 100 * 3, 200)};
  const std::string png = *detect::EncodeImage(grey, detect::ImageFormat::kPng);
  Picture picture{"p.png", 100, 100, {0}, {}, std::nullopt, 0, png.size()};
  picture.annotations = {{{26, 41, 75, 90}, 0, false, false, std::nullopt}};
  dataset.pictures = {picture};
  SheetOptions options;
  options.cell_px = 100;  // too small for labels: frames only
  const auto sheet = RenderSheet(*OpenPack(PackBytes(dataset, png)), options);
  ASSERT_TRUE(sheet.ok()) << sheet.status();
  const detect::Image image = Decode(*sheet);
  const auto at = [&image](int64_t x, int64_t y) {
    const size_t i = static_cast<size_t>((18 + 36 + y) * image.width + 18 + x) * 3;
    return std::array<uint8_t, 3>{image.rgb[i], image.rgb[i + 1], image.rgb[i + 2]};
  };
  const std::array<uint8_t, 3> plain = {200, 200, 200};
  EXPECT_EQ(at(50, 65), plain);
  EXPECT_EQ(at(10, 10), plain);
  EXPECT_NE(at(25, 65), plain);
  EXPECT_NE(at(74, 65), plain);
  EXPECT_NE(at(50, 40), plain);
  EXPECT_NE(at(50, 89), plain);
}

TEST(RenderSheet, ChoosesBySeed) {
  const Pack pack = ScenePack(20);
  SheetOptions options;
  options.columns = 2;
  options.rows = 1;
  options.cell_px = 64;
  const std::string first = RenderSheet(pack, options)->png;
  options.seed = 1;
  const std::string second = RenderSheet(pack, options)->png;
  EXPECT_NE(first, second);
  EXPECT_EQ(RenderSheet(pack, options)->png, second);
  options.seed = 2;
  EXPECT_NE(RenderSheet(pack, options)->png, second);
}

TEST(RenderSheet, TakesASplitAndAClass) {
  const Pack pack = ScenePack(8);
  SheetOptions options;
  options.cell_px = 64;
  options.split = "val";
  EXPECT_EQ(RenderSheet(pack, options)->pictures, 2);
  options.split = "";
  options.class_name = "star";
  int stars = 0;
  for (const Picture& picture : pack.dataset().pictures) {
    stars += std::any_of(picture.annotations.begin(), picture.annotations.end(),
                         [](const Annotation& a) { return a.class_index == 5; });
  }
  ASSERT_GT(stars, 0);
  ASSERT_LT(stars, 8);
  EXPECT_EQ(RenderSheet(pack, options)->pictures, stars);
  options.class_name = "nowhere";
  EXPECT_EQ(RenderSheet(pack, options).status().code(), absl::StatusCode::kNotFound);
}

TEST(RenderSheet, RefusesBadOptionsAndNamesThem) {
  const Pack pack = ScenePack(1);
  const auto field_of = [&pack](const SheetOptions& options) -> std::string {
    const absl::Status status = RenderSheet(pack, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    const auto fields = base::GetErrorDetails(status).fields;
    return fields.empty() ? "" : fields[0];
  };
  EXPECT_EQ(field_of({.columns = 0}), "columns");
  EXPECT_EQ(field_of({.columns = 13}), "columns");
  EXPECT_EQ(field_of({.rows = 0}), "rows");
  EXPECT_EQ(field_of({.rows = 13}), "rows");
  EXPECT_EQ(field_of({.cell_px = 63}), "cell_px");
  EXPECT_EQ(field_of({.cell_px = 641}), "cell_px");
  EXPECT_EQ(field_of({.columns = 12, .rows = 12, .cell_px = 640}), "cell_px");
  EXPECT_EQ(field_of({.split = "test"}), "split");
  EXPECT_EQ(field_of({.class_name = "cow"}), "class_name");
  EXPECT_TRUE(RenderSheet(pack, {.columns = 12, .rows = 12, .cell_px = 64}).ok());
}

TEST(SheetCanvas, ShortensTheMiddleOfNames) {
  const std::string name = "a_rather_long_name_of_a_picture_0001.jpg";
  EXPECT_EQ(ShortenMiddle(name, TextSize::kSmall, 1000), name);
  const std::string shorter = ShortenMiddle(name, TextSize::kSmall, 120);
  EXPECT_LE(TextWidth(shorter, TextSize::kSmall), 120);
  EXPECT_THAT(shorter, ::testing::StartsWith("a_rat"));
  EXPECT_THAT(shorter, ::testing::EndsWith("1.jpg"));
  EXPECT_THAT(shorter, HasSubstr(".."));
  EXPECT_EQ(ShortenMiddle(name, TextSize::kSmall, 1), "");
}

TEST(SheetCanvas, WrapsBetweenWords) {
  EXPECT_THAT(Wrap("one", 500, 3), ElementsAre("one"));
  const auto lines = Wrap("some words that need more than one line to be shown", 120, 2);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], ::testing::StartsWith("some words"));
  EXPECT_THAT(lines[1], ::testing::EndsWith(".."));
  EXPECT_FALSE(Wrap(std::string(500, 'x'), 1, 4).empty());
}

TEST(SheetCanvas, DrawsOnlyAscii) { EXPECT_EQ(Drawable("J\xC3\xBCrg\n\xFF~"), "J?rg??~"); }

}  // namespace
}  // namespace lbw::dataset
