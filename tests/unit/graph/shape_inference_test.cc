#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "graph/graph.h"
#include "graph/operators.h"
#include "unit/graph/nets.h"

namespace lbw::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_support::Counting;
using testing_support::MakeNode;
using testing_support::Net;
using I = std::vector<int64_t>;

// Shape of `y` for a net whose input `x` has the shape.
absl::StatusOr<base::Shape> ShapeOfY(const Net& net, const base::Shape& x) {
  auto inferred = InferShapes(net.graph, net.constants, {{"x", x}});
  if (!inferred.ok()) return inferred.status();
  return inferred->values.find("y")->second.shape;
}

struct OneCase {
  std::string name;
  base::Shape x;
  std::string op;
  std::vector<base::Tensor> constants;
  std::map<std::string, Attribute> attributes;
  base::Shape y;
  int64_t opset = 13;
};

class OneNodeShape : public ::testing::TestWithParam<OneCase> {};

TEST_P(OneNodeShape, IsTheSpecifications) {
  const OneCase& c = GetParam();
  Net net;
  net.graph.opset = c.opset;
  net.Input("x", c.x);
  std::vector<std::string> inputs = {"x"};
  for (const base::Tensor& constant : c.constants) {
    inputs.push_back("c" + std::to_string(inputs.size()));
    net.constants.emplace(inputs.back(), constant);
  }
  net.Add(MakeNode(c.op, inputs, {"y"}, c.attributes));
  const auto y = ShapeOfY(net, c.x);
  ASSERT_TRUE(y.ok()) << y.status();
  EXPECT_EQ(*y, c.y);
}

using testing_support::Ints;

INSTANTIATE_TEST_SUITE_P(
    Cases, OneNodeShape,
    ::testing::Values(
        OneCase{"conv_same_stride",
                {1, 3, 7, 8},
                "Conv",
                {Counting({4, 3, 3, 3})},
                {{"auto_pad", std::string("SAME_UPPER")}, {"strides", I{2, 2}}},
                {1, 4, 4, 4}},
        OneCase{"conv_valid",
                {1, 3, 7, 8},
                "Conv",
                {Counting({4, 3, 3, 3})},
                {{"auto_pad", std::string("VALID")}, {"pads", I{1, 1, 1, 1}}},
                {1, 4, 5, 6}},
        OneCase{
            "conv_3d", {1, 2, 4, 5, 6}, "Conv", {Counting({3, 2, 2, 2, 2})}, {}, {1, 3, 3, 4, 5}},
        OneCase{"pool_ceil_window_would_start_in_the_padding",
                {1, 1, 5, 5},
                "MaxPool",
                {},
                {{"kernel_shape", I{1, 1}}, {"strides", I{3, 3}}, {"ceil_mode", int64_t{1}}},
                {1, 1, 2, 2}},
        OneCase{"pool_ceil",
                {1, 1, 65, 33},
                "MaxPool",
                {},
                {{"kernel_shape", I{2, 2}}, {"strides", I{2, 2}}, {"ceil_mode", int64_t{1}}},
                {1, 1, 33, 17}},
        OneCase{"deconv_output_padding",
                {1, 2, 3, 3},
                "ConvTranspose",
                {Counting({2, 4, 3, 3})},
                {{"strides", I{2, 2}}, {"pads", I{1, 1, 1, 1}}, {"output_padding", I{1, 1}}},
                {1, 4, 6, 6}},
        OneCase{"deconv_same",
                {1, 2, 3, 3},
                "ConvTranspose",
                {Counting({2, 4, 3, 3})},
                {{"strides", I{2, 2}}, {"auto_pad", std::string("SAME_LOWER")}},
                {1, 4, 6, 6}},
        OneCase{"deconv_output_shape",
                {1, 2, 3, 3},
                "ConvTranspose",
                {Counting({2, 4, 3, 3})},
                {{"strides", I{2, 2}}, {"output_shape", I{5, 6}}},
                {1, 4, 5, 6}},
        OneCase{"slice_backwards_from_before_the_first",
                {1, 4},
                "Slice",
                {Ints({-9}), Ints({-99}), Ints({1}), Ints({-1})},
                {},
                {1, 1}},
        OneCase{"slice_backwards_of_nothing",
                {1, 0},
                "Slice",
                {Ints({-1}), Ints({-99}), Ints({1}), Ints({-1})},
                {},
                {1, 0}},
        OneCase{"reshape_allowzero",
                {0, 3},
                "Reshape",
                {Ints({3, 0})},
                {{"allowzero", int64_t{1}}},
                {3, 0},
                14},
        OneCase{"flatten_at_rank", {2, 3}, "Flatten", {}, {{"axis", int64_t{2}}}, {6, 1}},
        OneCase{"flatten_at_zero", {2, 3}, "Flatten", {}, {{"axis", int64_t{0}}}, {1, 6}},
        OneCase{"squeeze_all", {1, 3, 1}, "Squeeze", {}, {}, {3}},
        OneCase{"resize_axes",
                {1, 2, 4, 4},
                "Resize",
                {base::Tensor(base::DType::kF32, {0}), base::Tensor::FromF32({2}, {2, 0.5F})},
                {{"axes", I{2, 3}}},
                {1, 2, 8, 2},
                18},
        OneCase{"upsample_attribute",
                {1, 2, 4, 4},
                "Upsample",
                {},
                {{"scales", std::vector<float>{1, 1, 2, 3}}},
                {1, 2, 8, 12},
                7},
        OneCase{
            "matmul_broadcast", {5, 1, 2, 3}, "MatMul", {Counting({4, 3, 6})}, {}, {5, 4, 2, 6}},
        OneCase{"matmul_vector", {2, 3}, "MatMul", {Counting({3})}, {}, {2}},
        OneCase{"reduce_all", {2, 3}, "ReduceMean", {}, {}, {1, 1}},
        OneCase{
            "reduce_noop", {2, 3}, "ReduceSum", {}, {{"noop_with_empty_axes", int64_t{1}}}, {2, 3}},
        OneCase{"gather_matrix",
                {2, 5},
                "Gather",
                {base::Tensor::FromI64({2, 2}, {0, 1, 2, 3})},
                {{"axis", int64_t{1}}},
                {2, 2, 2}}),
    [](const auto& test) { return test.param.name; });

