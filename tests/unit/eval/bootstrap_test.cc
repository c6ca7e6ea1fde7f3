#include "eval/bootstrap.h"

#include <algorithm>

#include "eval/average_precision.h"
#include "gtest/gtest.h"
#include "unit/eval/make.h"

namespace lbw::eval {
namespace {

constexpr detect::BoxXyxyPx kBox{0, 0, 100, 100};
constexpr detect::BoxXyxyPx kNowhere{500, 500, 600, 600};

// Scores differ, so that copies of a picture are ranked the same however they are ordered.
Lists RandomLists(uint64_t seed, int32_t images) {
  FewValues random(seed);
  Lists lists;
  lists.image_count = images;
  lists.class_count = 2;
  for (int32_t i = 0; i < images * 3; ++i) {
    TruthBox truth = Truth({random.Below(images), random.Box(20)}, random.Below(2));
    truth.difficult = random.Below(6) == 0;
    lists.truths.push_back(truth);
  }
  for (int32_t i = 0; i < images * 6; ++i) {
    const float score = 1 - static_cast<float>(i) / static_cast<float>(images * 6);
    lists.found.push_back(Found({random.Below(images), random.Box(20)}, score, random.Below(2)));
  }
  return lists;
}

// The pictures that one resample of `seed` draws, with copies as pictures of their own.
Lists DrawnOut(const Lists& lists, uint64_t seed) {
  Lists drawn;
  drawn.image_count = lists.image_count;
  drawn.class_count = lists.class_count;
  uint64_t state = seed;
  for (int32_t copy = 0; copy < lists.image_count; ++copy) {
    state += 0x9E3779B97F4A7C15U;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    z ^= z >> 31;
    const auto image =
        static_cast<int32_t>(((z >> 32) * static_cast<uint64_t>(lists.image_count)) >> 32);
    for (TruthBox truth : lists.truths) {
      if (truth.image_index != image) continue;
      truth.image_index = copy;
      drawn.truths.push_back(truth);
    }
    for (FoundBox found : lists.found) {
      if (found.image_index != image) continue;
      found.image_index = copy;
      drawn.found.push_back(found);
    }
  }
  return drawn;
}

// One resample equals the evaluation of the drawn pictures written out one by one.
TEST(BootstrapMeanAp, EqualsEvaluatingTheDrawnPictures) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const Lists lists = RandomLists(seed, 12);
    const auto expected = EvaluateVoc(DrawnOut(lists, seed).Set(), VocOptions());
    ASSERT_TRUE(expected.ok());
    BootstrapOptions options;
    options.resamples = 1;
    options.seed = seed;
    for (const ApKind kind : {ApKind::kArea, ApKind::kElevenPoint}) {
      options.kind = kind;
      const auto interval = BootstrapMeanAp(lists.Set(), options);
      ASSERT_TRUE(interval.ok());
      const double ap = kind == ApKind::kArea ? expected->mean->area : expected->mean->eleven_point;
      EXPECT_NEAR(interval->mean, ap, 1e-12) << "seed=" << seed;
      EXPECT_EQ(interval->low, interval->high);
    }
  }
}

TEST(BootstrapMeanAp, IsTheSameForTheSameSeedAndWidensWithTheLevel) {
  const Lists lists = RandomLists(7, 40);
  BootstrapOptions options;
  const auto first = BootstrapMeanAp(lists.Set(), options);
  const auto second = BootstrapMeanAp(lists.Set(), options);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->low, second->low);
  EXPECT_EQ(first->high, second->high);
  EXPECT_EQ(first->mean, second->mean);
  EXPECT_EQ(first->resamples, options.resamples);
  EXPECT_LT(first->low, first->estimate);
  EXPECT_GT(first->high, first->estimate);
  options.level = 0.5;
  const auto narrow = BootstrapMeanAp(lists.Set(), options);
  ASSERT_TRUE(narrow.ok());
  EXPECT_GT(narrow->low, first->low);
  EXPECT_LT(narrow->high, first->high);
  options.seed = 2;
  EXPECT_NE(BootstrapMeanAp(lists.Set(), options)->mean, narrow->mean);
}

// Half of 400 pictures are found and nothing is wrong: AP (area) is the share found, whose standard
// error is sqrt(0.25 / 400) = 0.025.
TEST(BootstrapMeanAp, HasTheWidthThatTheoryGives) {
  Lists lists;
  lists.image_count = 400;
  for (int32_t i = 0; i < 400; ++i) {
    lists.truths.push_back(Truth({i, kBox}));
    if (i % 2 == 0) lists.found.push_back(Found({i, kBox}, 0.9F));
  }
  BootstrapOptions options;
  options.resamples = 4000;
  const auto interval = BootstrapMeanAp(lists.Set(), options);
  ASSERT_TRUE(interval.ok());
  EXPECT_NEAR(interval->estimate, 0.5, 1e-12);
  EXPECT_NEAR(interval->mean, 0.5, 0.003);
  EXPECT_NEAR(interval->low, 0.5 - 1.96 * 0.025, 0.006);
  EXPECT_NEAR(interval->high, 0.5 + 1.96 * 0.025, 0.006);
}

TEST(BootstrapMeanAp, IsAPointWhereNothingVaries) {
  const Lists lists = {
      {Truth({0, kBox}), Truth({1, kBox})}, {Found({0, kBox}, 0.9F), Found({1, kBox}, 0.8F)}, 2, 1};
  const auto interval = BootstrapMeanAp(lists.Set(), BootstrapOptions());
  ASSERT_TRUE(interval.ok());
  EXPECT_EQ(interval->low, 1);
  EXPECT_EQ(interval->high, 1);
}

// One of four pictures has a truth: (3/4)^4 of the draws miss it and are left out.
TEST(BootstrapMeanAp, LeavesOutDrawsWithoutTruths) {
  const Lists lists = {{Truth({0, kBox})}, {Found({1, kNowhere}, 0.9F)}, 4, 1};
  const auto interval = BootstrapMeanAp(lists.Set(), BootstrapOptions());
  ASSERT_TRUE(interval.ok());
  EXPECT_NEAR(interval->resamples, 1000 * (1 - 0.316), 60);
  EXPECT_EQ(interval->high, 0);
}

TEST(BootstrapMeanAp, RefusesBadOptionsAndNothingToFind) {
  Lists lists = {{Truth({0, kBox})}, {}};
  const auto code = [&lists](const BootstrapOptions& options) {
    return BootstrapMeanAp(lists.Set(), options).status().code();
  };
  BootstrapOptions options;
  options.resamples = kMaxResamples;
  EXPECT_EQ(code(options), absl::StatusCode::kOk);
  options.resamples = kMaxResamples + 1;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options.resamples = 0;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options = BootstrapOptions();
  options.level = 1;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  lists.truths = {Difficult({0, kBox})};
  EXPECT_EQ(code(BootstrapOptions()), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lbw::eval
