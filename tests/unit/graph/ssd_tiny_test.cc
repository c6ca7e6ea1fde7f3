#include "graph/build/ssd_tiny.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <variant>

#include "base/digest.h"
#include "base/status.h"
#include "graph/batch.h"

namespace lbw::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SsdTiny Built(const SsdTinyOptions& options = {}) {
  auto built = BuildSsdTiny(options);
  EXPECT_TRUE(built.ok()) << built.status();
  return *std::move(built);
}

absl::Span<const float> Values(const SsdTiny& built, const std::string& name) {
  const auto found = built.constants.find(name);
  EXPECT_NE(found, built.constants.end()) << name;
  return std::get<base::Tensor>(found->second).as<float>();
}

const base::Shape& ShapeOfConstant(const SsdTiny& built, const std::string& name) {
  return std::get<base::Tensor>(built.constants.find(name)->second).shape();
}

int64_t Anchors(const SsdTiny& built) {
  int64_t anchors = 0;
  for (const SsdTinyLevel& level : built.levels) {
    anchors += level.rows * level.cols * static_cast<int64_t>(level.wh.size());
  }
  return anchors;
}

// Multiplications of one picture, and the numbers of its weights.
struct Cost {
  int64_t multiplications = 0;
  int64_t weights = 0;
};
Cost CostOf(const SsdTiny& built, const SsdTinyOptions& options) {
  const auto shapes =
      InferShapes(built.graph, built.constants,
                  {{"image", {1, options.channels, options.height, options.width}}});
  EXPECT_TRUE(shapes.ok()) << shapes.status();
  Cost cost;
  for (const Node& node : built.graph.nodes) {
    if (node.op_type != "Conv") continue;
    const base::Shape& weight = ShapeOfConstant(built, node.inputs[1]);
    const base::Shape& out = shapes->values.find(node.outputs[0])->second.shape;
    const int64_t numbers = weight[0] * weight[1] * weight[2] * weight[3];
    cost.weights += numbers;
    cost.multiplications += numbers * out[2] * out[3];
  }
  return cost;
}

