#include "graph/rounding_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "quant/quantize.h"
#include "unit/graph/nets.h"

namespace lbw::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing_support::Counting;
using testing_support::Ints;
using testing_support::MakeNode;
using testing_support::Net;

using Attributes = std::map<std::string, Attribute>;

class Points : public ::testing::Test {
 protected:
  Points() {
    net_.Input("x", {kBatch, 4, 8, 8});
    net_.Output("y");
  }

  // A 1x1 convolution whose weight is codes.
  void Layer(const std::string& input, const std::string& output) {
    Plain(input, output);
    Constant& weight = net_.constants.at(output + ".w");
    auto codes = quant::QuantizeTensor(std::get<base::Tensor>(weight).view(), {});
    ASSERT_TRUE(codes.ok()) << codes.status();
    weight = std::move(codes->tensor);
  }
  // The same with a weight that stays float.
  void Plain(const std::string& input, const std::string& output) {
    net_.constants.insert_or_assign(output + ".w", Counting({4, 4, 1, 1}));
    net_.Add(MakeNode("Conv", {input, output + ".w"}, {output}));
  }
  void Node(const std::string& op, std::vector<std::string> inputs, const std::string& output,
            Attributes attributes = {}) {
    net_.Add(MakeNode(op, std::move(inputs), {output}, std::move(attributes)));
  }

  std::vector<RoundingPoint> Find(const std::vector<std::string>& heads = {}) const {
    EXPECT_EQ(Validate(net_.graph, net_.constants), absl::OkStatus());
    return FindRoundingPoints(net_.graph, net_.constants, heads);
  }
  // (value, group), in their order.
  std::vector<std::pair<std::string, int>> Groups(
      const std::vector<std::string>& heads = {}) const {
    std::vector<std::pair<std::string, int>> groups;
    for (const RoundingPoint& point : Find(heads)) groups.emplace_back(point.value, point.group);
    return groups;
  }

  Net net_;
};

TEST_F(Points, ArePictureAndWhatIsComputedLastBeforeALayer) {
  Layer("x", "a");
  for (const std::string part : {"gamma", "beta", "mean", "var"}) {
    net_.constants.emplace(part, Counting({4}));
  }
  Node("BatchNormalization", {"a", "gamma", "beta", "mean", "var"}, "bn");
  Node("Relu", {"bn"}, "relu");
  Layer("relu", "b");
  Node("Add", {"b", "relu"}, "sum");  // reads what is rounded; its own sum is a point
  Layer("sum", "y");
  EXPECT_THAT(Find(), ElementsAre(RoundingPoint{"x", 0, true}, RoundingPoint{"relu", 1, false},
                                  RoundingPoint{"sum", 2, false}));
}

TEST_F(Points, AreMadeForLowBitLayersAlone) {
  Plain("x", "a");
  Node("Relu", {"a"}, "relu");
  Plain("relu", "b");
  Node("Relu", {"b"}, "relu_b");
  Node("Identity", {"relu_b"}, "y");
  EXPECT_THAT(Find(), IsEmpty());
  net_.graph.nodes.pop_back();
  Layer("relu_b", "y");
  EXPECT_THAT(Groups(), ElementsAre(Pair("relu_b", 0)));
}

struct MoveCase {
  std::string name;
  std::string op;
  std::vector<std::string> parameters;
  Attributes attributes;
  bool moves = true;
};

class Moves : public Points, public ::testing::WithParamInterface<MoveCase> {};

// relu -> the operator -> layer: the point is before it where it moves codes, behind it otherwise.
TEST_P(Moves, PassTheirInputsCodesOn) {
  const MoveCase& c = GetParam();
  net_.constants.emplace("ints", Ints({0, -1, 8, 8}));
  net_.constants.emplace("axes", Ints({1}));
  net_.constants.emplace("pads", Ints({0, 0, 1, 1, 0, 0, 1, 1}));
  net_.constants.emplace("zero", base::Tensor::FromF32({}, {0.0F}));
  net_.constants.emplace("one", base::Tensor::FromF32({}, {1.0F}));
  net_.constants.emplace("scales", base::Tensor::FromF32({4}, {1, 1, 2, 2}));
  Plain("x", "a");
  Node("Relu", {"a"}, "relu");
  std::vector<std::string> inputs = {"relu"};
  inputs.insert(inputs.end(), c.parameters.begin(), c.parameters.end());
  Node(c.op, inputs, "moved", c.attributes);
  Layer("moved", "y");
  EXPECT_THAT(Groups(), ElementsAre(Pair(c.moves ? "relu" : "moved", 0)));
}

