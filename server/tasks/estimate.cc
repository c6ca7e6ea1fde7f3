#include "tasks/estimate.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/status.h"
#include "base/strings.h"
#include "graph/graph.h"
#include "quant/calibrate.h"
#include "quant/quantize.h"
#include "tasks/layer_walk.h"

namespace lbw::tasks {
namespace {

constexpr double kMacsAThreadPerSecond = 25e9;
constexpr double kMacsAGpuPerSecond = 1e12;
constexpr double kSolverMacsAThreadPerSecond = 4e9;
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

// What one picture costs.
struct NetworkCost {
  double macs = 0;
  double elements = 0;  // of every value
  graph::InferredShapes shapes;
};

absl::StatusOr<NetworkCost> CostOf(const model::Model& model) {
  const detect::InputSpec& spec = model.spec.input;
  std::map<std::string, base::Shape> inputs;
  for (const graph::ValueInfo& value : model.graph.inputs) {
    inputs[value.name] = {1, spec.channels(), spec.height, spec.width};
  }
  NetworkCost cost;
  LBW_ASSIGN_OR_RETURN(cost.shapes, graph::InferShapes(model.graph, model.constants, inputs));
  for (const graph::Node& node : model.graph.nodes) {
    cost.macs += MacsOf(node, cost.shapes);
    for (const std::string& output : node.outputs) cost.elements += Elements(cost.shapes, output);
  }
  return cost;
}

uint64_t BatchBytes(const NetworkCost& cost) {
  constexpr double kBatch = 8;
  return static_cast<uint64_t>(cost.elements * kBatch * sizeof(float));
}

std::string Giga(double macs) { return base::StrCat(std::round(macs / 1e6) / 1e3, " GMAC"); }

// A layer's weight as a matrix a group.
struct LayerSize {
  double rows = 0;
  double columns = 0;
  double groups = 1;   // each with sums of its own
  double samples = 0;  // a picture
};

std::vector<LayerSize> LayersOf(const model::Model& model, const graph::InferredShapes& shapes) {
  std::map<std::string, const graph::Node*> nodes;
  for (const graph::Node& node : model.graph.nodes) nodes[node.name] = &node;
  std::vector<LayerSize> layers;
  for (const graph::Weight& weight : graph::FindWeights(model.graph, model.constants, {})) {
    const base::Shape shape = graph::ShapeOf(model.constants.find(weight.constant)->second);
    const quant::RowLayout layout = quant::MakeRowLayout(shape, weight.axis, weight.groups);
    LayerSize layer;
    layer.rows = static_cast<double>(std::max<int64_t>(layout.rows, 1));
    layer.columns = static_cast<double>(layout.row_elements);
    layer.groups = weight.groups;
    for (const std::string& name : weight.nodes) {
      const auto found = nodes.find(name);
      if (found == nodes.end() || found->second->outputs.empty()) continue;
      const graph::Node& node = *found->second;
      if (node.op_type == "Conv") {
        layer.groups = static_cast<double>(std::max<int64_t>(node.Int("group", 1), 1));
      }
      layer.samples += Elements(shapes, node.outputs[0]) / layer.rows;
    }
    layers.push_back(layer);
  }
  return layers;
}

}  // namespace

absl::StatusOr<Estimate> EstimateEvaluation(const EstimateInput& input) {
  LBW_ASSIGN_OR_RETURN(const NetworkCost cost, CostOf(*input.model));
  Estimate estimate;
  double seconds =
      cost.macs / (kMacsAThreadPerSecond * std::max(input.threads, 1)) + kDecodeSeconds;
  estimate.basis = base::StrCat("from ", Giga(cost.macs), " a picture");
  if (!input.measured_ms.empty()) {
    seconds = Median(input.measured_ms) * 1e-3;
    estimate.basis =
        base::StrCat("measured on ", input.measured_ms.size(), " evaluations of this version");
  }
  estimate.duration = absl::Seconds(seconds * static_cast<double>(input.pictures));
  estimate.memory_bytes = 3 * input.bundle_bytes + kBaseBytes + BatchBytes(cost);
  return estimate;
}

absl::StatusOr<Estimate> EstimateQuantization(const QuantizeEstimateInput& input) {
  LBW_ASSIGN_OR_RETURN(const NetworkCost cost, CostOf(*input.model));
  constexpr double kExponentsTried = 3;
  const auto pictures = static_cast<double>(input.pictures);
  const auto measured = static_cast<double>(input.measured);
  double sums = 0;
  double solver = 0;
  double most = 0;
  for (const LayerSize& layer : LayersOf(*input.model, cost.shapes)) {
    constexpr double kBytesAnElement = 9;  // rows, target and codes
    const auto columns = static_cast<int64_t>(layer.columns);
    const double rows = kBytesAnElement * layer.rows * layer.columns;
    most = std::max(most, rows);
    if (!FitsLayer(static_cast<int64_t>(layer.groups), columns, kMaxLayerBytes)) continue;
    const auto solving = static_cast<double>(quant::CalibrationBytes(columns));
    most = std::max(most, rows + layer.groups * solving);
    const double square = layer.columns * layer.columns;
    const double samples = std::min(layer.samples, static_cast<double>(input.positions));
    sums += 2 * pictures * samples * square * layer.groups;
    solver += layer.groups * square * layer.columns +
              kExponentsTried * input.sweeps * layer.rows * square;
  }
  solver *= std::max(input.widths, 1);
  const double forward = cost.macs * (2 * pictures + input.networks * measured);
  const double threads = std::max(input.threads, 1);
  Estimate estimate;
  estimate.duration = absl::Seconds((forward + sums) / (kMacsAThreadPerSecond * threads) +
                                    solver / (kSolverMacsAThreadPerSecond * threads) +
                                    kDecodeSeconds * (pictures + measured));
  constexpr double kMostKept = 1.5e9;
  const double kept = std::min(cost.elements * sizeof(float) * pictures, kMostKept);
  const detect::InputSpec& spec = input.model->spec.input;
  const double pixels = static_cast<double>(spec.height) * static_cast<double>(spec.width);
  const double inputs = pictures * pixels * static_cast<double>(spec.channels()) * sizeof(float);
  estimate.memory_bytes =
      4 * input.bundle_bytes + kBaseBytes + static_cast<uint64_t>(most + inputs + kept);
  estimate.basis = base::StrCat("from ", Giga(cost.macs), " a picture, ", Giga(sums),
                                " of sums and ", Giga(solver), " of the solver");
  return estimate;
}

absl::StatusOr<Estimate> EstimateComparison(const CompareEstimateInput& input) {
  LBW_ASSIGN_OR_RETURN(const NetworkCost cost, CostOf(*input.model));
  const double seconds =
      2 * cost.macs / (kMacsAThreadPerSecond * std::max(input.threads, 1)) + kDecodeSeconds;
  Estimate estimate;
  estimate.duration = absl::Seconds(seconds * static_cast<double>(input.pictures));
  estimate.memory_bytes = 3 * input.bundle_bytes + kBaseBytes + 2 * BatchBytes(cost);
  estimate.basis = base::StrCat("from two times ", Giga(cost.macs), " a picture");
  return estimate;
}

absl::StatusOr<Estimate> EstimateTraining(const TrainingEstimateInput& input) {
  LBW_ASSIGN_OR_RETURN(const NetworkCost cost, CostOf(*input.model));
  constexpr double kForwardAndBackward = 3;
  constexpr double kCopiesOfWeights = 8;
  constexpr double kBatchesOfInputs = 6;
  constexpr double kNetworksEvaluated = 2;  // weights as they are, and their averages
  const double networks = kForwardAndBackward + (input.teacher ? 1 : 0);
  const double speed =
      input.gpu ? kMacsAGpuPerSecond : kMacsAThreadPerSecond * std::max(input.threads, 1);
  const auto batch = static_cast<double>(input.batch);
  const double pictures = batch * static_cast<double>(input.steps);
  const double decode = kDecodeSeconds / std::max(input.loader_threads, 1);
  const double step_seconds = pictures * std::max(networks * cost.macs / speed, decode);
  const double evaluated =
      static_cast<double>(input.evaluations) * static_cast<double>(input.evaluated);
  const double evaluate_seconds =
      evaluated * kNetworksEvaluated * (cost.macs / speed + kDecodeSeconds);
  const detect::InputSpec& spec = input.model->spec.input;
  const double inputs = static_cast<double>(spec.height) * static_cast<double>(spec.width) *
                        static_cast<double>(spec.channels()) * batch * kBatchesOfInputs;
  Estimate estimate;
  estimate.duration = absl::Seconds(step_seconds + evaluate_seconds);
  estimate.memory_bytes =
      kBaseBytes +
      static_cast<uint64_t>(kCopiesOfWeights * static_cast<double>(input.bundle_bytes) +
                            sizeof(float) * (2 * batch * cost.elements + inputs));
  estimate.basis =
      base::StrCat("from ", networks, " times ", Giga(cost.macs), " a picture, ", input.steps,
                   " steps of ", input.batch, " pictures and ", input.evaluations, " evaluations");
  if (input.gpu) estimate.basis += ", a GPU taken as 1,000 GMAC/s";
  if (!input.calibration.has_value()) return estimate;
  QuantizeEstimateInput calibration = *input.calibration;
  calibration.model = input.model;
  LBW_ASSIGN_OR_RETURN(const Estimate codes, EstimateQuantization(calibration));
  estimate.duration += codes.duration;
  estimate.memory_bytes = std::max(estimate.memory_bytes, codes.memory_bytes);
  estimate.basis += base::StrCat("; its calibration ", codes.basis);
  return estimate;
}

}  // namespace lbw::tasks
