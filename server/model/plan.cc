#include "model/plan.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "base/status.h"
#include "base/strings.h"
#include "tensorfile/packed.h"
#include "tensorfile/packed_metadata.h"

namespace lbw::model {
namespace {

absl::Status Bad(base::Reason reason, std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, reason, message);
}

// Collects a plan tensor by tensor.
class Planner {
 public:
  explicit Planner(const QuantizeOptions& options) : options_(options) {
    plan_.outcome.caught.resize(options.rules.size() + 1);
  }

  // axis, groups: of the node that reads the weight.
  absl::Status AddWeight(PlannedTensor tensor, const quant::RuleTarget& target, int axis,
                         int groups) {
    LBW_RETURN_IF_ERROR(CheckName(tensor.name));
    quant::TensorOptions call = options_.tensor;
    call.axis = axis;
    call.groups = groups;
    const quant::LayerDecision decision = quant::Decide(options_.rules, target, call);
    const size_t rule =
        decision.rule_index < 0 ? options_.rules.size() : static_cast<size_t>(decision.rule_index);
    plan_.outcome.caught[rule].push_back(tensor.name);
    tensor.quantize = decision.quantize;
    tensor.options = decision.options;
    // Groups were counted along the node's own axis.
    if (tensor.options.axis != axis) tensor.options.groups = 1;
    quant::TensorReport report = Untouched(tensor);
    if (tensor.quantize) {
      const absl::Status valid = quant::ValidateOptions(tensor.options, tensor.shape);
      if (!valid.ok()) return base::WithContext(valid, base::StrCat("tensor ", tensor.name));
      report = Predict(tensor);
      ++plan_.quantized;
    }
    report.node = target.node;
    report.rule_index = decision.rule_index;
    ++plan_.weights;
    Add(std::move(tensor), std::move(report));
    return absl::OkStatus();
  }

  absl::Status AddOther(PlannedTensor tensor) {
    LBW_RETURN_IF_ERROR(CheckName(tensor.name));
    quant::TensorReport report = Untouched(tensor);
    Add(std::move(tensor), std::move(report));
    return absl::OkStatus();
  }

  absl::StatusOr<Plan> Finish() {
    if (plan_.weights > 0) return std::move(plan_);
    return Bad(
        base::reason::kNothingToQuantize,
        base::StrCat("there are no weights to quantize among ", plan_.tensors.size(), " tensors"));
  }

 private:
  static absl::Status CheckName(std::string_view name) {
    if (!tensorfile::HasReservedSuffix(name)) return absl::OkStatus();
    return Bad(base::reason::kAlreadyQuantized,
               base::StrCat("tensor name has an ending that belongs to the packed format: ", name));
  }

  static quant::TensorReport Untouched(const PlannedTensor& tensor) {
    quant::TensorReport report;
    report.shape = tensor.shape;
    report.source_dtype = tensor.dtype;
    report.elements = 1;
    for (const int64_t size : tensor.shape) report.elements *= size;
    report.bytes_before = static_cast<uint64_t>(report.elements) * base::SizeOf(tensor.dtype);
    report.bytes_after = report.bytes_before;
    return report;
  }

  // options are valid for the shape.
  static quant::TensorReport Predict(const PlannedTensor& tensor) {
    quant::TensorReport report = Untouched(tensor);
    const quant::TensorOptions& options = tensor.options;
    const quant::RowLayout layout =
        quant::MakeRowLayout(tensor.shape, options.axis, options.groups);
    const bool uniform = options.scheme == quant::Scheme::kUniform;
    const int64_t per_row = uniform ? sizeof(float) : sizeof(int16_t);
    const int64_t row_bytes =
        uniform ? layout.row_elements : quant::RowBytes(layout.row_elements, options.bits);
    report.quantized = true;
    report.options = options;
    report.options.code_book = quant::StoredOptions(options).code_book;
    report.rows = layout.rows;
    report.bytes_after = static_cast<uint64_t>(
        layout.rows * row_bytes +
        per_row * (options.granularity == quant::Granularity::kTensor ? 1 : layout.rows));
    return report;
  }

  void Add(PlannedTensor tensor, quant::TensorReport report) {
    report.name = tensor.name;
    plan_.tensors.push_back(std::move(tensor));
    plan_.outcome.reports.push_back(std::move(report));
  }

