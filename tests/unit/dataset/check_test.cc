#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/jpeg.h"
#include "unit/dataset/reading.h"

namespace lbw::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kCat = VocObject("cat", {"1", "2", "11", "22"});

// A VOC set of one good picture, "good.jpg", and another, "p.<ending>".
Outcome WithPicture(const std::string& name, std::string encoded, const std::string& xml,
                    const ReadOptions& options = {}) {
  return CheckFiles({{"good.jpg", Jpeg(48, 32)},
                     {"good.xml", VocXml("good.jpg", kCat, 48, 32)},
                     {name, std::move(encoded)},
                     {StemOf(name) + ".xml", xml}},
                    options);
}
Outcome WithPicture(const std::string& name, std::string encoded) {
  return WithPicture(name, std::move(encoded), VocXml(name, kCat));
}

std::string Png(uint8_t depth, uint8_t color_type, size_t sample_bytes, std::string more = "") {
  detect::PngParts parts;
  parts.width = 40;
  parts.height = 30;
  parts.depth = depth;
  parts.color_type = color_type;
  parts.ancillary = std::move(more);
  for (int row = 0; row < 30; ++row) parts.rows += '\0' + std::string(40 * sample_bytes, '\0');
  return detect::MakePng(parts);
}

struct PictureCase {
  const char* name;
  std::string file;
  std::string encoded;
  std::string summary;
  bool kept;
};
class Pictures : public ::testing::TestWithParam<PictureCase> {};

TEST_P(Pictures, AreKeptOrLeftOutAndNamed) {
  const PictureCase& test = GetParam();
  const Outcome outcome = WithPicture(test.file, test.encoded);
  ASSERT_TRUE(outcome.data.ok()) << outcome.data.status();
  EXPECT_EQ(outcome.Summary(), test.summary);
  ASSERT_EQ(outcome.Find(test.file) != nullptr, test.kept);
  if (test.kept) {
    EXPECT_EQ(outcome.Find(test.file)->width, 40);
    EXPECT_EQ(outcome.Find(test.file)->annotations.size(), 1U);
  }
  for (const Defect& defect : outcome.defects.kept()) EXPECT_EQ(defect.file, test.file);
}

const std::string kPalette = detect::PngChunk("PLTE", std::string("\x10\x20\x30", 3));
INSTANTIATE_TEST_SUITE_P(
    All, Pictures,
    ::testing::Values(
        PictureCase{"Jpeg", "p.jpg", Jpeg(), "", true},
        PictureCase{"Png", "p.png", Png(8, 2, 3), "", true},
        PictureCase{"PngCalledJpg", "p.jpg", Png(8, 2, 3), "wrong_extension=1 repaired", true},
        PictureCase{"JpegCalledPng", "p.png", Jpeg(), "wrong_extension=1 repaired", true},
        PictureCase{"JpegCalledBmp", "p.bmp", Jpeg(), "wrong_extension=1 repaired", true},
        PictureCase{"GreyJpeg", "p.jpg",
                    lbw::testing::MakeJpeg({JCS_GRAYSCALE, 1, false, false, 0, 40, 30}, {90}),
                    "grey=1", true},
        PictureCase{"CmykJpeg", "p.jpg",
                    lbw::testing::MakeJpeg({JCS_CMYK, 4, true, false, 0, 40, 30}, {90, 90, 90, 90}),
                    "cmyk=1", true},
        PictureCase{"Rgba", "p.png", Png(8, 6, 4), "rgba=1", true},
        PictureCase{"GreyAlpha", "p.png", Png(8, 4, 2), "grey=1, rgba=1", true},
        PictureCase{"Palette", "p.png", Png(8, 3, 1, kPalette), "palette=1", true},
        PictureCase{"SixteenBit", "p.png", Png(16, 2, 6), "sixteen_bit=1", true},
        PictureCase{"CutJpeg", "p.jpg", Jpeg().substr(0, Jpeg().size() - 9),
                    "picture_broken=1 left_out", false},
        PictureCase{"CutPng", "p.png", Png(8, 2, 3).substr(0, 60), "picture_broken=1 left_out",
                    false},
        PictureCase{"Empty", "p.jpg", "", "picture_broken=1 left_out", false},
        PictureCase{"GifCalledJpg", "p.jpg", "GIF89a\x01\x01", "unsupported_picture=1 left_out",
                    false}),
    [](const auto& test) { return std::string(test.param.name); });

