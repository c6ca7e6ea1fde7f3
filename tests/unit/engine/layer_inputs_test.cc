#include "engine/layer_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "engine/torch/torch_executor.h"
#include "quant/quantize.h"
#include "unit/engine/one_node.h"

namespace lbw::engine {
namespace {

using ::testing::HasSubstr;
using testing_support::MakeNode;
using testing_support::Varied;
using Ints = std::vector<int64_t>;
using Attributes = std::map<std::string, graph::Attribute>;

// A network whose last nodes read the weight "w"; "x" is its picture, "b" a bias of one value a
// row.
struct Net {
  std::string name;
  base::Shape picture;
  std::vector<graph::Node> nodes;
  graph::Constants constants;
  double beta = 1;  // what the bias is multiplied with
};

void PrintTo(const Net& net, std::ostream* out) { *out << net.name; }

graph::Graph GraphOf(const Net& net) {
  graph::Graph graph;
  graph.max_batch = 1;
  base::Shape shape = net.picture;
  shape[0] = graph::kBatch;
  graph.inputs = {{"x", base::DType::kF32, shape}};
  graph.outputs = {{net.nodes.back().outputs[0], base::DType::kF32, {}}};
  graph.nodes = net.nodes;
  return graph;
}

Net Layer(std::string name, const std::string& op, base::Shape picture, base::Shape weight,
          Attributes attributes = {}) {
  Net net;
  net.name = std::move(name);
  net.picture = std::move(picture);
  net.nodes = {MakeNode(op, {"x", "w"}, "y", std::move(attributes))};
  net.constants.emplace("w", Varied(std::move(weight), 3));
  return net;
}

Net WithBias(Net net, int64_t rows) {
  net.nodes.back().inputs.emplace_back("b");
  net.constants.emplace("b", Varied({rows}, 5));
  return net;
}

// The layer reads "w" through the nodes given, of which the last makes "v".
Net Through(Net net, std::vector<graph::Node> views) {
  for (graph::Node& node : net.nodes) {
    std::replace(node.inputs.begin(), node.inputs.end(), std::string("w"), std::string("v"));
  }
  net.nodes.insert(net.nodes.begin(), views.begin(), views.end());
  return net;
}

Net WithShape(Net net, const Ints& shape) {
  net.constants.emplace("shape",
                        base::Tensor::FromI64({static_cast<int64_t>(shape.size())}, shape));
  return net;
}

graph::Node Transposed(const Ints& perm) {
  return MakeNode("Transpose", {"w"}, "v", {{"perm", perm}});
}
graph::Node Reshaped() { return MakeNode("Reshape", {"w", "shape"}, "v"); }

base::Tensor AsF16(const base::Tensor& tensor) {
  base::Tensor half(base::DType::kF16, tensor.shape());
  const auto from = tensor.as<float>();
  std::transform(from.begin(), from.end(), half.mutable_as<uint16_t>().begin(), base::F32ToF16);
  return half;
}

graph::Weight WeightOf(const graph::Graph& graph, const Net& net) {
  for (const graph::Weight& weight : graph::FindWeights(graph, net.constants, {})) {
    if (weight.constant == "w") return weight;
  }
  ADD_FAILURE() << net.name << ": w is no weight";
  return {};
}

graph::InferredShapes ShapesOf(const graph::Graph& graph, const Net& net) {
  auto shapes = graph::InferShapes(graph, net.constants, {{"x", net.picture}});
  EXPECT_TRUE(shapes.ok()) << net.name << ": " << shapes.status();
  return shapes.ok() ? *std::move(shapes) : graph::InferredShapes();
}

size_t IndexOf(const graph::Graph& graph, const std::string& node) {
  const auto it = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                               [&](const graph::Node& n) { return n.name == node; });
  return static_cast<size_t>(it - graph.nodes.begin());
}

absl::StatusOr<WeightUse> Resolve(const Net& net, const std::string& node) {
  const graph::Graph graph = GraphOf(net);
  return ResolveWeightUse(graph, net.constants, ShapesOf(graph, net), WeightOf(graph, net),
                          IndexOf(graph, node));
}

// The values as the executor makes them.
std::vector<base::Tensor> RunNet(const Net& net, const std::vector<std::string>& fetch) {
  const graph::Graph graph = GraphOf(net);
  CompileOptions options;
  options.fetch = fetch;
  if (net.picture.size() == 4) {
    options.height = net.picture[2];
    options.width = net.picture[3];
  }
  auto executor = NewTorchExecutorFactory()->Compile(graph, net.constants, options);
  EXPECT_TRUE(executor.ok()) << net.name << ": " << executor.status();
  if (!executor.ok()) return {};
  auto values = (*executor)->Run(Varied(net.picture, 9).view(), base::CancelToken());
  EXPECT_TRUE(values.ok()) << net.name << ": " << values.status();
  return values.ok() ? *std::move(values) : std::vector<base::Tensor>();
}

// Where the output of a row at a position stands.
size_t OutputAt(const WeightUse& use, int64_t position, int64_t row) {
  const int64_t rows = use.groups * use.rows;
  switch (use.kind) {
    case WeightUse::Kind::kRows:
      return static_cast<size_t>(position * rows + row);
    case WeightUse::Kind::kColumns: {
      const int64_t width = use.in_sizes[2];
      return static_cast<size_t>((position / width * rows + row) * width + position % width);
    }
    default:
      return static_cast<size_t>(row * use.positions + position);
  }
}

// All positions in a scrambled order.
std::vector<int32_t> Scrambled(int64_t count) {
  std::vector<int32_t> positions(static_cast<size_t>(count));
  std::iota(positions.begin(), positions.end(), 0);
  base::Random random(13);
  for (size_t i = positions.size(); i > 1; --i) {
    std::swap(positions[i - 1], positions[random.Below(i)]);
  }
  return positions;
}

double BiasOf(const Net& net, int64_t row) {
  const auto it = net.constants.find("b");
  if (it == net.constants.end()) return 0;
  return net.beta * static_cast<double>(
                        std::get<base::Tensor>(it->second).as<float>()[static_cast<size_t>(row)]);
}

// The stored rows times the gathered inputs, and the sums of the outputs, against the real outputs.
void CheckUse(const Net& net, const graph::Weight& weight, const WeightUse& use) {
  const std::vector<base::Tensor> values = RunNet(net, {use.input, use.output});
  ASSERT_EQ(values.size(), 2U);
  const absl::Span<const float> output = values[1].as<float>();
  const base::Tensor& stored = std::get<base::Tensor>(net.constants.at("w"));
  const auto weights = base::ToF32(stored.view());
  ASSERT_TRUE(weights.ok());
  const quant::RowLayout layout = quant::MakeRowLayout(stored.shape(), weight.axis, weight.groups);
  ASSERT_EQ(layout.rows, use.groups * use.rows);
  ASSERT_EQ(layout.row_elements, use.columns);
  ASSERT_EQ(static_cast<int64_t>(output.size()), layout.rows * use.positions);

  const std::vector<int32_t> positions = Scrambled(use.positions);
  std::vector<double> sums(static_cast<size_t>(2 * layout.rows), 0.0);
  std::vector<double> expected_sums(sums.size(), 0.0);
  // In two calls, the first of a third of the positions.
  const size_t cut = positions.size() / 3;
  for (const auto& part : {absl::MakeConstSpan(positions).subspan(0, cut),
                           absl::MakeConstSpan(positions).subspan(cut)}) {
    const auto count = static_cast<int64_t>(part.size());
    std::vector<float> gathered(static_cast<size_t>(use.groups * count * use.columns), -77.0F);
    GatherInputs(use, values[0].as<float>(), part, absl::MakeSpan(gathered));
    AddOutputSums(use, output, part, absl::MakeSpan(sums));
    for (int64_t row = 0; row < layout.rows; ++row) {
      for (int64_t p = 0; p < count; ++p) {
        const float* x = gathered.data() + (row / use.rows * count + p) * use.columns;
        double product = 0;
        for (int64_t j = 0; j < use.columns; ++j) {
          product += static_cast<double>((*weights)[static_cast<size_t>(layout.Offset(row, j))]) *
                     static_cast<double>(x[j]);
        }
        const int64_t position = part[static_cast<size_t>(p)];
        const auto y = static_cast<double>(output[OutputAt(use, position, row)]);
        ASSERT_NEAR(use.output_scale * product, y - BiasOf(net, row), 1e-4)
            << "row=" << row << " position=" << position;
        const double unscaled = use.output_scale == 0 ? 0 : y / use.output_scale;
        expected_sums[static_cast<size_t>(2 * row)] += unscaled;
        expected_sums[static_cast<size_t>(2 * row + 1)] += unscaled * unscaled;
      }
    }
  }
  for (size_t i = 0; i < sums.size(); ++i) {
    ASSERT_NEAR(sums[i], expected_sums[i], 1e-9 * (1 + std::fabs(expected_sums[i]))) << i;
  }
}

std::vector<Net> Convolutions() {
  std::vector<Net> nets = {
      Layer("Conv1d", "Conv", {1, 3, 11}, {4, 3, 3},
            {{"strides", Ints{2}}, {"pads", Ints{2, 1}}, {"dilations", Ints{2}}}),
      Layer("Conv2d", "Conv", {1, 3, 7, 6}, {5, 3, 3, 2},
            {{"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 2, 1}}, {"dilations", Ints{1, 2}}}),
      Layer("Conv3d", "Conv", {1, 2, 5, 4, 6}, {3, 2, 2, 3, 2},
            {{"strides", Ints{1, 2, 1}},
             {"pads", Ints{0, 1, 1, 1, 1, 0}},
             {"dilations", Ints{2, 1, 3}}}),
      Layer("ConvGroups3d", "Conv", {1, 4, 3, 4, 3}, {6, 2, 2, 2, 2}, {{"group", int64_t{2}}}),
      Layer("ConvSameUpper", "Conv", {1, 2, 6, 5}, {3, 2, 3, 2},
            {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2, 2}}}),
      Layer("ConvSameLower", "Conv", {1, 2, 6, 5}, {3, 2, 2, 4},
            {{"auto_pad", std::string("SAME_LOWER")}}),
      Layer("ConvGroups", "Conv", {1, 6, 5, 5}, {4, 3, 3, 3},
            {{"group", int64_t{2}}, {"pads", Ints{1, 1, 1, 1}}}),
      Layer("ConvDepthwise", "Conv", {1, 4, 5, 6}, {8, 1, 3, 3},
            {{"group", int64_t{4}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}}),
      Layer("ConvMostlyPadding", "Conv", {1, 2, 1, 1}, {3, 2, 3, 3}, {{"pads", Ints{3, 3, 3, 3}}}),
  };
  nets.push_back(WithBias(Layer("ConvPointwiseWithBias", "Conv", {1, 3, 4, 5}, {6, 3, 1, 1}), 6));
  nets.push_back(
      Through(Layer("ConvHwio", "Conv", {1, 3, 6, 5}, {3, 2, 3, 4}, {{"pads", Ints{1, 1, 1, 0}}}),
              {Transposed({3, 2, 0, 1})}));
  nets.push_back(
      Through(Layer("ConvHwioGroups", "Conv", {1, 6, 6, 5}, {3, 2, 3, 4}, {{"group", int64_t{2}}}),
              {Transposed({3, 2, 0, 1})}));
  nets.push_back(Through(
      Layer("ConvHwioDepthwise", "Conv", {1, 4, 5, 6}, {3, 2, 4, 1}, {{"group", int64_t{4}}}),
      {Transposed({2, 3, 0, 1})}));
  nets.push_back(WithShape(
      Through(Layer("ConvReshaped", "Conv", {1, 3, 5, 5}, {4, 12}), {Reshaped()}), {4, 3, 2, 2}));
  Net unsqueezed = Through(Layer("ConvUnsqueezed", "Conv", {1, 3, 5, 5}, {4, 3}),
                           {MakeNode("Unsqueeze", {"w", "shape"}, "v")});
  nets.push_back(WithShape(std::move(unsqueezed), {2, 3}));
  Net half = Through(Layer("ConvCastFromHalf", "Conv", {1, 3, 5, 5}, {3, 3, 3, 4}),
                     {MakeNode("Identity", {"w"}, "same"),
                      MakeNode("Cast", {"same"}, "wide", {{"to", int64_t{1}}}),
                      MakeNode("Transpose", {"wide"}, "v", {{"perm", Ints{3, 2, 0, 1}}})});
  half.constants.insert_or_assign("w", AsF16(Varied({3, 3, 3, 4}, 3)));
  nets.push_back(std::move(half));
  // The shape itself is cast: from floats, which are no places of a weight.
  Net shaped = Through(Layer("ConvReshapedByACastShape", "Conv", {1, 3, 5, 5}, {4, 12}),
                       {MakeNode("Cast", {"floats"}, "shape", {{"to", int64_t{7}}}), Reshaped()});
  shaped.constants.emplace("floats", base::Tensor::FromF32({4}, {4, 3, 2, 2}));
  nets.push_back(std::move(shaped));
  return nets;
}

std::vector<Net> TransposedConvolutions() {
  std::vector<Net> nets = {
      Layer("ConvTranspose1d", "ConvTranspose", {1, 3, 6}, {3, 4, 3},
            {{"strides", Ints{2}}, {"pads", Ints{1, 0}}}),
      Layer("ConvTranspose2d", "ConvTranspose", {1, 4, 3, 4}, {4, 3, 3, 2},
            {{"strides", Ints{2, 3}},
             {"pads", Ints{1, 0, 0, 1}},
             {"dilations", Ints{1, 2}},
             {"output_padding", Ints{1, 2}}}),
      Layer("ConvTranspose3d", "ConvTranspose", {1, 2, 3, 2, 3}, {2, 3, 2, 2, 2},
            {{"strides", Ints{2, 1, 2}}}),
      Layer("ConvTransposeGroups", "ConvTranspose", {1, 4, 3, 3}, {4, 3, 3, 3},
            {{"group", int64_t{2}},
             {"strides", Ints{2, 2}},
             {"pads", Ints{1, 1, 1, 1}},
             {"output_padding", Ints{1, 1}}}),
      Layer("ConvTransposeDepthwise", "ConvTranspose", {1, 4, 3, 3}, {4, 1, 2, 2},
            {{"group", int64_t{4}}, {"strides", Ints{2, 2}}}),
      Layer("ConvTransposeSameUpper", "ConvTranspose", {1, 2, 3, 3}, {2, 3, 3, 3},
            {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2, 2}}}),
      Layer("ConvTransposeOutputShape", "ConvTranspose", {1, 2, 3, 3}, {2, 3, 3, 3},
            {{"output_shape", Ints{6, 5}}, {"strides", Ints{2, 2}}}),
  };
  nets.push_back(WithBias(Layer("ConvTransposeGroupsWithBias", "ConvTranspose", {1, 4, 3, 3},
                                {4, 3, 2, 2}, {{"group", int64_t{2}}}),
                          6));
  nets.push_back(Through(Layer("ConvTransposeStoredAsRows", "ConvTranspose", {1, 4, 3, 3},
                               {3, 4, 2, 2}, {{"strides", Ints{2, 2}}}),
                         {Transposed({1, 0, 2, 3})}));
  nets.push_back(Through(Layer("ConvTransposeHwoi", "ConvTranspose", {1, 4, 3, 3}, {2, 3, 5, 4}),
                         {Transposed({3, 2, 0, 1})}));
  nets.push_back(Through(Layer("ConvTransposeGroupsShuffled", "ConvTranspose", {1, 4, 3, 3},
                               {4, 2, 3, 5}, {{"group", int64_t{2}}}),
                         {Transposed({0, 3, 2, 1})}));
  return nets;
}

