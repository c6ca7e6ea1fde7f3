#include "dataset/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace lbw::dataset {
namespace {

TEST(DefectKind, HasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(DefectKind::kClassOrder); ++i) {
    names.insert(Name(static_cast<DefectKind>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(DefectKind::kClassOrder) + 1);
  EXPECT_EQ(Name(DefectKind::kBoxOutside), "box_outside");
  EXPECT_EQ(Name(DefectKind::kUnsupportedPicture), "unsupported_picture");
  EXPECT_EQ(Name(DefectKind::kExifRotation), "exif_rotation");
  EXPECT_EQ(Name(DefectKind::kAnnotationMissing), "annotation_missing");
  EXPECT_EQ(Name(DefectKind::kTooManyBoxes), "too_many_boxes");
  EXPECT_EQ(Name(DefectKind::kDuplicateBox), "duplicate_box");
  EXPECT_EQ(Name(DefectKind::kClassOrder), "class_order");
}

TEST(DefectAction, HasAName) {
  EXPECT_EQ(Name(DefectAction::kRepaired), "repaired");
  EXPECT_EQ(Name(DefectAction::kLeftOut), "left_out");
  EXPECT_EQ(Name(DefectAction::kNoted), "noted");
}

TEST(DefectList, CountsAllAndKeepsTheFirstOfEachKind) {
  DefectList defects(2);
  for (int i = 0; i < 5; ++i) {
    defects.Add(DefectKind::kGrey, i % 2 == 0 ? DefectAction::kRepaired : DefectAction::kLeftOut,
                "g" + std::to_string(i), "");
  }
  defects.Add(DefectKind::kRgba, DefectAction::kNoted, "r", "alpha");
  const DefectList::Count& grey = defects.counts().at(DefectKind::kGrey);
  EXPECT_EQ(grey.count, 5U);
  EXPECT_EQ(grey.repaired, 3U);
  EXPECT_EQ(grey.left_out, 2U);
  EXPECT_EQ(grey.example, "g0");
  EXPECT_EQ(defects.counts().at(DefectKind::kRgba).count, 1U);
  ASSERT_EQ(defects.kept().size(), 3U);
  EXPECT_EQ(defects.kept()[2].file, "r");
  EXPECT_EQ(defects.kept()[2].detail, "alpha");
  EXPECT_EQ(defects.not_kept(), 3U);
}

TEST(DefectList, KeepsNoneWhereNoneIsWanted) {
  DefectList defects(0);
  defects.Add(DefectKind::kGrey, DefectAction::kNoted, "g", "");
  EXPECT_TRUE(defects.kept().empty());
  EXPECT_EQ(defects.not_kept(), 1U);
  EXPECT_EQ(defects.counts().at(DefectKind::kGrey).example, "g");
}

// Names come from files: what is stored can be shown and is bounded.
TEST(DefectList, MakesTextsFitToBeShown) {
  DefectList defects;
  defects.Add(DefectKind::kGrey, DefectAction::kNoted, "bad\xFFname", std::string(10'000, 'x'));
  EXPECT_EQ(defects.kept()[0].file, "bad\\xffname");
  EXPECT_LE(defects.kept()[0].detail.size(), 400U);
}

}  // namespace
}  // namespace lbw::dataset
