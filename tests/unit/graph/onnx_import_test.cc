#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "graph/onnx/import.h"
#include "support/test_data.h"
#include "unit/graph/onnx_model.h"

namespace lbw::graph {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using testing_support::Model;
using testing_support::SetInts;
using testing_support::SmallModel;

TEST(ImportOnnx, ReadsNodesConstantsAndShapes) {
  const auto imported = ImportOnnx(SmallModel().Bytes());
  ASSERT_TRUE(imported.ok()) << imported.status();
  const Graph& graph = imported->graph;
  EXPECT_EQ(graph.opset, 13);
  EXPECT_EQ(graph.max_batch, 0);
  ASSERT_EQ(graph.nodes.size(), 4U);
  EXPECT_EQ(graph.nodes[0].name, "first");
  EXPECT_EQ(graph.nodes[1].name, "r");  // nameless: called by its output
  EXPECT_THAT(graph.nodes[2].Ints("strides"), ElementsAre(2, 2));
  EXPECT_THAT(graph.inputs[0].shape, ElementsAre(kBatch, 2, 4, 4));
  EXPECT_THAT(graph.outputs[0].shape, ElementsAre(kBatch, 12));
  EXPECT_THAT(std::get<base::Tensor>(imported->constants.at("w")).as<float>(),
              ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(imported->dropped, IsEmpty());
  EXPECT_TRUE(Validate(graph, imported->constants).ok());
}

TEST(ImportOnnx, SortsNodesAndDropsWhatNothingReads) {
  Model model;
  model.Input("x", {-1, 4});
  model.Output("y");
  model.Floats("unused", {2});
  // IR version 3 lists initializers as inputs.
  model.Input("unused", {2});
  model.Node("Relu", {"b"}, {"y"});
  model.Node("Tanh", {"a"}, {"b"});
  model.Node("Exp", {"x"}, {"a"});
  const auto imported = ImportOnnx(model.Bytes());
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->graph.nodes[0].op_type, "Exp");
  EXPECT_EQ(imported->graph.nodes[2].op_type, "Relu");
  EXPECT_EQ(imported->graph.inputs.size(), 1U);
  EXPECT_THAT(imported->dropped, ElementsAre("unused"));
}

// W^T by a Transpose node, then MatMul: exporters of linear layers.
TEST(ImportOnnx, ATransposedWeightKeepsNameShapeAndValuesOfTheFile) {
  Model model;
  model.Input("x", {-1, 3});
  model.Output("y");
  model.Floats("fc.weight", {2, 3});
  SetInts(model.Node("Transpose", {"fc.weight"}, {"t"}), "perm", {1, 0});
  model.Node("Identity", {"t"}, {"u"});
  model.Node("MatMul", {"x", "u"}, {"y"});
  const auto imported = ImportOnnx(model.Bytes());
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->graph.nodes.size(), 3U);
  EXPECT_EQ(imported->graph.max_batch, 0);
  EXPECT_THAT(imported->graph.outputs[0].shape, ElementsAre(kBatch, 2));
  ASSERT_EQ(imported->constants.size(), 1U);
  const auto& stored = std::get<base::Tensor>(imported->constants.at("fc.weight"));
  EXPECT_THAT(stored.shape(), ElementsAre(2, 3));
  EXPECT_THAT(stored.as<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  const std::vector<Weight> weights = FindWeights(imported->graph, imported->constants, {});
  ASSERT_EQ(weights.size(), 1U);
  EXPECT_EQ(weights[0].constant, "fc.weight");
  EXPECT_EQ(weights[0].axis, 0);  // of [2, 3]: the two outputs
}

TEST(ImportOnnx, AWeightReadDirectlyAndTransposedIsOneWeight) {
  Model model;
  model.Input("x", {-1, 2});
  model.Output("y");
  model.Floats("w", {2, 2});
  SetInts(model.Node("Transpose", {"w"}, {"wt"}), "perm", {1, 0});
  model.Node("MatMul", {"x", "w"}, {"a"});
  model.Node("MatMul", {"a", "wt"}, {"y"});
  const auto imported = ImportOnnx(model.Bytes());
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->constants.size(), 1U);
  const std::vector<Weight> weights = FindWeights(imported->graph, imported->constants, {});
  ASSERT_EQ(weights.size(), 1U);
  EXPECT_THAT(weights[0].nodes, ElementsAre("a", "y"));
  EXPECT_EQ(weights[0].axis, 1);
}