// x [1, 4, 6] as [4, 6], so that a Gemm has several positions.
Net GemmNet(std::string name, base::Shape weight, Attributes attributes) {
  Net net = Layer(std::move(name), "Gemm", {1, 4, 6}, std::move(weight), std::move(attributes));
  net.nodes[0].inputs[0] = "flat";
  net.nodes.insert(net.nodes.begin(), MakeNode("Reshape", {"x", "rows"}, "flat"));
  net.constants.emplace("rows", base::Tensor::FromI64({2}, {4, 6}));
  return net;
}

std::vector<Net> Products() {
  std::vector<Net> nets = {
      GemmNet("Gemm", {6, 5}, {}),
      GemmNet("GemmTransB", {5, 6}, {{"transB", int64_t{1}}}),
      GemmNet("GemmAlphaZero", {6, 5}, {{"alpha", 0.0F}}),
      Layer("GemmOneRow", "Gemm", {1, 6}, {6, 5}),
      Layer("MatMulRight", "MatMul", {1, 6}, {6, 4}),
      Layer("MatMulRightLeading", "MatMul", {1, 2, 3, 6}, {6, 4}),
  };
  Net scaled = WithBias(
      GemmNet("GemmAlphaBeta", {5, 6}, {{"transB", int64_t{1}}, {"alpha", 0.25F}, {"beta", -2.0F}}),
      5);
  scaled.beta = -2;
  nets.push_back(std::move(scaled));
  nets.push_back(
      Through(GemmNet("GemmThroughTranspose", {5, 6}, {{"alpha", -0.5F}}), {Transposed({1, 0})}));
  nets.push_back(Through(GemmNet("GemmTransBThroughTranspose", {6, 5}, {{"transB", int64_t{1}}}),
                         {Transposed({1, 0})}));
  nets.push_back(Through(Layer("MatMulRightThroughTranspose", "MatMul", {1, 3, 6}, {4, 6}),
                         {Transposed({1, 0})}));
  nets.push_back(WithShape(
      Through(Layer("MatMulRightReshaped", "MatMul", {1, 3, 6}, {2, 3, 4}), {Reshaped()}), {6, 4}));
  // The columns of what is stored stand in another order than the node reads them.
  nets.push_back(WithShape(Through(Layer("MatMulRightShuffled", "MatMul", {1, 5, 6}, {2, 3, 4}),
                                   {MakeNode("Transpose", {"w"}, "t", {{"perm", Ints{1, 0, 2}}}),
                                    MakeNode("Reshape", {"t", "shape"}, "v")}),
                           {6, 4}));
  Net left = Layer("MatMulLeft", "MatMul", {1, 3, 5}, {4, 3});
  std::swap(left.nodes[0].inputs[0], left.nodes[0].inputs[1]);
  nets.push_back(left);
  left.name = "MatMulLeftLeading";
  left.picture = {1, 2, 3, 5};
  nets.push_back(left);
  left.name = "MatMulLeftThroughTranspose";
  left.constants.insert_or_assign("w", Varied({3, 4}, 3));
  nets.push_back(Through(left, {Transposed({1, 0})}));
  left.name = "MatMulLeftShuffled";
  left.picture = {1, 2, 6, 5};
  left.constants.insert_or_assign("w", Varied({2, 4, 3}, 3));
  nets.push_back(
      WithShape(Through(left, {MakeNode("Transpose", {"w"}, "t", {{"perm", Ints{1, 2, 0}}}),
                               MakeNode("Reshape", {"t", "shape"}, "v")}),
                {4, 6}));
  return nets;
}

