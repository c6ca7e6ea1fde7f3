#include "engine/torch/trainable.h"

#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>

#include <optional>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/batch_plans.h"
#include "engine/torch/device.h"
#include "engine/torch/layout.h"
#include "engine/torch/plan.h"
#include "engine/torch/torch_bridge.h"
#include "engine/torch/trainable_constants.h"
#include "graph/passes.h"

namespace lbw::engine {
namespace {

using Kind = TrainableConstant::Kind;

base::Error BadArgument(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

base::Shape ShapeOfTensor(const at::Tensor& tensor) {
  return base::Shape(tensor.sizes().begin(), tensor.sizes().end());
}

NameSet NamesOf(const std::vector<TrainableConstant>& constants) {
  NameSet names;
  for (const TrainableConstant& constant : constants) names.insert(constant.name);
  return names;
}

class TorchTrainable final : public Trainable {
 public:
  TorchTrainable(graph::Graph graph, graph::Constants constants, TrainableOptions options,
                 std::vector<TrainableConstant> trained)
      : options_(std::move(options)),
        graph_(std::move(graph)),
        constants_(std::move(constants)),
        trained_(std::move(trained)),
        names_(NamesOf(trained_)) {}

  // all: names of the graph's constants, also of those that no fetched value needs.
  absl::Status Prepare(const base::Shape& picture, NameSet all) {
    all_names_ = std::move(all);
    for (const TrainableConstant& constant : trained_) {
      const auto& tensor = std::get<base::Tensor>(constants_.find(constant.name)->second);
      LBW_ASSIGN_OR_RETURN(at::Tensor own, CopyToTorch(tensor.view(), options_.device));
      own_.emplace(constant.name, std::move(own));
    }
    plans_.emplace(
        PlanSource{graph_, constants_, laid_out_, PrefersChannelsLast(graph_), options_.fetch,
                   nullptr, &names_, options_.batch_norm_momentum, options_.device},
        picture);
    LBW_RETURN_IF_ERROR(plans_->Prepare());
    for (const graph::ValueInfo& output : plans_->outputs()) {
      if (output.dtype == base::DType::kF32) continue;
      return BadArgument(base::StrCat("fetch: value ", output.name, " is ",
                                      base::Name(output.dtype), "; only F32 values are fetched"));
    }
    return absl::OkStatus();
  }

  const std::vector<TrainableConstant>& constants() const override { return trained_; }

  absl::StatusOr<at::Tensor> Initial(const std::string& name) const override {
    const auto it = own_.find(name);
    if (it == own_.end())
      return BadArgument(base::StrCat("no trainable constant is called ", name));
    try {
      return it->second.clone();
    } catch (...) {
      return CurrentTorchError(name);
    }
  }

  absl::StatusOr<std::vector<at::Tensor>> Run(const at::Tensor& pictures, const Values& values,
                                              BatchNormRun batch_norm) override {
    UseThreads(options_.threads);
    try {
      LBW_RETURN_IF_ERROR(CheckPictures(pictures));
      LBW_RETURN_IF_ERROR(CheckValues(values, batch_norm));
      LBW_ASSIGN_OR_RETURN(const Plan* plan, PlanFor(pictures.size(0)));
      Values given = values;
      given.insert(own_.begin(), own_.end());  // what is there stays
      const bool training = batch_norm == BatchNormRun::kTraining;
      return plan->RunTensors({pictures}, given,
                              training ? NormStatistics::kBatch : NormStatistics::kRunning);
    } catch (...) {
      return CurrentTorchError("running");
    }
  }

 private:
  absl::StatusOr<const Plan*> PlanFor(int64_t batch) {
    // Tensors of inference mode can never be saved for gradients: a plan must not keep any.
    const c10::InferenceMode off(false);
    return plans_->For(batch);
  }

  absl::Status CheckDevice(std::string_view what, const at::Tensor& tensor) const {
    if (tensor.device() == at::Device(options_.device)) return absl::OkStatus();
    return BadArgument(
        base::StrCat(what, " is on ", tensor.device().str(), ", not on ", options_.device));
  }

  absl::Status CheckPictures(const at::Tensor& pictures) const {
    if (!pictures.defined()) return BadArgument("pictures are not defined");
    const base::Shape shape = ShapeOfTensor(pictures);
    if (pictures.scalar_type() != at::kFloat) {
      return BadArgument(base::StrCat("pictures must be F32: shape=", base::ShapeToString(shape)));
    }
    LBW_RETURN_IF_ERROR(plans_->CheckInput(shape, base::DType::kF32));
    return CheckDevice("the input", pictures);
  }

  absl::Status CheckValues(const Values& values, BatchNormRun batch_norm) const {
    for (const auto& [name, value] : values) {
      if (all_names_.count(name) == 0) {
        return BadArgument(base::StrCat("the graph has no constant ", name));
      }
      const auto own = own_.find(name);
      if (own == own_.end()) {
        if (constants_.count(name) == 0) continue;  // no fetched value needs it
        return BadArgument(base::StrCat("constant ", name, " cannot be given"));
      }
      const base::Shape shape = ShapeOfTensor(own->second);
      if (!value.defined() || value.scalar_type() != at::kFloat || ShapeOfTensor(value) != shape) {
        return BadArgument(base::StrCat(
            "constant ", name, " must be F32 of shape ", base::ShapeToString(shape), ": ",
            value.defined() ? base::ShapeToString(ShapeOfTensor(value)) : "not defined"));
      }
      LBW_RETURN_IF_ERROR(CheckDevice(base::StrCat("constant ", name), value));
    }
    if (batch_norm == BatchNormRun::kFrozen) return absl::OkStatus();
    for (const TrainableConstant& constant : trained_) {
      if (constant.kind != Kind::kMean && constant.kind != Kind::kVariance) continue;
      const auto value = values.find(constant.name);
      if (value == values.end()) continue;
      if (value->second.requires_grad() || !value->second.is_contiguous()) {
        return BadArgument(base::StrCat("running values are written: ", constant.name,
                                        " must be contiguous and ask for no gradient"));
      }
    }
    return absl::OkStatus();
  }

  const TrainableOptions options_;
  const graph::Graph graph_;
  const graph::Constants constants_;  // borrowed by the plans
  const LaidOut laid_out_;            // none: weights are given in their own order
  const std::vector<TrainableConstant> trained_;
  const NameSet names_;  // of trained_
  NameSet all_names_;
  Values own_;  // of trained_, on the device
  std::optional<BatchPlans> plans_;
};

// Those that the graph reads, floating ones as f32.
absl::StatusOr<graph::Constants> TakeConstants(const graph::Graph& graph,
                                               const graph::Constants& constants,
                                               const std::vector<std::string>& fetch) {
  graph::Constants used = UsedConstants(graph, constants, fetch);
  for (auto& [name, constant] : used) {
    const auto* tensor = std::get_if<base::Tensor>(&constant);
    if (tensor == nullptr) {
      return BadArgument(
          base::StrCat("constant ", name, " is codes: what is trained needs values for it"));
    }
    if (!base::IsFloating(tensor->dtype()) || tensor->dtype() == base::DType::kF32) continue;
    LBW_ASSIGN_OR_RETURN(base::Tensor values, graph::ConstantAsF32(constant));
    constant = std::move(values);
  }
  return used;
}

absl::Status CheckOptions(const TrainableOptions& options) {
  if (options.threads < 1) {
    return BadArgument(base::StrCat("threads must be at least 1: ", options.threads));
  }
  const double momentum = options.batch_norm_momentum;
  if (!(momentum >= 0 && momentum <= 1)) {
    return BadArgument(base::StrCat("batch_norm_momentum must be 0..1: ", momentum));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Trainable>> Trainable::Open(const graph::Graph& graph,
                                                           const graph::Constants& constants,
                                                           const TrainableOptions& options) {
  LBW_RETURN_IF_ERROR(CheckOptions(options));
  TrainableOptions own = options;
  LBW_ASSIGN_OR_RETURN(own.device, ResolveDevice(options.device));
  LBW_RETURN_IF_ERROR(graph::Validate(graph, constants));
  LBW_ASSIGN_OR_RETURN(const base::Shape picture,
                       PictureShape(graph, options.height, options.width));
  if (own.fetch.empty()) {
    for (const graph::ValueInfo& output : graph.outputs) own.fetch.push_back(output.name);
  }
  const c10::InferenceMode off(false);
  try {
    graph::Graph needed = graph;
    graph::RemoveDeadNodes(needed, own.fetch);
    LBW_ASSIGN_OR_RETURN(graph::Constants used, TakeConstants(needed, constants, own.fetch));
    LBW_ASSIGN_OR_RETURN(const graph::InferredShapes inferred,
                         graph::InferShapes(needed, used, {{needed.inputs[0].name, picture}}));
    std::vector<TrainableConstant> trained = FindTrainableConstants(needed, used, inferred);
    NameSet all;
    for (const auto& [name, constant] : constants) all.insert(name);
    auto trainable = std::make_unique<TorchTrainable>(std::move(needed), std::move(used),
                                                      std::move(own), std::move(trained));
    LBW_RETURN_IF_ERROR(trainable->Prepare(picture, std::move(all)));
    return trainable;
  } catch (...) {
    return CurrentTorchError("compiling");
  }
}

}  // namespace lbw::engine
