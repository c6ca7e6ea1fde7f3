#include "tasks/calibration_pictures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/status.h"
#include "unit/tasks/calibration_rig.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class CalibrationPicturesTest : public ::testing::Test {
 protected:
  CalibrationPicturesTest() : set_(MakeSplitDiscSet(5, 3)), input_(DiscModel().spec.input) {}
  dataset::Pack Open() {
    return dataset::Pack::Open(rig_.blobs().Open(rig_.AddPack(set_.dataset, set_.pictures)).value())
        .value();
  }
  TaskRig rig_;
  DiscSet set_;
  const detect::InputSpec input_;
};

TEST_F(CalibrationPicturesTest, DrawsByTheSeedFromTheSplitAlone) {
  const dataset::Pack pack = Open();
  const auto one = DrawPictures(pack, {"train", 8, 1}).value();
  EXPECT_THAT(one, UnorderedElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(DrawPictures(pack, {"train", 8, 1}).value(), one);
  bool differs = false;
  for (uint64_t seed = 2; seed < 6; ++seed) {
    differs = differs || DrawPictures(pack, {"train", 8, seed}).value() != one;
  }
  EXPECT_TRUE(differs);
  EXPECT_THAT(DrawPictures(pack, {"val", 8, 1}).value(), UnorderedElementsAre(5, 6, 7));
  EXPECT_THAT(DrawPictures(pack, {"", 8, 1}).value(), SizeIs(8));
  EXPECT_FALSE(DrawPictures(pack, {"nowhere", 8, 1}).ok());
}

// Fewer pictures are the first of more, whatever the threads.
TEST_F(CalibrationPicturesTest, ReadsTheFirstOfTheDraw) {
  const dataset::Pack pack = Open();
  const auto order = DrawPictures(pack, {"", 8, 9}).value();
  const auto all = ReadCalibrationPictures(pack, {"", 8, 9}, input_, 1, {}).value();
  EXPECT_EQ(all.indices, order);
  EXPECT_THAT(all.failed, IsEmpty());
  ASSERT_THAT(all.inputs, SizeIs(8));
  EXPECT_THAT(all.inputs[0], SizeIs(3 * 160 * 160));
  EXPECT_GE(*std::min_element(all.inputs[0].begin(), all.inputs[0].end()), 0);
  EXPECT_LE(*std::max_element(all.inputs[0].begin(), all.inputs[0].end()), 1);
  const auto some = ReadCalibrationPictures(pack, {"", 3, 9}, input_, 4, {}).value();
  ASSERT_THAT(some.inputs, SizeIs(3));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(some.inputs[i], all.inputs[i]);
  const auto more = ReadCalibrationPictures(pack, {"", 99, 9}, input_, 2, {}).value();
  EXPECT_EQ(more.indices, order) << "all that there are";
}

TEST_F(CalibrationPicturesTest, OthersTakeThePlacesOfThoseThatCannotBeRead) {
  set_.pictures[1] = "no picture";
  set_.pictures[3] = set_.pictures[3].substr(0, 20);
  const dataset::Pack pack = Open();
  const auto read = ReadCalibrationPictures(pack, {"train", 3, 4}, input_, 1, {}).value();
  EXPECT_THAT(read.indices, UnorderedElementsAre(0, 2, 4));
  for (const auto& [index, status] : read.failed) {
    EXPECT_TRUE(index == 1 || index == 3);
    EXPECT_FALSE(status.ok());
  }
  const auto all = ReadCalibrationPictures(pack, {"train", 5, 4}, input_, 3, {}).value();
  EXPECT_THAT(all.inputs, SizeIs(3));
  EXPECT_THAT(all.failed, SizeIs(2));
}

TEST_F(CalibrationPicturesTest, TellsWhyThereAreNone) {
  set_.dataset.splits.emplace_back("empty");
  for (size_t i = 0; i < 5; ++i) set_.pictures[i] = "no picture";
  const dataset::Pack pack = Open();
  const absl::Status broken =
      ReadCalibrationPictures(pack, {"train", 2, 0}, input_, 2, {}).status();
  EXPECT_EQ(broken.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(broken.message()), HasSubstr("none of its 5 pictures"));
  EXPECT_THAT(std::string(broken.message()), HasSubstr("picture_00000"));
  const absl::Status empty = ReadCalibrationPictures(pack, {"empty", 2, 0}, input_, 2, {}).status();
  EXPECT_THAT(std::string(empty.message()), HasSubstr("it has no pictures"));
}

TEST_F(CalibrationPicturesTest, StopsWhereItIsTold) {
  const dataset::Pack pack = Open();
  const auto stopped = ReadCalibrationPictures(pack, {"", 8, 0}, input_, 1,
                                               [] { return absl::CancelledError("enough"); });
  EXPECT_TRUE(absl::IsCancelled(stopped.status()));
}

TEST(CheckPictureBytes, AllowsTheLimitAndNotOnePictureMore) {
  detect::InputSpec input;
  input.height = input.width = 1024;
  input.color = detect::ColorOrder::kGray;  // 4 MiB
  EXPECT_TRUE(CheckPictureBytes(1024, input).ok());
  const absl::Status over = CheckPictureBytes(1025, input);
  EXPECT_EQ(over.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(over.message()),
              HasSubstr("count=1025 bytes_a_picture=4194304 limit=4294967296"));
  input.height = input.width = std::numeric_limits<int64_t>::max();
  EXPECT_FALSE(CheckPictureBytes(1, input).ok());
}

TEST_F(CalibrationPicturesTest, RefusesMoreThanMemoryHoldsBeforeItReads) {
  const dataset::Pack pack = Open();
  detect::InputSpec large = input_;
  large.height = large.width = 8192;  // 768 MiB a picture
  const absl::Status status = ReadCalibrationPictures(pack, {"", 99, 0}, large, 1, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("count=8 ")) << "as many as there are";
}

}  // namespace
}  // namespace lbw::tasks
