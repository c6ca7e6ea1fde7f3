// Gradients of a Trainable against central finite differences.
#include <ATen/core/Tensor.h>
#include <ATen/ops/mul.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "engine/torch/trainable.h"
#include "unit/engine/one_node.h"
#include "unit/engine/trainable_run.h"

namespace lbw::engine {
namespace {

using namespace testing_support;  // NOLINT(google-build-using-namespace)
using BatchNormRun = Trainable::BatchNormRun;
using Ints = std::vector<int64_t>;

// Relative to 1 or the derivative. Outputs are float: their rounding, about 1e-6 in the loss, costs
// 1e-4 of a derivative at a step of 1/64 and 4e-3 at 1/4096; a wrong factor in any operator is far
// above it.
constexpr double kTolerance = 5e-3;

struct Check {
  Trainable& trainable;
  base::Tensor pictures;
  BatchNormRun batch_norm = BatchNormRun::kFrozen;

  // Weighted sum of the output, so that no sum of gradients cancels; the sum itself in double.
  at::Tensor Loss(const Trainable::Values& values) const {
    const at::Tensor y = MustRun(trainable, pictures, values, batch_norm)[0].to(at::kDouble);
    const base::Shape shape(y.sizes().begin(), y.sizes().end());
    return at::mul(y, AsTorch(Varied(shape, 77)).to(at::kDouble)).sum();
  }

