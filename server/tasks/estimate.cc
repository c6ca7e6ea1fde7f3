#include "tasks/estimate.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "base/strings.h"
#include "graph/graph.h"

namespace lbw::tasks {
namespace {

constexpr double kMacsAThreadPerSecond = 25e9;
constexpr double kDecodeSeconds = 8e-3;
constexpr uint64_t kBaseBytes = uint64_t{300} << 20;

// 0 where it is not known.
double Elements(const graph::InferredShapes& shapes, const std::string& name) {
  const auto found = shapes.values.find(name);
  if (found == shapes.values.end()) return 0;
  double count = 1;
  for (const int64_t size : found->second.shape) {
    count *= size > 0 ? static_cast<double>(size) : 1.0;
  }
  return count;
}

// Multiply-adds of one picture: outputs times what each is summed over.
double MacsOf(const graph::Node& node, const graph::InferredShapes& shapes) {
  const bool product = node.op_type == "Conv" || node.op_type == "ConvTranspose" ||
                       node.op_type == "Gemm" || node.op_type == "MatMul";
  if (!product || node.inputs.size() < 2 || node.outputs.empty()) return 0;
  const auto weight = shapes.values.find(node.inputs[1]);
  if (weight == shapes.values.end() || weight->second.shape.empty()) return 0;
  const double weights = Elements(shapes, node.inputs[1]);
  const auto rows = static_cast<double>(std::max<int64_t>(weight->second.shape[0], 1));
  if (node.op_type == "ConvTranspose") return Elements(shapes, node.inputs[0]) * weights / rows;
  if (node.op_type == "Conv") return Elements(shapes, node.outputs[0]) * weights / rows;
  return weights;  // a row of a batch meets every weight once
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

absl::StatusOr<Estimate> EstimateEvaluation(const EstimateInput& input) {
  const detect::InputSpec& spec = input.model->spec.input;
  std::map<std::string, base::Shape> inputs;
  for (const graph::ValueInfo& value : input.model->graph.inputs) {
    inputs[value.name] = {1, spec.channels(), spec.height, spec.width};
  }
  LBW_ASSIGN_OR_RETURN(const graph::InferredShapes shapes,
                       graph::InferShapes(input.model->graph, input.model->constants, inputs));
  double macs = 0;
  double elements = 0;
  for (const graph::Node& node : input.model->graph.nodes) {
    macs += MacsOf(node, shapes);
    for (const std::string& output : node.outputs) elements += Elements(shapes, output);
  }
  Estimate estimate;
  double seconds = macs / (kMacsAThreadPerSecond * std::max(input.threads, 1)) + kDecodeSeconds;
  estimate.basis = base::StrCat("from ", std::round(macs / 1e6) / 1e3, " GMAC a picture");
  if (!input.measured_ms.empty()) {
    seconds = Median(input.measured_ms) * 1e-3;
    estimate.basis =
        base::StrCat("measured on ", input.measured_ms.size(), " evaluations of this version");
  }
  estimate.duration = absl::Seconds(seconds * static_cast<double>(input.pictures));
  constexpr double kBatch = 8;
  estimate.memory_bytes = 3 * input.bundle_bytes + kBaseBytes +
                          static_cast<uint64_t>(elements * kBatch * sizeof(float));
  return estimate;
}

}  // namespace lbw::tasks
