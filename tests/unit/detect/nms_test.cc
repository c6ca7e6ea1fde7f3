#include "detect/nms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <set>

#include "support/test_data.h"
#include "unit/detect/golden.h"

namespace lbw::detect {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The definition, O(n^2): mark the best that is not marked yet, strike out what it suppresses.
std::vector<Detection> ReferenceNms(absl::Span<const Detection> candidates,
                                    const NmsOptions& options) {
  std::vector<char> alive(candidates.size(), 1);
  std::vector<Detection> kept;
  while (static_cast<int64_t>(kept.size()) < options.max_detections) {
    int best = -1;
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (alive[i] == 0 || !(candidates[i].score > options.score_threshold)) continue;
      if (best < 0) {
        best = static_cast<int>(i);
        continue;
      }
      const Detection& b = candidates[static_cast<size_t>(best)];
      const bool better =
          candidates[i].score > b.score ||
          (candidates[i].score == b.score && candidates[i].class_index < b.class_index);
      if (better) best = static_cast<int>(i);
    }
    if (best < 0) break;
    const Detection winner = candidates[static_cast<size_t>(best)];
    kept.push_back(winner);
    alive[static_cast<size_t>(best)] = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const bool rivals = !options.per_class || candidates[i].class_index == winner.class_index;
      if (rivals && Iou(winner.box, candidates[i].box) > options.iou_threshold) alive[i] = 0;
    }
  }
  return kept;
}

// Scores and coordinates from few values, so that ties and equal boxes are common.
std::vector<Detection> RandomCandidates(std::mt19937& random, size_t count) {
  std::vector<Detection> result;
  for (size_t i = 0; i < count; ++i) {
    const auto pick = [&](int n) {
      return static_cast<float>(random() % static_cast<uint32_t>(n));
    };
    const float x = pick(20);
    const float y = pick(20);
    const float score = random() % 13 == 0 ? kNan : pick(16) / 16;
    result.push_back({{x, y, x + pick(8), y + pick(8)}, static_cast<int32_t>(pick(3)), score});
  }
  return result;
}

TEST(Nms, EqualsTheReferenceOnRandomBoxes) {
  std::mt19937 random(20240607);
  for (int round = 0; round < 400; ++round) {
    const auto candidates = RandomCandidates(random, random() % 90);
    NmsOptions options;
    options.iou_threshold = static_cast<float>(random() % 11) / 10;
    options.score_threshold = static_cast<float>(random() % 8) / 16;
    options.per_class = random() % 2 == 0;
    options.max_detections = 1 + random() % 60;
    ASSERT_EQ(Nms(candidates, options), ReferenceNms(candidates, options)) << "round " << round;
  }
}

TEST(Nms, TiesGoToTheLowerClassThenTheLowerIndex) {
  const std::vector<Detection> candidates = {
      {{0, 0, 2, 2}, 1, 0.75F}, {{10, 0, 12, 2}, 0, 0.75F}, {{20, 0, 22, 2}, 0, 0.75F}};
  const auto kept = Nms(candidates, {});
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_EQ(kept[0], candidates[1]);
  EXPECT_EQ(kept[1], candidates[2]);
  EXPECT_EQ(kept[2], candidates[0]);
}

TEST(Nms, DropsNanScores) {
  const std::vector<Detection> candidates = {{{0, 0, 2, 2}, 0, kNan}, {{0, 0, 2, 2}, 0, 0.75F}};
  EXPECT_EQ(Nms(candidates, {}), std::vector<Detection>{candidates[1]});
}

TEST(Nms, ZeroAreaNeitherSuppressesNorIsSuppressed) {
  const std::vector<Detection> candidates = {
      {{1, 1, 1, 1}, 0, 0.9F}, {{0, 0, 2, 2}, 0, 0.8F}, {{1, 1, 1, 1}, 0, 0.7F}};
  NmsOptions options;
  options.iou_threshold = 0;
  EXPECT_EQ(Nms(candidates, options), candidates);
}

TEST(Nms, SuppressesAboveTheThresholdNotAtIt) {
  // Their overlap is exactly one half.
  const std::vector<Detection> candidates = {{{0, 0, 4, 4}, 0, 0.9F}, {{0, 0, 4, 2}, 0, 0.8F}};
  NmsOptions options;
  options.iou_threshold = 0.5F;
  EXPECT_EQ(Nms(candidates, options).size(), 2U);
  options.iou_threshold = 0.499F;
  EXPECT_EQ(Nms(candidates, options).size(), 1U);
}