struct BadCase {
  std::string name;
  base::Shape x;
  std::string op;
  std::vector<base::Tensor> constants;
  std::map<std::string, Attribute> attributes;
  std::string says;
  std::string reason = "BAD_GRAPH";
};

class BadNodeShape : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadNodeShape, NamesNodeAndCause) {
  const BadCase& c = GetParam();
  Net net;
  net.Input("x", c.x);
  std::vector<std::string> inputs = {"x"};
  for (const base::Tensor& constant : c.constants) {
    inputs.push_back("c" + std::to_string(inputs.size()));
    net.constants.emplace(inputs.back(), constant);
  }
  net.Add(MakeNode(c.op, inputs, {"y"}, c.attributes));
  const absl::Status status = ShapeOfY(net, c.x).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(status).reason, c.reason);
  EXPECT_THAT(std::string(status.message()), HasSubstr("y_node (" + c.op + ")"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(c.says));
}

constexpr int64_t kFar = std::numeric_limits<int64_t>::max();

INSTANTIATE_TEST_SUITE_P(
    Cases, BadNodeShape,
    ::testing::Values(
        BadCase{"conv_channels", {1, 4, 5, 5}, "Conv", {Counting({2, 3, 3, 3})}, {}, "channels"},
        BadCase{"conv_group",
                {1, 4, 5, 5},
                "Conv",
                {Counting({3, 2, 3, 3})},
                {{"group", int64_t{2}}},
                "group must divide"},
        BadCase{"conv_group_zero",
                {1, 4, 5, 5},
                "Conv",
                {Counting({3, 2, 3, 3})},
                {{"group", int64_t{0}}},
                "group must divide"},
        BadCase{"conv_window_too_large",
                {1, 3, 2, 2},
                "Conv",
                {Counting({2, 3, 3, 3})},
                {},
                "larger than the padded input"},
        BadCase{"conv_negative_pad",
                {1, 3, 5, 5},
                "Conv",
                {Counting({2, 3, 3, 3})},
                {{"pads", I{-1, 0, 0, 0}}},
                "pads must lie in"},
        BadCase{"conv_stride_zero",
                {1, 3, 5, 5},
                "Conv",
                {Counting({2, 3, 3, 3})},
                {{"strides", I{0, 1}}},
                "strides must lie in"},
        BadCase{"conv_huge_dilation",
                {1, 3, 5, 5},
                "Conv",
                {Counting({2, 3, 3, 3})},
                {{"dilations", I{kFar, 1}}},
                "dilations must lie in"},
        BadCase{"deconv_output_shape_beyond_int64",
                {1, 2, 3, 3},
                "ConvTranspose",
                {Counting({2, 4, 3, 3})},
                {{"output_shape", I{std::numeric_limits<int64_t>::min(), 5}}},
                "output_shape must lie in"},
        BadCase{"deconv_output_shape_too_large",
                {1, 2, 3, 3},
                "ConvTranspose",
                {Counting({2, 4, 3, 3})},
                {{"output_shape", I{5, kFar}}},
                "output_shape must lie in"},
        BadCase{"conv_kernel_shape",
                {1, 3, 5, 5},
                "Conv",
                {Counting({2, 3, 3, 3})},
                {{"kernel_shape", I{5, 5}}},
                "contradicts the weight"},
        BadCase{"conv_bias",
                {1, 3, 5, 5},
                "Conv",
                {Counting({2, 3, 3, 3}), Counting({3})},
                {},
                "bias must be [2]"},
        BadCase{"reshape_overflow",
                {1, 4},
                "Reshape",
                {Ints({int64_t{1} << 62, 4})},
                {},
                "cannot reshape"},
        BadCase{"reshape_two_open", {1, 4}, "Reshape", {Ints({-1, -1})}, {}, "cannot reshape"},
        BadCase{"transpose_perm", {1, 4}, "Transpose", {}, {{"perm", I{0, 0}}}, "permutation"},
        BadCase{"concat_axis",
                {1, 4},
                "Concat",
                {Counting({1, 4})},
                {{"axis", int64_t{2}}},
                "within the rank"},
        BadCase{"slice_zero_step",
                {1, 4},
                "Slice",
                {Ints({0}), Ints({1}), Ints({1}), Ints({0})},
                {},
                "steps must not be 0"},
        BadCase{"pad_reflect_too_far",
                {1, 3},
                "Pad",
                {Ints({0, 3, 0, 0})},
                {{"mode", std::string("reflect")}},
                "do not fit dimension 1"},
        BadCase{"pad_far", {1, 3}, "Pad", {Ints({0, kFar, 0, kFar})}, {}, "do not fit"},
        BadCase{"gemm_shapes", {1, 3}, "Gemm", {Counting({2, 2})}, {}, "do not fit"},
        BadCase{"broadcast", {1, 3}, "Add", {Counting({2})}, {}, "do not broadcast"},
        BadCase{"types", {1, 3}, "Add", {Ints({1, 2, 3})}, {}, "differ in type"},
        BadCase{
            "expand_too_large", {1, 1}, "Expand", {Ints({kFar, 1})}, {}, "2^31", "LIMIT_EXCEEDED"},
        BadCase{"rank", {1, 1}, "Reshape", {Ints(I(17, 1))}, {}, "16 dimensions", "LIMIT_EXCEEDED"},
        BadCase{"cast_to_text",
                {1, 1},
                "Cast",
                {},
                {{"to", int64_t{8}}},
                "type 8",
                "UNSUPPORTED_OPERATOR"},
        BadCase{"training",
                {1, 1, 1, 1},
                "BatchNormalization",
                {Counting({1}), Counting({1}), Counting({1}), Counting({1})},
                {{"training_mode", int64_t{1}}},
                "training_mode",
                "UNSUPPORTED_OPERATOR"}),
    [](const auto& test) { return test.param.name; });

