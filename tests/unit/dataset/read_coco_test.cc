#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/dataset/reading.h"

namespace lbw::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Coco(std::string_view images, std::string_view annotations,
                 std::string_view categories = R"({"id":1,"name":"cat"},{"id":2,"name":"dog"})") {
  return base::StrCat(R"({"info":{"id":7,"year":[1,{"id":3}]},"images":[)", images,
                      R"(],"annotations":[)", annotations, R"(],"categories":[)", categories, "]}");
}

constexpr std::string_view kA = R"({"id":1,"file_name":"a.jpg","width":40,"height":30})";
constexpr std::string_view kB = R"({"id":2,"file_name":"b.jpg","width":40,"height":30})";

std::string Box(int id, int image, int category, std::string_view bbox,
                std::string_view more = "") {
  return base::StrCat(R"({"id":)", id, R"(,"image_id":)", image, R"(,"category_id":)", category,
                      R"(,"bbox":)", bbox, more, "}");
}

TEST(ReadCoco, ReadsBoxesCrowdsAndAreas) {
  const Outcome outcome = ReadFiles(
      {{"instances.json",
        Coco(kA, Box(1, 1, 2, "[1.5,2,10,20]",
                     R"(,"segmentation":[[1,2,3,4]],"area":55.25,"iscrowd":0)") +
                     "," +
                     Box(2, 1, 1, "[0,0,4,4]",
                         R"(,"segmentation":{"counts":[9,1],"size":[30,40]},"iscrowd":1)"))},
       {"a.jpg", ""}});
  ASSERT_TRUE(outcome.raw.ok()) << outcome.raw.status();
  EXPECT_EQ(outcome.Summary(), "");
  EXPECT_EQ(outcome.raw->pixel_rule, PixelRule::kContinuous);
  EXPECT_THAT(outcome.raw->classes, ElementsAre("cat", "dog"));
  ASSERT_EQ(outcome.raw->pictures.size(), 1U);
  const RawPicture& picture = outcome.raw->pictures[0];
  EXPECT_EQ(picture.path, "a.jpg");
  EXPECT_EQ(picture.declared_width, 40);
  EXPECT_THAT(picture.splits, IsEmpty());
  ASSERT_EQ(picture.boxes.size(), 2U);
  EXPECT_THAT(picture.boxes[0].corners, ElementsAre(1.5, 2, 11.5, 22));
  EXPECT_EQ(picture.boxes[0].class_name, "dog");
  EXPECT_EQ(picture.boxes[0].area_px2, 55.25);
  EXPECT_FALSE(picture.boxes[0].crowd);
  EXPECT_TRUE(picture.boxes[1].crowd);
}

TEST(ReadCoco, MapsCategoriesWithGapsAndOutOfOrder) {
  const Outcome outcome = ReadFiles(
      {{"a.json", Coco(kA, Box(1, 1, 90, "[0,0,4,4]"),
                       R"({"id":90,"name":"z"},{"id":3,"name":"y"},{"id":3,"name":"twice"},
                          {"id":5,"name":""})")},
       {"a.jpg", ""}});
  EXPECT_THAT(outcome.raw->classes, ElementsAre("y", "5", "z"));
  EXPECT_EQ(outcome.raw->pictures[0].boxes[0].class_name, "z");
  EXPECT_EQ(outcome.Summary(), "duplicate_id=1 left_out, category_ids=1 repaired");
}

TEST(ReadCoco, NamesDuplicatesAndIdsThatPointNowhere) {
  const Outcome outcome =
      ReadFiles({{"a.json", Coco(base::StrCat(kA, ",", kB, R"(,{"id":2,"file_name":"c.jpg"})"),
                                 Box(1, 1, 1, "[0,0,4,4]") + "," + Box(1, 2, 1, "[0,0,4,4]") + "," +
                                     Box(3, 77, 1, "[0,0,4,4]") + "," + Box(4, 1, 99, "[0,0,4,4]") +
                                     "," + Box(5, 1, 1, "[0,0,4]"))},
                 {"a.jpg", ""},
                 {"b.jpg", ""}});
  EXPECT_EQ(outcome.Count(DefectKind::kDuplicateId), 2U);
  EXPECT_EQ(outcome.Count(DefectKind::kUnknownId), 2U);
  ASSERT_EQ(outcome.raw->pictures.size(), 2U);
  EXPECT_EQ(outcome.raw->pictures[0].boxes.size(), 2U) << "a bbox of three numbers is bad later";
  EXPECT_THAT(outcome.raw->pictures[1].boxes, IsEmpty());
}

TEST(ReadCoco, TakesIdsInQuotesAndHugeNumbers) {
  const Outcome outcome = ReadFiles(
      {{"a.json", Coco(R"({"id":"000007","file_name":"a.jpg"},
                          {"id":1e300,"file_name":"b.jpg","width":18446744073709551615})",
                       R"({"id":"1","image_id":"7","category_id":"2","bbox":[0,0,4,1e308]})")},
       {"a.jpg", ""},
       {"b.jpg", ""}});
  ASSERT_TRUE(outcome.raw.ok()) << outcome.raw.status();
  ASSERT_EQ(outcome.raw->pictures.size(), 2U);
  EXPECT_EQ(outcome.raw->pictures[0].boxes.size(), 1U);
  EXPECT_EQ(outcome.Summary(), "");
}

