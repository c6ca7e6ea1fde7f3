// The graph as JSON, for bundles. Floats are written as decimal numbers that read back to the same
// bits; what JSON cannot say (NaN, infinities) as text; tensors as hexadecimal bytes.
#include "nlohmann/json.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/status.h"
#include "base/strings.h"
#include "graph/graph.h"

namespace lbw::graph {
namespace {

using Json = nlohmann::json;

constexpr int64_t kVersion = 1;
constexpr int64_t kMaxTensorElements = 1 << 24;

base::Error Bad(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                     base::StrCat("graph JSON: ", message));
}

// ---- Writing

Json FloatToJson(float value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return static_cast<double>(value);
}

Json TensorToJson(const base::Tensor& tensor) {
  const absl::string_view bytes(reinterpret_cast<const char*>(tensor.bytes().data()),
                                tensor.size_bytes());
  return Json{{"dtype", std::string(base::Name(tensor.dtype()))},
              {"shape", tensor.shape()},
              {"bytes", absl::BytesToHexString(bytes)}};
}

struct AttributeWriter {
  Json operator()(int64_t value) const { return {{"int", value}}; }
  Json operator()(float value) const { return {{"float", FloatToJson(value)}}; }
  Json operator()(const std::string& value) const { return {{"string", value}}; }
  Json operator()(const std::vector<int64_t>& values) const { return {{"ints", values}}; }
  Json operator()(const std::vector<float>& values) const {
    Json list = Json::array();
    for (const float value : values) list.push_back(FloatToJson(value));
    return {{"floats", std::move(list)}};
  }
  Json operator()(const std::vector<std::string>& values) const { return {{"strings", values}}; }
  Json operator()(const base::Tensor& tensor) const { return {{"tensor", TensorToJson(tensor)}}; }
};

Json ValuesToJson(const std::vector<ValueInfo>& values) {
  Json list = Json::array();
  for (const ValueInfo& value : values) {
    list.push_back({{"name", value.name},
                    {"dtype", std::string(base::Name(value.dtype))},
                    {"shape", value.shape}});
  }
  return list;
}

// ---- Reading: every step checks the kind before it takes a value.

absl::StatusOr<const Json*> Member(const Json& object, const char* key, std::string_view where) {
  if (!object.is_object() || !object.contains(key)) {
    return Bad(base::StrCat(where, ": ", key, " is missing"));
  }
  return &object.at(key);
}

absl::StatusOr<int64_t> AsInt(const Json& json, std::string_view where) {
  const bool fits = json.is_number_unsigned()
                        ? json.get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()}
                        : json.is_number_integer();
  if (!fits) return Bad(base::StrCat(where, " must be an integer"));
  return json.get<int64_t>();
}

absl::StatusOr<std::string> AsString(const Json& json, std::string_view where) {
  if (!json.is_string()) return Bad(base::StrCat(where, " must be a string"));
  return json.get<std::string>();
}

absl::StatusOr<float> AsFloat(const Json& json, std::string_view where) {
  if (json.is_string()) {
    const auto text = json.get<std::string>();
    if (text == "nan") return std::numeric_limits<float>::quiet_NaN();
    if (text == "inf") return std::numeric_limits<float>::infinity();
    if (text == "-inf") return -std::numeric_limits<float>::infinity();
  }
  if (!json.is_number()) return Bad(base::StrCat(where, " must be a number"));
  const auto value = json.get<double>();
  if (!(std::fabs(value) <= static_cast<double>(std::numeric_limits<float>::max()))) {
    return Bad(base::StrCat(where, " is beyond float32's range"));
  }
  return static_cast<float>(value);
}

template <typename T>
absl::StatusOr<std::vector<T>> AsList(const Json& json, std::string_view where,
                                      absl::StatusOr<T> (*read)(const Json&, std::string_view)) {
  if (!json.is_array()) return Bad(base::StrCat(where, " must be a list"));
  std::vector<T> values;
  for (const Json& element : json) {
    LBW_ASSIGN_OR_RETURN(T value, read(element, where));
    values.push_back(std::move(value));
  }
  return values;
}

