#include "eval/bootstrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "eval/average_precision.h"
#include "unit/eval/make.h"

namespace lbw::eval {
namespace {

using ::testing::HasSubstr;

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

// What a worse model finds: every third box is gone, the others are ranked the other way round.
Lists Worsened(const Lists& lists) {
  Lists worse = lists;
  worse.found.clear();
  for (size_t i = 0; i < lists.found.size(); ++i) {
    if (i % 3 == 0) continue;
    FoundBox found = lists.found[i];
    found.detection.score = 1 - found.detection.score;
    worse.found.push_back(found);
  }
  return worse;
}

// Pictures with one truth each, found where `has` says so, and nothing wrong.
template <typename Has>
Lists OneEach(int32_t images, const Has& has) {
  Lists lists;
  lists.image_count = images;
  for (int32_t i = 0; i < images; ++i) {
    lists.truths.push_back(Truth({i, kBox}));
    if (has(i)) lists.found.push_back(Found({i, kBox}, 0.9F));
  }
  return lists;
}

TEST(BootstrapDrop, OfIdenticalListsIsZeroAndCertain) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const Lists lists = RandomLists(seed, 20);
    const Lists copy = lists;
    const auto drop = BootstrapDrop(lists.Set(), copy.Set(), BootstrapOptions());
    ASSERT_TRUE(drop.ok()) << drop.status();
    EXPECT_EQ(drop->drop, 0);
    EXPECT_EQ(drop->low, 0);
    EXPECT_EQ(drop->high, 0);
    EXPECT_EQ(drop->resamples, BootstrapOptions().resamples);
  }
}

TEST(BootstrapDrop, IsTheDifferenceOfTheEstimatesInsideItsInterval) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const Lists lists = RandomLists(seed, 30);
    const Lists worse = Worsened(lists);
    BootstrapOptions options;
    options.seed = seed;
    for (const ApKind kind : {ApKind::kArea, ApKind::kElevenPoint}) {
      options.kind = kind;
      const auto drop = BootstrapDrop(lists.Set(), worse.Set(), options);
      const auto above = BootstrapMeanAp(lists.Set(), options);
      const auto below = BootstrapMeanAp(worse.Set(), options);
      ASSERT_TRUE(drop.ok() && above.ok() && below.ok()) << "seed=" << seed;
      EXPECT_EQ(drop->drop, above->estimate - below->estimate);
      EXPECT_LT(drop->low, drop->drop) << "seed=" << seed;
      EXPECT_GT(drop->high, drop->drop) << "seed=" << seed;
      const auto back = BootstrapDrop(worse.Set(), lists.Set(), options);
      ASSERT_TRUE(back.ok());
      EXPECT_EQ(back->drop, -drop->drop);
      EXPECT_NEAR(back->low, -drop->high, 1e-12);
      EXPECT_NEAR(back->high, -drop->low, 1e-12);
    }
  }
}

// One draw: the difference of what evaluating the drawn pictures gives, the same pictures for both.
TEST(BootstrapDrop, DrawsTheSamePicturesForBoth) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Lists lists = RandomLists(seed, 12);
    const Lists worse = Worsened(lists);
    const auto above = EvaluateVoc(DrawnOut(lists, seed).Set(), VocOptions());
    const auto below = EvaluateVoc(DrawnOut(worse, seed).Set(), VocOptions());
    ASSERT_TRUE(above.ok() && below.ok());
    BootstrapOptions options;
    options.resamples = 1;
    options.seed = seed;
    const auto drop = BootstrapDrop(lists.Set(), worse.Set(), options);
    ASSERT_TRUE(drop.ok());
    EXPECT_NEAR(drop->low, above->mean->area - below->mean->area, 1e-12) << "seed=" << seed;
    EXPECT_EQ(drop->low, drop->high);
  }
}

// Half of 400 pictures are found; the candidate misses 4 more. What both miss cancels: the standard
// error of the drop is sqrt(0.01 * 0.99 / 400) = 0.005, that of each mean AP 0.025.
TEST(BootstrapDrop, IsNarrowWhereBothFailOnTheSamePictures) {
  const Lists lists = OneEach(400, [](int32_t i) { return i % 2 == 0; });
  const Lists worse = OneEach(400, [](int32_t i) { return i % 2 == 0 && i % 100 != 0; });
  BootstrapOptions options;
  options.resamples = 4000;
  const auto drop = BootstrapDrop(lists.Set(), worse.Set(), options);
  ASSERT_TRUE(drop.ok());
  EXPECT_NEAR(drop->drop, 0.01, 1e-12);
  // Four in 400 is Poisson-like: 0 or 1 to 8 or 9 of them are drawn.
  EXPECT_NEAR(drop->low, 0.0025, 0.0026);
  EXPECT_NEAR(drop->high, 0.02, 0.003);
}