TEST(ReadCoco, SplitsByTheFilesNames) {
  const Outcome outcome =
      ReadFiles({{"annotations/instances_train2017.json", Coco(kA, Box(1, 1, 1, "[0,0,4,4]"))},
                 {"annotations/instances_val2017.json",
                  Coco(base::StrCat(kA, ",", kB),
                       Box(1, 1, 1, "[0,0,4,4]") + "," + Box(2, 2, 1, "[0,0,4,4]"))},
                 {"annotations/captions_val2017.json",
                  Coco(kB, R"({"id":5,"image_id":2,"caption":"b"})", "")},
                 {"annotations/notes.json", "[1]"},
                 {"images/a.jpg", ""},
                 {"images/b.jpg", ""},
                 {"images/c.jpg", ""}});
  ASSERT_EQ(outcome.raw->pictures.size(), 2U);
  EXPECT_THAT(outcome.raw->pictures[0].splits, ElementsAre("train", "val"));
  EXPECT_EQ(outcome.raw->pictures[0].boxes.size(), 1U) << "the same in both files";
  EXPECT_THAT(outcome.Files(DefectKind::kDuplicateBox),
              ElementsAre("annotations/instances_val2017.json"));
  EXPECT_THAT(outcome.raw->pictures[1].splits, ElementsAre("val"));
  EXPECT_EQ(outcome.raw->pictures[1].boxes.size(), 1U);
  EXPECT_THAT(outcome.Files(DefectKind::kExtraFile),
              ElementsAre("annotations/notes.json", "annotations/captions_val2017.json"));
  EXPECT_THAT(outcome.Files(DefectKind::kAnnotationMissing), ElementsAre("images/c.jpg"));
}

TEST(ReadCoco, FindsPicturesByTheirStemAndSaysSo) {
  const Outcome outcome = ReadFiles({{"a.json", Coco(kA, "")}, {"images/a.png", ""}});
  EXPECT_EQ(outcome.raw->pictures[0].path, "images/a.png");
  EXPECT_EQ(outcome.Summary(), "filename_differs=1 repaired");
}

// valid/ has no a.jpg: train's is another picture.
TEST(ReadCoco, TakesRoboflowsFolders) {
  const Outcome outcome =
      ReadFiles({{"train/_annotations.coco.json", Coco(kA, "")},
                 {"valid/_annotations.coco.json", Coco(base::StrCat(kA, ",", kB), "")},
                 {"train/a.jpg", ""},
                 {"valid/b.jpg", ""}});
  ASSERT_EQ(outcome.raw->pictures.size(), 3U);
  EXPECT_EQ(outcome.raw->pictures[0].path, "train/a.jpg");
  EXPECT_THAT(outcome.raw->pictures[0].splits, ElementsAre("train"));
  EXPECT_EQ(outcome.raw->pictures[1].path, "");
  EXPECT_THAT(outcome.raw->pictures[1].missing_because, HasSubstr("train/a.jpg is not taken"));
  EXPECT_EQ(outcome.raw->pictures[2].path, "valid/b.jpg");
}

// a.jpg of val is missing, and train has one of that name.
TEST(ReadCoco, NamesAMissingPictureInsteadOfTakingOneOfAnotherSplit) {
  const Files files = {{"annotations/instances_val2017.json",
                        Coco(base::StrCat(kA, ",", kB), Box(1, 1, 1, "[0,0,4,4]"))},
                       {"train2017/a.jpg", Jpeg()},
                       {"val2017/b.jpg", Jpeg(20, 20)}};
  const Outcome outcome = CheckFiles(files);
  ASSERT_TRUE(outcome.data.ok()) << outcome.data.status();
  EXPECT_EQ(outcome.Find("train2017/a.jpg"), nullptr);
  EXPECT_EQ(outcome.Count(DefectKind::kPictureMissing), 1U);
  std::string detail;
  for (const Defect& defect : outcome.defects.kept()) {
    if (defect.kind == DefectKind::kPictureMissing) detail = defect.detail;
  }
  EXPECT_THAT(detail, HasSubstr("picture=a.jpg: not among the pictures of val; train2017/a.jpg"));
}

