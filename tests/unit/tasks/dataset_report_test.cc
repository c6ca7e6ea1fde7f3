#include "tasks/dataset_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace lbw::tasks {
namespace {

using ::testing::SizeIs;

// Three pictures: two boxes of one class (one difficult), one box in both splits, and none.
dataset::Dataset ThreePictures() {
  dataset::Dataset data;
  data.format = dataset::Format::kVoc;
  data.classes = {"cat", "dog"};
  data.splits = {"train", "val"};
  data.pictures.resize(3);
  data.pictures[0].splits = {0};
  data.pictures[0].annotations = {{{0, 0, 9, 9}, 0, false, false, {}},
                                  {{5, 5, 9, 9}, 0, true, false, {}}};
  data.pictures[1].splits = {0, 1};
  data.pictures[1].annotations = {{{0, 0, 9, 9}, 1, false, false, {}}};
  data.pictures[2].splits = {1};
  return data;
}

TEST(DatasetSummary, CountsByHand) {
  const Json summary = DatasetSummary(ThreePictures(), dataset::DefectList());
  EXPECT_EQ(summary["format"], "DATASET_FORMAT_VOC");
  EXPECT_EQ(summary["task"], "DATASET_TASK_DETECTION");
  EXPECT_EQ(summary["pixel_rule"], "inclusive");
  EXPECT_EQ(summary["splits"].dump(), R"([{"name":"train","pictures":"2","boxes":"3"},)"
                                      R"({"name":"val","pictures":"2","boxes":"1"}])");
  // A picture with two cats is one picture with cats.
  EXPECT_EQ(summary["classes"].dump(),
            R"([{"name":"cat","pictures":"1","boxes":"2","difficult_boxes":"1"},)"
            R"({"name":"dog","pictures":"1","boxes":"1","difficult_boxes":"0"}])");
  EXPECT_EQ(summary["pictures"], "3");
  EXPECT_EQ(summary["boxes"], "3");
  EXPECT_EQ(summary["difficult_boxes"], "1");
  EXPECT_EQ(summary["pictures_without_boxes"], "1");
  EXPECT_THAT(summary["defects"], SizeIs(0));
}

TEST(DatasetSummary, AClassifiersPicturesAreCountedByLabelAndLackNoBoxes) {
  dataset::Dataset data = ThreePictures();
  data.task = dataset::Task::kClassification;
  data.format = dataset::Format::kCifar;
  data.pixel_rule = dataset::PixelRule::kContinuous;
  for (dataset::Picture& picture : data.pictures) {
    picture.annotations.clear();
    picture.label = 1;
  }
  const Json summary = DatasetSummary(data, dataset::DefectList());
  EXPECT_EQ(summary["format"], "DATASET_FORMAT_CIFAR");
  EXPECT_EQ(summary["task"], "DATASET_TASK_CLASSIFICATION");
  EXPECT_EQ(summary["pixel_rule"], "continuous");
  EXPECT_EQ(summary["classes"][0]["pictures"], "0");
  EXPECT_EQ(summary["classes"][1]["pictures"], "3");
  EXPECT_EQ(summary["pictures_without_boxes"], "0");
}

TEST(DefectsJson, ListsWhatWasKeptAndCountsTheRest) {
  using dataset::DefectAction;
  using dataset::DefectKind;
  dataset::DefectList defects(1);
  defects.Add(DefectKind::kBoxOutside, DefectAction::kRepaired, "a.xml", "xmax=512 width=500");
  defects.Add(DefectKind::kBoxOutside, DefectAction::kLeftOut, "b.xml", "xmin=600 width=500");
  defects.Add(DefectKind::kExtraFile, DefectAction::kNoted, "notes.txt", "");
  const Json list = DefectsJson(defects);
  ASSERT_THAT(list["defects"], SizeIs(2));
  EXPECT_EQ(list["defects"][0].dump(),
            R"({"kind":"box_outside","file":"a.xml","detail":"xmax=512 width=500",)"
            R"("action":"repaired"})");
  EXPECT_EQ(list["defects"][1]["action"], "noted");
  EXPECT_EQ(list["not_kept"], "1");
  const Json counts = DatasetSummary(ThreePictures(), defects)["defects"];
  ASSERT_THAT(counts, SizeIs(2));
  EXPECT_EQ(counts[0]["kind"], "box_outside");
  EXPECT_EQ(counts[0]["count"], "2");
  EXPECT_EQ(counts[0]["repaired"], "1");
  EXPECT_EQ(counts[0]["left_out"], "1");
  EXPECT_EQ(counts[1]["count"], "1");
}

// What a summary calls a format is what a spec may ask for.
TEST(ParseFormat, ReadsWhatTheSummaryWrites) {
  using dataset::Format;
  for (const Format format :
       {Format::kAuto, Format::kVoc, Format::kCoco, Format::kYolo, Format::kClassFolders,
        Format::kClassCsv, Format::kCifar, Format::kPictures}) {
    dataset::Dataset data = ThreePictures();
    data.format = format;
    const Json summary = DatasetSummary(data, dataset::DefectList());
    EXPECT_EQ(ParseFormat(summary["format"].get<std::string>()), format);
  }
  EXPECT_EQ(ParseFormat(""), Format::kAuto);
  EXPECT_EQ(ParseFormat("VOC"), std::nullopt);
}

}  // namespace
}  // namespace lbw::tasks