// Stored 30 x 40 and to be turned by a quarter: upright it is 40 x 30.
TEST(CheckDataset, TurnsBoxesOfTheStoredPicture) {
  const std::string jpeg = detect::WithExif(Jpeg(30, 40), detect::OrientationTiff(6, true));
  const Outcome outcome =
      WithPicture("p.jpg", jpeg, VocXml("p.jpg", VocObject("cat", {"1", "1", "3", "2"}), 30, 40));
  ASSERT_NE(outcome.Find("p.jpg"), nullptr);
  EXPECT_EQ(outcome.Summary(), "exif_rotation=1 repaired");
  EXPECT_EQ(outcome.Find("p.jpg")->width, 40);
  EXPECT_EQ(outcome.Find("p.jpg")->annotations[0].box, (detect::BoxXyxyPx{39, 1, 40, 3}));
}

TEST(CheckDataset, LeavesBoxesOfTheUprightPicture) {
  const std::string jpeg = detect::WithExif(Jpeg(30, 40), detect::OrientationTiff(6, true));
  const Outcome outcome =
      WithPicture("p.jpg", jpeg, VocXml("p.jpg", VocObject("cat", {"1", "1", "3", "2"}), 40, 30));
  ASSERT_NE(outcome.Find("p.jpg"), nullptr);
  EXPECT_EQ(outcome.Summary(), "exif_rotation=1");
  EXPECT_EQ(outcome.Find("p.jpg")->annotations[0].box, (detect::BoxXyxyPx{1, 1, 3, 2}));
}

// A PNG is turned by the decoder too.
TEST(CheckDataset, TurnsBoxesOfAStoredPng) {
  detect::PngParts parts;
  parts.width = 30;
  parts.height = 40;
  parts.ancillary = detect::PngChunk("eXIf", detect::OrientationTiff(6, true));
  for (int row = 0; row < 40; ++row) parts.rows += '\0' + std::string(90, '\0');
  const Outcome outcome =
      WithPicture("p.png", detect::MakePng(parts),
                  VocXml("p.png", VocObject("cat", {"1", "1", "3", "2"}), 30, 40));
  ASSERT_NE(outcome.Find("p.png"), nullptr) << outcome.Summary();
  EXPECT_EQ(outcome.Find("p.png")->annotations[0].box, (detect::BoxXyxyPx{39, 1, 40, 3}));
}

TEST(CheckDataset, TakesThePicturesOwnSize) {
  EXPECT_EQ(WithPicture("p.jpg", Jpeg(), VocXml("p.jpg", kCat, 0, 0)).Summary(),
            "size_missing=1 repaired");
  const Outcome outcome = WithPicture("p.jpg", Jpeg(), VocXml("p.jpg", kCat, 30, 40));
  EXPECT_EQ(outcome.Summary(), "size_differs=1 repaired");
  EXPECT_EQ(outcome.Find("p.jpg")->width, 40);
  EXPECT_EQ(outcome.defects.kept()[0].detail, "declared=30x40 picture=40x30");
}

TEST(CheckDataset, HoldsTheLimitsOfPictures) {
  ReadOptions options;
  options.limits.max_picture_pixels = 40 * 30;
  EXPECT_EQ(WithPicture("p.jpg", Jpeg(), VocXml("p.jpg", kCat), options).Summary(),
            "picture_too_large=1 left_out")
      << "the good one is larger, p.jpg at the limit";
  options = {};
  const std::string good = Jpeg(48, 32);
  ASSERT_LT(Jpeg().size(), good.size());
  options.limits.max_picture_bytes = good.size();
  const std::string xml = VocXml("p.jpg", kCat);
  EXPECT_EQ(WithPicture("p.jpg", Jpeg(), xml, options).Summary(), "");
  options.limits.max_picture_bytes = good.size() - 1;
  const Outcome outcome = WithPicture("p.jpg", Jpeg(), xml, options);
  EXPECT_EQ(outcome.Summary(), "picture_too_large=1 left_out");
  EXPECT_THAT(outcome.Files(DefectKind::kPictureTooLarge), ElementsAre("good.jpg"));
}