TEST(ReadCoco, SaysWhichPictureItTookFromElsewhere) {
  const Outcome outcome = ReadFiles(
      {{"a.json", Coco(R"({"id":1,"file_name":"old/place/a.jpg"})", "")}, {"images/a.jpg", ""}});
  EXPECT_EQ(outcome.raw->pictures[0].path, "images/a.jpg");
  EXPECT_EQ(outcome.Summary(), "filename_differs=1 repaired");
  EXPECT_THAT(outcome.defects.kept()[0].detail, HasSubstr("picture=images/a.jpg"));
  // That file has an annotation of its own.
  const Outcome taken = ReadFiles(
      {{"a.json",
        Coco(R"({"id":1,"file_name":"old/a.jpg"},{"id":2,"file_name":"images/a.jpg"})", "")},
       {"images/a.jpg", ""}});
  EXPECT_EQ(taken.raw->pictures[0].path, "");
  EXPECT_THAT(taken.raw->pictures[0].missing_because, HasSubstr("another annotation's"));
  EXPECT_EQ(taken.raw->pictures[1].path, "images/a.jpg");
}

TEST(ReadCoco, KeepsTheBoxesOfASecondFileOverTheSamePictures) {
  const Outcome outcome = ReadFiles(
      {{"x/instances_val2017.json",
        Coco(base::StrCat(kA, ",", kB), Box(1, 1, 1, "[0,0,4,4]") + "," +
                                            Box(2, 1, 1, "[0,0,4,4]") + "," +
                                            Box(3, 2, 2, "[1,1,5,5]"))},
       {"y/instances_val2017.json",
        Coco(R"({"id":70,"file_name":"a.jpg","width":40,"height":30})",
             Box(1, 70, 9, "[0,0,4,4]") + "," + Box(2, 70, 8, "[0,0,4,4]") + "," +
                 Box(3, 70, 9, "[2,2,4,4]") + "," + Box(4, 70, 9, "[0,0,4,4]", R"(,"iscrowd":1)"),
             R"({"id":8,"name":"bird"},{"id":9,"name":"cat"})")},
       {"images/a.jpg", ""},
       {"images/b.jpg", ""}});
  ASSERT_TRUE(outcome.raw.ok()) << outcome.raw.status();
  EXPECT_THAT(outcome.raw->classes, ElementsAre("cat", "dog", "bird"));
  ASSERT_EQ(outcome.raw->pictures.size(), 2U);
  EXPECT_THAT(outcome.raw->pictures[0].splits, ElementsAre("val"));
  std::vector<std::string> boxes;
  for (const RawBox& box : outcome.raw->pictures[0].boxes) {
    boxes.push_back(base::StrCat(box.class_name, box.crowd ? " crowd " : " ", box.corners[0]));
  }
  EXPECT_THAT(boxes, ElementsAre("cat 0", "cat 0", "bird 0", "cat 2", "cat crowd 0"))
      << "two of one file are two objects";
  EXPECT_EQ(outcome.Summary(), "category_ids=1 repaired, duplicate_box=1 left_out");
  EXPECT_EQ(outcome.defects.kept().back().file, "y/instances_val2017.json");
  EXPECT_EQ(outcome.defects.kept().back().detail,
            "picture=images/a.jpg boxes=1 are in x/instances_val2017.json too");
}

TEST(ReadCoco, JoinsAPictureThatOneFileListsTwice) {
  const Outcome outcome =
      ReadFiles({{"a.json", Coco(R"({"id":1,"file_name":"a.jpg"},{"id":2,"file_name":"a.jpg"})",
                                 Box(1, 1, 1, "[0,0,4,4]") + "," + Box(2, 2, 1, "[0,0,4,4]") + "," +
                                     Box(3, 2, 2, "[0,0,4,4]"))},
                 {"a.jpg", ""}});
  ASSERT_EQ(outcome.raw->pictures.size(), 1U);
  EXPECT_EQ(outcome.raw->pictures[0].boxes.size(), 2U);
  EXPECT_EQ(outcome.Summary(), "duplicate_id=1 repaired, duplicate_box=1 left_out");
}

TEST(ReadCoco, RefusesBrokenJsonAndNamesThePlace) {
  const auto message = [](std::string text) {
    const Outcome outcome = ReadFiles({{"x/a.json", std::move(text)}, {"a.jpg", ""}});
    EXPECT_EQ(outcome.raw.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(outcome.raw.status().message());
  };
  EXPECT_THAT(message(R"({"images": [)"), HasSubstr("x/a.json is no JSON: byte "));
  EXPECT_THAT(message(""), HasSubstr("x/a.json"));
  EXPECT_THAT(message(R"({"images":)" + std::string(1'000'000, '[')), HasSubstr("too deep"));
  EXPECT_THAT(message("{\"images\":[{\"file_name\":\"\xFF\"}]}"), HasSubstr("x/a.json"));
  EXPECT_THAT(message(R"({"categories":[]})"), HasSubstr("no JSON file with images"));
}

}  // namespace
}  // namespace lbw::dataset