TEST(BootstrapDrop, IsTheSameForTheSameSeedAndWidensWithTheLevel) {
  const Lists lists = RandomLists(7, 40);
  const Lists worse = Worsened(lists);
  BootstrapOptions options;
  const auto first = BootstrapDrop(lists.Set(), worse.Set(), options);
  const auto second = BootstrapDrop(lists.Set(), worse.Set(), options);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->low, second->low);
  EXPECT_EQ(first->high, second->high);
  options.level = 0.5;
  const auto narrow = BootstrapDrop(lists.Set(), worse.Set(), options);
  ASSERT_TRUE(narrow.ok());
  EXPECT_GT(narrow->low, first->low);
  EXPECT_LT(narrow->high, first->high);
  options.seed = 2;
  EXPECT_NE(BootstrapDrop(lists.Set(), worse.Set(), options)->low, narrow->low);
}

// One of four pictures has a truth: draws that miss it say nothing; where all do, there is no
// interval.
TEST(BootstrapDrop, LeavesOutDrawsWithoutTruths) {
  const Lists found = {{Truth({0, kBox})}, {Found({0, kBox}, 0.9F)}, 4, 1};
  const Lists lost = {{Truth({0, kBox})}, {}, 4, 1};
  BootstrapOptions options;
  const auto drop = BootstrapDrop(found.Set(), lost.Set(), options);
  ASSERT_TRUE(drop.ok());
  EXPECT_NEAR(drop->resamples, 1000 * (1 - 0.316), 60);
  EXPECT_EQ(drop->low, 1);
  EXPECT_EQ(drop->high, 1);
  options.resamples = 1;
  int without = 0;
  for (options.seed = 0; options.seed < 50; ++options.seed) {
    const auto one = BootstrapDrop(found.Set(), lost.Set(), options);
    const auto same = BootstrapMeanAp(found.Set(), options);
    EXPECT_EQ(one.status().code(), same.status().code());
    without += one.ok() ? 0 : 1;
  }
  EXPECT_GT(without, 0);
  EXPECT_LT(without, 50);
}

TEST(BootstrapDrop, RefusesBadOptionsAndNothingToFind) {
  Lists lists = {{Truth({0, kBox})}, {}};
  BootstrapOptions options;
  const auto message = [&] {
    const absl::Status status = BootstrapDrop(lists.Set(), lists.Set(), options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  options.level = 0;
  EXPECT_THAT(message(), HasSubstr("level"));
  options = BootstrapOptions();
  options.resamples = kMaxResamples + 1;
  EXPECT_THAT(message(), HasSubstr("resamples"));
  options = BootstrapOptions();
  options.match.iou_threshold = 0;
  EXPECT_THAT(message(), HasSubstr("iou_threshold"));
  options = BootstrapOptions();
  lists.truths = {Difficult({0, kBox})};
  EXPECT_THAT(message(), HasSubstr("truths must have at least one box that counts"));
}

TEST(BootstrapDrop, RefusesListsOverOtherPicturesOrTruths) {
  const Lists lists = OneEach(3, [](int32_t) { return true; });
  const auto message = [&lists](const Lists& other) {
    const absl::Status status =
        BootstrapDrop(lists.Set(), other.Set(), BootstrapOptions()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  Lists other = lists;
  other.image_count = 4;
  EXPECT_THAT(message(other), HasSubstr("image_count: 4 instead of 3"));
  other = lists;
  other.class_count = 2;
  EXPECT_THAT(message(other), HasSubstr("class_count: 2 instead of 1"));
  other = lists;
  other.truths.pop_back();
  EXPECT_THAT(message(other), HasSubstr("truths: 2 instead of 3"));
  other = lists;
  other.truths[1].image_index = 0;
  EXPECT_THAT(message(other), HasSubstr("truths[1]"));
  other = lists;
  other.truths[2].difficult = true;
  EXPECT_THAT(message(other), HasSubstr("truths[2]"));
  other = lists;
  other.found[0].image_index = 3;  // beyond the pictures: the matching's own error
  EXPECT_THAT(message(other), HasSubstr("image_index"));
}

TEST(BootstrapDrop, StopsWhenItIsNotWantedAnyMore) {
  const Lists lists = RandomLists(1, 40);
  const base::CancelToken late([] { return false; }, absl::InfinitePast());
  EXPECT_EQ(BootstrapDrop(lists.Set(), lists.Set(), BootstrapOptions(), late).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  // Matching asks first, twice; the token says stop in the midst of the draws.
  int asked = 0;
  const base::CancelToken soon([&] { return ++asked >= 5; }, absl::InfiniteFuture());
  BootstrapOptions options;
  options.resamples = kMaxResamples;
  EXPECT_EQ(BootstrapDrop(lists.Set(), lists.Set(), options, soon).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 5);
}

}  // namespace
}  // namespace lbw::eval
