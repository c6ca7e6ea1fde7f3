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
#include "train/torch_trainer.h"
#include "train/training_graph.h"

namespace lbw::train {

TorchTrainer::TorchTrainer(TrainerInputs inputs, const TrainOptions& options, int64_t total_steps)
    : options_(options),
      total_(total_steps),
      codes_end_(CodesEnd(options.low_bit.codes_until, total_steps)),
      model_(std::move(inputs.model)) {}

TorchTrainer::~TorchTrainer() = default;

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

absl::Status TorchTrainer::MakeLayers(std::vector<LayerStart> starts) {
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
  const PlainChoice choice = ChoosePlain(graph_, model_.constants, starts);
  LBW_RETURN_IF_ERROR(MakeLayers(std::move(starts)));
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
  LBW_CHECK(static_cast<int64_t>(batch.values.size()) ==
            batch.pictures * input.channels() * input.height * input.width);
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

// Where the network cannot be run once more for it, the step alone is named.
absl::Status TorchTrainer::Diverged(const at::Tensor& pictures,
                                    const Trainable::Values& values) const {
  const c10::AutoGradMode no_graphs(false);
  const engine::AutocastScope autocast(options_.device, options_.autocast);
  const std::vector<LayerOutput> layers = LayerOutputs(graph_.graph, graph_.constants);
  std::vector<std::string> fetch;
  for (const LayerOutput& layer : layers) fetch.push_back(layer.value);
  // Before the run, which writes running values.
  std::string where = FirstNonFinite(values);
  const auto network = Compile(graph_.graph, graph_.constants, fetch);
  if (where.empty() && network.ok()) {
    const auto outputs = (*network)->Run(pictures, values, BatchNormKind());
    if (outputs.ok()) where = FirstNonFinite(layers, *outputs);
  }
  if (!where.empty()) where = base::StrCat("; first in ", where);
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kTrainingDiverged,
                     base::StrCat("the loss of step ", step_ + 1, " is not finite", where,
                                  ": a smaller rate may help"));
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
  facts.not_finite = taken.not_finite;
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
      const absl::Status diverged = Diverged(pictures, values);
      PutRunningBack();
      return diverged;
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

absl::Status TorchTrainer::ObserveBatchNorm(const TrainBatch& batch, Weights weights) {
  engine::UseThreads(options_.threads);
  try {
    const c10::AutoGradMode no_graphs(false);
    LBW_ASSIGN_OR_RETURN(const Trainable::Values values, ValuesOf(weights));
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
