#include "train/trainer.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/device.h"
#include "engine/torch/torch_bridge.h"
#include "engine/torch/trainable.h"
#include "train/averages.h"
#include "train/divergence.h"
#include "train/named_tensors.h"
#include "train/optimizer.h"
#include "train/plain_parameters.h"
#include "train/schedule.h"
#include "train/training_graph.h"

namespace lbw::train {
namespace {

using engine::Trainable;
using Outputs = std::vector<at::Tensor>;
using Tensors = NamedTensors;

class TorchTrainer final : public Trainer {
 public:
  TorchTrainer(TrainerInputs inputs, const TrainOptions& options, int64_t total_steps)
      : options_(options),
        total_(total_steps),
        codes_end_(CodesEnd(options.low_bit.codes_until, total_steps)),
        model_(std::move(inputs.model)) {}

  absl::Status Prepare(const model::Model* teacher, std::vector<LayerStart> starts);

  int64_t step() const override { return step_; }
  std::string device() const override { return engine::DescribeDevice(options_.device); }
  absl::StatusOr<StepFacts> Step(const TrainBatch& batch) override;
  absl::Status ObserveBatchNorm(const TrainBatch& batch) override;
  absl::StatusOr<std::map<std::string, LowBitLayer::Facts>> TakeFacts() override;
  absl::StatusOr<model::Model> Snapshot(Weights weights) const override;
  absl::StatusOr<Tensors> State() const override;
  absl::Status Restore(const Tensors& state, int64_t step) override;

 private:
  Trainable::BatchNormRun BatchNormKind() const {
    return options_.batch_norm == BatchNorm::kTrain ? Trainable::BatchNormRun::kTraining
                                                    : Trainable::BatchNormRun::kFrozen;
  }
  absl::StatusOr<std::unique_ptr<Trainable>> Compile(const graph::Graph& graph,
                                                     const graph::Constants& constants,
                                                     std::vector<std::string> fetch) const;
  absl::Status MakeLayers(std::vector<LayerStart> starts, PlainChoice& choice);
  at::Tensor Pictures(const TrainBatch& batch) const;
  absl::StatusOr<Trainable::Values> StudentValues(double& seconds);
  absl::StatusOr<Outputs> RunTeacher(const at::Tensor& pictures);
  absl::StatusOr<LossValue> RunStudent(const at::Tensor& pictures, const TrainBatch& batch,
                                       const Trainable::Values& values);
  absl::Status TakeStep(StepFacts& facts);
  absl::Status FixCodes();
  absl::Status Diverged(const at::Tensor& pictures, const Trainable::Values& values) const;
  void SaveRunning();
  void PutRunningBack();