// What exporters write for x.view(x.size(0), -1, 4): shape arithmetic in seven nodes.
TEST(ShapeInference, EvaluatesShapeArithmetic) {
  Net net;
  net.Input("x", {2, 8, 3, 3});
  net.constants.emplace("zero", base::Tensor::FromI64({}, {0}));
  net.constants.emplace("minus", Ints({-1}));
  net.constants.emplace("four", Ints({4}));
  net.constants.emplace("axes", Ints({0}));
  net.Add(MakeNode("Shape", {"x"}, {"shape"}));
  net.Add(MakeNode("Gather", {"shape", "zero"}, {"n"}));
  net.Add(MakeNode("Unsqueeze", {"n", "axes"}, {"n1"}));
  net.Add(MakeNode("Concat", {"n1", "minus", "four"}, {"to"}, {{"axis", int64_t{0}}}));
  net.Add(MakeNode("Reshape", {"x", "to"}, {"y"}));
  auto inferred = InferShapes(net.graph, net.constants, {{"x", {2, 8, 3, 3}}});
  ASSERT_TRUE(inferred.ok()) << inferred.status();
  EXPECT_THAT(inferred->values.find("y")->second.shape, ElementsAre(2, 18, 4));
  EXPECT_THAT(inferred->known.find("to")->second.as<int64_t>(), ElementsAre(2, -1, 4));
}

