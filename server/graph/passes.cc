#include "graph/passes.h"

#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/strings.h"
#include "graph/resolve.h"
#include "graph/views.h"

namespace lbw::graph {
namespace {

using Names = std::set<std::string, std::less<>>;

const base::Tensor* FindF32(const Constants& constants, const std::string& name) {
  const auto it = constants.find(name);
  if (it == constants.end()) return nullptr;
  const auto* tensor = std::get_if<base::Tensor>(&it->second);
  return tensor != nullptr && tensor->dtype() == base::DType::kF32 ? tensor : nullptr;
}

std::string FreshName(const Constants& constants, const std::string& name) {
  std::string fresh = base::StrCat(name, "|folded");
  while (constants.count(fresh) != 0) fresh += "'";
  return fresh;
}

// Adds `rows` to the layer's bias; creates one where there is none.
absl::Status AddBias(Node& node, const std::vector<float>& rows, Constants& constants) {
  std::vector<float> sum = rows;
  float beta = 1;
  if (node.op_type == "Gemm") {
    beta = node.Float("beta", 1);
    if (beta == 0) return BadNode(node, "a stored bias and beta = 0");
  }
  for (float& value : sum) value /= beta;
  const bool has_bias = node.inputs.size() > 2 && !node.inputs[2].empty();
  if (has_bias) {
    const base::Tensor* old = FindF32(constants, node.inputs[2]);
    const int64_t count = old == nullptr ? -1 : old->elements();
    if (count != 1 && count != static_cast<int64_t>(sum.size())) {
      return BadNode(node, "a stored bias beside a bias that is not a constant row");
    }
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += old->as<float>()[count == 1 ? 0 : i];
  }
  node.inputs.resize(3);
  node.inputs[2] = FreshName(constants, has_bias ? node.inputs[2] : node.name);
  constants.emplace(node.inputs[2], base::Tensor::FromF32({static_cast<int64_t>(sum.size())}, sum));
  return absl::OkStatus();
}

// MatMul has no bias: its output is renamed and an Add takes its place.
void AddBehindMatMul(Node& node, base::Tensor rows, Constants& constants,
                     std::vector<Node>& nodes) {
  Node add;
  add.name = FreshName(constants, node.name);
  add.op_type = "Add";
  const std::string bias = FreshName(constants, add.name);
  constants.emplace(bias, std::move(rows));
  const std::string product = FreshName(constants, node.outputs[0]);
  add.inputs = {product, bias};
  add.outputs = {node.outputs[0]};
  node.outputs[0] = product;
  nodes.push_back(std::move(node));
  nodes.push_back(std::move(add));
}

// The scale and shift of an inference batch normalization.
struct Affine {
  std::vector<float> scale, shift;
};

std::optional<Affine> ReadNormalization(const Node& node, const Constants& constants) {
  const base::Tensor* parts[4];
  for (size_t i = 0; i < 4; ++i) {
    parts[i] = FindF32(constants, node.inputs[i + 1]);
    if (parts[i] == nullptr) return std::nullopt;
  }
  const auto epsilon = static_cast<double>(node.Float("epsilon", 1e-5F));
  Affine affine;
  const auto count = static_cast<size_t>(parts[0]->elements());
  for (const base::Tensor* part : parts) {
    if (static_cast<size_t>(part->elements()) != count) return std::nullopt;
  }
  for (size_t i = 0; i < count; ++i) {
    const double variance = static_cast<double>(parts[3]->as<float>()[i]) + epsilon;
    const double scale = static_cast<double>(parts[0]->as<float>()[i]) / std::sqrt(variance);
    const double shift = static_cast<double>(parts[1]->as<float>()[i]) -
                         static_cast<double>(parts[2]->as<float>()[i]) * scale;
    affine.scale.push_back(static_cast<float>(scale));
    affine.shift.push_back(static_cast<float>(shift));
  }
  return affine;
}

// Rewrites the convolution's constants; false where they do not allow it.
bool FoldInto(Node& conv, const Affine& affine, Constants& constants) {
  const base::Tensor* weight = FindF32(constants, conv.inputs[1]);
  const bool has_bias = conv.inputs.size() > 2 && !conv.inputs[2].empty();
  const base::Tensor* bias = has_bias ? FindF32(constants, conv.inputs[2]) : nullptr;
  const size_t rows = affine.scale.size();
  if (weight == nullptr || weight->shape().empty() ||
      weight->shape()[0] != static_cast<int64_t>(rows) || (has_bias && bias == nullptr)) {
    return false;
  }
  base::Tensor folded = *weight;
  const size_t row = static_cast<size_t>(folded.elements()) / rows;
  const auto values = folded.mutable_as<float>();
  std::vector<float> shift = affine.shift;
  for (size_t r = 0; r < rows; ++r) {
    if (bias != nullptr) shift[r] += bias->as<float>()[r] * affine.scale[r];
    for (size_t i = 0; i < row; ++i) values[r * row + i] *= affine.scale[r];
  }
  conv.inputs.resize(3);
  conv.inputs[1] = FreshName(constants, conv.inputs[1]);
  constants.emplace(conv.inputs[1], std::move(folded));
  conv.inputs[2] = FreshName(constants, base::StrCat(conv.name, "|bias"));
  constants.emplace(conv.inputs[2], base::Tensor::FromF32({static_cast<int64_t>(rows)}, shift));
  return true;
}

}  // namespace

void RemoveDeadNodes(Graph& graph, const std::vector<std::string>& fetch) {
  Names needed(fetch.begin(), fetch.end());
  std::vector<Node> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    bool used = false;
    for (const std::string& output : node->outputs)
      used = used || (!output.empty() && needed.count(output) != 0);
    if (!used) continue;
    needed.insert(node->inputs.begin(), node->inputs.end());
    kept.push_back(std::move(*node));
  }
  graph.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
}

