#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/dataset/reading.h"

namespace lbw::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ReadOptions Pictures() {
  ReadOptions options;
  options.format = Format::kPictures;
  return options;
}

TEST(ReadPictures, EveryPictureWithoutLabelsInOneSplit) {
  const Outcome outcome = CheckFiles({{"b.jpg", Jpeg()}, {"more/a.jpg", Jpeg(50, 20)}}, Pictures());
  ASSERT_TRUE(outcome.data.ok()) << outcome.data.status();
  EXPECT_EQ(outcome.data->format, Format::kPictures);
  EXPECT_EQ(outcome.data->task, Task::kDetection);
  EXPECT_THAT(outcome.data->classes, IsEmpty());
  EXPECT_THAT(outcome.data->splits, ElementsAre("all"));
  ASSERT_EQ(outcome.data->pictures.size(), 2U);
  const Picture* const picture = outcome.Find("more/a.jpg");
  ASSERT_NE(picture, nullptr);
  EXPECT_EQ(picture->width, 50);
  EXPECT_THAT(picture->annotations, IsEmpty());
  EXPECT_FALSE(picture->label.has_value());
  EXPECT_THAT(picture->splits, ElementsAre(0));
  EXPECT_EQ(outcome.Summary(), "");
}

// What is told is taken: neither folders nor annotations make another format of it.
TEST(ReadPictures, LooksAtNoLabelsWhereTheCallerTells) {
  const Outcome outcome = CheckFiles({{"cat/a.jpg", Jpeg()},
                                      {"dog/a.jpg", Jpeg(41)},
                                      {"a.xml", VocXml("a.jpg", "")},
                                      {"a.txt", "0 0.5 0.5 0.1 0.1\n"}},
                                     Pictures());
  ASSERT_TRUE(outcome.data.ok()) << outcome.data.status();
  EXPECT_EQ(outcome.data->pictures.size(), 2U);
  EXPECT_THAT(outcome.data->classes, IsEmpty());
  EXPECT_THAT(outcome.Files(DefectKind::kExtraFile), ElementsAre("a.txt", "a.xml"));
}

TEST(ReadPictures, IsFoundOnlyWhereNothingElseFits) {
  const auto found = [](const Files& files) { return *FindFormat(MakeFileTree(files)); };
  EXPECT_EQ(found({{"a.jpg", ""}}), Format::kPictures);
  EXPECT_EQ(found({{"a.jpg", ""}, {"README.txt", "shot in may"}}), Format::kPictures);
  EXPECT_EQ(found({{"x/a.jpg", ""}}), Format::kClassFolders);
  EXPECT_EQ(found({{"a.jpg", ""}, {"a.xml", ""}}), Format::kVoc);
  EXPECT_EQ(found({{"a.jpg", ""}, {"a.json", ""}}), Format::kCoco);
  EXPECT_EQ(found({{"a.jpg", ""}, {"a.csv", ""}}), Format::kClassCsv);
  EXPECT_FALSE(FindFormat(MakeFileTree({{"notes.doc", "x"}})).ok());
}

TEST(ReadPictures, NamesBrokenPicturesAndIsReadyWithOneThatIsNot) {
  Files files = {{"broken.jpg", Jpeg().substr(0, 200)},
                 {"empty.png", ""},
                 {"text.jpg", "no picture at all"},
                 {"good.jpg", Jpeg()}};
  const Outcome outcome = CheckFiles(files, Pictures());
  ASSERT_TRUE(outcome.data.ok()) << outcome.data.status();
  ASSERT_EQ(outcome.data->pictures.size(), 1U);
  EXPECT_EQ(outcome.data->pictures[0].name, "good.jpg");
  EXPECT_THAT(outcome.Files(DefectKind::kPictureBroken), ElementsAre("broken.jpg", "empty.png"));
  EXPECT_THAT(outcome.Files(DefectKind::kUnsupportedPicture), ElementsAre("text.jpg"));
  files.erase("good.jpg");
  const Outcome none = CheckFiles(files, Pictures());
  EXPECT_EQ(none.data.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(none.data.status().message()), HasSubstr("no usable picture is left"));
}

TEST(ReadPictures, RefusesATreeWithoutPicturesAndMoreThanTheLimit) {
  EXPECT_EQ(base::GetErrorDetails(ReadFiles({{"a.txt", "x"}}, Pictures()).raw.status()).reason,
            base::reason::kBadDataset.text);
  ReadOptions options = Pictures();
  options.limits.max_pictures = 2;
  Files files = {{"a.jpg", Jpeg()}, {"b.jpg", Jpeg()}};
  EXPECT_TRUE(ReadFiles(files, options).raw.ok());
  files["c.jpg"] = Jpeg();
  EXPECT_EQ(base::GetErrorDetails(ReadFiles(files, options).raw.status()).reason,
            base::reason::kLimitExceeded.text);
}

}  // namespace
}  // namespace lbw::dataset