  // With element i of a value moved by `by`.
  double Moved(const std::string& name, int64_t i, float by) const {
    Trainable::Values values = LeafValues(trainable);
    values.at(name).detach().view({-1})[i].add_(by);
    return Loss(values).item<double>();
  }
};

// The derivative from steps of 1/64 down to 1/4096: the first that one of a quarter of the step
// confirms. Where a kink lies within the longer step, the two differ. nullopt: none is confirmed.
std::optional<double> Difference(const Check& check, const std::string& name, int64_t i) {
  std::optional<double> before;
  for (float step = 1.0F / 64; step >= 1.0F / 4096; step /= 4) {
    const double now =
        (check.Moved(name, i, step) - check.Moved(name, i, -step)) / (2.0 * double{step});
    if (before.has_value() &&
        std::fabs(now - *before) < kTolerance * std::max(1.0, std::fabs(now))) {
      return before;
    }
    before = now;
  }
  return std::nullopt;
}

void ExpectGradients(const Check& check) {
  const Trainable::Values values = LeafValues(check.trainable);
  check.Loss(values).backward();
  double largest = 0;
  for (const auto& [name, value] : values) {
    if (!value.requires_grad()) continue;
    ASSERT_TRUE(value.grad().defined()) << name;
    const std::vector<float> gradient = FloatsOf(value.grad());
    for (size_t i = 0; i < gradient.size(); ++i) {
      const std::optional<double> want = Difference(check, name, static_cast<int64_t>(i));
      ASSERT_TRUE(want.has_value()) << name << "[" << i << "]";
      largest = std::max(largest, std::fabs(*want));
      EXPECT_NEAR(double{gradient[i]}, *want, kTolerance * std::max(1.0, std::fabs(*want)))
          << name << "[" << i << "]";
    }
  }
  EXPECT_GT(largest, 0.05);
}

// Small weights and a bias of 2: what the operator under test reads lies in 1..3. On no common grid
// with the pictures: a tie between two maxima has no derivative.
Net Behind(const std::vector<graph::Node>& nodes) {
  Net net({2, 4, 4});
  net.Add(MakeNode("Conv", {"x", "w", "b"}, "c"));
  for (const graph::Node& node : nodes) net.Add(node);
  net.Set("w", base::Tensor::FromF32({2, 2, 1, 1}, {0.2531F, -0.1273F, 0.1419F, 0.3371F}));
  return net.Set("b", base::Tensor::FromF32({2}, {2, 1.75F}));
}

struct OperatorCase {
  std::string name;
  Net net;
};
void PrintTo(const OperatorCase& one, std::ostream* out) { *out << one.name; }

graph::Node Unary(const std::string& op, std::map<std::string, graph::Attribute> attributes = {}) {
  return MakeNode(op, {"c"}, "y", std::move(attributes));
}

void AddElementWise(std::vector<OperatorCase>& cases) {
  for (const char* op : {"Abs", "Erf", "Exp", "HardSwish", "Log", "Neg", "Reciprocal", "Relu",
                         "Sigmoid", "Softplus", "Sqrt", "Tanh", "LeakyRelu", "Elu", "Identity",
                         "Dropout", "GlobalAveragePool", "GlobalMaxPool", "Flatten"}) {
    cases.push_back({op, Behind({Unary(op)})});
  }
  cases.push_back({"HardSigmoid", Behind({Unary("HardSigmoid", {{"alpha", 0.125F}})})});
  // Both sides of the kink.
  for (const char* op : {"Relu", "LeakyRelu", "Elu", "HardSwish", "Abs"}) {
    Net net = Behind({MakeNode("Sub", {"c", "two"}, "s"), MakeNode(op, {"s"}, "y")});
    cases.push_back(
        {std::string(op) + "AroundZero", net.Set("two", base::Tensor::FromF32({1}, {2.01F}))});
  }
  for (const char* op : {"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"}) {
    Net net = Behind({MakeNode(op, {"c", "k"}, "y")});
    cases.push_back({op, net.Set("k", base::Tensor::FromF32({2, 1, 1}, {1.5F, 2.03F}))});
  }
  Net clip = Behind({MakeNode("Clip", {"c", "low", "high"}, "y")});
  clip.Set("low", base::Tensor::FromF32({}, {1.51F}));
  cases.push_back({"Clip", clip.Set("high", base::Tensor::FromF32({}, {2.21F}))});
  Net prelu = Behind({MakeNode("Sub", {"c", "two"}, "s"), MakeNode("Unsqueeze", {"a", "ax"}, "u"),
                      MakeNode("PRelu", {"s", "u"}, "y")});
  prelu.Set("two", base::Tensor::FromF32({1}, {2.01F})).Set("a", Varied({2, 1}, 3));
  cases.push_back({"PReluOfAViewedSlope", prelu.Set("ax", base::Tensor::FromI64({1}, {2}))});
  Net where = Behind({MakeNode("Greater", {"c", "k"}, "g"), MakeNode("Mul", {"c", "c"}, "q"),
                      MakeNode("Where", {"g", "q", "k"}, "y")});
  cases.push_back({"Where", where.Set("k", base::Tensor::FromF32({1}, {1.91F}))});
  for (const int64_t axis : {1, 3}) {
    cases.push_back(
        {"SoftmaxOver" + std::to_string(axis), Behind({Unary("Softmax", {{"axis", axis}})})});
  }
  Net old = Behind({Unary("Softmax", {{"axis", int64_t{1}}})});
  old.graph.opset = 11;
  cases.push_back({"SoftmaxOfOpset11", old});
}

void AddWindows(std::vector<OperatorCase>& cases) {
  const Ints two = {2, 2};
  const Ints one_side = {1, 1, 0, 0};
  for (const char* op : {"MaxPool", "AveragePool"}) {
    cases.push_back({op, Behind({Unary(op, {{"kernel_shape", two}, {"strides", two}})})});
    cases.push_back({std::string(op) + "PaddedOnOneSide",
                     Behind({Unary(op, {{"kernel_shape", two}, {"pads", one_side}})})});
  }
  for (const char* mode : {"nearest", "linear"}) {
    Net net = Behind({MakeNode("Resize", {"c", "", "s"}, "y", {{"mode", std::string(mode)}})});
    cases.push_back(
        {std::string("Resize_") + mode, net.Set("s", base::Tensor::FromF32({4}, {1, 1, 2, 1.5F}))});
  }
  Net deconv = Behind(
      {MakeNode("ConvTranspose", {"c", "tw", "tb"}, "y", {{"strides", two}, {"pads", one_side}})});
  cases.push_back({"ConvTransposeCroppedOnOneSide",
                   deconv.Set("tw", Varied({2, 2, 2, 2}, 4)).Set("tb", Varied({2}, 5))});
  Net padded = Behind({MakeNode("Conv", {"c", "w2"}, "y", {{"pads", one_side}, {"strides", two}})});
  cases.push_back({"ConvPaddedOnOneSide", padded.Set("w2", Varied({3, 2, 3, 3}, 4))});
  Net depthwise = Behind({MakeNode("Conv", {"c", "w2"}, "y", {{"group", int64_t{2}}})});
  cases.push_back({"ConvDepthwise", depthwise.Set("w2", Varied({2, 1, 3, 3}, 4))});
  Net line({2, 5});
  line.Add(MakeNode("Conv", {"x", "w", "b"}, "c"));
  line.Add(MakeNode("MaxPool", {"c"}, "y", {{"kernel_shape", Ints{2}}}));
  line.Set("w", base::Tensor::FromF32({2, 2, 1}, {0.2531F, -0.1273F, 0.1419F, 0.3371F}));
  cases.push_back({"ConvOfOneDimension", line.Set("b", Varied({2}, 5))});
}

void AddMoves(std::vector<OperatorCase>& cases) {
  for (const char* op : {"ReduceMean", "ReduceMax", "ReduceMin"}) {
    cases.push_back({op, Behind({Unary(op, {{"axes", Ints{2, 3}}})})});
  }
  Net sum = Behind({MakeNode("ReduceSum", {"c", "axes"}, "y")});
  cases.push_back({"ReduceSum", sum.Set("axes", base::Tensor::FromI64({1}, {1}))});
  for (const char* mode : {"constant", "reflect", "edge"}) {
    Net net = Behind({MakeNode("Pad", {"c", "p"}, "y", {{"mode", std::string(mode)}})});
    cases.push_back({std::string("Pad_") + mode,
                     net.Set("p", base::Tensor::FromI64({8}, {0, 0, 1, 2, 0, 0, 2, 1}))});
  }
  Net slice = Behind({MakeNode("Slice", {"c", "from", "to", "axes", "steps"}, "y")});
  slice.Set("from", base::Tensor::FromI64({2}, {3, 0}))
      .Set("to", base::Tensor::FromI64({2}, {0, 4}));
  slice.Set("axes", base::Tensor::FromI64({2}, {2, 3}));
  cases.push_back({"SliceBothWays", slice.Set("steps", base::Tensor::FromI64({2}, {-1, 2}))});
  Net gather = Behind({MakeNode("Gather", {"c", "i"}, "y", {{"axis", int64_t{3}}})});
  cases.push_back({"Gather", gather.Set("i", base::Tensor::FromI64({3}, {0, 2, -1}))});
  Net pick = Behind({MakeNode("Gather", {"c", "i"}, "y", {{"axis", int64_t{1}}})});
  cases.push_back({"GatherOfOne", pick.Set("i", base::Tensor::FromI64({}, {1}))});
  graph::Node split = MakeNode("Split", {"c"}, "s0", {{"axis", int64_t{1}}});
  split.outputs.push_back("s1");
  cases.push_back({"SplitAndConcat", Behind({split, MakeNode("Concat", {"s1", "s0", "s1"}, "y",
                                                             {{"axis", int64_t{2}}})})});
  cases.push_back({"Transpose", Behind({Unary("Transpose", {{"perm", Ints{0, 3, 1, 2}}})})});
  Net expand =
      Behind({MakeNode("GlobalAveragePool", {"c"}, "g"), MakeNode("Expand", {"g", "e"}, "y")});
  cases.push_back({"Expand", expand.Set("e", base::Tensor::FromI64({4}, {1, 1, 3, 2}))});
  Net reshape = Behind({MakeNode("Reshape", {"c", "to"}, "y")});
  cases.push_back({"Reshape", reshape.Set("to", base::Tensor::FromI64({3}, {0, 4, -1}))});
}

std::vector<OperatorCase> OperatorCases() {
  std::vector<OperatorCase> cases;
  AddElementWise(cases);
  AddWindows(cases);
  AddMoves(cases);
  return cases;
}

class OperatorGradients : public ::testing::TestWithParam<OperatorCase> {};

TEST_P(OperatorGradients, EqualFiniteDifferences) {
  const auto trainable = MustOpen(GetParam().net);
  ASSERT_NE(trainable, nullptr);
  base::Shape shape = GetParam().net.graph.inputs[0].shape;
  shape[0] = 2;
  ExpectGradients({*trainable, Varied(shape, 9)});
}

INSTANTIATE_TEST_SUITE_P(Every, OperatorGradients, ::testing::ValuesIn(OperatorCases()),
                         [](const auto& test) { return test.param.name; });

Net NormNet() {
  Net net({2, 3, 3});
  net.Add(MakeNode("Conv", {"x", "w", "b"}, "c", {{"pads", Ints{1, 1, 1, 1}}}));
  net.Add(MakeNode("BatchNormalization", {"c", "gamma", "beta", "mean", "var"}, "n"));
  net.Add(MakeNode("Sigmoid", {"n"}, "y"));
  net.Set("w", Varied({2, 2, 3, 3}, 1)).Set("b", Varied({2}, 2));
  net.Set("gamma", Varied({2}, 3)).Set("beta", Varied({2}, 4)).Set("mean", Varied({2}, 5));
  return net.Set("var", base::Tensor::FromF32({2}, {2, 3}));
}

TEST(TrainableGradients, OfWeightBiasGammaAndBetaUnderFrozenBatchNorm) {
  const auto trainable = MustOpen(NormNet());
  ASSERT_NE(trainable, nullptr);
  ExpectGradients({*trainable, Varied({3, 2, 3, 3}, 9)});
}

TEST(TrainableGradients, OfWeightBiasGammaAndBetaThroughTheBatchsStatistics) {
  const auto trainable = MustOpen(NormNet());
  ASSERT_NE(trainable, nullptr);
  ExpectGradients({*trainable, Varied({3, 2, 3, 3}, 9), BatchNormRun::kTraining});
}

// A weight that two layers read gets the sum.
TEST(TrainableGradients, OfATiedWeight) {
  Net net({2, 3, 3});
  net.Add(MakeNode("Conv", {"x", "w"}, "c")).Add(MakeNode("Sigmoid", {"c"}, "s"));
  net.Add(MakeNode("Conv", {"s", "w"}, "y")).Set("w", Varied({2, 2, 1, 1}, 1));
  const auto trainable = MustOpen(net);
  ASSERT_NE(trainable, nullptr);
  ASSERT_EQ(trainable->constants().size(), 1U);
  ExpectGradients({*trainable, Varied({2, 2, 3, 3}, 9)});
}

// Shared by two heads: both update it, one after the other, and gradients still flow.
TEST(TrainableGradients, OfATiedBatchNorm) {
  Net net({2, 3, 3});
  for (const std::string to : {"a", "d"}) {
    net.Add(MakeNode("BatchNormalization", {to == "a" ? "x" : "a", "gamma", "beta", "mean", "var"},
                     to));
  }
  net.Add(MakeNode("Sigmoid", {"d"}, "y"));
  net.Set("gamma", Varied({2}, 3)).Set("beta", Varied({2}, 4)).Set("mean", Varied({2}, 5));
  net.Set("var", base::Tensor::FromF32({2}, {2, 3}));
  const auto trainable = MustOpen(net);
  ASSERT_NE(trainable, nullptr);
  ASSERT_EQ(trainable->constants().size(), 4U);
  ExpectGradients({*trainable, Varied({3, 2, 3, 3}, 9), BatchNormRun::kTraining});
}

}  // namespace
}  // namespace lbw::engine