TEST(CheckDataset, HoldsTheLimitOfBoxes) {
  ReadOptions options;
  options.limits.max_boxes_a_picture = 2;
  EXPECT_EQ(WithPicture("p.jpg", Jpeg(), VocXml("p.jpg", kCat + kCat), options).Summary(), "");
  const Outcome outcome =
      WithPicture("p.jpg", Jpeg(), VocXml("p.jpg", kCat + kCat + kCat), options);
  EXPECT_EQ(outcome.Summary(), "too_many_boxes=1 left_out");
  EXPECT_EQ(outcome.Find("p.jpg")->annotations.size(), 2U);
}

TEST(CheckDataset, HoldsTheLimitsOfClassesSplitsAndPictures) {
  const std::string two = VocXml("p.jpg", kCat + VocObject("dog", {"1", "2", "3", "4"}));
  ReadOptions options;
  options.limits.max_classes = 2;
  EXPECT_TRUE(WithPicture("p.jpg", Jpeg(), two, options).data.ok());
  options.limits.max_classes = 1;
  const auto reason = [](const Outcome& outcome) {
    return base::GetErrorDetails(outcome.data.status()).reason;
  };
  EXPECT_EQ(reason(WithPicture("p.jpg", Jpeg(), two, options)), base::reason::kLimitExceeded.text);
  options = {};
  options.limits.max_pictures = 1;
  EXPECT_EQ(reason(WithPicture("p.jpg", Jpeg(), two, options)), base::reason::kLimitExceeded.text);
  options = {};
  options.limits.max_splits = 1;
  const Files csv = {{"l.csv", "path,label,split\na.jpg,x,one\nb.jpg,x,two\n"},
                     {"a.jpg", Jpeg()},
                     {"b.jpg", Jpeg(20, 20)}};
  EXPECT_EQ(reason(CheckFiles(csv, options)), base::reason::kLimitExceeded.text);
  options.limits.max_splits = 2;
  EXPECT_THAT(CheckFiles(csv, options).data->splits, ElementsAre("one", "two"));
}

TEST(CheckDataset, TakesGivenClassesInTheirOrderAndMapsNames) {
  ReadOptions options;
  options.classes = {"dog", "pet"};
  options.class_map = {{"cat", "pet"}};
  const std::string xml = VocXml(
      "p.jpg", VocObject("dog", {"1", "2", "3", "4"}) + VocObject("cow", {"1", "2", "3", "4"}));
  const Outcome outcome = WithPicture("p.jpg", Jpeg(), xml, options);
  ASSERT_TRUE(outcome.data.ok());
  EXPECT_THAT(outcome.data->classes, ElementsAre("dog", "pet"));
  EXPECT_EQ(outcome.Find("good.jpg")->annotations[0].class_index, 1);
  EXPECT_EQ(outcome.Find("p.jpg")->annotations[0].class_index, 0);
  EXPECT_EQ(outcome.Summary(), "unknown_class=1 left_out");
  options.classes = {"dog", ""};
  EXPECT_EQ(WithPicture("p.jpg", Jpeg(), xml, options).data.status().code(),
            absl::StatusCode::kInvalidArgument);
}

// Class names become JSON: bytes of an old code page may not get there.
TEST(CheckDataset, MakesNamesUtf8) {
  const Outcome outcome =
      WithPicture("p.jpg", Jpeg(), VocXml("p.jpg", VocObject("caf\xE9", {"1", "2", "3", "4"})));
  ASSERT_TRUE(outcome.data.ok()) << outcome.data.status();
  EXPECT_THAT(outcome.data->classes, ElementsAre("caf\\xe9", "cat"));
  EXPECT_EQ(outcome.Find("p.jpg")->annotations.size(), 1U);
}

