#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/io.h"
#include "base/status.h"
#include "graph/onnx/import.h"
#include "unit/graph/nets.h"

namespace lbw::graph {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Builds a model message by message.
class Model {
 public:
  Model() {
    model_.set_ir_version(8);
    model_.add_opset_import()->set_version(13);
    model_.mutable_graph()->set_name("g");
  }
  onnx::ModelProto& proto() { return model_; }
  onnx::GraphProto& graph() { return *model_.mutable_graph(); }
  std::string Bytes() const { return model_.SerializeAsString(); }

  // -1: a symbolic size.
  void Input(const std::string& name, const std::vector<int64_t>& shape) {
    auto* type = Value(graph().add_input(), name);
    for (const int64_t size : shape) {
      auto* dim = type->mutable_shape()->add_dim();
      if (size < 0) {
        dim->set_dim_param("N");
      } else {
        dim->set_dim_value(size);
      }
    }
  }
  void Output(const std::string& name) { Value(graph().add_output(), name); }

  onnx::TensorProto& Floats(const std::string& name, const std::vector<int64_t>& shape) {
    onnx::TensorProto& tensor = *graph().add_initializer();
    Fill(tensor, name, shape);
    return tensor;
  }
  void Ints(const std::string& name, const std::vector<int64_t>& values) {
    onnx::TensorProto& tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::INT64);
    tensor.add_dims(static_cast<int64_t>(values.size()));
    for (const int64_t value : values) tensor.add_int64_data(value);
  }
  onnx::NodeProto& Node(const std::string& op, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs) {
    onnx::NodeProto& node = *graph().add_node();
    node.set_op_type(op);
    for (const std::string& name : inputs) node.add_input(name);
    for (const std::string& name : outputs) node.add_output(name);
    return node;
  }
  static void Fill(onnx::TensorProto& tensor, const std::string& name,
                   const std::vector<int64_t>& shape) {
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    int64_t count = 1;
    for (const int64_t size : shape) {
      tensor.add_dims(size);
      count *= size;
    }
    std::string raw(static_cast<size_t>(count) * 4, '\0');
    for (int64_t i = 0; i < count; ++i) {
      const float value = static_cast<float>(i);
      std::memcpy(raw.data() + i * 4, &value, 4);
    }
    tensor.set_raw_data(raw);
  }

 private:
  static onnx::TypeProto::Tensor* Value(onnx::ValueInfoProto* info, const std::string& name) {
    info->set_name(name);
    auto* type = info->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    return type;
  }

  onnx::ModelProto model_;
};

void SetInts(onnx::NodeProto& node, const std::string& name, const std::vector<int64_t>& values) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute.add_ints(value);
}