TEST(BuildSsdTiny, CostsWhatASmallMachineCanTrain) {
  SsdTinyOptions options;
  options.classes = 6;
  const SsdTiny built = Built(options);
  const Cost cost = CostOf(built, options);
  EXPECT_GT(cost.weights, 200'000);
  EXPECT_LT(cost.weights, 350'000);
  EXPECT_GT(cost.multiplications, 30'000'000);
  EXPECT_LT(cost.multiplications, 50'000'000);
  EXPECT_EQ(Anchors(built), (16 * 16 + 8 * 8 + 4 * 4) * 4);
}

TEST(BuildSsdTiny, IsAValidGraphWhoseShapesFollowAtEverySizeAndBatch) {
  const std::vector<std::pair<int64_t, int64_t>> sizes = {{128, 128}, {160, 160}, {192, 192},
                                                          {300, 300}, {33, 47},   {32, 1024}};
  for (const auto& [height, width] : sizes) {
    SsdTinyOptions options;
    options.height = height;
    options.width = width;
    options.classes = 3;
    options.width_multiplier = 0.25;
    const SsdTiny built = Built(options);
    ASSERT_TRUE(Validate(built.graph, built.constants).ok());
    for (const int64_t batch : {1, 5}) {
      const auto shapes =
          InferShapes(built.graph, built.constants, {{"image", {batch, 3, height, width}}});
      ASSERT_TRUE(shapes.ok()) << shapes.status();
      EXPECT_EQ(shapes->values.find("boxes")->second.shape,
                (base::Shape{batch, Anchors(built), 4}));
      EXPECT_EQ(shapes->values.find("scores")->second.shape,
                (base::Shape{batch, Anchors(built), 4}));
    }
    EXPECT_EQ(built.graph.outputs[0].shape, (base::Shape{kBatch, Anchors(built), 4}));
  }
}

TEST(BuildSsdTiny, TreatsEveryPictureOfABatchByItself) {
  SsdTiny built = Built();
  const std::string before = ToJson(built.graph);
  std::vector<std::string> notes;
  ASSERT_TRUE(MakeBatchSymbolic(built.graph, built.constants, {3, 128, 128}, notes).ok());
  EXPECT_EQ(built.graph.max_batch, 0);
  EXPECT_THAT(notes, IsEmpty());
  EXPECT_EQ(ToJson(built.graph), before) << "nothing had to be rewritten";
}

TEST(BuildSsdTiny, FirstAndOutputsAreTheLayersThatRulesMeanByThem) {
  const SsdTiny built = Built();
  std::vector<std::string> outputs;
  const std::vector<Weight> weights =
      FindWeights(built.graph, built.constants, {"boxes", "scores"});
  EXPECT_EQ(weights.size(), 14U);
  for (const Weight& weight : weights) {
    EXPECT_EQ(weight.first, weight.constant == "stem.0.conv.weight");
    EXPECT_EQ(weight.axis, 0);
    EXPECT_FALSE(weight.depthwise);
    if (weight.output) outputs.push_back(weight.constant);
  }
  EXPECT_THAT(outputs,
              ElementsAre("head8.boxes.weight", "head8.scores.weight", "head16.boxes.weight",
                          "head16.scores.weight", "head32.boxes.weight", "head32.scores.weight"));
}

TEST(BuildSsdTiny, TheSeedIsTheWeightsBitForBit) {
  SsdTinyOptions options;
  options.seed = 7;
  const SsdTiny first = Built(options);
  const SsdTiny again = Built(options);
  options.seed = 8;
  const SsdTiny other = Built(options);
  for (const auto& [name, constant] : first.constants) {
    const auto& tensor = std::get<base::Tensor>(constant);
    EXPECT_EQ(tensor.bytes(), std::get<base::Tensor>(again.constants.at(name)).bytes()) << name;
    const bool drawn = name.find(".weight") != std::string::npos && tensor.shape().size() == 4;
    EXPECT_EQ(tensor.bytes() != std::get<base::Tensor>(other.constants.at(name)).bytes(), drawn)
        << name;
  }
  // A run that is told its seed must be the same run on any machine and in any later version.
  EXPECT_EQ(
      base::Sha256Hex(std::get<base::Tensor>(first.constants.at("head32.scores.weight")).bytes()),
      "eff5bc69d0d09d9ae2d9cfc50dd8d018339a88e3a64f8942d66f173af51bd4bd");
}

TEST(BuildSsdTiny, DrawsWeightsWithTheVarianceOfTheirFanIn) {
  const SsdTiny built = Built();
  for (const auto& [name, constant] : built.constants) {
    const auto& tensor = std::get<base::Tensor>(constant);
    if (tensor.shape().size() != 4) continue;
    const double gain = name.substr(0, 4) == "head" ? 0.1 : 1;
    const auto fan_in = static_cast<double>(tensor.shape()[1] * 9);
    const double expected = gain * std::sqrt(2 / fan_in);
    double sum = 0;
    double squares = 0;
    for (const float value : tensor.as<float>()) {
      sum += static_cast<double>(value);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    const auto count = static_cast<double>(tensor.elements());
    EXPECT_NEAR(std::sqrt(squares / count), expected, expected * 4 / std::sqrt(count)) << name;
    EXPECT_NEAR(sum / count, 0, expected * 4 / std::sqrt(count)) << name;
  }
}

// Without features, softmax over a row of the scores is what their biases say.
double PriorOfAClass(int64_t classes, double* foreground) {
  SsdTinyOptions options;
  options.classes = classes;
  options.width_multiplier = 0.25;
  const SsdTiny built = Built(options);
  const auto bias =
      Values(built, "head16.scores.bias").subspan(0, static_cast<size_t>(classes) + 1);
  double sum = 0;
  for (const float value : bias) sum += std::exp(static_cast<double>(value));
  *foreground = 1 - std::exp(static_cast<double>(bias[0])) / sum;
  return std::exp(static_cast<double>(bias.back())) / sum;
}

TEST(BuildSsdTiny, EveryClassIsRareAtFirst) {
  double foreground = 0;
  EXPECT_NEAR(PriorOfAClass(1, &foreground), 0.01, 1e-6);
  EXPECT_NEAR(PriorOfAClass(50, &foreground), 0.01, 1e-6);
  EXPECT_NEAR(foreground, 0.5, 1e-5);
  EXPECT_NEAR(PriorOfAClass(1000, &foreground), 0.0005, 1e-8) << "all of them 0.5 at most";
  EXPECT_NEAR(foreground, 0.5, 1e-5);
}

TEST(BuildSsdTiny, NormalizationStartsAsTheIdentity) {
  const SsdTiny built = Built();
  for (const auto& [part, value] : std::vector<std::pair<std::string, float>>{
           {"weight", 1.0F}, {"bias", 0.0F}, {"running_mean", 0.0F}, {"running_var", 1.0F}}) {
    const auto values = Values(built, "stage16.1.norm." + part);
    EXPECT_EQ(values.size(), 80U);
    EXPECT_EQ(std::count(values.begin(), values.end(), value), 80);
  }
}

TEST(BuildSsdTiny, WidensEveryLayerByMultiplesOfEight) {
  const auto channels = [](double multiplier) {
    SsdTinyOptions options;
    options.width_multiplier = multiplier;
    const SsdTiny built = Built(options);
    std::vector<int64_t> result;
    for (const char* name : {"stem.0", "stage4.1", "stage8.1", "stage16.1", "stage32.0"}) {
      result.push_back(ShapeOfConstant(built, std::string(name) + ".conv.weight")[0]);
    }
    return result;
  };
  EXPECT_THAT(channels(0.25), ElementsAre(8, 8, 16, 24, 24));
  EXPECT_THAT(channels(0.5), ElementsAre(8, 16, 32, 40, 40));
  EXPECT_THAT(channels(1), ElementsAre(16, 32, 64, 80, 80));
  EXPECT_THAT(channels(4), ElementsAre(64, 128, 256, 320, 320));
}

TEST(BuildSsdTiny, AnchorsAreSquaresAndTheirStretchedMeansInPixels) {
  SsdTinyOptions options;
  options.height = 96;
  options.width = 192;
  const SsdTiny built = Built(options);
  ASSERT_EQ(built.levels.size(), 3U);
  EXPECT_EQ(built.levels[0].rows, 12);
  EXPECT_EQ(built.levels[0].cols, 24);
  float last = 0;
  for (const SsdTinyLevel& level : built.levels) {
    std::vector<float> aspects;
    ASSERT_EQ(level.wh.size(), 4U);
    for (const auto& [w, h] : level.wh) aspects.push_back(w * 192 / (h * 96));
    EXPECT_THAT(aspects, ElementsAre(::testing::FloatNear(1, 1e-5F), ::testing::FloatNear(1, 1e-5F),
                                     ::testing::FloatNear(1.8F, 1e-5F),
                                     ::testing::FloatNear(1 / 1.8F, 1e-5F)));
    EXPECT_GT(level.wh[0][1], last);
    EXPECT_GT(level.wh[1][1], level.wh[0][1]);
    last = level.wh[1][1];
  }
  EXPECT_FLOAT_EQ(built.levels[0].wh[0][1], 0.07F);
  EXPECT_FLOAT_EQ(built.levels[0].wh[0][0], 0.035F) << "of the shorter side";
  EXPECT_FLOAT_EQ(last, 0.6F);
}

TEST(BuildSsdTiny, RefusesWhatIsOutOfRangeAndNamesIt) {
  const auto refused = [](const SsdTinyOptions& options) {
    const auto built = BuildSsdTiny(options);
    EXPECT_EQ(base::GetErrorDetails(built.status()).reason, "BAD_ARGUMENT");
    return std::string(built.status().message());
  };
  EXPECT_EQ(refused({.channels = 0}), "channels must be in 1..4: channels=0");
  EXPECT_EQ(refused({.height = 31}), "height must be in 32..1024: height=31");
  EXPECT_EQ(refused({.width = 1025}), "width must be in 32..1024: width=1025");
  EXPECT_EQ(refused({.classes = 0}), "classes must be in 1..1000: classes=0");
  EXPECT_EQ(refused({.classes = 1001}), "classes must be in 1..1000: classes=1001");
  for (const double multiplier : {0.24, 4.01, -1.0, std::numeric_limits<double>::quiet_NaN(),
                                  std::numeric_limits<double>::infinity()}) {
    EXPECT_THAT(refused({.width_multiplier = multiplier}),
                HasSubstr("width_multiplier must be in 0.25..4"));
  }
  EXPECT_TRUE(BuildSsdTiny({.height = 32, .width = 32, .width_multiplier = 4}).ok());
}

}  // namespace
}  // namespace lbw::graph