std::vector<Net> AllNets() {
  std::vector<Net> nets;
  for (const auto& family : {Convolutions(), TransposedConvolutions(), Products()}) {
    nets.insert(nets.end(), family.begin(), family.end());
  }
  return nets;
}

class LayerForms : public ::testing::TestWithParam<Net> {};

TEST_P(LayerForms, StoredRowsTimesGatheredInputsAreTheOutputs) {
  const Net& net = GetParam();
  const graph::Graph graph = GraphOf(net);
  const graph::Weight weight = WeightOf(graph, net);
  const auto use = Resolve(net, net.nodes.back().name);
  ASSERT_TRUE(use.ok()) << use.status();
  EXPECT_EQ(use->node, net.nodes.size() - 1);
  EXPECT_EQ(use->output, "y");
  CheckUse(net, weight, *use);
}

INSTANTIATE_TEST_SUITE_P(Forms, LayerForms, ::testing::ValuesIn(AllNets()),
                         [](const auto& form) { return form.param.name; });

// One weight, stored as HWIO, read by two convolutions of other windows.
TEST(ResolveWeightUse, EveryUseOfASharedWeightHasItsOwnWindow) {
  Net net =
      Through(Layer("Shared", "Conv", {1, 3, 6, 5}, {3, 3, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}}),
              {Transposed({3, 2, 0, 1})});
  net.nodes.push_back(MakeNode("Conv", {"y", "v"}, "z", {{"strides", Ints{2, 1}}}));
  const graph::Weight weight = WeightOf(GraphOf(net), net);
  ASSERT_EQ(weight.nodes, (std::vector<std::string>{"y_node", "z_node"}));
  for (const std::string& node : weight.nodes) {
    const auto use = Resolve(net, node);
    ASSERT_TRUE(use.ok()) << use.status();
    CheckUse(net, weight, *use);
  }
  EXPECT_EQ(Resolve(net, "y_node")->positions, 30);
  EXPECT_EQ(Resolve(net, "z_node")->positions, 6);
}

