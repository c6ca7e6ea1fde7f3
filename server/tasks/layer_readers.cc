#include "tasks/layer_readers.h"

#include <algorithm>
#include <cmath>

#include "base/tensor.h"

namespace lbw::tasks {
namespace {

size_t RowsOf(const engine::WeightUse& use) { return static_cast<size_t>(use.groups * use.rows); }

absl::Span<const float> ValuesOf(const graph::Constants& constants, const std::string& name) {
  return std::get<base::Tensor>(constants.find(name)->second).as<float>();
}

bool NormalizesRows(const graph::Node& node, const graph::Constants& constants,
                    const engine::WeightUse& use) {
  // A normalization's channels are dimension 1, be there as many of another.
  return node.op_type == "BatchNormalization" && node.inputs.size() == 5 &&
         node.inputs[0] == use.output && use.row_dimension == 1 &&
         IsRow(constants, node.inputs[1], RowsOf(use)) &&
         IsRow(constants, node.inputs[4], RowsOf(use));
}

// Raises gains to what the normalization multiplies with.
void TakeNormalization(const graph::Node& node, const graph::Constants& constants,
                       std::vector<double>& gains) {
  const absl::Span<const float> gamma = ValuesOf(constants, node.inputs[1]);
  const absl::Span<const float> variance = ValuesOf(constants, node.inputs[4]);
  const auto epsilon = static_cast<double>(node.Float("epsilon", 1e-5F));
  for (size_t r = 0; r < gains.size(); ++r) {
    const double gain = std::fabs(static_cast<double>(gamma[r])) /
                        std::sqrt(static_cast<double>(variance[r]) + epsilon);
    // One that is no number says nothing.
    gains[r] = std::max(gains[r], std::isnan(gain) ? 1.0 : gain);
  }
}

}  // namespace

Readers ReadersOf(const graph::Graph& graph) {
  Readers readers;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& input : graph.nodes[i].inputs) readers.emplace(input, i);
  }
  for (const graph::ValueInfo& output : graph.outputs) {
    readers.emplace(output.name, graph.nodes.size());
  }
  return readers;
}

bool IsRow(const graph::Constants& constants, const std::string& name, size_t rows) {
  const auto it = constants.find(name);
  const auto* tensor = it == constants.end() ? nullptr : std::get_if<base::Tensor>(&it->second);
  return tensor != nullptr && tensor->dtype() == base::DType::kF32 &&
         tensor->elements() == static_cast<int64_t>(rows);
}

std::vector<double> RowGains(const graph::Graph& graph, const graph::Constants& constants,
                             absl::Span<const engine::WeightUse> uses) {
  if (uses.empty()) return {};
  std::vector<double> gains(RowsOf(uses[0]), 0.0);
  for (const engine::WeightUse& use : uses) {
    size_t normalized = 0;
    size_t readers = 0;
    for (const graph::Node& node : graph.nodes) {
      const auto reads = std::count(node.inputs.begin(), node.inputs.end(), use.output);
      readers += static_cast<size_t>(reads);
      if (reads != 1 || !NormalizesRows(node, constants, use)) continue;
      TakeNormalization(node, constants, gains);
      ++normalized;
    }
    const bool declared =
        std::any_of(graph.outputs.begin(), graph.outputs.end(),
                    [&](const graph::ValueInfo& output) { return output.name == use.output; });
    if (declared || readers == 0 || normalized < readers) {
      for (double& gain : gains) gain = std::max(gain, 1.0);
    }
  }
  const bool none = std::all_of(gains.begin(), gains.end(), [](double gain) { return gain == 1; });
  return none ? std::vector<double>() : gains;
}

std::vector<double> ConstantBias(const graph::Graph& graph, const graph::Constants& constants,
                                 const engine::WeightUse& use) {
  const graph::Node& node = graph.nodes[use.node];
  if (node.op_type == "MatMul" || node.inputs.size() < 3 || use.output_scale == 0) return {};
  const size_t rows = RowsOf(use);
  const bool one = IsRow(constants, node.inputs[2], 1);
  if (!one && !IsRow(constants, node.inputs[2], rows)) return {};
  double factor = 1;
  if (node.op_type == "Gemm") {
    factor = static_cast<double>(node.Float("beta", 1)) / use.output_scale;
  }
  const absl::Span<const float> values = ValuesOf(constants, node.inputs[2]);
  std::vector<double> bias;
  for (size_t r = 0; r < rows; ++r) {
    bias.push_back(factor * static_cast<double>(values[one ? 0 : r]));
  }
  return bias;
}

}  // namespace lbw::tasks
