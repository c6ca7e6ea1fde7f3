// Rounding of activations, through the executor that asks for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "engine/torch/torch_executor.h"
#include "graph/rounding_points.h"
#include "unit/engine/one_node.h"

namespace lbw::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_support::Floats;
using testing_support::Varied;

using Attributes = std::map<std::string, graph::Attribute>;

struct Net {
  graph::Graph graph;
  graph::Constants constants;

  Net(base::Shape picture, const std::string& output) {
    graph.inputs = {{"x", base::DType::kF32, std::move(picture)}};
    graph.outputs = {{output, base::DType::kF32, {}}};
  }
  void Add(std::string op, std::vector<std::string> inputs, std::vector<std::string> outputs,
           Attributes attributes = {}) {
    graph::Node node;
    node.name = outputs[0] + "_node";
    node.op_type = std::move(op);
    node.inputs = std::move(inputs);
    node.outputs = std::move(outputs);
    node.attributes = std::move(attributes);
    graph.nodes.push_back(std::move(node));
  }
};

absl::StatusOr<std::unique_ptr<Executor>> Compile(const Net& net, graph::Activations emulate,
                                                  std::vector<std::string> fetch = {}) {
  CompileOptions options;
  options.emulate = std::move(emulate);
  options.fetch = std::move(fetch);
  return NewTorchExecutorFactory()->Compile(net.graph, net.constants, options);
}

std::vector<std::vector<float>> MustRun(const Net& net, graph::Activations emulate,
                                        const base::Tensor& input,
                                        std::vector<std::string> fetch = {}) {
  auto executor = Compile(net, std::move(emulate), std::move(fetch));
  EXPECT_TRUE(executor.ok()) << executor.status();
  if (!executor.ok()) return {};
  auto outputs = (*executor)->Run(input.view(), base::CancelToken());
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  std::vector<std::vector<float>> values;
  if (!outputs.ok()) return values;
  for (const base::Tensor& output : *outputs) values.push_back(Floats(output));
  return values;
}

float Rounded(float x, const graph::ActivationRange& range) {
  float code = std::nearbyint(x / range.scale) + static_cast<float>(range.zero_point);
  code = std::clamp(code, static_cast<float>(range.least_code()),
                    static_cast<float>(range.greatest_code()));
  return (code - static_cast<float>(range.zero_point)) * range.scale;
}

std::vector<float> Rounded(std::vector<float> values, const graph::ActivationRange& range) {
  for (float& value : values) value = Rounded(value, range);
  return values;
}

const graph::ActivationRange kHalves{true, 0.5F, 0, "max"};
const graph::ActivationRange kFine{false, 0.0625F, 0, "max"};

TEST(EmulatedActivations, RoundHalfToEvenAndClamp) {
  Net net({graph::kBatch, 12}, "y");
  net.Add("Identity", {"x"}, {"y"});
  const float infinity = std::numeric_limits<float>::infinity();
  const base::Tensor input = base::Tensor::FromF32(
      {1, 12}, {0.25F, 0.75F, -0.25F, -0.75F, 0.74F, 100, -100, infinity, -infinity, 1e38F, 63.75F,
                std::numeric_limits<float>::quiet_NaN()});
  auto values = MustRun(net, {{"y", kHalves}}, input)[0];
  EXPECT_TRUE(std::isnan(values.back()));
  values.pop_back();
  EXPECT_THAT(values, ElementsAre(0, 1, 0, -1, 0.5F, 63.5F, -64, 63.5F, -64, 63.5F, 63.5F));
  values = MustRun(net, {{"y", {false, 2, 10, "max"}}}, input)[0];
  values.pop_back();
  EXPECT_THAT(values, ElementsAre(0, 0, 0, 0, 0, 100, -20, 490, -20, 490, 64));
}