// Codes are read as their values' places are: what is stored has the same shape.
TEST(ResolveWeightUse, CodesLieAsTheirWeightsDo) {
  Net net = Through(Layer("Codes", "Conv", {1, 3, 6, 5}, {3, 3, 3, 4}), {Transposed({3, 2, 0, 1})});
  const auto plain = Resolve(net, "y_node");
  quant::TensorOptions options;
  options.axis = 3;
  auto codes = quant::QuantizeTensor(std::get<base::Tensor>(net.constants.at("w")).view(), options);
  ASSERT_TRUE(codes.ok()) << codes.status();
  net.constants.insert_or_assign("w", std::move(codes->tensor));
  const auto coded = Resolve(net, "y_node");
  ASSERT_TRUE(plain.ok() && coded.ok()) << plain.status() << coded.status();
  EXPECT_FALSE(plain->column.empty());
  EXPECT_EQ(coded->column, plain->column);
  EXPECT_EQ(coded->rows, 4);
  EXPECT_EQ(coded->columns, 27);
}

TEST(ResolveWeightUse, TheUsualOrderNeedsNoMapOfColumns) {
  for (const Net& net : AllNets()) {
    const auto use = Resolve(net, net.nodes.back().name);
    ASSERT_TRUE(use.ok()) << net.name << ": " << use.status();
    const bool moved = net.name.find("Hw") != std::string::npos ||
                       net.name.find("Shuffled") != std::string::npos ||
                       net.name == "ConvCastFromHalf";
    // Depthwise rows are [height, width] either way.
    EXPECT_EQ(use->column.empty(), !moved || net.name == "ConvHwioDepthwise") << net.name;
  }
}

