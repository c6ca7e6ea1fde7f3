#include "engine/torch/plan.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/torch_bridge.h"
#include "engine/torch/trainable_constants.h"
#include "graph/operators.h"

namespace lbw::engine {

class PlanBuilder {
 public:
  PlanBuilder(const PlanSource& source, const graph::InferredShapes& inferred, Plan& plan)
      : graph_(source.graph),
        constants_(source.constants),
        laid_out_(source.laid_out),
        fetch_(source.fetch),
        emulate_(source.emulate),
        given_(source.given),
        momentum_(source.batch_norm_momentum),
        device_(source.device),
        inferred_(inferred),
        plan_(plan) {
    plan.channels_last_ = source.channels_last;
  }

  absl::Status Build() {
    LBW_RETURN_IF_ERROR(CheckEmulated());
    for (const graph::ValueInfo& input : graph_.inputs) {
      plan_.input_slots_.push_back(NewSlot(input.name));
    }
    for (const graph::ValueInfo& input : graph_.inputs) RoundValue(input.name);
    CountReaders();
    for (const graph::Node& node : graph_.nodes) LBW_RETURN_IF_ERROR(AddNode(node));
    for (const std::string& name : fetch_) {
      LBW_ASSIGN_OR_RETURN(const int slot, SlotOf(name));
      plan_.fetch_.push_back(slot);
      const auto info = inferred_.values.find(name);
      if (info == inferred_.values.end()) {
        return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
                           base::StrCat("value ", name, " is a constant that nothing reads"));
      }
      plan_.outputs_.push_back(info->second);
    }
    AddReleases();
    return absl::OkStatus();
  }

 private:
  static size_t DataInputs(const graph::Node& node) {
    return std::min(node.inputs.size(), graph::FindOperator(node.op_type)->data_inputs);
  }

  // True where shape arithmetic gave every output: no step is needed.
  bool IsKnown(const graph::Node& node) const {
    return std::all_of(node.outputs.begin(), node.outputs.end(), [&](const std::string& output) {
      return output.empty() || inferred_.known.count(output) != 0;
    });
  }