TEST(Nms, KeepsOnlyWhatScoresAboveTheThreshold) {
  const std::vector<Detection> candidates = {{{0, 0, 2, 2}, 0, 0.5F}, {{5, 5, 7, 7}, 0, 0.625F}};
  EXPECT_EQ(Nms(candidates, {}), std::vector<Detection>{candidates[1]});
}

TEST(Nms, PerClassLeavesOtherClassesAlone) {
  const std::vector<Detection> candidates = {{{0, 0, 2, 2}, 0, 0.9F}, {{0, 0, 2, 2}, 1, 0.8F}};
  NmsOptions options;
  EXPECT_EQ(Nms(candidates, options).size(), 1U);
  options.per_class = true;
  EXPECT_EQ(Nms(candidates, options).size(), 2U);
}

TEST(Nms, LooksAtTheBestCandidatesOnly) {
  std::vector<Detection> candidates;
  for (int i = 0; i < 100; ++i) {
    const auto x = static_cast<float>(10 * i);
    candidates.push_back({{x, 0, x + 2, 2}, 0, 0.5F + static_cast<float>((i * 37) % 100) / 250});
  }
  NmsOptions options;
  options.max_candidates = 10;
  const auto few = Nms(candidates, options);
  options.max_candidates = 100;
  auto all = Nms(candidates, options);
  ASSERT_EQ(all.size(), 99U) << "one candidate scores exactly the threshold";
  all.resize(10);
  EXPECT_EQ(few, all);
  options.max_candidates = 0;
  EXPECT_TRUE(Nms(candidates, options).empty());
  options.max_candidates = 100;
  options.max_detections = 0;
  EXPECT_TRUE(Nms(candidates, options).empty());
}

// The ONNX operator's vectors. boxes [batch, n, 4] (y1, x1, y2, x2, either corner first, or
// centre_x, centre_y, w, h), scores [batch, class, n]; the operator works class by class with a
// limit a class, hence one call a class. Inputs left out: iou 0, no score threshold.
TEST(Nms, EqualsTheVectorsOfOnnxNonMaxSuppression) {
  const auto data = testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is not set";
  const auto cases = ReadJson(*data + "/golden_metrics/onnx_nonmaxsuppression.json");
  ASSERT_EQ(cases.size(), 10U);
  for (const auto& test : cases) {
    const bool centre = test["attrs"].contains("center_point_box");
    const auto boxes = Floats(test["inputs"][0]["data"]);
    const auto scores = Floats(test["inputs"][1]["data"]);
    const auto shape = test["inputs"][1]["shape"].get<std::vector<int64_t>>();
    NmsOptions options;
    options.per_class = true;
    options.max_detections = test["inputs"][2]["data"][0].get<int64_t>();
    options.iou_threshold = test["inputs"][3]["data"][0].get<float>();
    options.score_threshold = test["inputs"][4]["data"][0].get<float>();
    std::vector<int64_t> selected;
    for (int64_t row = 0; row < shape[0] * shape[1]; ++row) {
      std::vector<Detection> candidates;
      for (int64_t i = 0; i < shape[2]; ++i) {
        const float* b = &boxes[static_cast<size_t>((row / shape[1] * shape[2] + i) * 4)];
        BoxXyxyPx box{std::min(b[1], b[3]), std::min(b[0], b[2]), std::max(b[1], b[3]),
                      std::max(b[0], b[2])};
        if (centre) box = {b[0] - b[2] / 2, b[1] - b[3] / 2, b[0] + b[2] / 2, b[1] + b[3] / 2};
        candidates.push_back({box, 0, scores[static_cast<size_t>(row * shape[2] + i)]});
      }
      // Equal scores are taken in the candidates' order, so the kept ones map back in order.
      std::set<size_t> taken;
      for (const Detection& kept : Nms(candidates, options)) {
        size_t index = 0;
        while (!(candidates[index] == kept) || taken.count(index) > 0) ++index;
        taken.insert(index);
        selected.insert(selected.end(),
                        {row / shape[1], row % shape[1], static_cast<int64_t>(index)});
      }
    }
    EXPECT_EQ(selected, test["outputs"][0]["data"].get<std::vector<int64_t>>()) << test["name"];
  }
}

}  // namespace
}  // namespace lbw::detect