TEST(GatherInputs, OfNoPositionsIsNothing) {
  for (const Net& net : AllNets()) {
    const auto use = Resolve(net, net.nodes.back().name);
    ASSERT_TRUE(use.ok()) << net.name << ": " << use.status();
    GatherInputs(*use, {}, {}, {});
  }
}

// A position may be asked for twice.
TEST(GatherInputs, GivesAPositionAsOftenAsItIsAskedFor) {
  const Net net = Layer("Conv", "Conv", {1, 2, 3, 3}, {3, 2, 2, 2});
  const auto use = Resolve(net, "y_node");
  ASSERT_TRUE(use.ok()) << use.status();
  const base::Tensor input = Varied({1, 2, 3, 3}, 4);
  const std::vector<int32_t> positions = {3, 0, 3};
  std::vector<float> gathered(24);
  GatherInputs(*use, input.as<float>(), positions, absl::MakeSpan(gathered));
  // Position 3: rows 1 and 2, columns 1 and 2, of either channel.
  const auto x = input.as<float>();
  const std::vector<float> expected = {x[4], x[5], x[7], x[8], x[13], x[14], x[16], x[17]};
  EXPECT_EQ(std::vector<float>(gathered.begin(), gathered.begin() + 8), expected);
  EXPECT_EQ(std::vector<float>(gathered.begin() + 16, gathered.end()), expected);
}