  absl::Status CheckEmulated() const {
    if (emulate_ == nullptr) return absl::OkStatus();
    for (const auto& [name, range] : *emulate_) {
      const auto info = inferred_.values.find(name);
      if (info == inferred_.values.end()) continue;  // not computed here
      const bool made = inferred_.known.count(name) == 0 && constants_.count(name) == 0;
      if (made && info->second.dtype == base::DType::kF32) continue;
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                         base::StrCat("emulate: value ", name, " is ",
                                      made ? base::Name(info->second.dtype) : "a constant",
                                      "; only computed F32 values are rounded"));
    }
    return absl::OkStatus();
  }

  // Puts a rounding step behind the value that was made last; from here on its name is the rounded
  // value's, which nothing else shares.
  void RoundValue(const std::string& name) {
    if (emulate_ == nullptr) return;
    const auto range = emulate_->find(name);
    if (range == emulate_->end()) return;
    Kernel kernel = RoundKernel(range->second);
    Plan::Step step;
    step.where = base::StrCat("rounding of ", name);
    step.run = std::move(fresh_.count(name) != 0 ? kernel.run_in_place : kernel.run);
    step.in = {slots_.find(name)->second};
    step.out = {NewSlot("")};
    slots_.insert_or_assign(name, step.out[0]);
    fresh_.insert(name);
    plan_.steps_.push_back(std::move(step));
  }

  void CountReaders() {
    for (const std::string& name : fetch_) ++readers_[name];
    for (const graph::Node& node : graph_.nodes) {
      if (IsKnown(node)) continue;
      for (size_t i = 0; i < DataInputs(node); ++i) ++readers_[node.inputs[i]];
    }
  }

  int NewSlot(const std::string& name) {
    const int slot = static_cast<int>(plan_.initial_.size());
    plan_.initial_.emplace_back();
    if (!name.empty()) slots_.emplace(name, slot);
    return slot;
  }

  bool IsGiven(const std::string& name) const {
    return given_ != nullptr && given_->count(name) != 0;
  }

  // Of a value that a step made, of a constant or of a known value, which enter on first use.
  absl::StatusOr<int> SlotOf(const std::string& name) {
    if (const auto it = slots_.find(name); it != slots_.end()) return it->second;
    if (IsGiven(name)) {
      const int slot = NewSlot(name);
      plan_.given_slots_.emplace_back(name, slot);
      constant_slots_.insert(slot);
      return slot;
    }
    at::Tensor tensor;
    if (const auto known = inferred_.known.find(name); known != inferred_.known.end()) {
      // The inferred shapes do not outlive the building.
      LBW_ASSIGN_OR_RETURN(tensor, CopyToTorch(known->second.view()));
    } else if (const auto it = constants_.find(name); it != constants_.end()) {
      const auto* constant = std::get_if<base::Tensor>(&it->second);
      LBW_CHECK(constant != nullptr);
      const bool laid_out = laid_out_.count(name) != 0;
      LBW_ASSIGN_OR_RETURN(
          tensor, laid_out ? BorrowChannelsLast(constant->view()) : BorrowTensor(constant->view()));
    } else {
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
                         base::StrCat("no value is called ", name));
    }
    const at::Device device(device_);
    if (!device.is_cpu()) tensor = tensor.to(device);
    const int slot = NewSlot(name);
    plan_.initial_[static_cast<size_t>(slot)] = std::move(tensor);
    constant_slots_.insert(slot);
    return slot;
  }

  absl::Status AddNode(const graph::Node& node) {
    if (IsKnown(node)) return absl::OkStatus();
    const graph::Operands operands = graph::MakeOperands(node, graph_.opset, inferred_, constants_);
    std::vector<graph::ValueInfo> outputs;
    for (const std::string& name : node.outputs) {
      outputs.push_back(name.empty() ? graph::ValueInfo() : inferred_.values.find(name)->second);
    }
    LBW_ASSIGN_OR_RETURN(Kernel kernel, MakeKernel(operands, outputs, device_));
    Plan::Step step;
    step.where = base::StrCat("node ", node.name, " (", node.op_type, ")");
    for (size_t i = 0; i < DataInputs(node); ++i) {
      int slot = -1;
      if (!node.inputs[i].empty()) {
        LBW_ASSIGN_OR_RETURN(slot, SlotOf(node.inputs[i]));
      }
      step.in.push_back(slot);
    }
    if (node.op_type == "BatchNormalization") SetStatistics(node, operands, step);
    const bool in_place = given_ == nullptr && kernel.run_in_place &&
                          readers_[node.inputs[0]] == 1 && fresh_.count(node.inputs[0]) != 0;
    step.run = in_place ? std::move(kernel.run_in_place) : std::move(kernel.run);
    for (const std::string& name : node.outputs) {
      step.out.push_back(NewSlot(name));
      if (kernel.fresh) fresh_.insert(name);
    }
    plan_.steps_.push_back(std::move(step));
    for (const std::string& name : node.outputs) RoundValue(name);
    return absl::OkStatus();
  }

  // The batch's statistics are only for those whose running values may be written.
  void SetStatistics(const graph::Node& node, const graph::Operands& operands, Plan::Step& step) {
    if (!IsGiven(node.inputs[3]) || !IsGiven(node.inputs[4])) return;
    step.run_with_batch = TrainingBatchNormalization(node, momentum_);
    int64_t values = 1;  // a channel
    const base::Shape& shape = operands.shape(0);
    for (size_t i = 0; i < shape.size(); ++i) values *= i == 1 ? 1 : shape[i];
    if (values == 1 && plan_.lone_norm_.empty()) plan_.lone_norm_ = step.where;
  }

  void AddReleases() {
    std::set<int> live(plan_.fetch_.begin(), plan_.fetch_.end());
    for (auto step = plan_.steps_.rbegin(); step != plan_.steps_.rend(); ++step) {
      for (const int slot : step->in) {
        if (slot < 0 || constant_slots_.count(slot) != 0) continue;
        if (live.insert(slot).second) step->release.push_back(slot);
      }
      for (const int slot : step->out) {
        if (live.count(slot) == 0) step->release.push_back(slot);
      }
    }
  }

  const graph::Graph& graph_;
  const graph::Constants& constants_;
  const LaidOut& laid_out_;
  const std::vector<std::string>& fetch_;
  const graph::Activations* emulate_;
  const NameSet* given_;
  const double momentum_;
  const std::string device_;
  const graph::InferredShapes& inferred_;
  Plan& plan_;
  std::map<std::string, int> readers_;
  std::map<std::string, int, std::less<>> slots_;
  std::set<std::string, std::less<>> fresh_;
  std::set<int> constant_slots_;
};

Plan::Plan() = default;
Plan::~Plan() = default;