// floor(size * 2.0) as old exporters upsample: Cast, Mul, Floor, Cast back.
TEST(ShapeInference, EvaluatesFloatArithmeticOnSizes) {
  Net net;
  net.graph.opset = 11;
  net.Input("x", {1, 2, 3, 5});
  net.constants.emplace("none", base::Tensor(base::DType::kF32, {0}));
  net.constants.emplace("two", base::Tensor::FromF32({}, {2}));
  net.Add(MakeNode("Shape", {"x"}, {"shape"}));
  net.Add(MakeNode("Slice", {"shape", "b0", "e2"}, {"front"}));
  net.Add(MakeNode("Slice", {"shape", "e2", "e4"}, {"hw"}));
  net.constants.emplace("b0", Ints({0}));
  net.constants.emplace("e2", Ints({2}));
  net.constants.emplace("e4", Ints({4}));
  net.Add(MakeNode("Cast", {"hw"}, {"hwf"}, {{"to", int64_t{1}}}));
  net.Add(MakeNode("Mul", {"hwf", "two"}, {"scaled"}));
  net.Add(MakeNode("Floor", {"scaled"}, {"floored"}));
  net.Add(MakeNode("Cast", {"floored"}, {"back"}, {{"to", int64_t{7}}}));
  net.Add(MakeNode("Concat", {"front", "back"}, {"sizes"}, {{"axis", int64_t{0}}}));
  net.Add(MakeNode("Resize", {"x", "none", "none", "sizes"}, {"y"}));
  const auto y = ShapeOfY(net, {1, 2, 3, 5});
  ASSERT_TRUE(y.ok()) << y.status();
  EXPECT_THAT(*y, ElementsAre(1, 2, 6, 10));
}

// 200 ranges of 2^16 numbers are 100 MiB that nobody asked for.
TEST(ShapeInference, ArithmeticHasABudget) {
  Net net;
  net.Input("x", {1});
  net.constants.emplace("from", base::Tensor::FromI64({}, {0}));
  net.constants.emplace("to", base::Tensor::FromI64({}, {1 << 16}));
  net.constants.emplace("by", base::Tensor::FromI64({}, {1}));
  for (int i = 0; i < 200; ++i) {
    net.Add(MakeNode("Range", {"from", "to", "by"}, {"r" + std::to_string(i)}));
  }
  const absl::Status status = InferShapes(net.graph, net.constants, {{"x", {1}}}).status();
  EXPECT_EQ(base::GetErrorDetails(status).reason, "LIMIT_EXCEEDED");
}

TEST(Operators, EveryOneIsFoundByName) {
  for (const OperatorInfo& info : AllOperators()) {
    EXPECT_EQ(FindOperator(info.name), &info) << info.name;
    EXPECT_LE(info.min_inputs, info.max_inputs) << info.name;
  }
  EXPECT_FALSE(IsKnownOperator("LSTM"));
  EXPECT_FALSE(IsKnownOperator(""));
}

}  // namespace
}  // namespace lbw::graph
