#include "eval/coco.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "gtest/gtest.h"
#include "support/test_data.h"
#include "unit/eval/coco_reference.h"
#include "unit/eval/make.h"

namespace lbw::eval {
namespace {

constexpr detect::BoxXyxyPx kLarge{0, 0, 100, 100};
constexpr detect::BoxXyxyPx kOther{200, 0, 300, 100};
constexpr detect::BoxXyxyPx kSmall{400, 0, 420, 20};

CocoNumbers Evaluate(const Lists& lists) {
  const auto result = EvaluateCoco(lists.Set(), CocoOptions());
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  return result.ok() ? result->numbers : CocoNumbers();
}

// -1 where a number is unset, in the order in which COCO prints them.
std::array<double, 12> Twelve(const CocoNumbers& n) {
  const std::array<std::optional<double>, 12> all = {
      n.ap,    n.ap_50, n.ap_75, n.ap_small, n.ap_medium, n.ap_large,
      n.ar[0], n.ar[1], n.ar[2], n.ar_small, n.ar_medium, n.ar_large};
  std::array<double, 12> result{};
  for (size_t i = 0; i < all.size(); ++i) result[i] = all[i].value_or(-1);
  return result;
}

TEST(EvaluateCoco, IsOneForPerfectBoxesAndUnsetForSizesThatAreNot) {
  const CocoNumbers numbers = Evaluate({{Truth({0, kLarge})}, {Found({0, kLarge}, 0.5F)}});
  EXPECT_DOUBLE_EQ(*numbers.ap, 1);
  EXPECT_DOUBLE_EQ(*numbers.ap_large, 1);
  EXPECT_DOUBLE_EQ(*numbers.ar_large, 1);
  EXPECT_FALSE(numbers.ap_small.has_value());
  EXPECT_FALSE(numbers.ar_medium.has_value());
  EXPECT_FALSE(Evaluate({{}, {Found({0, kLarge}, 0.5F)}}).ap.has_value());
}

// IoU 0.8 exactly: thresholds 0.5 .. 0.8 are met, seven of ten.
TEST(EvaluateCoco, AveragesOverThresholds) {
  const CocoNumbers numbers = Evaluate({{Truth({0, kLarge})}, {Found({0, {0, 0, 100, 80}}, 0.5F)}});
  EXPECT_NEAR(*numbers.ap, 0.7, 1e-9);
  EXPECT_NEAR(*numbers.ap_50, 1, 1e-9);
  EXPECT_NEAR(*numbers.ap_75, 1, 1e-9);
  EXPECT_NEAR(*numbers.ar[2], 0.7, 1e-9);
}

// Boxes within a crowd are neither true nor false, however many, and overlap by their own area.
TEST(EvaluateCoco, ForgivesBoxesWithinACrowd) {
  Lists lists = {{Truth({0, kSmall}), Truth({0, kLarge})},
                 {Found({0, {10, 10, 40, 40}}, 0.9F), Found({0, {50, 50, 80, 80}}, 0.8F),
                  Found({0, kSmall}, 0.7F)}};
  EXPECT_LT(*Evaluate(lists).ap, 0.5);
  lists.truths[1].crowd = true;
  EXPECT_DOUBLE_EQ(*Evaluate(lists).ap, 1);
  // An ignored truth overlaps by the union: the boxes within it are false.
  lists.truths[1].crowd = false;
  lists.truths[1].ignore = true;
  EXPECT_LT(*Evaluate(lists).ap, 0.5);
}

TEST(EvaluateCoco, CountsDetectionsPerPictureUpToEachBound) {
  Lists lists = {{Truth({0, kLarge}), Truth({0, kOther})},
                 {Found({0, kLarge}, 0.9F), Found({0, kOther}, 0.8F)}};
  const CocoNumbers numbers = Evaluate(lists);
  EXPECT_DOUBLE_EQ(*numbers.ar[0], 0.5);
  EXPECT_DOUBLE_EQ(*numbers.ar[1], 1);
  // The hundred and first detection of a picture is not looked at.
  lists = {{Truth({0, kLarge})}, std::vector<FoundBox>(99, Found({0, kOther}, 0.9F))};
  lists.found.push_back(Found({0, kLarge}, 0.1F));
  EXPECT_GT(*Evaluate(lists).ap, 0);
  lists.found.push_back(Found({0, kOther}, 0.2F));
  EXPECT_EQ(*Evaluate(lists).ap, 0);
}

TEST(EvaluateCoco, RefusesMaxDetectionsThatDoNotRiseOrAreTooMany) {
  const auto code = [](std::array<int32_t, 3> value) {
    return EvaluateCoco(Lists().Set(), CocoOptions{value}).status().code();
  };
  EXPECT_EQ(code({1, 2, kMaxCocoDetections}), absl::StatusCode::kOk);
  EXPECT_EQ(code({1, 2, kMaxCocoDetections + 1}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({0, 2, 3}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1, 1, 3}), absl::StatusCode::kInvalidArgument);
}

Lists RandomLists(uint64_t seed) {
  FewValues random(seed);
  Lists lists;
  lists.image_count = 4;
  lists.class_count = 3;
  const float unit = static_cast<float>(8 << random.Below(3));
  for (int32_t i = random.Below(60); i > 0; --i) {
    TruthBox truth = Truth({random.Below(4), random.Box(unit)}, random.Below(3));
    truth.crowd = random.Below(6) == 0;
    truth.ignore = random.Below(9) == 0;
    if (random.Below(4) == 0) truth.area_px2 = random.Below(20'000);
    lists.truths.push_back(truth);
  }
  for (int32_t i = random.Below(150); i > 0; --i) {
    const float score = static_cast<float>(random.Below(8)) / 8;
    lists.found.push_back(Found({random.Below(4), random.Box(unit)}, score, random.Below(3)));
  }
  return lists;
}

// Against a direct transcription of the definition, with crowds, ties and equal boxes.
TEST(EvaluateCoco, EqualsTheReferenceOnRandomBoxes) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    const Lists lists = RandomLists(seed);
    const std::array<double, 12> expected = CocoReference(lists.Set());
    const std::array<double, 12> actual = Twelve(Evaluate(lists));
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(actual[i], expected[i], 1e-12) << "seed=" << seed << " number=" << i;
    }
  }
}