struct Refusal {
  std::string name;
  Net net;
  std::string node;
  std::string message;
};

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

std::vector<Refusal> Refusals() {
  std::vector<Refusal> refusals;
  Net trans_a = GemmNet("", {4, 5}, {{"transA", int64_t{1}}});
  refusals.push_back({"TransposedGemmInput", trans_a, "y_node", "its input is transposed"});
  refusals.push_back({"WeightWithBatch", Layer("", "MatMul", {1, 2, 3, 6}, {2, 6, 4}), "y_node",
                      "its weight has batch dimensions"});
  Net vector = Layer("", "MatMul", {1, 6}, {6, 4});
  vector.nodes[0].inputs[0] = "flat";
  vector.nodes.insert(vector.nodes.begin(), MakeNode("Reshape", {"x", "rows"}, "flat"));
  vector.constants.emplace("rows", base::Tensor::FromI64({1}, {6}));
  refusals.push_back({"InputOfOneDimension", vector, "y_node", "its input has one dimension"});
  // One weight read as itself and turned: its rows are columns of the second layer.
  Net tied = Layer("", "MatMul", {1, 3, 4}, {4, 4});
  tied.nodes.push_back(MakeNode("Transpose", {"w"}, "turned"));
  tied.nodes.push_back(MakeNode("MatMul", {"y", "turned"}, "z"));
  refusals.push_back({"TiedSquare", tied, "z_node", "its rows are not the rows that are stored"});
  tied.constants.insert_or_assign("w", Varied({4, 6}, 3));
  refusals.push_back({"TiedOblong", tied, "z_node",
                      "its weight w has 6 rows of 4 as stored and other ones as read"});
  return refusals;
}

