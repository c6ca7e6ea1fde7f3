#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/dataset/reading.h"

namespace lbw::dataset {
namespace {

using ::testing::HasSubstr;

Format Found(const Files& files) {
  const auto format = FindFormat(MakeFileTree(files));
  EXPECT_TRUE(format.ok()) << format.status();
  return format.value_or(Format::kAuto);
}

TEST(FindFormat, KnowsEachLayout) {
  EXPECT_EQ(Found({{"Annotations/a.xml", ""}, {"JPEGImages/a.jpg", ""}}), Format::kVoc);
  EXPECT_EQ(Found({{"annotations/instances.json", ""}, {"a.jpg", ""}}), Format::kCoco);
  EXPECT_EQ(Found({{"labels/train/a.txt", ""}, {"images/train/a.jpg", ""}}), Format::kYolo);
  EXPECT_EQ(Found({{"data.yaml", ""}, {"a.txt", ""}, {"a.jpg", ""}}), Format::kYolo);
  EXPECT_EQ(Found({{"a.txt", "0 0.5 0.5 0.1 0.1\n"}, {"a.jpg", ""}}), Format::kYolo);
  EXPECT_EQ(Found({{"labels.csv", ""}, {"a.jpg", ""}}), Format::kClassCsv);
  EXPECT_EQ(Found({{"cat/a.jpg", ""}, {"dog/b.jpg", ""}}), Format::kClassFolders);
  EXPECT_EQ(Found({{"test.bin", std::string(2 * 3073, 'x')}}), Format::kCifar);
  EXPECT_EQ(Found({{"a.jpg", ""}, {"notes.doc", ""}}), Format::kPictures);
}

TEST(FindFormat, IsNotMisledByAListOfClassesOrAReadme) {
  EXPECT_EQ(Found({{"classes.txt", "cat\ndog\n"}, {"cat/a.jpg", ""}}), Format::kClassFolders);
  EXPECT_EQ(Found({{"README.txt", "five words are no numbers"}, {"cat/a.jpg", ""}}),
            Format::kClassFolders);
}

TEST(FindFormat, SaysWhatWasLookedForAndWhatIsThere) {
  const auto format = FindFormat(MakeFileTree({{"notes.doc", "x"}, {"odd.bin", "y"}}));
  ASSERT_EQ(format.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(format.status()).reason, base::reason::kBadDataset.text);
  const std::string message(format.status().message());
  EXPECT_THAT(message, HasSubstr("COCO"));
  EXPECT_THAT(message, HasSubstr("notes.doc, odd.bin (2 files)"));
  EXPECT_FALSE(FindFormat(MakeFileTree({})).ok());
}

TEST(FindFormat, IsNotAskedWhereTheCallerTells) {
  ReadOptions options;
  options.format = Format::kCoco;
  const Outcome outcome = ReadFiles({{"a.xml", VocXml("a.jpg", "")}, {"a.jpg", ""}}, options);
  EXPECT_THAT(std::string(outcome.raw.status().message()), HasSubstr("no JSON file with images"));
}

}  // namespace
}  // namespace lbw::dataset