absl::StatusOr<std::unique_ptr<Plan>> Plan::Build(
    const PlanSource& source, const std::map<std::string, base::Shape>& inputs) {
  LBW_ASSIGN_OR_RETURN(graph::InferredShapes inferred,
                       graph::InferShapes(source.graph, source.constants, inputs));
  if (source.given != nullptr) {
    // What follows from a given constant is not known: its nodes become steps.
    for (const auto& [value, names] : KnownFrom(source.graph, inferred, *source.given)) {
      inferred.known.erase(value);
    }
  }
  std::unique_ptr<Plan> plan(new Plan());
  try {
    LBW_RETURN_IF_ERROR(PlanBuilder(source, inferred, *plan).Build());
  } catch (...) {
    return CurrentTorchError("compiling");
  }
  return plan;
}

absl::Status Plan::RunStep(const Step& step, const KernelFunction& run,
                           std::vector<at::Tensor>& slots) const {
  constexpr size_t kFew = 8;
  const at::Tensor* few_in[kFew];
  std::vector<const at::Tensor*> many_in;
  const at::Tensor** in = few_in;
  if (step.in.size() > kFew) {
    many_in.resize(step.in.size());
    in = many_in.data();
  }
  for (size_t i = 0; i < step.in.size(); ++i) {
    in[i] = step.in[i] < 0 ? nullptr : &slots[static_cast<size_t>(step.in[i])];
  }
  std::vector<at::Tensor> out(step.out.size());
  try {
    run(in, out.data());
  } catch (...) {
    return CurrentTorchError(step.where);
  }
  for (size_t i = 0; i < out.size(); ++i) {
    slots[static_cast<size_t>(step.out[i])] = std::move(out[i]);
  }
  for (const int slot : step.release) slots[static_cast<size_t>(slot)] = at::Tensor();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<base::Tensor>> Plan::Run(absl::Span<const base::TensorView> inputs,
                                                    const base::CancelToken& cancel) const {
  LBW_CHECK(inputs.size() == input_slots_.size() && given_slots_.empty());
  std::vector<at::Tensor> slots = initial_;
  for (size_t i = 0; i < inputs.size(); ++i) {
    LBW_ASSIGN_OR_RETURN(at::Tensor pictures, BorrowTensor(inputs[i]));
    if (channels_last_ && pictures.dim() == 4) {
      pictures = pictures.contiguous(at::MemoryFormat::ChannelsLast);
    }
    slots[static_cast<size_t>(input_slots_[i])] = std::move(pictures);
  }
  for (const Step& step : steps_) {
    LBW_RETURN_IF_ERROR(cancel.Check());
    LBW_RETURN_IF_ERROR(RunStep(step, step.run, slots));
  }
  std::vector<base::Tensor> results;
  for (const int slot : fetch_) {
    LBW_ASSIGN_OR_RETURN(base::Tensor result, CopyFromTorch(slots[static_cast<size_t>(slot)]));
    results.push_back(std::move(result));
  }
  return results;
}

absl::StatusOr<std::vector<at::Tensor>> Plan::RunTensors(
    const std::vector<at::Tensor>& inputs,
    const std::map<std::string, at::Tensor, std::less<>>& given, NormStatistics statistics) const {
  LBW_CHECK(inputs.size() == input_slots_.size());
  const bool with_batch = statistics == NormStatistics::kBatch;
  if (with_batch && !lone_norm_.empty()) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat(lone_norm_,
                                    ": a batch has no variance with one value a channel; take more "
                                    "than one picture, or freeze batch normalization"));
  }
  std::vector<at::Tensor> slots = initial_;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool last = channels_last_ && inputs[i].dim() == 4;
    slots[static_cast<size_t>(input_slots_[i])] =
        last ? inputs[i].contiguous(at::MemoryFormat::ChannelsLast) : inputs[i].contiguous();
  }
  for (const auto& [name, slot] : given_slots_) {
    const auto it = given.find(name);
    LBW_CHECK(it != given.end());
    slots[static_cast<size_t>(slot)] = it->second;
  }
  for (const Step& step : steps_) {
    const bool other = with_batch && step.run_with_batch;
    LBW_RETURN_IF_ERROR(RunStep(step, other ? step.run_with_batch : step.run, slots));
  }
  std::vector<at::Tensor> results;
  for (const int slot : fetch_) {
    // Autocast leaves some of them narrower.
    results.push_back(slots[static_cast<size_t>(slot)].to(at::kFloat));
  }
  return results;
}

}  // namespace lbw::engine