absl::StatusOr<base::DType> AsDType(const Json& json, std::string_view where) {
  LBW_ASSIGN_OR_RETURN(const std::string name, AsString(json, where));
  const std::optional<base::DType> dtype = base::DTypeFromName(name);
  if (!dtype.has_value()) return Bad(base::StrCat(where, ": no type is called ", name));
  return *dtype;
}

absl::StatusOr<base::Tensor> AsTensor(const Json& json, std::string_view where) {
  LBW_ASSIGN_OR_RETURN(const Json* dtype_json, Member(json, "dtype", where));
  LBW_ASSIGN_OR_RETURN(const base::DType dtype, AsDType(*dtype_json, where));
  LBW_ASSIGN_OR_RETURN(const Json* shape_json, Member(json, "shape", where));
  LBW_ASSIGN_OR_RETURN(base::Shape shape, AsList<int64_t>(*shape_json, where, AsInt));
  LBW_ASSIGN_OR_RETURN(const Json* bytes_json, Member(json, "bytes", where));
  LBW_ASSIGN_OR_RETURN(const std::string hex, AsString(*bytes_json, where));
  const auto count = base::CheckedElementCount(shape, kMaxTensorElements);
  if (!count.ok()) return Bad(base::StrCat(where, ": ", std::string(count.status().message())));
  const bool digits = hex.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (!digits || hex.size() != 2 * static_cast<size_t>(*count) * base::SizeOf(dtype)) {
    return Bad(base::StrCat(where, ": bytes do not fit the shape"));
  }
  const std::string bytes = absl::HexStringToBytes(hex);
  base::Tensor tensor(dtype, std::move(shape));
  if (!bytes.empty()) std::memcpy(tensor.mutable_bytes().data(), bytes.data(), bytes.size());
  return tensor;
}

template <typename T>
absl::StatusOr<Attribute> Wrap(absl::StatusOr<T> value) {
  if (!value.ok()) return value.status();
  return Attribute(*std::move(value));
}

absl::StatusOr<Attribute> AsAttribute(const Json& json, std::string_view where) {
  if (!json.is_object() || json.size() != 1) {
    return Bad(base::StrCat(where, " must be an object of one member"));
  }
  const std::string& kind = json.begin().key();
  const Json& value = json.begin().value();
  if (kind == "int") return Wrap(AsInt(value, where));
  if (kind == "float") return Wrap(AsFloat(value, where));
  if (kind == "string") return Wrap(AsString(value, where));
  if (kind == "ints") return Wrap(AsList<int64_t>(value, where, AsInt));
  if (kind == "floats") return Wrap(AsList<float>(value, where, AsFloat));
  if (kind == "strings") return Wrap(AsList<std::string>(value, where, AsString));
  if (kind == "tensor") return Wrap(AsTensor(value, where));
  return Bad(base::StrCat(where, ": no attribute is of kind ", kind));
}

absl::StatusOr<std::string> StringMember(const Json& json, const char* key,
                                         std::string_view where) {
  LBW_ASSIGN_OR_RETURN(const Json* member, Member(json, key, where));
  return AsString(*member, base::StrCat(where, ".", key));
}

absl::StatusOr<std::vector<std::string>> StringsMember(const Json& json, const char* key,
                                                       std::string_view where) {
  LBW_ASSIGN_OR_RETURN(const Json* member, Member(json, key, where));
  return AsList<std::string>(*member, base::StrCat(where, ".", key), AsString);
}

absl::StatusOr<Node> AsNode(const Json& json, std::string_view where) {
  Node node;
  LBW_ASSIGN_OR_RETURN(node.name, StringMember(json, "name", where));
  LBW_ASSIGN_OR_RETURN(node.op_type, StringMember(json, "op", where));
  LBW_ASSIGN_OR_RETURN(node.inputs, StringsMember(json, "inputs", where));
  LBW_ASSIGN_OR_RETURN(node.outputs, StringsMember(json, "outputs", where));
  LBW_ASSIGN_OR_RETURN(const Json* attributes, Member(json, "attributes", where));
  if (!attributes->is_object()) return Bad(base::StrCat(where, ".attributes must be an object"));
  for (const auto& item : attributes->items()) {
    LBW_ASSIGN_OR_RETURN(
        Attribute attribute,
        AsAttribute(item.value(), base::StrCat(where, ".attributes.", item.key())));
    node.attributes.emplace(item.key(), std::move(attribute));
  }
  return node;
}