absl::Status MaterializeWeights(Graph& graph, Constants& constants) {
  std::map<std::string, std::vector<float>, std::less<>> biases;
  for (auto& [name, constant] : constants) {
    auto* codes = std::get_if<quant::QuantizedTensor>(&constant);
    if (codes == nullptr) continue;
    if (!codes->bias.empty()) biases.emplace(name, codes->bias);
    LBW_ASSIGN_OR_RETURN(base::Tensor values, ConstantAsF32(constant));
    constant = std::move(values);
  }
  if (biases.empty()) return absl::OkStatus();
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    const std::vector<float>* rows = nullptr;
    for (const std::string& input : node.inputs) {
      if (const auto it = biases.find(input); it != biases.end()) rows = &it->second;
    }
    if (rows == nullptr) {
      nodes.push_back(std::move(node));
    } else if (node.op_type == "MatMul") {
      // Rows are the last dimension of the product, or the last but one.
      const auto count = static_cast<int64_t>(rows->size());
      const bool right = biases.count(node.inputs[1]) != 0;
      AddBehindMatMul(
          node, base::Tensor::FromF32(right ? base::Shape{count} : base::Shape{count, 1}, *rows),
          constants, nodes);
    } else if (IsViewOperator(node.op_type)) {
      biases.insert_or_assign(node.outputs[0], *rows);
      nodes.push_back(std::move(node));
    } else if (node.op_type == "Conv" || node.op_type == "ConvTranspose" ||
               node.op_type == "Gemm") {
      LBW_RETURN_IF_ERROR(AddBias(node, *rows, constants));
      nodes.push_back(std::move(node));
    } else {
      return BadNode(node, "reads a weight with a stored bias, but is no layer");
    }
  }
  graph.nodes = std::move(nodes);
  return absl::OkStatus();
}

int FoldBatchNormalization(Graph& graph, Constants& constants,
                           const std::vector<std::string>& fetch) {
  std::map<std::string, int> readers;
  std::map<std::string, size_t> producer;
  for (const std::string& name : fetch) ++readers[name];
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& input : graph.nodes[i].inputs) ++readers[input];
    for (const std::string& output : graph.nodes[i].outputs) producer.emplace(output, i);
  }
  int folded = 0;
  std::vector<bool> gone(graph.nodes.size(), false);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.op_type != "BatchNormalization") continue;
    const auto it = producer.find(node.inputs[0]);
    if (it == producer.end() || readers[node.inputs[0]] != 1) continue;
    Node& conv = graph.nodes[it->second];
    if (conv.op_type != "Conv") continue;
    const std::optional<Affine> affine = ReadNormalization(node, constants);
    if (!affine.has_value() || !FoldInto(conv, *affine, constants)) continue;
    // The convolution now computes what the normalization did.
    conv.outputs[0] = node.outputs[0];
    producer[node.outputs[0]] = it->second;
    gone[i] = true;
    ++folded;
  }
  std::vector<Node> kept;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!gone[i]) kept.push_back(std::move(graph.nodes[i]));
  }
  graph.nodes = std::move(kept);
  return folded;
}

}  // namespace lbw::graph
