#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "unit/dataset/reading.h"

namespace lbw::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const RawPicture& Of(const Outcome& outcome, std::string_view xml) {
  for (const RawPicture& picture : outcome.raw->pictures) {
    if (picture.annotation_file == xml) return picture;
  }
  ADD_FAILURE() << "no " << xml;
  static const RawPicture kNone;
  return kNone;
}

Files Voc(const std::vector<std::string>& stems) {
  Files files;
  for (const std::string& stem : stems) {
    files["Annotations/" + stem + ".xml"] = VocXml(FileNameOf(stem) + ".jpg", "");
    files["JPEGImages/" + stem + ".jpg"] = "";
  }
  return files;
}

absl::StatusOr<RawPicture> Parse(std::string_view text) { return ParseVocXml(text, 10'000); }

TEST(ParseVocXml, ReadsWhatItSays) {
  const auto picture = Parse(VocXml(
      "image\\a.jpg", VocObject("cat", {"1", "-1", "30.5", "29"}, "<difficult>1</difficult>") +
                          VocObject("dog", {"3", "4", "2", "x"}, "") +
                          "<object><name>cow</name></object>"));
  ASSERT_TRUE(picture.ok()) << picture.status();
  EXPECT_EQ(picture->wanted, "image\\a.jpg");
  EXPECT_EQ(picture->declared_width, 40);
  ASSERT_EQ(picture->boxes.size(), 3U);
  EXPECT_THAT(picture->boxes[0].corners, ElementsAre(1, -1, 30.5, 29));
  EXPECT_TRUE(picture->boxes[0].has_floats);
  EXPECT_EQ(picture->boxes[0].difficult, true);
  EXPECT_FALSE(picture->boxes[1].has_floats);
  EXPECT_EQ(picture->boxes[1].difficult, std::nullopt);
  EXPECT_TRUE(std::isnan(picture->boxes[1].corners[3]));
  EXPECT_TRUE(std::isnan(picture->boxes[2].corners[0]));
}

// Roboflow writes xmin, xmax, ymin, ymax; somebody left a "." behind </filename>.
TEST(ParseVocXml, IsNotMisledByOrderOrStrayText) {
  const auto picture = Parse(
      "<annotation><filename>a.jpg</filename>.<object><name>c</name><bndbox><xmin>1</xmin>"
      "<xmax>3</xmax><ymin>2</ymin><ymax>4</ymax></bndbox></object></annotation>");
  ASSERT_TRUE(picture.ok());
  EXPECT_EQ(picture->wanted, "a.jpg");
  EXPECT_THAT(picture->boxes[0].corners, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(picture->declared_width, 0);
}

TEST(ParseVocXml, RefusesWhatIsNone) {
  EXPECT_EQ(Parse("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Parse("<annotation><a></annotation>").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Parse("<html/>").status().message()), HasSubstr("no <annotation>"));
}

TEST(ParseVocXml, KeepsNoMoreBoxesThanTheLimitAndCountsTheRest) {
  const std::string box = VocObject("cat", {"1", "2", "3", "4"});
  const auto at = ParseVocXml(VocXml("a.jpg", box + box), 2);
  EXPECT_EQ(at->boxes.size(), 2U);
  EXPECT_EQ(at->boxes_not_kept, 0U);
  const auto beyond = ParseVocXml(VocXml("a.jpg", box + box + box + box), 2);
  EXPECT_EQ(beyond->boxes.size(), 2U);
  EXPECT_EQ(beyond->boxes_not_kept, 2U);
}

TEST(ParseVocXml, RefusesEntities) {
  const std::string bomb =
      "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><annotation>&b;</annotation>";
  EXPECT_EQ(Parse(bomb).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ParseVocXml, RefusesHugeNestingWithoutACrash) {
  std::string deep = "<annotation>";
  for (int i = 0; i < 500'000; ++i) deep += "<a>";
  EXPECT_EQ(Parse(deep).status().code(), absl::StatusCode::kInvalidArgument);
}

// Cut anywhere it is an error or an annotation, never a crash.
TEST(ParseVocXml, TakesEveryCut) {
  const std::string whole = VocXml("a.jpg", VocObject("cat", {"1", "2", "3", "4"}));
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_FALSE(Parse(whole.substr(0, i)).ok()) << i;
  }
}

TEST(ReadVoc, RefusesTheWholeSetForADocumentType) {
  Files files = Voc({"a"});
  files["Annotations/b.xml"] = "<!DOCTYPE annotation><annotation/>";
  const Outcome outcome = ReadFiles(files);
  EXPECT_EQ(outcome.raw.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(outcome.raw.status().message()), HasSubstr("Annotations/b.xml"));
}

TEST(ReadVoc, NamesBrokenMissingAndForeignFiles) {
  Files files = Voc({"a", "b"});
  files["Annotations/b.xml"] = "<annotation>";
  files["JPEGImages/bare.jpg"] = "";
  files["README.md"] = "";
  files["Annotations/c.xml"] = VocXml("c.jpg", "");
  const Outcome outcome = ReadFiles(files);
  ASSERT_TRUE(outcome.raw.ok()) << outcome.raw.status();
  EXPECT_THAT(outcome.Files(DefectKind::kAnnotationBroken), ElementsAre("Annotations/b.xml"));
  EXPECT_THAT(outcome.Files(DefectKind::kAnnotationMissing), ElementsAre("JPEGImages/bare.jpg"));
  EXPECT_THAT(outcome.Files(DefectKind::kExtraFile), ElementsAre("README.md"));
  EXPECT_EQ(Of(outcome, "Annotations/c.xml").path, "");
}

TEST(ReadVoc, MatchesByItsOwnNameAndSaysSo) {
  Files files = Voc({"a"});
  files["Annotations/a.xml"] = VocXml("C:\\other.jpg", "");
  const Outcome outcome = ReadFiles(files);
  EXPECT_EQ(outcome.raw->pictures[0].path, "JPEGImages/a.jpg");
  EXPECT_EQ(outcome.Summary(), "filename_differs=1 repaired");
}

TEST(ReadVoc, FallsBackToTheFileName) {
  const Outcome outcome = ReadFiles({{"a.xml", VocXml("b.jpg", "")}, {"b.jpg", ""}, {"c.jpg", ""}});
  EXPECT_EQ(outcome.raw->pictures[0].path, "b.jpg");
}

TEST(ReadVoc, PrefersMainAndTakesTrainvalForTheRest) {
  Files files = Voc({"a", "b", "c", "d", "e"});
  files["ImageSets/Main/train.txt"] = "a\n";
  files["ImageSets/Main/val.txt"] = "b.jpg\r\n";
  files["ImageSets/Main/trainval.txt"] = "a\nb\nc\n";
  files["ImageSets/Main/test.txt"] = "d\nnowhere\na\n";
  files["ImageSets/Main/cat_train.txt"] = "a 1\nb -1\n";
  files["ImageSets/Segmentation/train.txt"] = "e\n";
  const Outcome outcome = ReadFiles(files);
  EXPECT_THAT(Of(outcome, "Annotations/a.xml").splits, ElementsAre("test", "train"));
  EXPECT_THAT(Of(outcome, "Annotations/b.xml").splits, ElementsAre("val"));
  EXPECT_THAT(Of(outcome, "Annotations/c.xml").splits, ElementsAre("trainval"));
  EXPECT_THAT(Of(outcome, "Annotations/d.xml").splits, ElementsAre("test"));
  EXPECT_THAT(Of(outcome, "Annotations/e.xml").splits, IsEmpty());
  EXPECT_THAT(outcome.Files(DefectKind::kSplitUnknown), ElementsAre("nowhere"));
}

TEST(ReadVoc, KeepsTrainvalWhereItStandsAlone) {
  Files files = Voc({"a", "b"});
  files["ImageSets/Main/trainval.txt"] = "a\n";
  files["ImageSets/Main/test.txt"] = "b\n";
  EXPECT_THAT(Of(ReadFiles(files), "Annotations/a.xml").splits, ElementsAre("trainval"));
}

// One id in two folders: splits and pictures follow the folder.
TEST(ReadVoc, TakesIdsWithFolders) {
  Files files = Voc({"1/a", "2/a", "b"});
  files["ImageSets/Main/train.txt"] = "1/a\n/home/me/photos/b.jpg\n";
  files["ImageSets/Main/val.txt"] = "JPEGImages/2/a.jpg\n";
  const Outcome outcome = ReadFiles(files);
  EXPECT_EQ(Of(outcome, "Annotations/1/a.xml").path, "JPEGImages/1/a.jpg");
  EXPECT_EQ(Of(outcome, "Annotations/2/a.xml").path, "JPEGImages/2/a.jpg");
  EXPECT_THAT(Of(outcome, "Annotations/1/a.xml").splits, ElementsAre("train"));
  EXPECT_THAT(Of(outcome, "Annotations/2/a.xml").splits, ElementsAre("val"));
  EXPECT_THAT(Of(outcome, "Annotations/b.xml").splits, ElementsAre("train"));
  EXPECT_EQ(outcome.Summary(), "");
}

TEST(ReadVoc, RefusesASetWithoutAnyAnnotation) {
  const Outcome outcome = ReadFiles({{"a.xml", "<no"}, {"a.jpg", ""}});
  EXPECT_EQ(base::GetErrorDetails(outcome.raw.status()).reason, base::reason::kBadDataset.text);
}

// The mask of the same name is not the picture.
TEST(ReadVoc, NamesAMissingPictureInsteadOfTakingOneOfAnotherFolder) {
  const Outcome outcome = ReadFiles({{"VOC/Annotations/a.xml", VocXml("a.jpg", "")},
                                     {"VOC/Annotations/b.xml", VocXml("b.jpg", "")},
                                     {"VOC/JPEGImages/b.jpg", ""},
                                     {"VOC/SegmentationClass/a.png", ""}});
  ASSERT_EQ(outcome.raw->pictures.size(), 2U);
  EXPECT_EQ(outcome.raw->pictures[0].path, "");
  EXPECT_THAT(outcome.raw->pictures[0].missing_because,
              HasSubstr("VOC/SegmentationClass/a.png is not taken for it"));
  EXPECT_EQ(outcome.raw->pictures[1].path, "VOC/JPEGImages/b.jpg");
}

TEST(ReadVoc, SaysWhichPictureItTookFromAnotherFolder) {
  const Outcome outcome =
      ReadFiles({{"Annotations/a.xml", VocXml("a.jpg", "")}, {"photos/a.jpg", ""}});
  EXPECT_EQ(outcome.raw->pictures[0].path, "photos/a.jpg");
  EXPECT_EQ(outcome.Summary(), "filename_differs=1 repaired");
  EXPECT_THAT(outcome.defects.kept()[0].detail, HasSubstr("picture=photos/a.jpg"));
}

}  // namespace
}  // namespace lbw::dataset
