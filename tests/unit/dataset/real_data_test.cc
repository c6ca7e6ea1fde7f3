// Sets that people made, with the defects that are known of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>

#include "support/test_data.h"
#include "unit/dataset/reading.h"

namespace lbw::dataset {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// Adds the files below a folder, under a prefix.
void AddFolder(const std::string& folder, const std::string& prefix, Files& files) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    files[prefix + std::filesystem::relative(entry.path(), folder).generic_string()] =
        std::string(std::istreambuf_iterator<char>(file), {});
  }
}

class RealData : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto folder = testing::TestDataDir();
    if (!folder.has_value()) GTEST_SKIP() << "LBW_TEST_DATA is not set";
    folder_ = *folder;
  }
  std::string Folder(const std::string& name) const { return folder_ + "/" + name; }
  Outcome Load(const std::string& name) const {
    Files files;
    AddFolder(Folder(name), "", files);
    Outcome outcome = CheckFiles(files);
    EXPECT_TRUE(outcome.data.ok()) << outcome.data.status();
    std::cout << name << ": " << outcome.Summary() << "\n";
    return outcome;
  }

 private:
  std::string folder_;
};

size_t BoxesOf(const Dataset& dataset) {
  size_t boxes = 0;
  for (const Picture& picture : dataset.pictures) boxes += picture.annotations.size();
  return boxes;
}

size_t InSplit(const Dataset& dataset, const std::string& name) {
  size_t count = 0;
  for (const Picture& picture : dataset.pictures) {
    for (const int32_t split : picture.splits) {
      count += dataset.splits[static_cast<size_t>(split)] == name ? 1 : 0;
    }
  }
  return count;
}

TEST_F(RealData, BloodCellsHaveTwoEmptyBoxes) {
  const Outcome outcome = Load("bccd_trainval");
  EXPECT_THAT(outcome.data->classes, ElementsAre("Platelets", "RBC", "WBC"));
  EXPECT_THAT(outcome.data->splits, ElementsAre("train", "val"));
  EXPECT_EQ(InSplit(*outcome.data, "train"), 205U);
  EXPECT_EQ(InSplit(*outcome.data, "val"), 87U);
  const std::vector<std::string> empty = outcome.Files(DefectKind::kZeroArea);
  EXPECT_THAT(
      std::set<std::string>(empty.begin(), empty.end()),
      UnorderedElementsAre("Annotations/BloodImage_00338.xml", "Annotations/BloodImage_00343.xml"));
}

TEST_F(RealData, FaceMasksReachOverTheEdge) {
  const Outcome outcome = Load("facemask_trainval");
  EXPECT_THAT(outcome.data->classes, ElementsAre("HaveMask", "NoMask"));
  EXPECT_EQ(InSplit(*outcome.data, "train"), 725U);
  EXPECT_EQ(InSplit(*outcome.data, "val"), 75U);
  EXPECT_GT(outcome.Count(DefectKind::kBoxOutside), 0U);
  bool minus_one = false;
  for (const Defect& defect : outcome.defects.kept()) {
    minus_one = minus_one || (defect.kind == DefectKind::kBoxOutside &&
                              defect.detail.find("-1,") != std::string::npos);
  }
  EXPECT_TRUE(minus_one);
  // "image\test_1.jpg" and the "." behind it hide no name.
  EXPECT_EQ(outcome.Count(DefectKind::kFilenameDiffers), 0U);
  EXPECT_EQ(outcome.Count(DefectKind::kAnnotationBroken), 0U);
}

TEST_F(RealData, RaccoonsAreGreyAndThereTwice) {
  const Outcome outcome = Load("raccoon_train");
  EXPECT_THAT(outcome.data->classes, ElementsAre("raccoon"));
  EXPECT_THAT(
      outcome.Files(DefectKind::kGrey),
      ElementsAre("images/raccoon-150.jpg", "images/raccoon-152.jpg", "images/raccoon-161.jpg"));
  EXPECT_EQ(outcome.Count(DefectKind::kDuplicatePicture), 4U);
  EXPECT_THAT(outcome.Files(DefectKind::kExtraFile), Contains("train_labels.csv"));
}

TEST_F(RealData, FruitIsPngInside) {
  const Outcome outcome = Load("fruit_train");
  EXPECT_THAT(outcome.data->classes, ElementsAre("apple", "banana", "orange"));
  EXPECT_EQ(outcome.data->pictures.size(), 130U);
  EXPECT_EQ(outcome.Count(DefectKind::kSizeMissing), 20U);
  EXPECT_EQ(outcome.Count(DefectKind::kWrongExtension), 20U);
  EXPECT_EQ(outcome.Count(DefectKind::kRgba), 12U);
  EXPECT_EQ(outcome.Count(DefectKind::kPalette), 2U);
}