const std::vector<int64_t> kTwo = {2, 2};

INSTANTIATE_TEST_SUITE_P(
    Operators, Moves,
    ::testing::Values(
        MoveCase{"max_pool", "MaxPool", {}, {{"kernel_shape", kTwo}}},
        MoveCase{"global_max_pool", "GlobalMaxPool", {}, {}},
        MoveCase{"average_pool", "AveragePool", {}, {{"kernel_shape", kTwo}}, false},
        MoveCase{"reshape", "Reshape", {"ints"}, {}}, MoveCase{"flatten", "Flatten", {}, {}},
        MoveCase{"transpose", "Transpose", {}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}}},
        MoveCase{"unsqueeze", "Unsqueeze", {"axes"}, {}},
        MoveCase{"squeeze", "Squeeze", {"axes"}, {}},
        MoveCase{"slice", "Slice", {"axes", "axes", "axes"}, {}},
        MoveCase{"split", "Split", {}, {{"axis", int64_t{1}}}},
        MoveCase{"gather", "Gather", {"axes"}, {{"axis", int64_t{1}}}},
        MoveCase{"expand", "Expand", {"ints"}, {}}, MoveCase{"identity", "Identity", {}, {}},
        MoveCase{"dropout", "Dropout", {}, {}},
        MoveCase{"to_half", "Cast", {}, {{"to", int64_t{10}}}},
        MoveCase{"to_int", "Cast", {}, {{"to", int64_t{7}}}, false},
        MoveCase{"nearest", "Resize", {"", "scales"}, {}},
        MoveCase{"linear", "Resize", {"", "scales"}, {{"mode", std::string("linear")}}, false},
        MoveCase{"pad_default", "Pad", {"pads"}, {}},
        MoveCase{"pad_zero", "Pad", {"pads", "zero"}, {}},
        MoveCase{"pad_one", "Pad", {"pads", "one"}, {}, false},
        MoveCase{"pad_edge", "Pad", {"pads", "one"}, {{"mode", std::string("edge")}}},
        MoveCase{"softmax", "Softmax", {}, {}, false},
        MoveCase{"clip", "Clip", {"zero"}, {}, false}),
    [](const auto& test) { return test.param.name; });

// Comparisons become floats: nothing to move codes from.
TEST_F(Points, ACastFromIntegersComputes) {
  net_.constants.emplace("half", base::Tensor::FromF32({}, {0.5F}));
  Node("Greater", {"x", "half"}, "mask");
  Node("Identity", {"mask"}, "same");
  Node("Cast", {"same"}, "ones", {{"to", int64_t{1}}});
  Layer("ones", "y");
  EXPECT_THAT(Groups(), ElementsAre(Pair("ones", 0)));
}

// a, b -> Concat -> pool -> layer;  b, c -> Concat -> layer;  d -> layer
TEST_F(Points, ConcatsShareARangeAndSoDoConcatsOfOneInput) {
  for (const std::string name : {"a", "b", "c", "d"}) {
    Plain("x", name + ".conv");
    Node("Relu", {name + ".conv"}, name);
  }
  Node("MaxPool", {"b"}, "pooled", {{"kernel_shape", std::vector<int64_t>{1, 1}}});
  Node("Concat", {"a", "pooled"}, "ab", {{"axis", int64_t{1}}});
  Node("Identity", {"ab"}, "ab2");
  Node("Concat", {"c", "b"}, "cb", {{"axis", int64_t{1}}});
  Layer("d", "y");
  Layer("ab2", "y1");
  EXPECT_THAT(Groups(), ElementsAre(Pair("a", 0), Pair("b", 0), Pair("d", 1)));
  Layer("cb", "y2");
  EXPECT_THAT(Groups(), ElementsAre(Pair("a", 0), Pair("b", 0), Pair("c", 0), Pair("d", 1)));
}