class LayerRefusals : public ::testing::TestWithParam<Refusal> {};

TEST_P(LayerRefusals, NameNodeOperatorAndForm) {
  const Refusal& refusal = GetParam();
  const absl::Status status = Resolve(refusal.net, refusal.node).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(status).reason, "UNSUPPORTED_OPERATOR");
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr("node " + refusal.node));
  EXPECT_THAT(message, HasSubstr(refusal.message));
}

INSTANTIATE_TEST_SUITE_P(Forms, LayerRefusals, ::testing::ValuesIn(Refusals()),
                         [](const auto& form) { return form.param.name; });

// The other use of such a weight is none the worse for it.
TEST(ResolveWeightUse, ARefusedUseLeavesTheOthers) {
  for (const Refusal& refusal : Refusals()) {
    if (refusal.node != "z_node") continue;
    const auto use = Resolve(refusal.net, "y_node");
    ASSERT_TRUE(use.ok()) << use.status();
    CheckUse(refusal.net, WeightOf(GraphOf(refusal.net), refusal.net), *use);
  }
}

// Shapes of a graph that was well formed, attributes that are not.
TEST(ResolveWeightUse, PassesOnWhatShapesContradict) {
  const Net net = Layer("", "Conv", {1, 4, 5, 5}, {4, 2, 3, 3}, {{"group", int64_t{2}}});
  graph::Graph graph = GraphOf(net);
  const graph::InferredShapes shapes = ShapesOf(graph, net);
  const graph::Weight weight = WeightOf(graph, net);
  graph.nodes[0].attributes["group"] = int64_t{3};
  const absl::Status status = ResolveWeightUse(graph, net.constants, shapes, weight, 0).status();
  EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_GRAPH");
  EXPECT_THAT(std::string(status.message()), HasSubstr("node y_node (Conv)"));
}

}  // namespace
}  // namespace lbw::engine
