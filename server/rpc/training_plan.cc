#include "rpc/training_plan.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/device.h"
#include "registry/registry.h"
#include "rpc/plan_parts.h"
#include "rpc/spec_parts.h"
#include "rpc/training_job_spec.h"
#include "tasks/estimate.h"
#include "train/loss.h"

namespace lbw::rpc {
namespace {

// As an evaluation's, but float.
absl::StatusOr<registry::Version> ResolveTrainable(registry::Registry& registry,
                                                   const std::string& name) {
  LBW_ASSIGN_OR_RETURN(registry::Version version,
                       ResolveVersion(registry, name, "spec.train.version"));
  if (!version.quantized) return version;
  // Of a version that is named outright, this says where to start instead.
  const absl::Status why =
      registry.ResolveFloat({version.model, version.number, std::nullopt}).status();
  return MapFields(why, [](std::string_view field) { return std::string(field); })
      .Field("spec.train.version");
}

absl::StatusOr<registry::Version> ResolveAncestor(registry::Registry& registry,
                                                  const std::string& name) {
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref,
                       base::ParseModelRef(name, "spec.fine_tune.version"));
  return registry.ResolveFloat(ref);
}

// What both kinds read; facts.version is set.
absl::Status ReadFacts(const ServiceContext& context, const v1::TrainingData& data,
                       std::string_view path, TrainingFacts& facts) {
  facts.threads = context.limits.job_threads;
  facts.heads = train::TrainableHeads();
  LBW_ASSIGN_OR_RETURN(facts.dataset,
                       ReadDataset(context, data.dataset(), base::StrCat(path, ".dataset")));
  if (!data.eval_dataset().empty()) {
    LBW_ASSIGN_OR_RETURN(
        facts.eval, ReadDataset(context, data.eval_dataset(), base::StrCat(path, ".eval_dataset")));
  }
  LBW_ASSIGN_OR_RETURN(facts.outline, ReadOutline(*context.artifacts, facts.version.bundle));
  return absl::OkStatus();
}

// The device's kind. What is asked for outright must be here; the job asks again where it runs.
absl::StatusOr<bool> MeansGpu(const std::string& asked, std::string_view field) {
  const absl::StatusOr<std::string> device = engine::ResolveDevice(asked);
  if (device.ok()) return *device != "cpu";
  return MapFields(device.status(), [](std::string_view) { return std::string(); }).Field(field);
}

tasks::TrainingEstimateInput EstimateInput(const v1::TrainingOptions& options,
                                           const v1::TrainingData& data,
                                           const v1::EvaluateOptions& evaluate,
                                           const TrainingFacts& facts) {
  tasks::TrainingEstimateInput input;
  input.bundle_bytes = facts.version.bundle_bytes;
  input.batch = options.batch();
  const uint64_t pictures = TrainingPicturesOf(data, facts);
  const uint64_t an_epoch = options.steps_an_epoch() > 0
                                ? options.steps_an_epoch()
                                : std::max<uint64_t>(pictures / options.batch(), 1);
  input.steps = an_epoch * options.epochs();
  input.teacher = options.distill() > 0;
  input.evaluated = EvaluatedPicturesOf(data, evaluate, facts);
  // Of what training begins with, and of what it makes.
  input.evaluations =
      input.evaluated == 0
          ? 0
          : 1 + (options.evaluate_every() == 0
                     ? 1
                     : std::max<uint64_t>(options.epochs() / options.evaluate_every(), 1));
  input.threads = static_cast<int>(options.threads());
  input.loader_threads = static_cast<int>(options.loader_threads());
  return input;
}

tasks::QuantizeEstimateInput CalibrationInput(const v1::FineTuneSpec& filled,
                                              const TrainingFacts& facts) {
  tasks::QuantizeEstimateInput input;
  input.bundle_bytes = facts.version.bundle_bytes;
  const v1::Dataset& dataset = facts.calibration.has_value() ? *facts.calibration : facts.dataset;
  input.pictures = std::min<uint64_t>(filled.calibration().count(),
                                      PicturesIn(dataset, filled.calibration().split()));
  input.positions = filled.calibration().positions();
  input.sweeps = static_cast<int>(filled.calibration().sweeps());
  input.networks = 0;
  input.threads = static_cast<int>(filled.training().threads());
  return input;
}

absl::Status AddToPlan(const TrainingFacts& facts, tasks::TrainingEstimateInput input,
                       JobPlan& plan) {
  const std::optional<v1::Dataset>* const named[] = {&facts.eval, &facts.calibration};
  LBW_ASSIGN_OR_RETURN(plan.datasets.emplace_back(), PlannedDataset(facts.dataset));
  for (const std::optional<v1::Dataset>* dataset : named) {
    if (!dataset->has_value()) continue;
    LBW_ASSIGN_OR_RETURN(plan.datasets.emplace_back(), PlannedDataset(**dataset));
  }
  // What the spec was checked against: it is read once.
  plan.estimate = [input = std::move(input), outline = facts.outline] {
    tasks::TrainingEstimateInput of_model = input;
    of_model.model = &outline;
    return tasks::EstimateTraining(of_model);
  };
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<JobPlan> PlanTrain(const ServiceContext& context,
                                  const v1::CreateJobRequest& request) {
  const v1::TrainSpec& asked = request.spec().train();
  TrainingFacts facts;
  LBW_ASSIGN_OR_RETURN(facts.version, ResolveTrainable(*context.registry, asked.version()));
  LBW_RETURN_IF_ERROR(ReadFacts(context, asked.data(), "spec.train.data", facts));
  LBW_ASSIGN_OR_RETURN(const v1::TrainSpec filled, FillIn(asked, facts));
  JobPlan plan;
  LBW_ASSIGN_OR_RETURN(plan.draft, DraftOf(request, filled, facts));
  tasks::TrainingEstimateInput input =
      EstimateInput(filled.options(), filled.data(), filled.evaluate(), facts);
  LBW_ASSIGN_OR_RETURN(input.gpu, MeansGpu(filled.options().device(), "spec.train.options.device"));
  LBW_RETURN_IF_ERROR(AddToPlan(facts, std::move(input), plan));
  return plan;
}

absl::StatusOr<JobPlan> PlanFineTune(const ServiceContext& context,
                                     const v1::CreateJobRequest& request) {
  const v1::FineTuneSpec& asked = request.spec().fine_tune();
  TrainingFacts facts;
  LBW_ASSIGN_OR_RETURN(facts.version, ResolveAncestor(*context.registry, asked.version()));
  LBW_RETURN_IF_ERROR(ReadFacts(context, asked.data(), "spec.fine_tune.data", facts));
  if (!asked.calibration().dataset().empty()) {
    LBW_ASSIGN_OR_RETURN(facts.calibration, ReadDataset(context, asked.calibration().dataset(),
                                                        "spec.fine_tune.calibration.dataset"));
  }
  LBW_ASSIGN_OR_RETURN(const v1::FineTuneSpec filled, FillIn(asked, facts));
  JobPlan plan;
  LBW_ASSIGN_OR_RETURN(plan.draft, DraftOf(request, filled, facts));
  tasks::TrainingEstimateInput input =
      EstimateInput(filled.training(), filled.data(), filled.evaluate(), facts);
  input.calibration = CalibrationInput(filled, facts);
  LBW_ASSIGN_OR_RETURN(input.gpu,
                       MeansGpu(filled.training().device(), "spec.fine_tune.training.device"));
  LBW_RETURN_IF_ERROR(AddToPlan(facts, std::move(input), plan));
  return plan;
}

}  // namespace lbw::rpc