  const QuantizeOptions& options_;
  Plan plan_;
};

absl::Status AddConstants(const graph::Constants& constants, const std::set<std::string>& weights,
                          Planner& planner) {
  for (const auto& [name, constant] : constants) {
    const auto* tensor = std::get_if<base::Tensor>(&constant);
    if (tensor == nullptr) {
      return Bad(base::reason::kAlreadyQuantized,
                 base::StrCat("tensor is quantized already: ", name));
    }
    if (weights.count(name) > 0) continue;
    LBW_RETURN_IF_ERROR(planner.AddOther({name, tensor->dtype(), tensor->shape(), false, {}}));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Plan> PlanGraph(const graph::Graph& graph, const graph::Constants& constants,
                               const std::vector<std::string>& heads,
                               const QuantizeOptions& options) {
  LBW_RETURN_IF_ERROR(quant::ValidateRules(options.rules));
  Planner planner(options);
  std::set<std::string> weights;
  for (const graph::Weight& weight : graph::FindWeights(graph, constants, heads)) {
    const auto* tensor = std::get_if<base::Tensor>(&constants.find(weight.constant)->second);
    if (tensor == nullptr) {
      return Bad(base::reason::kAlreadyQuantized,
                 base::StrCat("tensor is quantized already: ", weight.constant));
    }
    weights.insert(weight.constant);
    const quant::RuleTarget target{weight.constant, weight.nodes.empty() ? "" : weight.nodes[0],
                                   weight.first, weight.output, weight.depthwise};
    LBW_RETURN_IF_ERROR(
        planner.AddWeight({weight.constant, tensor->dtype(), tensor->shape(), false, {}}, target,
                          weight.axis, weight.groups));
  }
  LBW_RETURN_IF_ERROR(AddConstants(constants, weights, planner));
  return planner.Finish();
}

absl::StatusOr<Plan> PlanFile(const tensorfile::SafetensorsFile& file,
                              const QuantizeOptions& options) {
  LBW_RETURN_IF_ERROR(quant::ValidateRules(options.rules));
  if (file.metadata().count(std::string(tensorfile::kFormatKey)) > 0) {
    return Bad(base::reason::kAlreadyQuantized, "the file is packed already");
  }
  std::vector<const tensorfile::TensorEntry*> weights;
  std::vector<const tensorfile::TensorEntry*> others;
  for (const tensorfile::TensorEntry& entry : file.tensors()) {
    const bool weight = base::IsFloating(entry.dtype) && entry.shape.size() >= 2;
    (weight ? weights : others).push_back(&entry);
  }
  std::stable_sort(weights.begin(), weights.end(),
                   [](const auto* a, const auto* b) { return a->offset < b->offset; });
  Planner planner(options);
  for (const tensorfile::TensorEntry* entry : weights) {
    const quant::RuleTarget target{entry->name, "", entry == weights[0], false, false};
    LBW_RETURN_IF_ERROR(
        planner.AddWeight({entry->name, entry->dtype, entry->shape, false, {}}, target, 0, 1));
  }
  for (const tensorfile::TensorEntry* entry : others) {
    LBW_RETURN_IF_ERROR(planner.AddOther({entry->name, entry->dtype, entry->shape, false, {}}));
  }
  return planner.Finish();
}

absl::Status CheckSomethingIsQuantized(const Plan& plan) {
  if (plan.quantized > 0) return absl::OkStatus();
  return Bad(base::reason::kNothingToQuantize,
             base::StrCat("the rules keep every one of the ", plan.weights, " weights float"));
}

absl::StatusOr<quant::QuantizedTensor> QuantizePlanned(const base::TensorView& weights, size_t i,
                                                       Plan& plan) {
  const PlannedTensor& tensor = plan.tensors[i];
  absl::StatusOr<quant::QuantizeResult> made = quant::QuantizeTensor(weights, tensor.options);
  if (!made.ok()) {
    return base::WithContext(made.status(), base::StrCat("tensor ", tensor.name));
  }
  quant::TensorReport& report = plan.outcome.reports[i];
  made->report.name = report.name;
  made->report.node = report.node;
  made->report.rule_index = report.rule_index;
  report = std::move(made->report);
  return std::move(made->tensor);
}

}  // namespace lbw::model