TEST_F(Points, ConcatOfConcatsOfOneValueIsLinear) {
  Plain("x", "c0");
  std::string last = "c0";
  for (int i = 0; i < 60; ++i) {
    const std::string next = "c" + std::to_string(i + 1);
    Node("Concat", {last, last}, next, {{"axis", int64_t{1}}});
    last = next;
  }
  Layer(last, "y");
  EXPECT_THAT(Groups(), ElementsAre(Pair("c0", 0)));
}

TEST_F(Points, AConcatWithAConstantIsComputed) {
  net_.constants.emplace("grid", Counting({1, 2, 8, 8}));
  Node("Identity", {"grid"}, "grid2");
  Plain("x", "a");
  Node("Concat", {"a", "grid2"}, "joined", {{"axis", int64_t{1}}});
  Node("MaxPool", {"joined"}, "pooled", {{"kernel_shape", kTwo}});
  Layer("pooled", "y");
  EXPECT_THAT(Groups(), ElementsAre(Pair("joined", 0)));
}

// The picture beside features: one group, and the picture is still known as one.
TEST_F(Points, ThePictureMayShareARange) {
  Plain("x", "a");
  Node("Concat", {"x", "a"}, "joined", {{"axis", int64_t{1}}});
  Layer("joined", "y");
  EXPECT_THAT(Find(), ElementsAre(RoundingPoint{"x", 0, true}, RoundingPoint{"a", 0, false}));
}

// Box and class branches, rearranged and joined; a second stage reads both scores and features.
TEST_F(Points, ValuesOfTheHeadStayFloat) {
  Layer("x", "stem");
  Node("Relu", {"stem"}, "features");
  Layer("features", "cls");
  Node("Transpose", {"cls"}, "cls_t", {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
  Node("Sigmoid", {"cls_t"}, "scores");
  Layer("features", "boxes");
  Layer("cls", "reads_logits");
  Node("Concat", {"scores", "features"}, "mixed", {{"axis", int64_t{1}}});
  Layer("mixed", "reads_mixed");
  Node("Add", {"boxes", "features"}, "refined");
  Layer("refined", "reads_boxes");
  Layer("features", "y");
  const std::vector<std::string> heads = {"boxes", "scores"};
  EXPECT_THAT(Groups(heads), ElementsAre(Pair("x", 0), Pair("features", 1)));
  // Without these heads the same values are points.
  EXPECT_THAT(Groups({"y"}), ElementsAre(Pair("x", 0), Pair("features", 1), Pair("cls", 2),
                                         Pair("scores", 1), Pair("refined", 3)));
}

TEST_F(Points, OutputsAreTheHeadWhereNoneIsNamed) {
  Layer("x", "a");
  Node("Relu", {"a"}, "y");
  Layer("y", "z");
  Node("Relu", {"z"}, "later");
  Layer("later", "last");
  EXPECT_THAT(Groups(), ElementsAre(Pair("x", 0)));
  EXPECT_THAT(Groups({"last"}), ElementsAre(Pair("x", 0), Pair("y", 1), Pair("later", 2)));
}

TEST_F(Points, OfMatMulAndGemmAreWhatIsNoWeight) {
  Net net;
  net.Input("x", {kBatch, 4});
  net.Output("y");
  quant::TensorOptions options;
  for (const std::string name : {"left", "right", "gemm"}) {
    auto codes = quant::QuantizeTensor(Counting({4, 4}).view(), options);
    ASSERT_TRUE(codes.ok());
    net.constants.emplace(name, std::move(codes->tensor));
  }
  net.constants.emplace("bias", Counting({4}));
  net.Add(MakeNode("Transpose", {"right"}, {"right_t"}));
  net.Add(MakeNode("MatMul", {"x", "right_t"}, {"a"}));
  net.Add(MakeNode("Tanh", {"a"}, {"b"}));
  net.Add(MakeNode("MatMul", {"left", "b"}, {"c"}));
  net.Add(MakeNode("Tanh", {"c"}, {"d"}));
  net.Add(MakeNode("Gemm", {"d", "gemm", "bias"}, {"e"}));
  net.Add(MakeNode("MatMul", {"e", "b"}, {"y"}));  // two activations: no weight
  std::vector<std::string> values;
  for (const RoundingPoint& point : FindRoundingPoints(net.graph, net.constants, {})) {
    values.push_back(point.value);
  }
  EXPECT_THAT(values, ElementsAre("x", "b", "d"));
}

}  // namespace
}  // namespace lbw::graph
