// Element-wise operators, products and reductions against values worked by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "unit/engine/one_node.h"

namespace lbw::engine {
namespace {

using testing_support::Floats;
using testing_support::OneNode;
using testing_support::RunOneNode;
using Ints = std::vector<int64_t>;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

struct ElementCase {
  std::string name;
  std::string op;
  double (*expected)(double);
  std::map<std::string, graph::Attribute> attributes = {};
  bool positive = false;  // defined for positive numbers only
};

class ElementTest : public ::testing::TestWithParam<ElementCase> {};

TEST_P(ElementTest, EqualsTheFormula) {
  const ElementCase& c = GetParam();
  std::vector<float> values = {-4, -1, -0.25F, 0, 0.25F, 1, 2.5F, 7};
  if (c.positive) values = {0.25F, 0.5F, 1, 2, 3, 0.125F, 1.5F, 1.75F};
  const auto result = RunOneNode({c.op, base::Tensor::FromF32({2, 4}, values), {}, c.attributes});
  ASSERT_TRUE(result.ok()) << result.status();
  std::vector<float> expected;
  for (const float value : values) {
    expected.push_back(static_cast<float>(c.expected(static_cast<double>(value))));
  }
  EXPECT_THAT(Floats((*result)[0]), Pointwise(FloatNear(2e-5F), expected));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ElementTest,
    ::testing::Values(
        ElementCase{"Abs", "Abs", [](double x) { return std::fabs(x); }},
        ElementCase{"Ceil", "Ceil", [](double x) { return std::ceil(x); }},
        ElementCase{"Elu",
                    "Elu",
                    [](double x) { return x > 0 ? x : 0.5 * std::expm1(x); },
                    {{"alpha", 0.5F}}},
        ElementCase{"Erf", "Erf", [](double x) { return std::erf(x); }},
        ElementCase{"Exp", "Exp", [](double x) { return std::exp(x); }, {}, true},
        ElementCase{"Floor", "Floor", [](double x) { return std::floor(x); }},
        ElementCase{"HardSigmoid",
                    "HardSigmoid",
                    [](double x) { return std::fmin(std::fmax(x / 6 + 0.5, 0), 1); },
                    {{"alpha", 1.0F / 6}}},
        ElementCase{"HardSwish", "HardSwish",
                    [](double x) { return x * std::fmin(std::fmax(x / 6 + 0.5, 0), 1); }},
        ElementCase{"Identity", "Identity", [](double x) { return x; }},
        ElementCase{"LeakyRelu",
                    "LeakyRelu",
                    [](double x) { return x > 0 ? x : 0.1 * x; },
                    {{"alpha", 0.1F}}},
        ElementCase{"Log", "Log", [](double x) { return std::log(x); }, {}, true},
        ElementCase{"Neg", "Neg", [](double x) { return -x; }},
        ElementCase{"Reciprocal", "Reciprocal", [](double x) { return 1 / x; }, {}, true},
        ElementCase{"Relu", "Relu", [](double x) { return std::fmax(x, 0); }},
        ElementCase{"Sigmoid", "Sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }},
        ElementCase{"Softplus", "Softplus", [](double x) { return std::log1p(std::exp(x)); }},
        ElementCase{"Sqrt", "Sqrt", [](double x) { return std::sqrt(x); }, {}, true},
        ElementCase{"Tanh", "Tanh", [](double x) { return std::tanh(x); }},
        ElementCase{"Clip6",
                    "Clip",
                    [](double x) { return std::fmin(std::fmax(x, 0), 6); },
                    {{"min", 0.0F}, {"max", 6.0F}}},
        ElementCase{"Dropout", "Dropout", [](double x) { return x; }}),
    [](const auto& test) { return test.param.name; });

TEST(Clip, BoundsAsInputs) {
  const auto result = RunOneNode({"Clip",
                                  base::Tensor::FromF32({1, 4}, {-3, -1, 1, 3}),
                                  {base::Tensor::FromF32({}, {-2}), base::Tensor::FromF32({}, {2})},
                                  {}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Floats((*result)[0]), ElementsAre(-2, -1, 1, 2));
}

struct BinaryCase {
  std::string op;
  std::vector<float> expected;  // of [1, 2, 3; 4, 5, 6] and the row [2, 1, 4]
};

class BinaryTest : public ::testing::TestWithParam<BinaryCase> {};

TEST_P(BinaryTest, BroadcastsARow) {
  const auto result = RunOneNode({GetParam().op,
                                  base::Tensor::FromF32({2, 3}, {1, 2, 3, 4, 5, 6}),
                                  {base::Tensor::FromF32({3}, {2, 1, 4})},
                                  {}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Floats((*result)[0]), Pointwise(FloatNear(1e-4F), GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(Cases, BinaryTest,
                         ::testing::Values(BinaryCase{"Add", {3, 3, 7, 6, 6, 10}},
                                           BinaryCase{"Sub", {-1, 1, -1, 2, 4, 2}},
                                           BinaryCase{"Mul", {2, 2, 12, 8, 5, 24}},
                                           BinaryCase{"Div", {0.5F, 2, 0.75F, 2, 5, 1.5F}},
                                           BinaryCase{"Pow", {1, 2, 81, 16, 5, 1296}},
                                           BinaryCase{"Min", {1, 1, 3, 2, 1, 4}},
                                           BinaryCase{"Max", {2, 2, 4, 4, 5, 6}},
                                           BinaryCase{"PRelu", {1, 2, 3, 4, 5, 6}}),
                         [](const auto& test) { return test.param.op; });

TEST(PRelu, ScalesNegativeValuesByChannel) {
  const auto result = RunOneNode({"PRelu",
                                  base::Tensor::FromF32({1, 2, 1, 2}, {-1, 2, -3, -4}),
                                  {base::Tensor::FromF32({2, 1, 1}, {0.5F, 0.25F})},
                                  {}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Floats((*result)[0]), ElementsAre(-0.5F, 2, -0.75F, -1));
}

// [2, 2, 2]: before opset 13 axis 1 takes both last dimensions together.
TEST(Softmax, BothMeaningsOfTheAxis) {
  const base::Tensor x = base::Tensor::FromF32({1, 2, 2}, {0, 0, 0, std::log(5.0F)});
  const auto old = RunOneNode({"Softmax", x, {}, {}, /*opset=*/11});
  ASSERT_TRUE(old.ok()) << old.status();
  EXPECT_THAT(Floats((*old)[0]),
              Pointwise(FloatNear(1e-6F), std::vector<float>{0.125F, 0.125F, 0.125F, 0.625F}));
  const auto axis = RunOneNode({"Softmax", x, {}, {{"axis", int64_t{1}}}, /*opset=*/13});
  ASSERT_TRUE(axis.ok()) << axis.status();
  EXPECT_THAT(Floats((*axis)[0]),
              Pointwise(FloatNear(1e-6F), std::vector<float>{0.5F, 1.0F / 6, 0.5F, 5.0F / 6}));
  const auto last = RunOneNode({"Softmax", x, {}, {}, /*opset=*/13});
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_THAT(Floats((*last)[0]),
              Pointwise(FloatNear(1e-6F), std::vector<float>{0.5F, 0.5F, 1.0F / 6, 5.0F / 6}));
}

TEST(Gemm, TransposedWithFactors) {
  const base::Tensor x = base::Tensor::FromF32({2, 3}, {1, 2, 3, 4, 5, 6});
  const base::Tensor b = base::Tensor::FromF32({2, 3}, {1, 0, 1, 0, 1, 0});
  const base::Tensor c = base::Tensor::FromF32({2}, {10, 20});
  const auto result =
      RunOneNode({"Gemm", x, {b, c}, {{"transB", int64_t{1}}, {"alpha", 2.0F}, {"beta", 0.5F}}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Floats((*result)[0]), ElementsAre(13, 14, 25, 20));
  const auto plain = RunOneNode({"Gemm", x, {base::Tensor::FromF32({3, 1}, {1, 1, 1})}, {}});
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_THAT(Floats((*plain)[0]), ElementsAre(6, 15));
}

TEST(MatMul, BroadcastsOverTheBatch) {
  const base::Tensor x = base::Tensor::FromF32({2, 1, 2}, {1, 2, 3, 4});
  const auto result =
      RunOneNode({"MatMul", x, {base::Tensor::FromF32({2, 2}, {1, 10, 100, 1000})}, {}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT((*result)[0].shape(), ElementsAre(2, 1, 2));
  EXPECT_THAT(Floats((*result)[0]), ElementsAre(201, 2010, 403, 4030));
}

TEST(BatchNormalization, EqualsTheFormula) {
  const base::Tensor x = base::Tensor::FromF32({1, 2, 1, 2}, {1, 3, 10, 20});
  const auto result = RunOneNode(
      {"BatchNormalization",
       x,
       {base::Tensor::FromF32({2}, {2, 1}), base::Tensor::FromF32({2}, {0.5F, -1}),
        base::Tensor::FromF32({2}, {1, 10}), base::Tensor::FromF32({2}, {3.75F, 24.75F})},
       {{"epsilon", 0.25F}}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Floats((*result)[0]),
              Pointwise(FloatNear(1e-6F), std::vector<float>{0.5F, 2.5F, -1, 1}));
}

struct ReduceCase {
  std::string op;
  std::vector<float> over_last;
};

class ReduceTest : public ::testing::TestWithParam<ReduceCase> {};

TEST_P(ReduceTest, OverTheLastDimensionInBothForms) {
  const base::Tensor x = base::Tensor::FromF32({2, 3}, {1, 5, 3, -4, -6, -2});
  const auto attribute =
      RunOneNode({GetParam().op, x, {}, {{"axes", Ints{-1}}, {"keepdims", int64_t{0}}}, 11});
  ASSERT_TRUE(attribute.ok()) << attribute.status();
  EXPECT_THAT((*attribute)[0].shape(), ElementsAre(2));
  EXPECT_EQ(Floats((*attribute)[0]), GetParam().over_last);
  const auto input = RunOneNode({GetParam().op, x, {base::Tensor::FromI64({1}, {1})}, {}, 18});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_THAT((*input)[0].shape(), ElementsAre(2, 1));
  EXPECT_EQ(Floats((*input)[0]), GetParam().over_last);
}

INSTANTIATE_TEST_SUITE_P(Cases, ReduceTest,
                         ::testing::Values(ReduceCase{"ReduceMean", {3, -4}},
                                           ReduceCase{"ReduceSum", {9, -12}},
                                           ReduceCase{"ReduceMax", {5, -2}},
                                           ReduceCase{"ReduceMin", {1, -6}}),
                         [](const auto& test) { return test.param.op; });

}  // namespace
}  // namespace lbw::engine