TEST(CheckDataset, NamesMissingTwiceAnnotatedAndSamePictures) {
  const Outcome outcome = CheckFiles({{"a.jpg", Jpeg()},
                                      {"a.xml", VocXml("a.jpg", kCat)},
                                      {"b.jpg", Jpeg()},
                                      {"b.xml", VocXml("b.jpg", kCat)},
                                      {"Annotations/a.xml", VocXml("a.jpg", kCat + kCat)},
                                      {"gone.xml", VocXml("gone.jpg", kCat)}});
  ASSERT_TRUE(outcome.data.ok());
  EXPECT_EQ(outcome.Summary(),
            "picture_missing=1 left_out, duplicate_id=1 left_out, duplicate_picture=1");
  EXPECT_THAT(outcome.Files(DefectKind::kPictureMissing), ElementsAre("gone.xml"));
  EXPECT_EQ(outcome.Find("a.jpg")->annotations.size(), 2U) << "the first file is kept";
  for (const Defect& defect : outcome.defects.kept()) {
    if (defect.kind != DefectKind::kDuplicateId) continue;
    EXPECT_EQ(defect.detail, "annotated twice, again in a.xml: boxes=1 are left out");
  }
  EXPECT_EQ(outcome.data->pictures.size(), 2U);
}

TEST(CheckDataset, PutsUnlistedPicturesAside) {
  const Outcome outcome = CheckFiles({{"JPEGImages/a.jpg", Jpeg()},
                                      {"Annotations/a.xml", VocXml("a.jpg", kCat)},
                                      {"JPEGImages/b.jpg", Jpeg(20, 30)},
                                      {"Annotations/b.xml", VocXml("b.jpg", "", 20, 30)},
                                      {"ImageSets/Main/train.txt", "a\n"},
                                      {"ImageSets/Main/test.txt", "a\n"}});
  EXPECT_THAT(outcome.data->splits, ElementsAre("test", "train", "unlisted"));
  EXPECT_THAT(outcome.data->pictures[0].splits, ElementsAre(0, 1));
  EXPECT_THAT(outcome.data->pictures[1].splits, ElementsAre(2));
  EXPECT_EQ(outcome.Summary(), "split_overlap=1");
}

// One JSON has everybody's boxes: a defect names the picture.
TEST(CheckDataset, NamesThePictureOfACocoBox) {
  const Outcome outcome = CheckFiles(
      {{"a.json",
        R"({"images":[{"id":1,"file_name":"a.jpg","width":40,"height":30}],"annotations":[)"
        R"({"id":1,"image_id":1,"category_id":1,"bbox":[1,2,0,4]},)"
        R"({"id":2,"image_id":1,"category_id":1,"bbox":[1,2,3]}],)"
        R"("categories":[{"id":1,"name":"cat"}]})"},
       {"a.jpg", Jpeg()}});
  EXPECT_EQ(outcome.Summary(), "zero_area=1 left_out, bad_coordinates=1 left_out");
  EXPECT_THAT(outcome.Files(DefectKind::kZeroArea), ElementsAre("a.jpg"));
}

TEST(CheckDataset, RefusesASetWithNothingLeftAndSaysWhy) {
  const Outcome outcome = CheckFiles({{"a.jpg", "GIF89a"},
                                      {"a.xml", VocXml("a.jpg", kCat)},
                                      {"b.jpg", "GIF89a"},
                                      {"b.xml", VocXml("b.jpg", kCat)},
                                      {"c.xml", VocXml("c.jpg", kCat)}});
  EXPECT_EQ(base::GetErrorDetails(outcome.data.status()).reason, base::reason::kBadDataset.text);
  EXPECT_THAT(std::string(outcome.data.status().message()),
              HasSubstr("2 x unsupported_picture (a.jpg), 1 x picture_missing (c.xml)"));
}

