#include "train/matching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "base/random.h"
#include "base/strings.h"
#include "detect/decoder.h"

namespace lbw::train {
namespace {

using detect::BoxCxcywhNorm;
using detect::BoxEncoding;
using detect::BoxUnits;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

detect::InputSpec Input() {
  detect::InputSpec input;
  input.height = 200;
  input.width = 300;
  return input;
}

BoxCxcywhNorm FromCorners(float x_min, float y_min, float x_max, float y_max) {
  return {(x_min + x_max) / 2, (y_min + y_max) / 2, x_max - x_min, y_max - y_min};
}

// Anchors of one row: width 0.2, height 1, side by side.
std::vector<BoxCxcywhNorm> Columns(int count) {
  std::vector<BoxCxcywhNorm> priors;
  for (int i = 0; i < count; ++i) {
    const float x = 0.2F * static_cast<float>(i);
    priors.push_back(FromCorners(x, 0, x + 0.2F, 1));
  }
  return priors;
}

AnchorTargets Match(const std::vector<BoxCxcywhNorm>& priors, const std::vector<TruthBox>& truths,
                    const LossOptions& options = {}) {
  return MatchAnchors(priors, truths, {}, Input(), options);
}

// The box is 0.2 wide from 0.05 on: it shares 0.15 of 0.25 with anchor 0 (IoU 0.6) and 0.05 of 0.35
// with anchor 1 (IoU 1/7).
TEST(MatchAnchors, PositiveFromMatchIouOn) {
  const auto targets = Match(Columns(3), {{FromCorners(0.05F, 0, 0.25F, 1), 2, false}});
  EXPECT_THAT(targets.classes, ElementsAre(2, kBackground, kBackground));
  EXPECT_EQ(targets.positives, 1);
  // Centre 0.15 against 0.1: 0.05 / 0.2 / 0.1 = 2.5; the rest is equal.
  EXPECT_NEAR(targets.boxes[0], 2.5F, 1e-5F);
  for (size_t i = 1; i < targets.boxes.size(); ++i) EXPECT_NEAR(targets.boxes[i], 0, 1e-5F) << i;
}

// From 0.1 to 0.3: it shares 0.1 of 0.3 with anchors 0 and 1: IoU 1/3 with both.
TEST(MatchAnchors, ForcesTheBestAnchorAndTheLowerOneOfEquals) {
  const std::vector<BoxCxcywhNorm> priors = {FromCorners(0, 0, 0.25F, 1),
                                             FromCorners(0.25F, 0, 0.5F, 1)};
  const std::vector<TruthBox> truths = {{FromCorners(0.125F, 0, 0.375F, 1), 0, false}};
  EXPECT_THAT(Match(priors, truths).classes, ElementsAre(0, kBackground));
  LossOptions options;
  options.force_iou = 0.34;
  EXPECT_THAT(Match(priors, truths, options).classes, ElementsAre(kBackground, kBackground));
  EXPECT_EQ(Match(priors, truths, options).positives, 0);
}

// IoU 0.4 with a box that another anchor fits better (IoU 1): ignored; from ignore_iou = 0.45 on it
// is background.
TEST(MatchAnchors, IgnoresTheBandBelowMatchIou) {
  const std::vector<BoxCxcywhNorm> priors = {FromCorners(0, 0, 0.4F, 1), FromCorners(0, 0, 1, 1)};
  const std::vector<TruthBox> truths = {{FromCorners(0, 0, 1, 1), 1, false}};
  EXPECT_THAT(Match(priors, truths).classes, ElementsAre(kIgnored, 1));
  LossOptions options;
  options.ignore_iou = 0.45;
  EXPECT_THAT(Match(priors, truths, options).classes, ElementsAre(kBackground, 1));
}

TEST(MatchAnchors, AnAnchorIsOfItsBestBoxAndOfTheEarlierOfEquals) {
  const std::vector<BoxCxcywhNorm> priors = {FromCorners(0, 0, 0.5F, 1)};
  const TruthBox far{FromCorners(0, 0, 0.3F, 1), 0, false};   // IoU 0.6
  const TruthBox near{FromCorners(0, 0, 0.4F, 1), 1, false};  // IoU 0.8
  const TruthBox twin{near.box, 2, false};
  EXPECT_THAT(Match(priors, {far, near}).classes, ElementsAre(1));
  EXPECT_THAT(Match(priors, {near, far}).classes, ElementsAre(1));
  EXPECT_THAT(Match(priors, {near, twin}).classes, ElementsAre(1));
  EXPECT_THAT(Match(priors, {twin, near}).classes, ElementsAre(2));
}

// Both boxes have no other anchor: the one that overlaps more gets it, whatever the order.
TEST(MatchAnchors, OneAnchorForcedByTwoBoxes) {
  const std::vector<BoxCxcywhNorm> priors = {FromCorners(0, 0, 1, 1)};
  const TruthBox small{FromCorners(0, 0, 0.32F, 1), 0, false};
  const TruthBox large{FromCorners(0.5F, 0, 0.9F, 1), 1, false};
  for (const auto& truths : {std::vector<TruthBox>{small, large}, {large, small}}) {
    const AnchorTargets targets = Match(priors, truths);
    EXPECT_THAT(targets.classes, ElementsAre(1));
    EXPECT_EQ(targets.positives, 1);
    // Centre 0.7 against 0.5.
    EXPECT_NEAR(targets.boxes[0], 2, 1e-5F);
  }
}

// Anchor 0 fits box 0 with IoU 0.75, which has a better anchor; box 1 has no other than anchor 0
// (IoU 0.36): it gets it.
TEST(MatchAnchors, ABoxKeepsItsOnlyAnchorAgainstABetterBox) {
  const std::vector<BoxCxcywhNorm> priors = {FromCorners(0, 0, 0.5F, 0.5F),
                                             FromCorners(0.02F, 0, 0.4F, 0.5F)};
  const TruthBox first{FromCorners(0, 0, 0.375F, 0.5F), 0, false};
  const TruthBox second{FromCorners(0.32F, 0, 0.5F, 0.5F), 1, false};
  EXPECT_THAT(Match(priors, {first}).classes, ElementsAre(0, 0));
  EXPECT_THAT(Match(priors, {first, second}).classes, ElementsAre(1, 0));
}

TEST(MatchAnchors, DifficultBoxesIgnoreAndForceNothing) {
  const BoxCxcywhNorm exact = FromCorners(0, 0, 0.2F, 1);
  EXPECT_THAT(Match(Columns(2), {{exact, 0, true}}).classes, ElementsAre(kIgnored, kBackground));
  // IoU 1/3: below the band, but the anchor that it would have forced.
  const std::vector<BoxCxcywhNorm> halves = {FromCorners(0, 0, 0.25F, 1),
                                             FromCorners(0.25F, 0, 0.5F, 1)};
  const TruthBox between{FromCorners(0.125F, 0, 0.375F, 1), 0, true};
  EXPECT_THAT(Match(halves, {between}).classes, ElementsAre(kIgnored, kBackground));
  // What another box owns stays positive.
  const TruthBox owner{FromCorners(0, 0, 0.25F, 1), 1, false};
  EXPECT_THAT(Match(halves, {owner, between}).classes, ElementsAre(1, kBackground));
  EXPECT_EQ(Match(halves, {owner, between}).positives, 1);
}

TEST(MatchAnchors, NoBoxesAndBoxesWithoutAreaMatchNothing) {
  EXPECT_THAT(Match(Columns(5), {}).classes, Each(kBackground));
  EXPECT_THAT(Match({}, {}).classes, IsEmpty());
  const AnchorTargets targets = Match(Columns(5), {{{0.1F, 0.5F, 0, 1}, 0, false},
                                                   {{0.1F, 0.5F, -0.2F, -1}, 0, false},
                                                   {{kNan, 0.5F, 0.2F, 1}, 0, false},
                                                   {{0.1F, 0.5F, kNan, 1}, 0, false},
                                                   {{5, 5, 0.2F, 1}, 0, false}});
  EXPECT_THAT(targets.classes, Each(kBackground));
  EXPECT_THAT(targets.boxes, Each(0.0F));
}

TEST(MatchAnchors, PriorsWithoutAreaMatchNothing) {
  const TruthBox truth{FromCorners(0, 0, 1, 1), 0, false};
  EXPECT_THAT(
      Match({{0.5F, 0.5F, 0, 1}, {0.5F, 0.5F, -1, -1}, {kNan, kNan, kNan, kNan}}, {truth}).classes,
      Each(kBackground));
}

// Straight from the definition, in double, without blocks and bounds.
std::vector<int32_t> Reference(const std::vector<BoxCxcywhNorm>& priors,
                               const std::vector<TruthBox>& truths, const LossOptions& options) {
  const auto iou = [](const BoxCxcywhNorm& a, const BoxCxcywhNorm& b) {
    const auto box = [](const BoxCxcywhNorm& x) {
      return detect::BoxXyxyPx{x.cx - x.w / 2, x.cy - x.h / 2, x.cx + x.w / 2, x.cy + x.h / 2};
    };
    return detect::Iou(box(a), box(b));
  };
  std::vector<int32_t> classes(priors.size(), kBackground);
  for (size_t a = 0; a < priors.size(); ++a) {
    float best = 0;
    for (const TruthBox& truth : truths) {
      const float overlap = iou(priors[a], truth.box);
      if (overlap <= best) continue;
      best = overlap;
      const bool positive = best >= static_cast<float>(options.match_iou) && !truth.difficult;
      const bool ignored = best >= static_cast<float>(options.ignore_iou);
      classes[a] = positive ? truth.class_index : ignored ? kIgnored : kBackground;
    }
  }
  std::vector<float> forced(priors.size(), 0.0F);
  for (const TruthBox& truth : truths) {
    size_t best = 0;
    for (size_t a = 1; a < priors.size(); ++a) {
      if (iou(priors[a], truth.box) > iou(priors[best], truth.box)) best = a;
    }
    const float overlap = iou(priors[best], truth.box);
    if (overlap < static_cast<float>(options.force_iou) || overlap <= forced[best]) continue;
    forced[best] = overlap;
    classes[best] = truth.class_index;
  }
  return classes;
}

TEST(MatchAnchors, AgreesWithTheDefinitionOnRandomBoxes) {
  std::vector<detect::PriorLevel> levels(2);
  levels[0].rows = 13;
  levels[0].cols = 11;
  levels[0].wh = {{0.1F, 0.1F}, {0.15F, 0.08F}};
  levels[1].rows = 3;
  levels[1].cols = 3;
  levels[1].wh = {{0.4F, 0.3F}};
  const auto priors = detect::MakePriors(levels, Input());
  base::Random random(7);
  int64_t positives = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<TruthBox> truths;
    for (int i = 0; i < 20; ++i) {
      const float w = random.Between(0.05F, 0.4F);
      truths.push_back(
          {{random.Unit(), random.Unit(), w, w * random.Between(0.5F, 1.5F)}, i, false});
    }
    const AnchorTargets targets = Match(priors, truths);
    // Areas are rounded differently: an overlap that lies within 1e-6 of a threshold would differ.
    EXPECT_EQ(targets.classes, Reference(priors, truths, {})) << "round " << round;
    positives += targets.positives;
    EXPECT_EQ(targets.positives, std::count_if(targets.classes.begin(), targets.classes.end(),
                                               [](int32_t c) { return c >= 0; }));
  }
  EXPECT_GT(positives, 100);
}

struct EncodingCase {
  std::string name;
  BoxEncoding encoding;
  BoxUnits units;
};

class Encodings : public ::testing::TestWithParam<EncodingCase> {};

// What the decoder makes of the targets is the box itself.
TEST_P(Encodings, AreTheInverseOfDecoding) {
  detect::DecoderContext context;
  context.input = Input();
  context.classes = 1;
  context.head.kind = "ssd";
  context.head.boxes.values = {{"loc", {}, {}}};
  context.head.scores.values = {{"conf", {}, {}}};
  context.head.box.encoding = GetParam().encoding;
  context.head.box.units = GetParam().units;
  context.head.box.variances = {0.1F, 0.25F};
  detect::PriorLevel level;
  level.rows = 2;
  level.cols = 3;
  level.wh = {{0.3F, 0.45F}, {0.2F, 0.6F}};
  context.head.box.priors = {level};
  const auto priors = detect::MakePriors(context.head.box.priors, context.input);
  const auto decoder = detect::NewDecoder(context);
  ASSERT_TRUE(decoder.ok()) << decoder.status();

  const std::vector<TruthBox> truths = {{FromCorners(0.05F, 0.04F, 0.31F, 0.52F), 0, false},
                                        {FromCorners(0.7F, 0.55F, 0.99F, 0.93F), 0, false}};
  const AnchorTargets targets =
      MatchAnchors(priors, truths, context.head.box, context.input, LossOptions{});
  ASSERT_GE(targets.positives, 2);
  std::vector<float> scores;
  for (const int32_t c : targets.classes) scores.push_back(c >= 0 ? 0.9F : 0.0F);
  const auto anchors = static_cast<int64_t>(priors.size());
  detect::DecodeOptions options;
  options.iou_threshold = 1.0F;
  const auto decoded = (*decoder)->Decode({base::Tensor::FromF32({1, anchors, 4}, targets.boxes),
                                           base::Tensor::FromF32({1, anchors, 1}, scores)},
                                          0, options);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(static_cast<int64_t>(decoded->detections.size()), targets.positives);
  std::array<int, 2> found = {};
  for (const detect::Detection& detection : decoded->detections) {
    const size_t which = detection.box.x_min < 150 ? 0 : 1;
    const BoxCxcywhNorm& box = truths[which].box;
    ++found[which];
    EXPECT_NEAR(detection.box.x_min, (box.cx - box.w / 2) * 300, 0.01F);
    EXPECT_NEAR(detection.box.y_min, (box.cy - box.h / 2) * 200, 0.01F);
    EXPECT_NEAR(detection.box.x_max, (box.cx + box.w / 2) * 300, 0.01F);
    EXPECT_NEAR(detection.box.y_max, (box.cy + box.h / 2) * 200, 0.01F);
  }
  EXPECT_THAT(found, Each(::testing::Ge(1)));
}

INSTANTIATE_TEST_SUITE_P(
    All, Encodings,
    ::testing::Values(EncodingCase{"CenterSize", BoxEncoding::kCenterSize, BoxUnits::kRelative},
                      EncodingCase{"CornersRelative", BoxEncoding::kCorners, BoxUnits::kRelative},
                      EncodingCase{"CornersPixel", BoxEncoding::kCorners, BoxUnits::kPixel},
                      EncodingCase{"LtrbRelative", BoxEncoding::kLtrb, BoxUnits::kRelative},
                      EncodingCase{"LtrbPixel", BoxEncoding::kLtrb, BoxUnits::kPixel}),
    [](const auto& one) { return one.param.name; });

TEST(HardestBackground, TakesTheHighestLossesOfBackgroundAlone) {
  const std::vector<int32_t> classes = {kBackground, 0, kBackground, kIgnored, kBackground};
  const std::vector<float> losses = {1, 9, 3, 9, 2};
  EXPECT_THAT(HardestBackground(classes, losses, 0), IsEmpty());
  EXPECT_THAT(HardestBackground(classes, losses, 1), ElementsAre(2));
  EXPECT_THAT(HardestBackground(classes, losses, 2), ElementsAre(2, 4));
  EXPECT_THAT(HardestBackground(classes, losses, 3), ElementsAre(0, 2, 4));
  EXPECT_THAT(HardestBackground(classes, losses, 100), ElementsAre(0, 2, 4));
}

TEST(HardestBackground, TiesGoToTheLowerIndex) {
  const std::vector<int32_t> classes(100, kBackground);
  const std::vector<float> losses(100, 0.5F);
  EXPECT_THAT(HardestBackground(classes, losses, 3), ElementsAre(0, 1, 2));
}

TEST(HardestBackground, NanIsHardest) {
  const std::vector<int32_t> classes(4, kBackground);
  EXPECT_THAT(HardestBackground(classes, std::vector<float>{1, 2, kNan, 3}, 1), ElementsAre(2));
  EXPECT_THAT(HardestBackground(classes, std::vector<float>(4, kNan), 2), ElementsAre(0, 1));
}

}  // namespace
}  // namespace lbw::train
