#include "rpc/answer_room.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::rpc {
namespace {

using ::testing::EndsWith;

v1::Dataset WithClasses(int count, size_t name_bytes) {
  v1::Dataset dataset;
  dataset.set_name("datasets/d");
  for (int i = 0; i < count; ++i) {
    v1::DatasetClass* one = dataset.add_classes();
    one->set_name(std::to_string(i) + std::string(name_bytes, 'x'));
    one->set_boxes(1);
  }
  return dataset;
}

TEST(ShrinkToFit, WhatFitsStaysAsItIs) {
  v1::Dataset dataset = WithClasses(80, 1'000);
  const std::string before = dataset.SerializeAsString();
  ShrinkToFit(before.size(), &dataset);
  EXPECT_EQ(dataset.SerializeAsString(), before);
}

TEST(ShrinkToFit, OneByteTooManyCostsClassesFromTheEndAndSaysHowMany) {
  v1::Dataset dataset = WithClasses(80, 500);
  ShrinkToFit(dataset.ByteSizeLong() - 1, &dataset);
  ASSERT_LT(dataset.classes_size(), 80);
  EXPECT_GE(dataset.classes_size(), 78);
  EXPECT_EQ(dataset.classes_left_out(), 80U - static_cast<unsigned>(dataset.classes_size()));
  EXPECT_EQ(dataset.classes(0).name()[0], '0');
}

// A summary of more than a message's 48 MB.
TEST(ShrinkToFit, AHugeSummaryFitsWhateverIsLargeInIt) {
  v1::Dataset classes = WithClasses(60'000, 1'000);
  v1::Dataset splits;
  v1::Dataset names = WithClasses(3, 20 << 20);
  v1::Dataset defects;
  for (int i = 0; i < 60'000; ++i) splits.add_splits()->set_name(std::string(1'000, 's'));
  for (int i = 0; i < 40; ++i) defects.add_defects()->set_example(std::string(2 << 20, 'e'));
  defects.set_error(std::string(1 << 20, 'e'));
  for (const size_t most : {kMostListedDatasetBytes, kMostDatasetBytes}) {
    for (v1::Dataset* dataset : {&classes, &splits, &names, &defects}) {
      v1::Dataset shrunk = *dataset;
      ShrinkToFit(most, &shrunk);
      EXPECT_LE(shrunk.ByteSizeLong(), most);
      EXPECT_EQ(shrunk.defects_size(), dataset->defects_size());
    }
  }
}

TEST(ShrinkToFit, TextsAreCutAtACharacter) {
  v1::Dataset dataset;
  std::string name;
  while (name.size() < 2'000) name += "\xe2\x82\xac";  // three bytes
  dataset.add_classes()->set_name(name);
  ShrinkToFit(kMostDatasetBytes, &dataset);
  const std::string& cut = dataset.classes(0).name();
  EXPECT_LE(cut.size(), 1'024U);
  EXPECT_THAT(cut, EndsWith("..."));
  EXPECT_EQ((cut.size() - 3) % 3, 0U);
}

TEST(AnswerRoom, TakesWhatFitsAndTheFirstAnyway) {
  AnswerRoom room(8 << 20);  // a MiB of it is for the rest
  v1::Dataset large;
  large.set_error(std::string((7 << 20) - 100, 'e'));
  v1::Dataset small;
  EXPECT_TRUE(room.Takes(large));
  EXPECT_TRUE(room.Takes(small));
  EXPECT_FALSE(room.Takes(large));
  AnswerRoom other(8 << 20);
  large.set_error(std::string(20 << 20, 'e'));
  EXPECT_TRUE(other.Takes(large));
  EXPECT_FALSE(other.Takes(small));
}

}  // namespace
}  // namespace lbw::rpc