  const TrainOptions options_;
  const int64_t total_;
  const int64_t codes_end_;
  const model::Model model_;
  TrainingGraph graph_;
  std::unique_ptr<Trainable> network_;
  std::unique_ptr<Trainable> teacher_;
  std::unique_ptr<HeadLoss> loss_;
  std::vector<std::unique_ptr<LowBitLayer>> layers_;
  std::unique_ptr<PlainParameters> plain_;
  std::vector<Parameter> all_;  // of the layers in their order, then the plain ones
  std::unique_ptr<ParameterOptimizer> optimizer_;
  std::unique_ptr<Averages> averages_;
  std::map<std::string, at::Tensor> saved_running_;
  bool codes_are_fixed_ = false;
  int64_t step_ = 0;
};

absl::StatusOr<std::unique_ptr<Trainable>> TorchTrainer::Compile(
    const graph::Graph& graph, const graph::Constants& constants,
    std::vector<std::string> fetch) const {
  engine::TrainableOptions options;
  options.fetch = std::move(fetch);
  options.height = model_.spec.input.height;
  options.width = model_.spec.input.width;
  options.threads = options_.threads;
  options.device = options_.device;
  options.batch_norm_momentum = options_.batch_norm_momentum;
  return Trainable::Open(graph, constants, options);
}

// Biases of rows that are dead, and of those that have no constant to be written back to.
absl::Status TorchTrainer::MakeLayers(std::vector<LayerStart> starts, PlainChoice& choice) {
  for (const graph::Node& node : graph_.graph.nodes) {
    if (node.inputs.size() < 3 || node.inputs[2].empty()) continue;
    const std::string& bias = node.inputs[2];
    const bool fresh = graph_.constants.count(bias) != 0 && model_.constants.count(bias) == 0;
    if (fresh && graph_.stored_bias.count(bias) == 0) choice.fixed.push_back(bias);
    for (const LayerStart& start : starts) {
      if (node.inputs[1] == start.name && !start.dead.empty()) choice.dead[bias] = start.dead;
    }
  }
  for (LayerStart& start : starts) {
    LBW_ASSIGN_OR_RETURN(std::unique_ptr<LowBitLayer> layer,
                         LowBitLayer::Make(std::move(start), options_.low_bit, options_.device));
    for (const Parameter& one : layer->parameters()) all_.push_back(one);
    layers_.push_back(std::move(layer));
  }
  return absl::OkStatus();
}

absl::Status TorchTrainer::Prepare(const model::Model* teacher, std::vector<LayerStart> starts) {
  engine::UseThreads(options_.threads);
  LBW_ASSIGN_OR_RETURN(loss_, NewHeadLoss(model_, options_.loss));
  LBW_ASSIGN_OR_RETURN(graph_, MakeTrainingGraph(model_));
  LBW_ASSIGN_OR_RETURN(network_, Compile(graph_.graph, graph_.constants, loss_->inputs()));
  if (options_.loss.distill > 0) {
    LBW_CHECK(teacher != nullptr);
    LBW_ASSIGN_OR_RETURN(teacher_, Compile(teacher->graph, teacher->constants, loss_->inputs()));
  }
  PlainChoice choice;
  choice.weights = starts.empty();
  LBW_RETURN_IF_ERROR(MakeLayers(std::move(starts), choice));
  LBW_ASSIGN_OR_RETURN(
      PlainParameters plain,
      PlainParameters::Make(*network_, graph::FindWeights(graph_.graph, graph_.constants, {}),
                            choice));
  plain_ = std::make_unique<PlainParameters>(std::move(plain));
  all_.insert(all_.end(), plain_->parameters().begin(), plain_->parameters().end());
  try {
    optimizer_ = ParameterOptimizer::Make(options_.optimizer, all_);
    averages_ = std::make_unique<Averages>(all_, options_.ema);
  } catch (...) {
    return engine::CurrentTorchError("preparing the optimizer");
  }
  return absl::OkStatus();
}

at::Tensor TorchTrainer::Pictures(const TrainBatch& batch) const {
  const detect::InputSpec& input = model_.spec.input;
  const std::vector<int64_t> shape = {batch.pictures, input.channels(), input.height, input.width};
  // torch takes void*, but nothing writes through a tensor that is only read.
  return at::from_blob(const_cast<float*>(batch.values.data()), shape).to(options_.device);
}

absl::StatusOr<Trainable::Values> TorchTrainer::StudentValues(double& seconds) {
  Trainable::Values values;
  const base::Stopwatch watch;
  for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
    LBW_ASSIGN_OR_RETURN(const at::Tensor student, layer->Student(step_, total_));
    values.insert_or_assign(layer->name(), student);
  }
  if (!layers_.empty()) engine::Synchronize(options_.device);
  seconds += watch.ElapsedSeconds();
  plain_->AddTo(values);
  return values;
}

absl::StatusOr<Outputs> TorchTrainer::RunTeacher(const at::Tensor& pictures) {
  if (teacher_ == nullptr) return Outputs();
  const c10::AutoGradMode no_graphs(false);
  const engine::AutocastScope autocast(options_.device, options_.autocast);
  LBW_ASSIGN_OR_RETURN(Outputs outputs,
                       teacher_->Run(pictures, {}, Trainable::BatchNormRun::kFrozen));
  for (at::Tensor& output : outputs) output = output.to(at::kFloat);
  return outputs;
}

absl::StatusOr<LossValue> TorchTrainer::RunStudent(const at::Tensor& pictures,
                                                   const TrainBatch& batch,
                                                   const Trainable::Values& values) {
  LBW_ASSIGN_OR_RETURN(const Outputs teacher, RunTeacher(pictures));
  Outputs outputs;
  {
    const engine::AutocastScope autocast(options_.device, options_.autocast);
    LBW_ASSIGN_OR_RETURN(outputs, network_->Run(pictures, values, BatchNormKind()));
  }
  for (at::Tensor& output : outputs) output = output.to(at::kFloat);
  return loss_->Compute(outputs, teacher, *batch.truth);
}

void TorchTrainer::SaveRunning() {
  if (options_.batch_norm != BatchNorm::kTrain) return;
  for (const auto& [name, tensor] : plain_->running()) saved_running_[name] = tensor.clone();
}

void TorchTrainer::PutRunningBack() {
  for (const auto& [name, tensor] : saved_running_) {
    plain_->running().find(name)->second.copy_(tensor);
  }
}

absl::Status TorchTrainer::Diverged(const at::Tensor& pictures,
                                    const Trainable::Values& values) const {
  const c10::AutoGradMode no_graphs(false);
  const std::vector<LayerOutput> layers = LayerOutputs(graph_.graph, graph_.constants);
  std::vector<std::string> fetch;
  for (const LayerOutput& layer : layers) fetch.push_back(layer.value);
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<Trainable> network,
                       Compile(graph_.graph, graph_.constants, fetch));
  LBW_ASSIGN_OR_RETURN(const Outputs outputs,
                       network->Run(pictures, values, Trainable::BatchNormRun::kFrozen));
  return base::Error(
      absl::StatusCode::kFailedPrecondition, base::reason::kTrainingDiverged,
      base::StrCat("the loss of step ", step_ + 1, " is not finite; first in ",
                   FirstNonFinite(values, layers, outputs), ": a smaller rate may help"));
}