// Every width of rows that a vector loop splits in its own way, and more than one thread's share.
TEST(EmulatedActivations, EqualTheirDefinitionAtEveryLength) {
  for (const int64_t length : {1, 3, 4, 5, 31, 1000, 100'003}) {
    Net net({graph::kBatch, length}, "y");
    net.Add("Neg", {"x"}, {"y"});
    const base::Tensor input = Varied({2, length}, 3);
    for (const graph::ActivationRange& range :
         {kHalves, kFine, graph::ActivationRange{false, 0.013F, 77, "max"}}) {
      const auto plain = MustRun(net, {}, input)[0];
      EXPECT_EQ(MustRun(net, {{"y", range}}, input)[0], Rounded(plain, range)) << length;
    }
  }
}

// The picture's own memory is the caller's; all readers see what was rounded.
TEST(EmulatedActivations, AnInputIsRoundedInACopy) {
  Net net({graph::kBatch, 4}, "y");
  net.Add("Relu", {"x"}, {"relu"});
  net.Add("Add", {"relu", "x"}, {"y"});
  const base::Tensor input = base::Tensor::FromF32({1, 4}, {0.3F, -0.3F, 1.2F, -1.2F});
  const auto values = MustRun(net, {{"x", kHalves}}, input, {"y", "x"});
  EXPECT_THAT(values[0], ElementsAre(1, -0.5F, 2, -1));
  EXPECT_THAT(values[1], ElementsAre(0.5F, -0.5F, 1, -1));
  EXPECT_THAT(Floats(input), ElementsAre(0.3F, -0.3F, 1.2F, -1.2F));
}

// relu overwrites a, which is fetched or not, and rounded or not.
TEST(EmulatedActivations, InPlaceStepsSeeAndLeaveRoundedValues) {
  Net net({graph::kBatch, 4}, "y");
  net.Add("Neg", {"x"}, {"a"});
  net.Add("Relu", {"a"}, {"b"});
  net.Add("Sigmoid", {"b"}, {"y"});
  const base::Tensor input = base::Tensor::FromF32({1, 4}, {-0.3F, 0.3F, -1.2F, 1.2F});
  for (const std::vector<std::string>& fetch :
       {std::vector<std::string>{"b"}, std::vector<std::string>{"b", "a"},
        std::vector<std::string>{"b", "y"}, std::vector<std::string>{"b", "a", "y"}}) {
    EXPECT_THAT(MustRun(net, {{"a", kHalves}}, input, fetch)[0], ElementsAre(0.5F, 0, 1, 0));
    EXPECT_THAT(MustRun(net, {{"b", kHalves}}, input, fetch)[0], ElementsAre(0.5F, 0, 1, 0));
    const auto both = MustRun(net, {{"a", kFine}, {"b", kHalves}}, input, fetch);
    EXPECT_THAT(both[0], ElementsAre(0.5F, 0, 1, 0));
    if (fetch.size() > 1 && fetch[1] == "a") {
      EXPECT_THAT(both[1], ElementsAre(0.3125F, 0, 1.1875F, 0));
    }
  }
}

// b and c are views of a: rounding one of them must not change the others.
TEST(EmulatedActivations, ViewsAreRoundedApart) {
  Net net({graph::kBatch, 4}, "y");
  net.Add("Neg", {"x"}, {"a"});
  net.Add("Identity", {"a"}, {"b"});
  net.Add("Split", {"a"}, {"c", "d"}, {{"axis", int64_t{1}}});
  net.Add("Add", {"a", "b"}, {"y"});
  const base::Tensor input = base::Tensor::FromF32({1, 4}, {-0.3F, -0.8F, 0.3F, 0.8F});
  const auto values =
      MustRun(net, {{"b", kHalves}, {"d", kHalves}}, input, {"a", "b", "c", "d", "y"});
  EXPECT_THAT(values[0], ElementsAre(0.3F, 0.8F, -0.3F, -0.8F));
  EXPECT_THAT(values[1], ElementsAre(0.5F, 1, -0.5F, -1));
  EXPECT_THAT(values[2], ElementsAre(0.3F, 0.8F));
  EXPECT_THAT(values[3], ElementsAre(-0.5F, -1));
  EXPECT_THAT(values[4], ElementsAre(0.3F + 0.5F, 0.8F + 1.0F, -0.3F - 0.5F, -0.8F - 1.0F));
}

// A transposed and an expanded value are not laid out as their elements count.
TEST(EmulatedActivations, StridedValuesKeepTheirPlaces) {
  Net net({graph::kBatch, 2, 3}, "t");
  net.constants.emplace("shape", base::Tensor::FromI64({4}, {2, 1, 2, 3}));
  net.Add("Transpose", {"x"}, {"t"}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
  net.Add("Expand", {"x", "axis"}, {"wide"});
  net.constants.emplace("axis", base::Tensor::FromI64({3}, {1, 2, 3}));
  net.Add("Slice", {"wide", "from", "to", "along"}, {"part"});
  net.constants.emplace("from", base::Tensor::FromI64({1}, {1}));
  net.constants.emplace("to", base::Tensor::FromI64({1}, {3}));
  net.constants.emplace("along", base::Tensor::FromI64({1}, {2}));
  const base::Tensor input = Varied({2, 2, 3}, 4);
  const std::vector<std::string> fetch = {"t", "wide", "part"};
  const auto plain = MustRun(net, {}, input, fetch);
  const auto rounded =
      MustRun(net, {{"t", kHalves}, {"wide", kHalves}, {"part", kFine}}, input, fetch);
  EXPECT_EQ(rounded[0], Rounded(plain[0], kHalves));
  EXPECT_EQ(rounded[1], Rounded(plain[1], kHalves));
  EXPECT_EQ(rounded[2], Rounded(Rounded(plain[2], kHalves), kFine));
}

// conv - bn - relu, a second branch, their concatenation, a layer behind it.
Net Branches() {
  Net net({graph::kBatch, 3, 6, 5}, "y");
  for (const std::string stage : {"a", "b"}) {
    net.constants.emplace(stage + ".w", Varied({4, 3, 3, 3}, stage == "a" ? 1 : 2));
    net.Add("Conv", {"x", stage + ".w"}, {stage + ".conv"},
            {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    for (const std::string part : {"gamma", "beta", "mean"}) {
      net.constants.emplace(stage + "." + part, Varied({4}, static_cast<uint32_t>(part.size())));
    }
    net.constants.emplace(stage + ".var", base::Tensor::FromF32({4}, {0.5F, 1, 2, 4}));
    net.Add("BatchNormalization",
            {stage + ".conv", stage + ".gamma", stage + ".beta", stage + ".mean", stage + ".var"},
            {stage + ".bn"});
    net.Add("Relu", {stage + ".bn"}, {stage});
  }
  net.Add("Concat", {"a", "b"}, {"ab"}, {{"axis", int64_t{1}}});
  net.constants.emplace("w", Varied({2, 8, 1, 1}, 6));
  net.Add("Conv", {"ab", "w"}, {"y"});
  return net;
}

const graph::ActivationRange kEighths{false, 0.125F, 0, "max"};

// Only what is named: a and b behind their folded normalization, not y, not ab.
TEST(EmulatedActivations, AreRoundedBehindWhatIsFoldedAndNowhereElse) {
  const Net net = Branches();
  const base::Tensor input = Varied({2, 3, 6, 5}, 9);
  const std::vector<std::string> fetch = {"a", "b", "ab", "y"};
  const auto plain = MustRun(net, {}, input, fetch);
  const auto rounded = MustRun(net, {{"a", kEighths}, {"b", kEighths}}, input, fetch);
  EXPECT_EQ(rounded[0], Rounded(plain[0], kEighths));
  EXPECT_EQ(rounded[1], Rounded(plain[1], kEighths));
  EXPECT_EQ(rounded[2], Rounded(plain[2], kEighths));
  // y as its layer computes it from the rounded values, in f64.
  const auto weight = std::get<base::Tensor>(net.constants.at("w")).as<float>();
  for (size_t i = 0; i < rounded[3].size(); ++i) {
    const size_t picture = i / 60;
    const size_t row = i / 30 % 2;
    double sum = 0;
    for (size_t c = 0; c < 8; ++c) {
      sum += static_cast<double>(weight[row * 8 + c]) *
             static_cast<double>(rounded[2][picture * 240 + c * 30 + i % 30]);
    }
    ASSERT_NEAR(static_cast<double>(rounded[3][i]), sum, 1e-4 * (1 + std::fabs(sum)));
  }
  EXPECT_NE(rounded[3], Rounded(rounded[3], kEighths));
}

// A value between a convolution and its normalization is one too: nothing folds over it.
TEST(EmulatedActivations, ForbidFoldingOverThem) {
  const Net net = Branches();
  const base::Tensor input = Varied({1, 3, 6, 5}, 9);
  const auto folded = MustRun(net, {}, input)[0];
  const auto rounded = MustRun(net, {{"a.conv", kHalves}}, input)[0];
  const auto fetched = MustRun(net, {{"a.conv", kHalves}}, input, {"a.conv", "y"});
  EXPECT_NE(folded, rounded);
  EXPECT_EQ(fetched[0], Rounded(fetched[0], kHalves));
  EXPECT_EQ(fetched[1], rounded);
}

TEST(EmulatedActivations, DoNotDependOnTheBatch) {
  const Net net = Branches();
  auto executor = Compile(net, {{"x", kFine}, {"a", kEighths}, {"b", kEighths}}, {"ab", "y"});
  ASSERT_TRUE(executor.ok()) << executor.status();
  const base::Tensor pictures = Varied({5, 3, 6, 5}, 9);
  const auto all = (*executor)->Run(pictures.view(), base::CancelToken());
  ASSERT_TRUE(all.ok()) << all.status();
  constexpr size_t kBytes = 3 * 6 * 5 * 4;
  for (size_t i = 0; i < 5; ++i) {
    const base::TensorView one{
        base::DType::kF32, {1, 3, 6, 5}, pictures.bytes().subspan(i * kBytes, kBytes)};
    const auto alone = (*executor)->Run(one, base::CancelToken());
    ASSERT_TRUE(alone.ok()) << alone.status();
    for (size_t k = 0; k < 2; ++k) {
      const auto want = (*alone)[k].as<float>();
      const auto got = (*all)[k].as<float>().subspan(i * want.size(), want.size());
      for (size_t e = 0; e < want.size(); ++e) ASSERT_NEAR(got[e], want[e], 1e-5F) << k;
    }
  }
}

TEST(EmulatedActivations, KeysMustBeComputedValuesOfTheGraph) {
  Net net({graph::kBatch, 4}, "y");
  net.constants.emplace("c", Varied({4}, 1));
  net.Add("Shape", {"x"}, {"shape"});
  net.Add("Add", {"x", "c"}, {"a"});
  net.Add("Greater", {"a", "c"}, {"mask"});
  net.Add("Where", {"mask", "a", "c"}, {"b"});
  net.Add("Reshape", {"b", "shape"}, {"y"});
  net.Add("Exp", {"x"}, {"dead"});
  const auto refused = [&](const std::string& key, const graph::ActivationRange& range) {
    const absl::Status status = Compile(net, {{key, range}}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << key;
    EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_ARGUMENT") << key;
    return std::string(status.message());
  };
  EXPECT_THAT(refused("nothing", kHalves), HasSubstr("no value nothing"));
  EXPECT_THAT(refused("c", kHalves), HasSubstr("no value c"));
  EXPECT_THAT(refused("mask", kHalves), HasSubstr("mask is BOOL"));
  EXPECT_THAT(refused("shape", kHalves), HasSubstr("shape is a constant"));
  EXPECT_THAT(refused("a", {false, 0, 0, "max"}), HasSubstr("activations.a.scale"));
  // What nothing needs is not computed, and not rounded.
  EXPECT_EQ(MustRun(net, {{"dead", kHalves}}, Varied({2, 4}, 2)),
            MustRun(net, {}, Varied({2, 4}, 2)));
}

}  // namespace
}  // namespace lbw::engine
