#include <utility>
#include <variant>

#include "base/status.h"
#include "model/model.h"
#include "model/plan.h"

namespace lbw::model {
namespace {

absl::StatusOr<Plan> PlanOf(const Model& model, const QuantizeOptions& options) {
  return PlanGraph(model.graph, model.constants, RoleValues(model.spec), options);
}

}  // namespace

std::vector<std::string> RoleValues(const ModelSpec& spec) {
  std::vector<std::string> values;
  for (const detect::Role* role : {&spec.head.boxes, &spec.head.scores}) {
    for (const detect::ValueSlice& slice : role->values) values.push_back(slice.value);
  }
  return values;
}

absl::StatusOr<QuantizeOutcome> PlanQuantization(const Model& model,
                                                 const QuantizeOptions& options) {
  LBW_ASSIGN_OR_RETURN(Plan plan, PlanOf(model, options));
  return std::move(plan.outcome);
}

absl::StatusOr<QuantizeOutcome> QuantizeModel(Model& model, const QuantizeOptions& options,
                                              const QuantizeProgress& progress) {
  LBW_ASSIGN_OR_RETURN(Plan plan, PlanOf(model, options));
  LBW_RETURN_IF_ERROR(CheckSomethingIsQuantized(plan));
  // Beside the model until all is done: an error leaves it as it was.
  std::vector<std::pair<graph::Constant*, quant::QuantizedTensor>> made;
  size_t done = 0;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const PlannedTensor& tensor = plan.tensors[i];
    if (!tensor.quantize) continue;
    if (progress) LBW_RETURN_IF_ERROR(progress(done++, plan.quantized, tensor.name));
    graph::Constant& constant = model.constants.find(tensor.name)->second;
    LBW_ASSIGN_OR_RETURN(quant::QuantizedTensor codes,
                         QuantizePlanned(std::get<base::Tensor>(constant).view(), i, plan));
    made.emplace_back(&constant, std::move(codes));
  }
  for (auto& [constant, codes] : made) *constant = std::move(codes);
  return std::move(plan.outcome);
}

}  // namespace lbw::model
