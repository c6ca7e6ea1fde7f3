#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "unit/graph/nets.h"

namespace lbw::graph {
namespace {

using ::testing::ElementsAre;
using testing_support::Counting;
using testing_support::MakeNode;
using testing_support::Net;

const Weight* Find(const std::vector<Weight>& weights, const std::string& name) {
  for (const Weight& weight : weights) {
    if (weight.constant == name) return &weight;
  }
  return nullptr;
}

struct RowCase {
  std::string name;
  std::string op;
  base::Shape weight;
  bool left = false;
  std::map<std::string, Attribute> attributes;
  int axis = 0;
  int groups = 1;
  bool depthwise = false;
};

class Rows : public ::testing::TestWithParam<RowCase> {};

TEST_P(Rows, AreTheOutputChannels) {
  const RowCase& c = GetParam();
  Net net;
  net.Input("x", {kBatch, 4});
  net.Output("y");
  net.constants.emplace("w", Counting(c.weight));
  net.Add(MakeNode(c.op,
                   c.left ? std::vector<std::string>{"w", "x"} : std::vector<std::string>{"x", "w"},
                   {"y"}, c.attributes));
  const std::vector<Weight> weights = FindWeights(net.graph, net.constants, {});
  ASSERT_EQ(weights.size(), 1U);
  EXPECT_EQ(weights[0].axis, c.axis);
  EXPECT_EQ(weights[0].groups, c.groups);
  EXPECT_EQ(weights[0].depthwise, c.depthwise);
  EXPECT_TRUE(weights[0].first);
  EXPECT_TRUE(weights[0].output);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Rows,
    ::testing::Values(
        RowCase{"conv", "Conv", {8, 4, 3, 3}, false, {}, 0, 1, false},
        RowCase{"conv_grouped", "Conv", {8, 2, 3, 3}, false, {{"group", int64_t{2}}}, 0, 1, false},
        RowCase{"depthwise", "Conv", {4, 1, 3, 3}, false, {{"group", int64_t{4}}}, 0, 1, true},
        RowCase{"one_channel_is_not_depthwise", "Conv", {4, 1, 3, 3}, false, {}, 0, 1, false},
        RowCase{
            "deconv", "ConvTranspose", {4, 3, 2, 2}, false, {{"group", int64_t{2}}}, 1, 2, false},
        RowCase{"gemm", "Gemm", {4, 7}, false, {}, 1, 1, false},
        RowCase{"gemm_transposed", "Gemm", {7, 4}, false, {{"transB", int64_t{1}}}, 0, 1, false},
        RowCase{"matmul_right", "MatMul", {2, 4, 7}, false, {}, 2, 1, false},
        RowCase{"matmul_left", "MatMul", {7, 3}, true, {}, 0, 1, false}),
    [](const auto& test) { return test.param.name; });

// x - conv a - relu - conv b (twice, shared) - y ; conv a - conv c - z
TEST(FindWeights, MarksFirstAndOutputsAndListsEveryReader) {
  Net net;
  net.Input("x", {kBatch, 3, 8, 8});
  net.Output("y");
  net.Output("z");
  for (const std::string name : {"a", "b", "c"}) {
    net.constants.emplace(name, Counting({3, 3, 1, 1}));
  }
  net.constants.emplace("bias", Counting({3}));
  net.constants.emplace("prior", Counting({1, 3, 8, 8}));
  net.Add(MakeNode("Conv", {"x", "a", "bias"}, {"a.out"}));
  net.Add(MakeNode("Relu", {"a.out"}, {"a.relu"}));
  net.Add(MakeNode("Conv", {"a.relu", "b"}, {"b.one"}));
  net.Add(MakeNode("Conv", {"b.one", "b"}, {"b.two"}));
  net.Add(MakeNode("Mul", {"b.two", "prior"}, {"y"}));
  net.Add(MakeNode("Conv", {"a.relu", "c"}, {"c.out"}));
  net.Add(MakeNode("Sigmoid", {"c.out"}, {"z"}));
  const std::vector<Weight> weights = FindWeights(net.graph, net.constants, {});
  ASSERT_EQ(weights.size(), 3U);
  EXPECT_EQ(weights[0].constant, "a");
  EXPECT_TRUE(weights[0].first);
  EXPECT_FALSE(weights[0].output);
  EXPECT_THAT(Find(weights, "b")->nodes, ElementsAre("b.one_node", "b.two_node"));
  EXPECT_TRUE(Find(weights, "b")->output);
  EXPECT_FALSE(Find(weights, "b")->first);
  EXPECT_TRUE(Find(weights, "c")->output);
  // Only what heads read counts as an output then.
  const std::vector<Weight> heads = FindWeights(net.graph, net.constants, {"a.relu"});
  EXPECT_TRUE(Find(heads, "a")->output);
  EXPECT_FALSE(Find(heads, "b")->output);
}

TEST(FindWeights, IntegersAndVectorsAreNoWeights) {
  Net net;
  net.Input("x", {kBatch, 3});
  net.Output("y");
  net.constants.emplace("ints", base::Tensor::FromI64({3, 2}, {1, 2, 3, 4, 5, 6}));
  net.constants.emplace("vector", Counting({3}));
  net.Add(MakeNode("MatMul", {"x", "ints"}, {"a"}));
  net.Add(MakeNode("MatMul", {"x", "vector"}, {"y"}));
  EXPECT_TRUE(FindWeights(net.graph, net.constants, {}).empty());
}

struct ViewCase {
  std::string name;
  base::Shape stored;
  std::vector<Node> views;  // from "w" to "v"
  std::string op;
  std::map<std::string, Attribute> attributes;
  int axis = 0;  // -1: no weight
};

class Views : public ::testing::TestWithParam<ViewCase> {};

TEST_P(Views, RowsAreThoseOfTheStoredConstant) {
  const ViewCase& c = GetParam();
  Net net;
  net.Input("x", {kBatch, 4});
  net.Output("y");
  net.constants.emplace("w", Counting(c.stored));
  net.constants.emplace("two_four", testing_support::Ints({2, 4}));
  net.constants.emplace("two_two_two_one", testing_support::Ints({2, 2, 2, 1}));
  for (const Node& node : c.views) net.Add(node);
  net.Add(MakeNode(c.op, {"x", "v"}, {"y"}, c.attributes));
  const std::vector<Weight> weights = FindWeights(net.graph, net.constants, {});
  ASSERT_EQ(weights.size(), c.axis < 0 ? 0U : 1U);
  if (c.axis < 0) return;
  EXPECT_EQ(weights[0].constant, "w");
  EXPECT_EQ(weights[0].axis, c.axis);
  EXPECT_THAT(weights[0].nodes, ElementsAre("y_node"));
}

Node View(const std::string& op, std::vector<std::string> inputs, const std::string& output,
          std::map<std::string, Attribute> attributes = {}) {
  return MakeNode(op, std::move(inputs), {output}, std::move(attributes));
}
const std::vector<int64_t> kHwio = {3, 2, 0, 1};

INSTANTIATE_TEST_SUITE_P(
    Cases, Views,
    ::testing::Values(
        ViewCase{"transpose", {7, 4}, {View("Transpose", {"w"}, "v")}, "MatMul", {}, 0},
        ViewCase{"transpose_twice",
                 {4, 7},
                 {View("Transpose", {"w"}, "t"), View("Transpose", {"t"}, "v")},
                 "MatMul",
                 {},
                 1},
        ViewCase{"convolution_stored_with_channels_last",
                 {3, 3, 4, 8},
                 {View("Transpose", {"w"}, "v", {{"perm", kHwio}})},
                 "Conv",
                 {},
                 3},
        ViewCase{"grouped_deconvolution_whose_groups_moved",
                 {2, 4, 3, 3},
                 {View("Transpose", {"w"}, "v", {{"perm", std::vector<int64_t>{1, 0, 2, 3}}})},
                 "ConvTranspose",
                 {{"group", int64_t{2}}},
                 -1},
        ViewCase{"unsqueeze_of_a_linear_layer",
                 {8, 4},
                 {View("Unsqueeze", {"w"}, "v", {{"axes", std::vector<int64_t>{2, 3}}})},
                 "Conv",
                 {},
                 0},
        ViewCase{"reshape_that_keeps_the_rows",
                 {2, 4, 1},
                 {View("Identity", {"two_four"}, "to"), View("Reshape", {"w", "to"}, "v")},
                 "Gemm",
                 {},
                 1},
        ViewCase{"reshape_that_merges_the_rows",
                 {2, 2, 2},
                 {View("Reshape", {"w", "two_four"}, "v")},
                 "Gemm",
                 {},
                 -1},
        ViewCase{"reshape_that_splits_the_rows",
                 {4, 2, 1},
                 {View("Reshape", {"w", "two_two_two_one"}, "v")},
                 "ConvTranspose",
                 {},
                 -1},
        ViewCase{"cast_through_integers",
                 {7, 4},
                 {View("Cast", {"w"}, "i", {{"to", int64_t{7}}}),
                  View("Cast", {"i"}, "v", {{"to", int64_t{1}}})},
                 "MatMul",
                 {},
                 -1},
        ViewCase{"cast_to_half",
                 {7, 4},
                 {View("Cast", {"w"}, "v", {{"to", int64_t{10}}})},
                 "MatMul",
                 {},
                 1}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace lbw::graph
