// ONNX models made of messages, for tests.
#ifndef LBW_TESTS_UNIT_GRAPH_ONNX_MODEL_H_
#define LBW_TESTS_UNIT_GRAPH_ONNX_MODEL_H_

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace lbw::graph::testing_support {

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

inline void SetInts(onnx::NodeProto& node, const std::string& name,
                    const std::vector<int64_t>& values) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute.add_ints(value);
}

// conv - relu - pool - reshape: small, with every kind of message.
inline Model SmallModel() {
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

}  // namespace lbw::graph::testing_support

#endif  // LBW_TESTS_UNIT_GRAPH_ONNX_MODEL_H_
