// GraphProto -> nodes and constants.
#include <onnx/onnx_pb.h>

#include <memory>
#include <set>
#include <utility>

#include "base/strings.h"
#include "graph/onnx/steps.h"
#include "graph/operators.h"

namespace lbw::graph {
namespace {

base::Error Unsupported(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedOperator,
                     message);
}

// Weights are computed with in f32, whatever width they are stored in.
absl::StatusOr<base::Tensor> WidenFloats(base::Tensor tensor, std::string_view where) {
  if (!base::IsFloating(tensor.dtype()) || tensor.dtype() == base::DType::kF32) return tensor;
  const absl::StatusOr<std::vector<float>> values = base::ToF32(tensor.view());
  if (!values.ok()) return base::WithContext(values.status(), where);
  return base::Tensor::FromF32(tensor.shape(), *values);
}

class Reader {
 public:
  Reader(const ImportLimits& limits, Imported& imported) : limits_(limits), imported_(imported) {}

  absl::Status AddInitializer(onnx::TensorProto& proto) {
    const std::string name = proto.name();
    if (name.empty() || !IsCleanText(name)) return BadFile("an initializer has no proper name");
    const std::string where = base::StrCat("initializer ", name);
    LBW_ASSIGN_OR_RETURN(base::Tensor tensor, ReadTensor(proto, where, limits_));
    const std::unique_ptr<std::string> freed(proto.release_raw_data());
    return AddConstant(name, std::move(tensor), where);
  }

  absl::Status AddNode(const onnx::NodeProto& proto) {
    Node node;
    node.op_type = proto.op_type();
    node.inputs.assign(proto.input().begin(), proto.input().end());
    node.outputs.assign(proto.output().begin(), proto.output().end());
    node.name = proto.name();
    // An output left out at the end is the same as none.
    while (!node.outputs.empty() && node.outputs.back().empty()) node.outputs.pop_back();
    while (!node.inputs.empty() && node.inputs.back().empty()) node.inputs.pop_back();
    if (node.outputs.empty()) {
      return BadFile(base::StrCat("a node of type ", IsCleanText(node.op_type) ? node.op_type : "?",
                                  " has no output"));
    }
    LBW_RETURN_IF_ERROR(CheckNames(node));
    if (node.name.empty() || !names_.insert(node.name).second) {
      node.name = node.outputs.front();
      names_.insert(node.name);
    }
    if (!proto.domain().empty() && proto.domain() != "ai.onnx") {
      return Unsupported(base::StrCat("node ", node.name, ": operator ",
                                      IsCleanText(proto.domain()) ? proto.domain() : "?",
                                      "::", node.op_type));
    }
    if (node.op_type == "Constant") return AddConstantNode(proto, node);
    if (!IsKnownOperator(node.op_type)) {
      return Unsupported(
          base::StrCat("node ", node.name, ": operator ", node.op_type, " is not known"));
    }
    for (const onnx::AttributeProto& attribute : proto.attribute()) {
      LBW_RETURN_IF_ERROR(AddAttribute(attribute, node));
    }
    imported_.graph.nodes.push_back(std::move(node));
    return absl::OkStatus();
  }

 private:
  absl::Status CheckNames(const Node& node) {
    bool clean = !node.op_type.empty() && IsCleanText(node.op_type) && IsCleanText(node.name);
    for (const std::string& name : node.inputs) clean = clean && IsCleanText(name);
    for (const std::string& name : node.outputs) clean = clean && IsCleanText(name);
    return clean ? absl::OkStatus()
                 : absl::Status(BadFile("a node has a name or type that is not proper UTF-8"));
  }

  absl::Status AddConstant(const std::string& name, base::Tensor tensor, std::string_view where) {
    LBW_ASSIGN_OR_RETURN(tensor, WidenFloats(std::move(tensor), where));
    if (!imported_.constants.emplace(name, std::move(tensor)).second) {
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
                         base::StrCat("two values are called ", name));
    }
    return absl::OkStatus();
  }

  absl::Status AddConstantNode(const onnx::NodeProto& proto, const Node& node) {
    const std::string where = base::StrCat("Constant ", node.name);
    if (proto.attribute_size() != 1) return BadFile(base::StrCat(where, " needs one attribute"));
    const onnx::AttributeProto& attribute = proto.attribute(0);
    const std::string& name = attribute.name();
    base::Tensor tensor;
    if (name == "value" && attribute.has_t()) {
      LBW_ASSIGN_OR_RETURN(tensor, ReadTensor(attribute.t(), where, limits_));
    } else if (name == "value_float") {
      tensor = base::Tensor::FromF32({}, {attribute.f()});
    } else if (name == "value_int") {
      tensor = base::Tensor::FromI64({}, {attribute.i()});
    } else if (name == "value_floats") {
      const std::vector<float> values(attribute.floats().begin(), attribute.floats().end());
      tensor = base::Tensor::FromF32({attribute.floats_size()}, values);
    } else if (name == "value_ints") {
      const std::vector<int64_t> values(attribute.ints().begin(), attribute.ints().end());
      tensor = base::Tensor::FromI64({attribute.ints_size()}, values);
    } else {
      return Unsupported(
          base::StrCat(where, ": attribute ", IsCleanText(name) ? name : std::string("?")));
    }
    return AddConstant(node.outputs.front(), std::move(tensor), where);
  }