absl::Status TorchTrainer::FixCodes() {
  averages_->CopyBack();
  optimizer_->ClearFirstMoments();
  for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
    layer->FixCodes();
    optimizer_->Freeze(layer->name(), ParameterKind::kWeight);
  }
  codes_are_fixed_ = true;
  return absl::OkStatus();
}

absl::Status TorchTrainer::TakeStep(StepFacts& facts) {
  const base::Stopwatch watch;
  for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
    LBW_RETURN_IF_ERROR(layer->TakeGradient());
  }
  facts.project_seconds += watch.ElapsedSeconds();
  plain_->TakeGradients();
  facts.rate_factor = RateFactor(options_.optimizer, options_.low_bit.codes_until, step_, total_);
  LBW_ASSIGN_OR_RETURN(const ParameterOptimizer::StepFacts taken,
                       optimizer_->Step(facts.rate_factor));
  facts.gradient_norm = taken.gradient_norm;
  averages_->Update(step_);
  return absl::OkStatus();
}

absl::StatusOr<StepFacts> TorchTrainer::Step(const TrainBatch& batch) {
  LBW_CHECK(step_ < total_ && batch.truth != nullptr && batch.pictures > 0);
  engine::UseThreads(options_.threads);
  const base::Stopwatch watch;
  StepFacts facts;
  try {
    if (step_ >= codes_end_ && !codes_are_fixed_) LBW_RETURN_IF_ERROR(FixCodes());
    const at::Tensor pictures = Pictures(batch);
    LBW_ASSIGN_OR_RETURN(const Trainable::Values values, StudentValues(facts.project_seconds));
    SaveRunning();
    LBW_ASSIGN_OR_RETURN(const LossValue loss, RunStudent(pictures, batch, values));
    facts.losses = loss.terms;
    facts.losses["loss"] = loss.total->item<double>();
    if (!std::isfinite(facts.losses["loss"])) {
      PutRunningBack();
      return Diverged(pictures, values);
    }
    loss.total->backward();
    LBW_RETURN_IF_ERROR(TakeStep(facts));
    engine::Synchronize(options_.device);
  } catch (...) {
    return engine::CurrentTorchError(base::StrCat("step ", step_ + 1));
  }
  ++step_;
  facts.total_seconds = watch.ElapsedSeconds();
  return facts;
}

absl::Status TorchTrainer::ObserveBatchNorm(const TrainBatch& batch) {
  engine::UseThreads(options_.threads);
  try {
    const c10::AutoGradMode no_graphs(false);
    double seconds = 0;
    LBW_ASSIGN_OR_RETURN(const Trainable::Values values, StudentValues(seconds));
    return network_->Run(Pictures(batch), values, Trainable::BatchNormRun::kTraining).status();
  } catch (...) {
    return engine::CurrentTorchError("batch norm's running values");
  }
}

absl::StatusOr<std::map<std::string, LowBitLayer::Facts>> TorchTrainer::TakeFacts() {
  std::map<std::string, LowBitLayer::Facts> all;
  for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
    LBW_ASSIGN_OR_RETURN(all[layer->name()], layer->TakeFacts());
  }
  return all;
}

