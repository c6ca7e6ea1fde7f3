#include "eval/coco_match.h"

#include <vector>

#include "gtest/gtest.h"
#include "unit/eval/make.h"

namespace lbw::eval {
namespace {

constexpr uint16_t kAllThresholds = (1U << kCocoThresholds) - 1;
constexpr detect::BoxXyxyPx kLarge{0, 0, 100, 100};
constexpr detect::BoxXyxyPx kSmall{10, 10, 30, 30};

struct Matched {
  std::vector<CocoVerdicts> verdicts;
  std::array<int64_t, kCocoRanges> positives{};
};

Matched Match(const std::vector<TruthBox>& truths, const std::vector<FoundBox>& ranked) {
  std::vector<const TruthBox*> truth_places;
  for (const TruthBox& truth : truths) truth_places.push_back(&truth);
  std::vector<const FoundBox*> found_places;
  for (const FoundBox& found : ranked) found_places.push_back(&found);
  Matched result;
  MatchCocoImage(truth_places, found_places, &result.verdicts, &result.positives);
  return result;
}

TEST(CocoThresholds, AreTheTenAndHalfAndThreeQuartersAmongThem) {
  const auto thresholds = CocoThresholds();
  EXPECT_EQ(thresholds[0], 0.5);
  EXPECT_DOUBLE_EQ(thresholds[5], 0.75);
  EXPECT_EQ(thresholds[9], 0.95);
}

// The same match counts in its own range and is ignored in the others.
TEST(MatchCocoImage, IgnoresTruthsOutsideTheRange) {
  const Matched matched = Match({Truth({0, kLarge})}, {Found({0, kLarge}, 0.9F)});
  EXPECT_EQ(matched.positives, (std::array<int64_t, kCocoRanges>{1, 0, 0, 1}));
  for (const uint16_t mask : matched.verdicts[0].matched) EXPECT_EQ(mask, kAllThresholds);
  const std::array<uint16_t, kCocoRanges> ignored = {0, kAllThresholds, kAllThresholds, 0};
  EXPECT_EQ(matched.verdicts[0].ignored, ignored);
}

TEST(MatchCocoImage, IgnoresUnmatchedBoxesOutsideTheRange) {
  const Matched matched = Match({}, {Found({0, kSmall}, 0.9F)});
  for (const uint16_t mask : matched.verdicts[0].matched) EXPECT_EQ(mask, 0);
  const std::array<uint16_t, kCocoRanges> ignored = {0, 0, kAllThresholds, kAllThresholds};
  EXPECT_EQ(matched.verdicts[0].ignored, ignored);
}

// Unlike VOC: the second box takes the free truth although the taken one lies nearer.
TEST(MatchCocoImage, FallsBackToAFreeTruth) {
  const detect::BoxXyxyPx shifted{10, 0, 110, 100};
  const Matched matched = Match({Truth({0, kLarge}), Truth({0, shifted})},
                                {Found({0, kLarge}, 0.9F), Found({0, kLarge}, 0.8F)});
  EXPECT_EQ(matched.verdicts[0].matched[0], kAllThresholds);
  EXPECT_EQ(matched.verdicts[1].matched[0], 0b0001111111);  // IoU 90 / 110: up to 0.8
  EXPECT_EQ(matched.verdicts[1].rank, 1);
}

// A truth that counts goes before an ignored one that lies nearer; a crowd takes any number.
TEST(MatchCocoImage, PrefersTruthsThatCountAndNeverUsesUpACrowd) {
  TruthBox crowd = Truth({0, kLarge});
  crowd.crowd = true;
  const detect::BoxXyxyPx shifted{10, 0, 110, 100};
  const Matched matched =
      Match({crowd, Truth({0, shifted})},
            {Found({0, kLarge}, 0.9F), Found({0, kLarge}, 0.8F), Found({0, kSmall}, 0.7F)});
  EXPECT_EQ(matched.positives[0], 1);
  EXPECT_EQ(matched.verdicts[0].ignored[0], 0b1110000000);
  EXPECT_EQ(matched.verdicts[1].ignored[0], kAllThresholds);
  EXPECT_EQ(matched.verdicts[2].ignored[0], kAllThresholds);
}

}  // namespace
}  // namespace lbw::eval
