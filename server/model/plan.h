// What quantizing will do to each tensor, decided before anything is computed: one plan for models,
// graphs and files. Private to the room.
//
// Threads: pure.
#ifndef LBW_MODEL_PLAN_H_
#define LBW_MODEL_PLAN_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "graph/graph.h"
#include "model/model.h"
#include "tensorfile/safetensors.h"

namespace lbw::model {

// outcome.reports[i] belongs to tensors[i]: weights first, then the others by name. In the plan
// quantized ones carry options, rows and bytes, and no statistics.
struct PlannedTensor {
  std::string name;
  base::DType dtype = base::DType::kF32;
  base::Shape shape;
  bool quantize = false;
  quant::TensorOptions options;  // where quantize
};
struct Plan {
  std::vector<PlannedTensor> tensors;
  QuantizeOutcome outcome;
  size_t weights = 0;    // that rules could decide on
  size_t quantized = 0;  // that will become codes
};

// heads: as graph::FindWeights. Errors: kInvalidArgument - BAD_OPTIONS (names the tensor),
// ALREADY_QUANTIZED, NOTHING_TO_QUANTIZE (no weight at all).
absl::StatusOr<Plan> PlanGraph(const graph::Graph& graph, const graph::Constants& constants,
                               const std::vector<std::string>& heads,
                               const QuantizeOptions& options);
absl::StatusOr<Plan> PlanFile(const tensorfile::SafetensorsFile& file,
                              const QuantizeOptions& options);

// Errors: kInvalidArgument, NOTHING_TO_QUANTIZE - the rules keep every weight float.
absl::Status CheckSomethingIsQuantized(const Plan& plan);

// Quantizes tensor i of the plan and puts its statistics into the plan's report. The message of an
// error names the tensor.
absl::StatusOr<quant::QuantizedTensor> QuantizePlanned(const base::TensorView& weights, size_t i,
                                                       Plan& plan);

}  // namespace lbw::model

#endif  // LBW_MODEL_PLAN_H_
