#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/dataset/reading.h"

namespace lbw::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ReadClassFolders, TakesFoldersForClassesAndSplits) {
  const Outcome outcome = ReadFiles({{"set/train/cat/a.jpg", ""},
                                     {"set/validation/dog/b.jpg", ""},
                                     {"set/dog/c.jpg", ""},
                                     {"top.jpg", ""}});
  ASSERT_TRUE(outcome.raw.ok()) << outcome.raw.status();
  EXPECT_EQ(outcome.raw->task, Task::kClassification);
  EXPECT_THAT(outcome.raw->classes, ElementsAre("cat", "dog"));
  ASSERT_EQ(outcome.raw->pictures.size(), 3U);
  EXPECT_EQ(outcome.raw->pictures[0].label, "dog");
  EXPECT_TRUE(outcome.raw->pictures[0].splits.empty());
  EXPECT_THAT(outcome.raw->pictures[1].splits, ElementsAre("train"));
  EXPECT_THAT(outcome.raw->pictures[2].splits, ElementsAre("val"));
  EXPECT_THAT(outcome.Files(DefectKind::kAnnotationMissing), ElementsAre("top.jpg"));
}

TEST(ReadClassCsv, TakesQuotesAndEveryLineEnd) {
  const Outcome outcome = ReadFiles({{"l.csv",
                                      "\xEF\xBB\xBFsplit,Label,\"path\"\r\n"
                                      "Train,\"big, \"\"bad\"\" cat\",\"x/a, 1.jpg\"\r\n"
                                      "val,dog,b.jpg\r\n"
                                      ",,b.jpg\n"
                                      "val,dog,lost.jpg"},
                                     {"x/a, 1.jpg", ""},
                                     {"b.jpg", ""},
                                     {"c.jpg", ""}});
  ASSERT_TRUE(outcome.raw.ok()) << outcome.raw.status();
  EXPECT_THAT(outcome.raw->classes, ElementsAre("big, \"bad\" cat", "dog"));
  ASSERT_EQ(outcome.raw->pictures.size(), 3U);
  EXPECT_EQ(outcome.raw->pictures[0].path, "x/a, 1.jpg");
  EXPECT_THAT(outcome.raw->pictures[0].splits, ElementsAre("train"));
  EXPECT_EQ(outcome.raw->pictures[2].path, "");
  EXPECT_EQ(outcome.Summary(), "annotation_broken=1 left_out, annotation_missing=1 left_out");
}

TEST(ReadClassCsv, NumbersAreClassesByTheirPlace) {
  const Files files = {{"l.csv", "path,label\na.jpg,2\n"}, {"a.jpg", ""}};
  EXPECT_THAT(ReadFiles(files).raw->classes, ElementsAre("0", "1", "2"));
  ReadOptions options;
  options.classes = {"x", "y", "z"};
  EXPECT_EQ(ReadFiles(files, options).raw->pictures[0].label, "z");
  options.class_map = {{"2", "y"}};
  EXPECT_EQ(ReadFiles(files, options).raw->pictures[0].label, "2");
}

TEST(ReadClassCsv, RefusesAnotherHeaderAndSaysWhat) {
  const Outcome outcome = ReadFiles({{"l.csv", "filename,class,xmin\na.jpg,c,1\n"}, {"a.jpg", ""}});
  EXPECT_THAT(std::string(outcome.raw.status().message()), HasSubstr("filename,class,xmin"));
}

std::string CifarRecord(char label, char red, char green, char blue) {
  return std::string(1, label) + std::string(1024, red) + std::string(1024, green) +
         std::string(1024, blue);
}

TEST(ReadCifar, TurnsPlanesIntoPictures) {
  const Outcome outcome =
      CheckFiles({{"cifar/test_batch.bin", CifarRecord(3, 10, 20, 30) + CifarRecord(9, 1, 2, 3)},
                  {"cifar/data_batch_1.bin", CifarRecord(0, 7, 7, 7)}});
  ASSERT_TRUE(outcome.data.ok()) << outcome.data.status();
  EXPECT_EQ(outcome.Summary(), "");
  EXPECT_THAT(outcome.data->splits, ElementsAre("test", "train"));
  ASSERT_EQ(outcome.data->pictures.size(), 3U);
  const Picture& picture = outcome.data->pictures[1];
  EXPECT_EQ(picture.name, "cifar/test_batch/00000.png");
  EXPECT_EQ(picture.label, 3);
  EXPECT_THAT(picture.splits, ElementsAre(0));
  const RawPicture& raw = outcome.raw->pictures[1];
  const auto image = detect::DecodeImage(base::AsBytes(*raw.png));
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image->width, 32);
  EXPECT_THAT(std::vector<int>(image->rgb.begin(), image->rgb.begin() + 3),
              ElementsAre(10, 20, 30));
}

TEST(ReadCifar, TakesNamesAndRefusesOtherLabelsAndSizes) {
  const Outcome named = ReadFiles(
      {{"batches.meta.txt", "airplane\nautomobile\n\n"}, {"x.bin", CifarRecord(1, 0, 0, 0)}});
  EXPECT_EQ(named.raw->pictures[0].label, "automobile");
  const Outcome label = ReadFiles({{"x.bin", CifarRecord(10, 0, 0, 0)}});
  EXPECT_THAT(std::string(label.raw.status().message()), HasSubstr("label 10 of 10 classes"));
  ReadOptions options;
  options.format = Format::kCifar;
  const Outcome size = ReadFiles({{"x.bin", "abc"}}, options);
  EXPECT_THAT(std::string(size.raw.status().message()), HasSubstr("not a multiple of 3073"));
}

}  // namespace
}  // namespace lbw::dataset