// An exporter's leading 1 behind an Identity: the stored shape stays, the Reshape gets its own.
TEST(ImportOnnx, AReshapeWhoseShapeIsAViewOfAConstantTakesAnyBatch) {
  Model model;
  model.Input("x", {-1, 2, 4});
  model.Output("y");
  model.Ints("to", {1, -1});
  model.Node("Identity", {"to"}, {"same"});
  model.Node("Reshape", {"x", "same"}, {"y"});
  const auto imported = ImportOnnx(model.Bytes());
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->graph.max_batch, 0) << ::testing::PrintToString(imported->notes);
  EXPECT_THAT(imported->graph.outputs[0].shape, ElementsAre(kBatch, 8));
  EXPECT_THAT(std::get<base::Tensor>(imported->constants.at("to")).as<int64_t>(),
              ElementsAre(1, -1));
  EXPECT_TRUE(Validate(imported->graph, imported->constants).ok());
}

// Open height and width, then a layer with a fixed number of inputs: 96 x 64 only.
Model FixedByALayer() {
  Model model;
  model.Input("x", {-1, 1, -1, -1});
  model.Output("y");
  SetInts(model.Node("MaxPool", {"x"}, {"p"}), "kernel_shape", {32, 32});
  SetInts(*model.graph().mutable_node(0), "strides", {32, 32});
  model.Node("Flatten", {"p"}, {"f"});
  model.Floats("w", {6, 2});
  model.Node("MatMul", {"f", "w"}, {"y"});
  return model;
}

TEST(ImportOnnx, AGraphThatIsValidAtThePicturesSizeOnlyIsTriedAtThatSize) {
  const std::string bytes = FixedByALayer().Bytes();
  EXPECT_EQ(base::GetErrorDetails(ImportOnnx(bytes).status()).reason, "BAD_GRAPH");
  const auto imported = ImportOnnx(bytes, {}, {.channels = 1, .height = 96, .width = 64});
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->graph.max_batch, 0) << ::testing::PrintToString(imported->notes);
  EXPECT_THAT(imported->graph.outputs[0].shape, ElementsAre(kBatch, 2));
}

TEST(ReadOnnx, NeedsNoPicturesSize) {
  const auto read = ReadOnnx(FixedByALayer().Bytes());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(FindWeights(read->graph, read->constants, {}).size(), 1U);
}

TEST(ImportOnnx, EveryRealNetworkIsRead) {
  const std::optional<std::string> data = testing::TestDataDir();
  if (!data.has_value()) GTEST_SKIP() << "LBW_TEST_DATA is not set";
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(*data)) {
    if (entry.path().extension() != ".onnx") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    const auto imported = ImportOnnx(bytes);
    EXPECT_TRUE(imported.ok()) << entry.path() << ": " << imported.status();
    ++files;
  }
  EXPECT_GT(files, 0);
}

TEST(ImportOnnx, HalfPrecisionWeightsBecomeF32) {
  Model model;
  model.Input("x", {-1, 2});
  model.Output("y");
  onnx::TensorProto& half = *model.graph().add_initializer();
  half.set_name("half");
  half.set_data_type(onnx::TensorProto::FLOAT16);
  half.add_dims(2);
  half.add_int32_data(0x3C00);  // 1
  half.add_int32_data(0xC100);  // -2.5
  onnx::TensorProto& wide = *model.graph().add_initializer();
  wide.set_name("wide");
  wide.set_data_type(onnx::TensorProto::DOUBLE);
  wide.add_double_data(0.5);
  model.Node("Add", {"x", "half"}, {"a"});
  model.Node("Mul", {"a", "wide"}, {"y"});
  const auto imported = ImportOnnx(model.Bytes());
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_THAT(std::get<base::Tensor>(imported->constants.at("half")).as<float>(),
              ElementsAre(1, -2.5F));
  EXPECT_THAT(std::get<base::Tensor>(imported->constants.at("wide")).as<float>(),
              ElementsAre(0.5F));
}

