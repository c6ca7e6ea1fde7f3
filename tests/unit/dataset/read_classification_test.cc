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

TEST(ReadClassFolders, OrdersFoldersOfNumbersByTheirValue) {
  Files files;
  for (const char* name : {"0", "1", "2", "9", "10", "11", "100000000000000000000"}) {
    files[base::StrCat(name, "/a.jpg")] = "";
  }
  EXPECT_THAT(ReadFiles(files).raw->classes,
              ElementsAre("0", "1", "2", "9", "10", "11", "100000000000000000000"));
  files["cat/a.jpg"] = "";
  EXPECT_THAT(ReadFiles(files).raw->classes,
              ElementsAre("0", "1", "10", "100000000000000000000", "11", "2", "9", "cat"));
  // A folder's name stays as it is written.
  EXPECT_THAT(ReadFiles({{"010/a.jpg", ""}, {"9/a.jpg", ""}, {"10/a.jpg", ""}}).raw->classes,
              ElementsAre("9", "010", "10"));
}

std::vector<std::string> LabelsOf(const Outcome& outcome) {
  std::vector<std::string> labels;
  for (const RawPicture& picture : outcome.raw->pictures) labels.push_back(*picture.label);
  return labels;
}

TEST(ReadClassCsv, LeadingZerosAreNumbersOnlyAmongNumbers) {
  const Files pictures = {{"a.jpg", ""}, {"b.jpg", ""}, {"c.jpg", ""}};
  const auto read = [&](const std::string& labels, const ReadOptions& options = {}) {
    Files files = pictures;
    files["l.csv"] = "path,label\n" + labels;
    return ReadFiles(files, options);
  };
  const Outcome numbers = read("a.jpg,00002\nb.jpg, 2 \nc.jpg,0\n");
  EXPECT_THAT(LabelsOf(numbers), ElementsAre("2", "2", "0"));
  EXPECT_THAT(numbers.raw->classes, ElementsAre("0", "1", "2"));
  const Outcome text = read("a.jpg,00002\nb.jpg,2\nc.jpg,cat\n");
  EXPECT_THAT(LabelsOf(text), ElementsAre("00002", "2", "cat"));
  EXPECT_THAT(text.raw->classes, ElementsAre("00002", "2", "cat"));
  const Outcome large = read("a.jpg,0077777\nb.jpg,9\nc.jpg,77777\n");
  EXPECT_THAT(LabelsOf(large), ElementsAre("77777", "9", "77777"));
  EXPECT_THAT(large.raw->classes, ElementsAre("9", "77777")) << "not every number below";
}

TEST(ReadClassCsv, AMapOfOneNumberLeavesTheOthersNumbers) {
  const auto classes = [](const std::string& seven, const std::string& key) {
    ReadOptions options;
    options.class_map = {{key, "seven"}};
    return CheckFiles({{"l.csv", "path,label\na.jpg,0\nb.jpg,1\nc.jpg," + seven + "\n"},
                       {"a.jpg", Jpeg()},
                       {"b.jpg", Jpeg()},
                       {"c.jpg", Jpeg()}},
                      options);
  };
  for (const auto& [label, key] :
       std::vector<std::pair<std::string, std::string>>{{"7", "7"}, {"007", "7"}, {"007", "007"}}) {
    SCOPED_TRACE(label + " " + key);
    const Outcome outcome = classes(label, key);
    ASSERT_TRUE(outcome.data.ok()) << outcome.data.status();
    EXPECT_THAT(outcome.data->classes, ElementsAre("0", "1", "2", "3", "4", "5", "6", "seven"));
    ASSERT_EQ(outcome.data->pictures.size(), 3U);
    EXPECT_EQ(outcome.data->pictures[1].label, 1);
    EXPECT_EQ(outcome.data->pictures[2].label, 7);
  }
}

TEST(ReadClassCsv, NumbersAmongWordsAreStillPlacesInTheCallersClasses) {
  ReadOptions options;
  options.classes = {"cat", "dog"};
  const Outcome outcome =
      ReadFiles({{"l.csv", "path,label\na.jpg,0\nb.jpg,1\nc.jpg,cat\nd.jpg,00001\n"},
                 {"a.jpg", ""},
                 {"b.jpg", ""},
                 {"c.jpg", ""},
                 {"d.jpg", ""}},
                options);
  EXPECT_THAT(LabelsOf(outcome), ElementsAre("cat", "dog", "cat", "00001"));
}

TEST(ReadClassFolders, TellsWhereImageFolderWouldNumberClassesOtherwise) {
  Files files;
  for (int i = 0; i < 12; ++i) files[base::StrCat(i, "/a.jpg")] = "";
  const Outcome outcome = ReadFiles(files);
  EXPECT_EQ(outcome.Summary(), "class_order=1");
  EXPECT_EQ(outcome.defects.kept()[0].detail,
            "classes from index 2 on, by number, as here: 2, 3, 4, 5, ...; by text, as "
            "torchvision's ImageFolder has them: 10, 11, 2, 3, ...");
  ReadOptions options;
  options.classes = {"0", "1"};
  EXPECT_EQ(ReadFiles(files, options).Summary(), "") << "the order is the caller's";
  files.erase("10/a.jpg");
  files.erase("11/a.jpg");
  EXPECT_EQ(ReadFiles(files).Summary(), "");
}

// "1" is no place where "10" is a name.
TEST(ReadClassCsv, NumbersAreNoPlacesWhereTheCallerNamesOneOfThem) {
  const Files files = {{"l.csv", "path,label\na.jpg,10\nb.jpg,1\n"}, {"a.jpg", ""}, {"b.jpg", ""}};
  ReadOptions options;
  options.classes = {"10", "20"};
  EXPECT_THAT(LabelsOf(ReadFiles(files, options)), ElementsAre("10", "1"));
}

TEST(ReadClassCsv, NamesAQuoteThatIsNotClosedByItsLine) {
  const Outcome outcome = ReadFiles(
      {{"l.csv", "path,label\n\na.jpg,\"cat\nb.jpg,dog\n"}, {"a.jpg", ""}, {"b.jpg", ""}});
  ASSERT_EQ(outcome.raw->pictures.size(), 1U);
  EXPECT_EQ(outcome.defects.kept()[0].detail, "line 3: a quote is not closed");
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