  absl::Status AddAttribute(const onnx::AttributeProto& proto, Node& node) {
    const std::string& name = proto.name();
    if (name.empty() || !IsCleanText(name)) {
      return BadFile(base::StrCat("node ", node.name, ": an attribute has no proper name"));
    }
    LBW_ASSIGN_OR_RETURN(Attribute value, ReadAttribute(proto, node));
    if (!node.attributes.emplace(name, std::move(value)).second) {
      return BadNode(node, base::StrCat("two attributes are called ", name));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Attribute> ReadAttribute(const onnx::AttributeProto& proto, const Node& node) {
    switch (proto.type()) {
      case onnx::AttributeProto::INT:
        return Attribute(static_cast<int64_t>(proto.i()));
      case onnx::AttributeProto::FLOAT:
        return Attribute(proto.f());
      case onnx::AttributeProto::STRING:
        if (!IsCleanText(proto.s())) break;
        return Attribute(proto.s());
      case onnx::AttributeProto::INTS:
        return Attribute(std::vector<int64_t>(proto.ints().begin(), proto.ints().end()));
      case onnx::AttributeProto::FLOATS:
        return Attribute(std::vector<float>(proto.floats().begin(), proto.floats().end()));
      case onnx::AttributeProto::STRINGS: {
        std::vector<std::string> values(proto.strings().begin(), proto.strings().end());
        for (const std::string& value : values) {
          if (!IsCleanText(value)) return BadNode(node, "a text attribute is not proper UTF-8");
        }
        return Attribute(std::move(values));
      }
      case onnx::AttributeProto::TENSOR: {
        const std::string where = base::StrCat("node ", node.name, ", attribute ", proto.name());
        LBW_ASSIGN_OR_RETURN(base::Tensor tensor, ReadTensor(proto.t(), where, limits_));
        LBW_ASSIGN_OR_RETURN(tensor, WidenFloats(std::move(tensor), where));
        return Attribute(std::move(tensor));
      }
      default:
        break;
    }
    return UnsupportedNode(node, base::StrCat("attribute ", proto.name(), " of type ",
                                              static_cast<int>(proto.type())));
  }

  const ImportLimits& limits_;
  Imported& imported_;
  std::set<std::string> names_;
};

// A picture input, or any value: type and sizes; symbolic sizes are kUnknownSize.
absl::StatusOr<ValueInfo> ReadValueInfo(const onnx::ValueInfoProto& proto) {
  ValueInfo info;
  info.name = proto.name();
  if (info.name.empty() || !IsCleanText(info.name)) return BadFile("an input has no proper name");
  const onnx::TypeProto::Tensor& type = proto.type().tensor_type();
  switch (type.elem_type()) {
    case onnx::TensorProto::FLOAT:
    case onnx::TensorProto::FLOAT16:
    case onnx::TensorProto::BFLOAT16:
    case onnx::TensorProto::DOUBLE:
      break;
    default:
      return Unsupported(base::StrCat("input ", info.name, ": element type ", type.elem_type(),
                                      " of ONNX; a floating type is expected"));
  }
  if (!type.has_shape() || type.shape().dim_size() == 0) {
    return BadFile(base::StrCat("input ", info.name, " has no shape"));
  }
  for (const onnx::TensorShapeProto::Dimension& dim : type.shape().dim()) {
    const int64_t size = dim.has_dim_value() ? dim.dim_value() : kUnknownSize;
    // Some exporters write 0 or -1 for an open size.
    info.shape.push_back(size < 1 ? kUnknownSize : size);
  }
  return info;
}

}  // namespace

absl::Status ReadGraph(onnx::GraphProto& proto, const ImportLimits& limits, Imported& imported) {
  if (proto.sparse_initializer_size() != 0) return BadFile("the file has sparse initializers");
  if (static_cast<size_t>(proto.node_size()) > limits.max_nodes) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
        base::StrCat("a graph may have ", limits.max_nodes, " nodes: ", proto.node_size()));
  }
  Reader reader(limits, imported);
  for (onnx::TensorProto& tensor : *proto.mutable_initializer()) {
    LBW_RETURN_IF_ERROR(reader.AddInitializer(tensor));
  }
  for (const onnx::NodeProto& node : proto.node()) LBW_RETURN_IF_ERROR(reader.AddNode(node));
  if (IsCleanText(proto.name())) imported.graph.name = proto.name();
  for (const onnx::ValueInfoProto& input : proto.input()) {
    // Before IR version 4 every initializer is listed as an input too.
    if (imported.constants.count(input.name()) != 0) continue;
    LBW_ASSIGN_OR_RETURN(ValueInfo info, ReadValueInfo(input));
    imported.graph.inputs.push_back(std::move(info));
  }
  for (const onnx::ValueInfoProto& output : proto.output()) {
    if (output.name().empty() || !IsCleanText(output.name())) {
      return BadFile("an output has no proper name");
    }
    imported.graph.outputs.push_back(ValueInfo{output.name(), base::DType::kF32, {}});
  }
  return absl::OkStatus();
}

}  // namespace lbw::graph