// Good, broken, turned and doubled pictures: more than wait for each other at once.
TEST(CheckDataset, SaysTheSameForEveryNumberOfThreads) {
  Files files;
  for (int i = 0; i < 60; ++i) {
    const std::string name = base::StrCat("p", 100 + i);
    files[name + ".xml"] = VocXml(name + ".jpg", kCat, 40, 30);
    std::string& jpeg = files[name + ".jpg"];
    jpeg = Jpeg(40 + i % 7, 30);
    if (i % 11 == 3) jpeg.resize(jpeg.size() / 2);
    if (i % 11 == 5) jpeg = "";
    if (i % 11 == 7) jpeg = detect::WithExif(jpeg, detect::OrientationTiff(6, true));
  }
  const FileTree tree = MakeFileTree(files);
  const auto run = [&](int threads) {
    DefectList defects;
    const auto raw = ReadAnnotations(tree, {}, defects);
    LBW_CHECK(raw.ok());
    std::string text;
    CheckSinks sinks;
    sinks.threads = threads;
    sinks.take = [&](const Picture& picture, std::string_view encoded) {
      text += base::StrCat(picture.name, " ", encoded.size(), " ", picture.width, "\n");
      return absl::OkStatus();
    };
    sinks.progress = [&](uint64_t done, uint64_t total) {
      text += base::StrCat(done, "/", total, "\n");
      return absl::OkStatus();
    };
    const auto data = CheckDataset(tree, *raw, {}, defects, sinks);
    LBW_CHECK(data.ok());
    for (const Defect& defect : defects.kept()) {
      text += base::StrCat(Name(defect.kind), " ", defect.file, " ", defect.detail, "\n");
    }
    return std::make_pair(*data, text);
  };
  const auto one = run(1);
  EXPECT_GT(one.first.pictures.size(), 40U);
  EXPECT_THAT(one.second, HasSubstr("duplicate_picture"));
  for (const int threads : {2, 5, 1000}) {
    const auto several = run(threads);
    EXPECT_EQ(several.first, one.first) << threads;
    EXPECT_EQ(several.second, one.second) << threads;
  }
}

TEST(CheckDataset, StopsWhenAskedWhileThreadsDecode) {
  Files files;
  for (int i = 0; i < 40; ++i) {
    files[base::StrCat("p", i, ".jpg")] = Jpeg(300, 200);
    files[base::StrCat("p", i, ".xml")] = VocXml("", kCat, 300, 200);
  }
  const FileTree tree = MakeFileTree(files);
  DefectList defects;
  const auto raw = ReadAnnotations(tree, {}, defects);
  CheckSinks sinks;
  sinks.threads = 4;
  sinks.progress = [](uint64_t done, uint64_t) {
    return done == 3 ? absl::CancelledError("enough") : absl::OkStatus();
  };
  EXPECT_EQ(CheckDataset(tree, *raw, {}, defects, sinks).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(CheckDataset, TellsProgressHandsPicturesOverAndStopsWhenAsked) {
  const FileTree tree = MakeFileTree({{"b.jpg", Jpeg()},
                                      {"b.xml", VocXml("b.jpg", kCat)},
                                      {"a.jpg", "no picture"},
                                      {"a.xml", VocXml("a.jpg", kCat)},
                                      {"c.jpg", Jpeg(20, 30)},
                                      {"c.xml", VocXml("c.jpg", "", 20, 30)}});
  DefectList defects;
  const auto raw = ReadAnnotations(tree, {}, defects);
  ASSERT_TRUE(raw.ok());
  std::vector<std::string> taken;
  std::vector<uint64_t> done;
  CheckSinks sinks;
  sinks.take = [&](const Picture& picture, std::string_view encoded) {
    EXPECT_EQ(picture.size_bytes, encoded.size());
    taken.push_back(picture.name);
    return absl::OkStatus();
  };
  sinks.progress = [&](uint64_t at, uint64_t total) {
    EXPECT_EQ(total, 3U);
    done.push_back(at);
    return absl::OkStatus();
  };
  ASSERT_TRUE(CheckDataset(tree, *raw, {}, defects, sinks).ok());
  EXPECT_THAT(taken, ElementsAre("b.jpg", "c.jpg"));
  EXPECT_THAT(done, ElementsAre(1, 2, 3));
  sinks.progress = [](uint64_t, uint64_t) { return absl::CancelledError("enough"); };
  EXPECT_EQ(CheckDataset(tree, *raw, {}, defects, sinks).status().code(),
            absl::StatusCode::kCancelled);
  sinks.progress = nullptr;
  sinks.take = [](const Picture&, std::string_view) {
    return absl::ResourceExhaustedError("disk");
  };
  EXPECT_EQ(CheckDataset(tree, *raw, {}, defects, sinks).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace lbw::dataset