TEST_F(RealData, CellsHaveABrokenSplit) {
  const Outcome outcome = Load("cells_small_objects");
  EXPECT_THAT(outcome.data->classes, ElementsAre("cellbody"));
  std::map<std::string, int> overlaps;
  for (const Defect& defect : outcome.defects.kept()) {
    if (defect.kind == DefectKind::kSplitOverlap) ++overlaps[defect.detail];
  }
  EXPECT_THAT(overlaps, UnorderedElementsAre(Pair("test, train", 202), Pair("test, val", 27)));
  EXPECT_EQ(outcome.Count(DefectKind::kFilenameDiffers), outcome.data->pictures.size());
  EXPECT_EQ(outcome.data->pictures.size(), 356U);
  EXPECT_EQ(BoxesOf(*outcome.data) + outcome.Count(DefectKind::kZeroArea), 641U);
}

TEST_F(RealData, CifarIsTwoThousandPictures) {
  const Outcome outcome = Load("cifar10_test_share2000");
  EXPECT_EQ(outcome.data->pictures.size(), 2000U);
  EXPECT_EQ(outcome.data->classes.size(), 10U);
  EXPECT_EQ(outcome.data->task, Task::kClassification);
}

// One ground truth in four formats: whichever reader differs is wrong.
TEST_F(RealData, FourFormatsSayTheSame) {
  Files pictures;
  AddFolder(Folder("voc12_sample50/images"), "images/", pictures);
  const std::string gts = Folder("annotation_formats_voc12/gts/");
  const auto read = [&](const std::string& format, const std::string& prefix) {
    Files files = pictures;
    AddFolder(gts + format, prefix, files);
    Outcome outcome = CheckFiles(files);
    std::cout << format << ": " << outcome.Summary() << "\n";
    return outcome;
  };
  // Boxes by picture, as "class x0 y0 x1 y1" in whole pixels.
  const auto boxes = [](const Outcome& outcome) {
    std::map<std::string, std::multiset<std::string>> all;
    for (const Picture& picture : outcome.data->pictures) {
      for (const Annotation& box : picture.annotations) {
        all[StemOf(picture.name)].insert(
            base::StrCat(outcome.data->classes[static_cast<size_t>(box.class_index)], " ",
                         std::lround(box.box.x_min), " ", std::lround(box.box.y_min), " ",
                         std::lround(box.box.x_max), " ", std::lround(box.box.y_max)));
      }
    }
    return all;
  };
  Files voc_files;
  AddFolder(Folder("voc12_sample50/images"), "images/", voc_files);
  AddFolder(Folder("voc12_sample50/Annotations"), "Annotations/", voc_files);
  const Outcome original = CheckFiles(voc_files);
  ASSERT_TRUE(original.data.ok());
  EXPECT_EQ(original.data->pictures.size(), pictures.size());
  const auto want = boxes(original);
  EXPECT_GT(BoxesOf(*original.data), 100U);

  const Outcome voc = read("pascalvoc_format", "Annotations/");
  ASSERT_TRUE(voc.data.ok()) << voc.data.status();
  EXPECT_EQ(boxes(voc), want);
  EXPECT_EQ(voc.Count(DefectKind::kPictureMissing), 50U);
  for (const char* format : {"coco_format_v1", "coco_format_v2"}) {
    const Outcome coco = read(format, "annotations/");
    ASSERT_TRUE(coco.data.ok()) << coco.data.status();
    EXPECT_EQ(coco.data->format, Format::kCoco);
    EXPECT_EQ(boxes(coco), want) << format;
    EXPECT_EQ(coco.Count(DefectKind::kPictureMissing), 50U);
  }
  const Outcome yolo = read("yolo_format/obj_train_data", "labels/");
  ASSERT_TRUE(yolo.data.ok()) << yolo.data.status();
  EXPECT_EQ(yolo.data->format, Format::kYolo);
  EXPECT_EQ(BoxesOf(*yolo.data), BoxesOf(*original.data));
  EXPECT_EQ(yolo.Count(DefectKind::kPictureMissing), 50U);
  Files darknet = pictures;
  AddFolder(gts + "yolo_format", "", darknet);
  for (auto it = pictures.begin(); it != pictures.end(); ++it) {
    darknet.erase(it->first);
    darknet["obj_train_data/" + FileNameOf(it->first)] = it->second;
  }
  const Outcome whole = CheckFiles(darknet);
  std::cout << "yolo_format: " << whole.Summary() << "\n";
  ASSERT_TRUE(whole.data.ok()) << whole.data.status();
  EXPECT_EQ(boxes(whole), want);
  EXPECT_EQ(InSplit(*whole.data, "train"), 50U);
}

TEST_F(RealData, Voc12HasDifficultObjects) {
  const Outcome outcome = Load("voc12_sample50");
  EXPECT_EQ(outcome.data->pictures.size(), 50U);
  size_t difficult = 0;
  for (const Picture& picture : outcome.data->pictures) {
    for (const Annotation& box : picture.annotations) difficult += box.difficult ? 1 : 0;
  }
  EXPECT_GT(difficult, 0U);
}

}  // namespace
}  // namespace lbw::dataset