TEST(ImportOnnx, ConstantNodesOfEveryForm) {
  Model model;
  model.Input("x", {-1, 3});
  model.Output("y");
  onnx::NodeProto& floats = model.Node("Constant", {}, {"floats"});
  onnx::AttributeProto& list = *floats.add_attribute();
  list.set_name("value_floats");
  list.set_type(onnx::AttributeProto::FLOATS);
  for (const float value : {1.0F, 2.0F, 3.0F}) list.add_floats(value);
  onnx::NodeProto& tensor = model.Node("Constant", {}, {"tensor"});
  onnx::AttributeProto& value = *tensor.add_attribute();
  value.set_name("value");
  value.set_type(onnx::AttributeProto::TENSOR);
  Model::Fill(*value.mutable_t(), "", {1});
  model.Node("Add", {"x", "floats"}, {"a"});
  model.Node("Add", {"a", "tensor"}, {"y"});
  const auto imported = ImportOnnx(model.Bytes());
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->graph.nodes.size(), 2U);
  EXPECT_THAT(std::get<base::Tensor>(imported->constants.at("floats")).as<float>(),
              ElementsAre(1, 2, 3));
}

struct BadCase {
  std::string name;
  std::function<void(Model&)> spoil;
  std::string reason;
  std::string says;
};

class BadModel : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadModel, IsRefusedByName) {
  Model model = SmallModel();
  GetParam().spoil(model);
  const absl::Status status = ImportOnnx(model.Bytes()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(status).reason, GetParam().reason) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().says));
}

onnx::TensorProto& Weight(Model& model) { return *model.graph().mutable_initializer(0); }
onnx::NodeProto& NodeAt(Model& model, int i) { return *model.graph().mutable_node(i); }

