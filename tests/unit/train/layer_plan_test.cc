#include "train/layer_plan.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/status.h"

namespace lbw::train {
namespace {

TEST(StageBits, ShareTheCodesPartOfTheRun) {
  LowBitOptions options;
  EXPECT_EQ(StageBits(options, 3, 0, 90), 3);
  options.stages = {6, 4};
  for (int64_t t = 0; t < 90; ++t) {
    EXPECT_EQ(StageBits(options, 3, t, 90), t < 30 ? 6 : t < 60 ? 4 : 3) << t;
  }
  EXPECT_EQ(StageBits(options, 3, 90, 90), 3);
  options.codes_until = 0.5;
  EXPECT_EQ(StageBits(options, 3, 14, 90), 6);
  EXPECT_EQ(StageBits(options, 3, 15, 90), 4);
  EXPECT_EQ(StageBits(options, 3, 30, 90), 3);
  EXPECT_EQ(StageBits(options, 3, 60, 90), 3);
}

TEST(StageBits, EndInTheOwnWidthOfTheShortestRun) {
  LowBitOptions options;
  options.stages = {6, 5, 4};
  for (int64_t total = 1; total < 6; ++total) EXPECT_EQ(StageBits(options, 2, total, total), 2);
}

TEST(CheckStages, RefusesWidthsBelowTheLayersOwn) {
  LowBitOptions options;
  options.stages = {6, 4};
  EXPECT_TRUE(CheckStages(options, 4).ok());
  const absl::Status below = CheckStages(options, 5);
  EXPECT_EQ(base::GetErrorDetails(below).reason, "BAD_OPTIONS");
  EXPECT_EQ(base::GetErrorDetails(below).fields, std::vector<std::string>{"low_bit.stages"});
  options.stages = {7};
  EXPECT_FALSE(CheckStages(options, 4).ok());
}

TEST(StageGrid, KeepsTheBookButAtTwoBits) {
  quant::TensorOptions codes;
  codes.bits = 3;
  codes.code_book = quant::CodeBook::kPaper;
  EXPECT_EQ(StageGrid(6, codes).magnitudes, 16);
  codes.bits = 2;
  EXPECT_EQ(StageGrid(6, codes).magnitudes, 31);
  EXPECT_EQ(StageGrid(6, codes).bits, 6);
}

TEST(BlendShare, GrowsWithTheEpochsAndEndsAtTheGrid) {
  LowBitOptions options;
  EXPECT_EQ(BlendShare(options, 10, 0, 100), 1);
  options.blend_start = 1;
  options.blend_growth = 3;
  EXPECT_DOUBLE_EQ(BlendShare(options, 10, 0, 100), 0.5);
  EXPECT_DOUBLE_EQ(BlendShare(options, 10, 9, 100), 0.5);
  EXPECT_DOUBLE_EQ(BlendShare(options, 10, 10, 100), 0.75);
  EXPECT_LT(BlendShare(options, 10, 89, 100), 1);
  EXPECT_EQ(BlendShare(options, 10, 90, 100), 1);
  EXPECT_EQ(BlendShare(options, 10, 100, 100), 1);
  EXPECT_DOUBLE_EQ(BlendShare(options, 0, 80, 100), 0.5);
  options.blend_growth = 100;
  EXPECT_LT(BlendShare(options, 10, 20, 100), 1);
  EXPECT_EQ(BlendShare(options, 10, 30, 100), 1);
}

}  // namespace
}  // namespace lbw::train
