#include "graph/graph.h"

#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::graph {
namespace {

template <typename T>
const T* Find(const Node& node, std::string_view attribute) {
  const auto it = node.attributes.find(std::string(attribute));
  return it == node.attributes.end() ? nullptr : std::get_if<T>(&it->second);
}

}  // namespace

int64_t Node::Int(std::string_view attribute, int64_t fallback) const {
  const auto* value = Find<int64_t>(*this, attribute);
  return value == nullptr ? fallback : *value;
}

float Node::Float(std::string_view attribute, float fallback) const {
  const auto* value = Find<float>(*this, attribute);
  return value == nullptr ? fallback : *value;
}

std::string Node::String(std::string_view attribute, std::string_view fallback) const {
  const auto* value = Find<std::string>(*this, attribute);
  return value == nullptr ? std::string(fallback) : *value;
}

std::vector<int64_t> Node::Ints(std::string_view attribute) const {
  const auto* value = Find<std::vector<int64_t>>(*this, attribute);
  return value == nullptr ? std::vector<int64_t>() : *value;
}

bool Node::Has(std::string_view attribute) const {
  return attributes.count(std::string(attribute)) != 0;
}

absl::StatusOr<base::Tensor> ConstantAsF32(const Constant& constant) {
  if (const auto* codes = std::get_if<quant::QuantizedTensor>(&constant)) {
    return base::Tensor::FromF32(codes->shape, quant::Dequantize(*codes));
  }
  const auto& tensor = std::get<base::Tensor>(constant);
  if (tensor.dtype() == base::DType::kF32) return tensor;
  LBW_ASSIGN_OR_RETURN(const std::vector<float> values, base::ToF32(tensor.view()));
  return base::Tensor::FromF32(tensor.shape(), values);
}

base::Shape ShapeOf(const Constant& constant) {
  if (const auto* codes = std::get_if<quant::QuantizedTensor>(&constant)) return codes->shape;
  return std::get<base::Tensor>(constant).shape();
}

base::DType DTypeOf(const Constant& constant) {
  if (std::holds_alternative<quant::QuantizedTensor>(constant)) return base::DType::kF32;
  const base::DType dtype = std::get<base::Tensor>(constant).dtype();
  return base::IsFloating(dtype) ? base::DType::kF32 : dtype;
}

}  // namespace lbw::graph