detect::BoxXyxyPx FromXywh(const nlohmann::json& box) {
  const double x = box.at(0).get<double>();
  const double y = box.at(1).get<double>();
  return {static_cast<float>(x), static_cast<float>(y),
          static_cast<float>(x + box.at(2).get<double>()),
          static_cast<float>(y + box.at(3).get<double>())};
}

// Ids in rising order become 0, 1, ...
std::map<int64_t, int32_t> IndexOfIds(const nlohmann::json& list) {
  std::map<int64_t, int32_t> result;
  for (const auto& entry : list) result[entry.at("id").get<int64_t>()] = 0;
  int32_t next = 0;
  for (auto& [id, index] : result) index = next++;
  return result;
}

Lists ReadCoco(const std::string& folder) {
  std::ifstream truth_file(folder + "/gt.json");
  const nlohmann::json truths = nlohmann::json::parse(truth_file);
  std::ifstream found_file(folder + "/dets.json");
  const nlohmann::json found = nlohmann::json::parse(found_file);
  const auto images = IndexOfIds(truths.at("images"));
  const auto classes = IndexOfIds(truths.at("categories"));
  Lists lists;
  lists.image_count = static_cast<int32_t>(images.size());
  lists.class_count = static_cast<int32_t>(classes.size());
  for (const auto& entry : truths.at("annotations")) {
    TruthBox truth = Truth({images.at(entry.at("image_id")), FromXywh(entry.at("bbox"))},
                           classes.at(entry.at("category_id")));
    truth.crowd = entry.value("iscrowd", 0) != 0;
    truth.area_px2 = entry.at("bbox").at(2).get<double>() * entry.at("bbox").at(3).get<double>();
    lists.truths.push_back(truth);
  }
  for (const auto& entry : found) {
    lists.found.push_back(Found({images.at(entry.at("image_id")), FromXywh(entry.at("bbox"))},
                                entry.at("score").get<float>(),
                                classes.at(entry.at("category_id"))));
  }
  return lists;
}

TEST(EvaluateCoco, ReproducesAllTwelveGoldenNumbers) {
  const auto data = testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is not set";
  const std::string folder = *data + "/golden_metrics/coco_ap_100img";
  const Lists lists = ReadCoco(folder);
  ASSERT_EQ(lists.truths.size(), 830U);
  ASSERT_EQ(lists.found.size(), 734U);
  std::ifstream file(folder + "/expected.json");
  const nlohmann::json expected = nlohmann::json::parse(file);
  const std::array<const char*, 12> names = {"AP",  "AP50", "AP75",  "APs", "APm", "APl",
                                             "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};
  const std::array<double, 12> actual = Twelve(Evaluate(lists));
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_NEAR(actual[i], expected.at(names[i]).get<double>(), 1e-6) << names[i];
  }
}

}  // namespace
}  // namespace lbw::eval