// conv - relu - pool - reshape: small, with every kind of message.
Model SmallModel() {
  Model model;
  model.Input("x", {-1, 2, 4, 4});
  model.Output("y");
  model.Floats("w", {3, 2, 1, 1});
  model.Floats("b", {3});
  model.Ints("to", {1, -1});
  onnx::NodeProto& conv = model.Node("Conv", {"x", "w", "b"}, {"c"});
  conv.set_name("first");
  SetInts(conv, "kernel_shape", {1, 1});
  model.Node("Relu", {"c"}, {"r"});
  onnx::NodeProto& pool = model.Node("MaxPool", {"r"}, {"p"});
  SetInts(pool, "kernel_shape", {2, 2});
  SetInts(pool, "strides", {2, 2});
  model.Node("Reshape", {"p", "to"}, {"y"});
  return model;
}

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
TEST(ImportOnnx, AFoldedConstantKeepsItsInitializersName) {
  Model model;
  model.Input("x", {-1, 3});
  model.Output("y");
  model.Floats("fc.weight", {2, 3});
  SetInts(model.Node("Transpose", {"fc.weight"}, {"t"}), "perm", {1, 0});
  model.Node("Identity", {"t"}, {"u"});
  model.Node("MatMul", {"x", "u"}, {"y"});
  const auto imported = ImportOnnx(model.Bytes());
  ASSERT_TRUE(imported.ok()) << imported.status();
  ASSERT_EQ(imported->graph.nodes.size(), 1U);
  EXPECT_THAT(imported->graph.nodes[0].inputs, ElementsAre("x", "fc.weight"));
  const auto& weight = std::get<base::Tensor>(imported->constants.at("fc.weight"));
  EXPECT_THAT(weight.shape(), ElementsAre(3, 2));
  EXPECT_THAT(weight.as<float>(), ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST(ImportOnnx, AConstantThatOthersReadIsFoldedUnderItsOwnName) {
  Model model;
  model.Input("x", {-1, 2});
  model.Output("y");
  model.Floats("w", {2, 2});
  SetInts(model.Node("Transpose", {"w"}, {"wt"}), "perm", {1, 0});
  model.Node("MatMul", {"x", "w"}, {"a"});
  model.Node("MatMul", {"a", "wt"}, {"y"});
  const auto imported = ImportOnnx(model.Bytes());
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_THAT(std::get<base::Tensor>(imported->constants.at("w")).as<float>(),
              ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(std::get<base::Tensor>(imported->constants.at("wt")).as<float>(),
              ElementsAre(0, 2, 1, 3));
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

TEST(ImportOnnx, LimitsAreKept) {
  const std::string bytes = SmallModel().Bytes();
  ImportLimits limits;
  limits.max_file_bytes = bytes.size();
  limits.max_nodes = 4;
  limits.max_tensor_elements = 6;
  EXPECT_TRUE(ImportOnnx(bytes, limits).ok());
  for (int which = 0; which < 3; ++which) {
    ImportLimits tight = limits;
    if (which == 0) --tight.max_file_bytes;
    if (which == 1) --tight.max_nodes;
    if (which == 2) --tight.max_tensor_elements;
    EXPECT_EQ(base::GetErrorDetails(ImportOnnx(bytes, tight).status()).reason, "LIMIT_EXCEEDED");
  }
}

TEST(ImportOnnx, EveryTruncationIsAStatus) {
  const std::string bytes = SmallModel().Bytes();
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto result = ImportOnnx(bytes.substr(0, length));
    EXPECT_FALSE(result.ok()) << length;
  }
}

// Whatever comes through is a graph that validates.
TEST(ImportOnnx, EveryByteChangedIsAStatusOrAGraph) {
  const std::string bytes = SmallModel().Bytes();
  size_t accepted = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int flip : {0x01, 0x02, 0x08, 0x40, 0x80, 0xFF}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      const auto result = ImportOnnx(changed);
      if (!result.ok()) {
        EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << result.status();
        continue;
      }
      ++accepted;
      EXPECT_TRUE(Validate(result->graph, result->constants).ok());
      EXPECT_TRUE(FromJson(ToJson(result->graph)).ok());
    }
  }
  EXPECT_GT(accepted, 0U);
}

// Messages nested far beyond what any model has: protobuf's own limit stops them.
TEST(ImportOnnx, DeepNestingIsAStatus) {
  onnx::GraphProto inner;
  inner.set_name("g");
  std::string nested = inner.SerializeAsString();
  for (int depth = 0; depth < 300; ++depth) {
    onnx::AttributeProto attribute;
    attribute.set_name("a");
    attribute.set_type(onnx::AttributeProto::GRAPH);
    // Field 6 (g) by hand: a message of a message of ...
    std::string bytes = attribute.SerializeAsString();
    const auto length_prefixed = [](char tag, const std::string& body) {
      std::string out(1, tag);
      size_t length = body.size();
      while (length >= 0x80) {
        out += static_cast<char>(length % 0x80 + 0x80);
        length /= 0x80;
      }
      out += static_cast<char>(length);
      return out + body;
    };
    bytes += length_prefixed(0x32, nested);
    nested = length_prefixed(0x0A, length_prefixed(0x2A, bytes));  // node { attribute }
  }
  std::string model("\x08\x08", 2);
  model += std::string("\x3A\xFF\xFF\xFF\x07", 5) + nested;
  EXPECT_EQ(base::GetErrorDetails(ImportOnnx(model).status()).reason, "BAD_FILE");
}

TEST(LooksLikeOnnx, TellsFormatsApart) {
  const auto looks = [](const std::string& text) { return LooksLikeOnnx(base::AsBytes(text)); };
  EXPECT_TRUE(looks(SmallModel().Bytes()));
  EXPECT_FALSE(looks(""));
  EXPECT_FALSE(looks(std::string("\x08", 1)));
  EXPECT_FALSE(looks("PK\x03\x04 a zip file"));
  EXPECT_FALSE(looks(std::string("\x40\x00\x00\x00\x00\x00\x00\x00{\"a\":", 13)));
  EXPECT_FALSE(looks(std::string("\x80\x02\x8A\x0A", 4)));
}

}  // namespace
}  // namespace lbw::graph