absl::StatusOr<model::Model> TorchTrainer::Snapshot(Weights weights) const {
  model::Model out = model_;
  out.activations.clear();
  const auto value_of = [&](size_t i) {
    return weights == Weights::kAverage ? averages_->values()[i] : all_[i].value->detach();
  };
  try {
    size_t at = 0;
    for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
      Outputs values;
      for (size_t i = 0; i < layer->parameters().size(); ++i) values.push_back(value_of(at++));
      LBW_ASSIGN_OR_RETURN(quant::QuantizedTensor codes, layer->Packed(values));
      auto& place = out.constants.find(layer->name())->second;
      codes.bias = std::get<quant::QuantizedTensor>(place).bias;
      place = std::move(codes);
    }
    for (; at < all_.size(); ++at) {
      const std::string& name = all_[at].name;
      LBW_ASSIGN_OR_RETURN(base::Tensor value, engine::CopyFromTorch(value_of(at).cpu()));
      const auto stored = graph_.stored_bias.find(name);
      if (stored == graph_.stored_bias.end()) {
        out.constants.insert_or_assign(name, std::move(value));
        continue;
      }
      auto& codes = std::get<quant::QuantizedTensor>(out.constants.find(stored->second)->second);
      const absl::Span<const float> rows = value.as<float>();
      codes.bias.assign(rows.begin(), rows.end());
    }
    for (const auto& [name, tensor] : plain_->running()) {
      LBW_ASSIGN_OR_RETURN(base::Tensor value, engine::CopyFromTorch(tensor.cpu()));
      out.constants.insert_or_assign(name, std::move(value));
    }
  } catch (...) {
    return engine::CurrentTorchError("taking the model");
  }
  return out;
}

absl::StatusOr<Tensors> TorchTrainer::State() const {
  Tensors state;
  try {
    for (size_t i = 0; i < all_.size(); ++i) {
      LBW_RETURN_IF_ERROR(Save(KeyOf("param", all_[i]), *all_[i].value, state));
      if (options_.ema > 0) {
        LBW_RETURN_IF_ERROR(Save(KeyOf("ema", all_[i]), averages_->values()[i], state));
      }
      if (all_[i].unit != nullptr && all_[i].unit->defined()) {
        LBW_RETURN_IF_ERROR(Save(KeyOf("unit", all_[i]), *all_[i].unit, state));
      }
    }
    for (const auto& [name, tensor] : plain_->running()) {
      LBW_RETURN_IF_ERROR(Save(base::StrCat("buffer.", name), tensor, state));
    }
  } catch (...) {
    return engine::CurrentTorchError("taking the state");
  }
  LBW_ASSIGN_OR_RETURN(Tensors optimizer, optimizer_->State());
  Put("opt.", std::move(optimizer), state);
  for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
    LBW_ASSIGN_OR_RETURN(Tensors own, layer->State());
    Put(base::StrCat("layer.", layer->name(), "/"), std::move(own), state);
  }
  return state;
}

absl::Status TorchTrainer::Restore(const Tensors& state, int64_t step) {
  LBW_CHECK(step >= 0 && step <= total_);
  const c10::AutoGradMode no_graphs(false);
  try {
    for (size_t i = 0; i < all_.size(); ++i) {
      LBW_RETURN_IF_ERROR(Load(state, KeyOf("param", all_[i]), *all_[i].value));
      if (options_.ema > 0) {
        LBW_RETURN_IF_ERROR(Load(state, KeyOf("ema", all_[i]), averages_->value(i)));
      }
      if (all_[i].unit != nullptr && all_[i].unit->defined()) {
        LBW_RETURN_IF_ERROR(Load(state, KeyOf("unit", all_[i]), *all_[i].unit));
      }
    }
    for (auto& [name, tensor] : plain_->running()) {
      LBW_RETURN_IF_ERROR(Load(state, base::StrCat("buffer.", name), tensor));
    }
    LBW_RETURN_IF_ERROR(optimizer_->Restore(Part(state, "opt.")));
    for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
      LBW_RETURN_IF_ERROR(layer->Restore(Part(state, base::StrCat("layer.", layer->name(), "/"))));
    }
    step_ = step;
    codes_are_fixed_ = step_ > codes_end_;
    for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
      if (!codes_are_fixed_) break;
      layer->FixCodes();
      optimizer_->Freeze(layer->name(), ParameterKind::kWeight);
    }
  } catch (...) {
    return engine::CurrentTorchError("restoring the state");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Open(TrainerInputs inputs,
                                                       const TrainOptions& options,
                                                       int64_t total_steps) {
  LBW_CHECK(total_steps >= 1);
  std::vector<LayerStart> starts = std::move(inputs.layers);
  const model::Model* teacher = inputs.teacher;
  TrainOptions own = options;
  LBW_ASSIGN_OR_RETURN(own.device, engine::ResolveDevice(options.device));
  own.autocast = own.autocast && engine::HasBf16(own.device);
  auto trainer = std::make_unique<TorchTrainer>(std::move(inputs), own, total_steps);
  LBW_RETURN_IF_ERROR(trainer->Prepare(teacher, std::move(starts)));
  return trainer;
}

}  // namespace lbw::train