INSTANTIATE_TEST_SUITE_P(
    Cases, BadModel,
    ::testing::Values(
        BadCase{"unknown_operator", [](Model& m) { NodeAt(m, 1).set_op_type("LSTM"); },
                "UNSUPPORTED_OPERATOR", "node r: operator LSTM"},
        BadCase{"other_domain", [](Model& m) { NodeAt(m, 1).set_domain("com.microsoft"); },
                "UNSUPPORTED_OPERATOR", "com.microsoft::Relu"},
        BadCase{"subgraph_attribute",
                [](Model& m) {
                  auto* attribute = NodeAt(m, 1).add_attribute();
                  attribute->set_name("body");
                  attribute->set_type(onnx::AttributeProto::GRAPH);
                  attribute->mutable_g();
                },
                "UNSUPPORTED_OPERATOR", "body"},
        BadCase{"old_opset", [](Model& m) { m.proto().mutable_opset_import(0)->set_version(6); },
                "UNSUPPORTED_OPERATOR", "operator set 6"},
        BadCase{"future_opset",
                [](Model& m) { m.proto().mutable_opset_import(0)->set_version(99); },
                "UNSUPPORTED_OPERATOR", "operator set 99"},
        BadCase{"no_opset", [](Model& m) { m.proto().clear_opset_import(); }, "BAD_FILE",
                "no operator set"},
        BadCase{"no_graph", [](Model& m) { m.proto().clear_graph(); }, "BAD_FILE", "no graph"},
        BadCase{"cycle", [](Model& m) { NodeAt(m, 1).set_input(0, "p"); }, "BAD_GRAPH", "cycle"},
        BadCase{"missing_value", [](Model& m) { NodeAt(m, 1).set_input(0, "ghost"); }, "BAD_GRAPH",
                "ghost"},
        BadCase{"duplicate_output", [](Model& m) { NodeAt(m, 1).set_output(0, "c"); }, "BAD_GRAPH",
                "two values are called c"},
        BadCase{"output_is_a_constant_name", [](Model& m) { NodeAt(m, 1).set_output(0, "w"); },
                "BAD_GRAPH", "two values are called w"},
        BadCase{"duplicate_initializer", [](Model& m) { Weight(m).set_name("b"); }, "BAD_GRAPH",
                "two values are called b"},
        BadCase{"output_not_produced", [](Model& m) { m.Output("nowhere"); }, "BAD_GRAPH",
                "nowhere"},
        BadCase{"too_little_data", [](Model& m) { Weight(m).set_dims(0, 4); }, "BAD_FILE",
                "initializer w: shape [4, 2, 1, 1]"},
        BadCase{"shape_overflows",
                [](Model& m) {
                  Weight(m).set_dims(0, int64_t{1} << 62);
                  Weight(m).set_dims(1, int64_t{1} << 62);
                },
                "LIMIT_EXCEEDED", "initializer w"},
        BadCase{"negative_dimension", [](Model& m) { Weight(m).set_dims(0, -3); }, "LIMIT_EXCEEDED",
                "initializer w"},
        BadCase{"huge_shape_without_data",
                [](Model& m) {
                  Weight(m).clear_raw_data();
                  Weight(m).set_dims(0, 1'000'000'000);
                },
                "BAD_FILE", "the file has 0"},
        BadCase{"both_kinds_of_data", [](Model& m) { Weight(m).add_float_data(1); }, "BAD_FILE",
                "initializer w"},
        BadCase{"value_out_of_range",
                [](Model& m) {
                  auto& tensor = *m.graph().add_initializer();
                  tensor.set_name("small");
                  tensor.set_data_type(onnx::TensorProto::INT8);
                  tensor.add_dims(1);
                  tensor.add_int32_data(200);
                },
                "BAD_FILE", "does not fit I8"},
        BadCase{"strides_as_floats_are_not_ignored",
                [](Model& m) {
                  auto* attribute = NodeAt(m, 0).add_attribute();
                  attribute->set_name("strides");
                  attribute->set_type(onnx::AttributeProto::FLOATS);
                  attribute->add_floats(2);
                  attribute->add_floats(2);
                },
                "BAD_GRAPH",
                "node first (Conv): attribute strides is of type FLOATS; INTS is expected"},
        BadCase{"a_misspelt_attribute_is_not_ignored",
                [](Model& m) {
                  SetInts(NodeAt(m, 0), "stride", {2, 2});
                },
                "UNSUPPORTED_OPERATOR", "node first (Conv): attribute stride is not known"},
        BadCase{"external_data",
                [](Model& m) {
                  Weight(m).set_data_location(onnx::TensorProto::EXTERNAL);
                  Weight(m).clear_raw_data();
                },
                "BAD_FILE", "external data"},
        BadCase{"sparse", [](Model& m) { m.graph().add_sparse_initializer(); }, "BAD_FILE",
                "sparse"},
        BadCase{"string_tensor",
                [](Model& m) { Weight(m).set_data_type(onnx::TensorProto::STRING); },
                "UNSUPPORTED_OPERATOR", "element type 8"},
        BadCase{"name_is_not_utf8", [](Model& m) { NodeAt(m, 1).set_name("\xC0\x80"); }, "BAD_FILE",
                "UTF-8"},
        BadCase{"missing_input", [](Model& m) { NodeAt(m, 1).clear_input(); }, "BAD_GRAPH",
                "input 0 is missing"},
        BadCase{"shapes_contradict",
                [](Model& m) { Weight(m).set_dims(0, 1), Weight(m).set_dims(1, 6); }, "BAD_GRAPH",
                "channels"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace lbw::graph