absl::StatusOr<std::vector<ValueInfo>> AsValues(const Json& json, std::string_view where) {
  if (!json.is_array()) return Bad(base::StrCat(where, " must be a list"));
  std::vector<ValueInfo> values;
  for (const Json& element : json) {
    ValueInfo info;
    LBW_ASSIGN_OR_RETURN(info.name, StringMember(element, "name", where));
    LBW_ASSIGN_OR_RETURN(const Json* dtype, Member(element, "dtype", where));
    LBW_ASSIGN_OR_RETURN(info.dtype, AsDType(*dtype, where));
    LBW_ASSIGN_OR_RETURN(const Json* shape, Member(element, "shape", where));
    LBW_ASSIGN_OR_RETURN(info.shape, AsList<int64_t>(*shape, where, AsInt));
    for (const int64_t size : info.shape) {
      if (size < kUnknownSize) return Bad(base::StrCat(where, ": a size of ", size));
    }
    values.push_back(std::move(info));
  }
  return values;
}

absl::StatusOr<Graph> ReadGraphJson(const Json& json) {
  Graph graph;
  LBW_ASSIGN_OR_RETURN(const Json* version_json, Member(json, "version", "graph"));
  LBW_ASSIGN_OR_RETURN(const int64_t version, AsInt(*version_json, "graph.version"));
  if (version != kVersion) return Bad(base::StrCat("version ", version, " is not known"));
  LBW_ASSIGN_OR_RETURN(graph.name, StringMember(json, "name", "graph"));
  LBW_ASSIGN_OR_RETURN(const Json* opset, Member(json, "opset", "graph"));
  LBW_ASSIGN_OR_RETURN(graph.opset, AsInt(*opset, "graph.opset"));
  LBW_ASSIGN_OR_RETURN(const Json* max_batch, Member(json, "max_batch", "graph"));
  LBW_ASSIGN_OR_RETURN(graph.max_batch, AsInt(*max_batch, "graph.max_batch"));
  if (graph.opset < 1 || graph.max_batch < 0) return Bad("opset or max_batch out of range");
  LBW_ASSIGN_OR_RETURN(const Json* inputs, Member(json, "inputs", "graph"));
  LBW_ASSIGN_OR_RETURN(graph.inputs, AsValues(*inputs, "graph.inputs"));
  LBW_ASSIGN_OR_RETURN(const Json* outputs, Member(json, "outputs", "graph"));
  LBW_ASSIGN_OR_RETURN(graph.outputs, AsValues(*outputs, "graph.outputs"));
  LBW_ASSIGN_OR_RETURN(const Json* nodes, Member(json, "nodes", "graph"));
  if (!nodes->is_array()) return Bad("graph.nodes must be a list");
  for (const Json& element : *nodes) {
    LBW_ASSIGN_OR_RETURN(Node node,
                         AsNode(element, base::StrCat("graph.nodes[", graph.nodes.size(), "]")));
    graph.nodes.push_back(std::move(node));
  }
  return graph;
}

}  // namespace

std::string ToJson(const Graph& graph) {
  Json nodes = Json::array();
  for (const Node& node : graph.nodes) {
    Json attributes = Json::object();
    for (const auto& [name, value] : node.attributes) {
      attributes[name] = std::visit(AttributeWriter{}, value);
    }
    nodes.push_back({{"name", node.name},
                     {"op", node.op_type},
                     {"inputs", node.inputs},
                     {"outputs", node.outputs},
                     {"attributes", std::move(attributes)}});
  }
  const Json json{{"version", kVersion},
                  {"name", graph.name},
                  {"opset", graph.opset},
                  {"max_batch", graph.max_batch},
                  {"inputs", ValuesToJson(graph.inputs)},
                  {"outputs", ValuesToJson(graph.outputs)},
                  {"nodes", std::move(nodes)}};
  // Names were checked to be UTF-8 on import; a graph built otherwise must not throw here.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<Graph> FromJson(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Bad("not JSON");
  return ReadGraphJson(json);
}

}  // namespace lbw::graph
