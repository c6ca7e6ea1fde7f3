// Steps, epochs, orders and checkpoints of a training.
#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "tasks/cpu.h"
#include "tasks/job_files.h"
#include "tasks/train_bench.h"
#include "train/schedule.h"

namespace lbw::tasks {
namespace {

using Order = jobs::JobLink::Order;
using Severity = jobs::JobLink::Severity;

constexpr int kBatchNormBatches = 50;
constexpr size_t kMostLayerValues = 48;
constexpr size_t kMostFailuresTold = 1'000;

void AddTo(Json& sums, const std::string& key, double value) {
  if (!sums.is_object()) sums = Json::object();
  sums[key] = sums.value(key, 0.0) + value;
}

}  // namespace

absl::Status TrainBench::Checkpoint() {
  if (!dirty_ || trainer_ == nullptr) return absl::OkStatus();
  pace_.Begin();
  const base::Stopwatch watch;
  state_.step = trainer_->step();
  told()["seconds"]["total_s"] = earlier_seconds_ + watch_.ElapsedSeconds();
  state_.steps = steps_.steps();
  state_.isa = CpuIsa();
  state_.threads = spec_.options.threads;
  LBW_ASSIGN_OR_RETURN(state_.trainer, trainer_->State());
  // What is served of it is what is evaluated on the way.
  LBW_ASSIGN_OR_RETURN(
      const model::Model model,
      trainer_->Snapshot(spec_.options.ema > 0 ? Weights::kAverage : Weights::kRaw));
  jobs::CheckpointInfo info;
  info.step = steps_.step();
  info.epoch = state_.step / StepsAnEpoch();
  info.best = best_;
  info.metric = judged_;
  LBW_RETURN_IF_ERROR(WriteCheckpoint(context_, std::move(info), [&](base::ByteSink& sink) {
    return WriteTrainState(state_, model, OriginOf(context_), sink);
  }));
  state_.trainer.clear();
  AddSeconds("checkpoint_s", watch.ElapsedSeconds());
  dirty_ = false;
  best_ = false;
  judged_.reset();
  at_checkpoint_ = state_.step;
  pace_.End();
  return absl::OkStatus();
}

absl::Status TrainBench::Obey() {
  const Order order = link_.order();
  if (order == Order::kCancel) return jobs::ObeyedStatus(order);
  if (steps_.Beat()) Report(stage_);
  const int64_t every = spec_.checkpoint_steps;
  const bool due =
      every > 0 && trainer_ != nullptr ? trainer_->step() - at_checkpoint_ >= every : pace_.IsDue();
  if (order != Order::kGoOn || due) LBW_RETURN_IF_ERROR(Checkpoint());
  if (order == Order::kPause || order == Order::kStop) return jobs::ObeyedStatus(order);
  return absl::OkStatus();
}

void TrainBench::Report(std::string_view stage, std::map<std::string, double> values) {
  jobs::JobLink::Progress progress;
  progress.step = steps_.step();
  progress.total_steps = steps_.total();
  progress.stage = std::string(stage);
  progress.values = std::move(values);
  if (trainer_ != nullptr) {
    progress.values["train_step"] = static_cast<double>(trainer_->step());
    progress.values["epoch"] =
        static_cast<double>(trainer_->step()) / static_cast<double>(StepsAnEpoch());
  }
  stage_ = progress.stage;
  link_.Report(progress);
}

void TrainBench::ReportStep(const train::StepFacts& facts, double seconds) {
  std::map<std::string, double> values(facts.losses.begin(), facts.losses.end());
  values["rate"] = facts.rate_factor * spec_.options.optimizer.rate;
  values["gradient_norm"] = facts.gradient_norm;
  if (facts.not_finite > 0) values["gradients_not_finite"] = static_cast<double>(facts.not_finite);
  if (seconds > 0) values["pictures_per_s"] = static_cast<double>(epoch_pictures_) / seconds;
  Report("train", std::move(values));
}

void TrainBench::AddSeconds(const char* key, double seconds) {
  AddTo(told()["seconds"], key, seconds);
}

// Each once, also over attempts.
void TrainBench::TellFailures() {
  for (const auto& [index, reason] : batches_->TakeFailures()) {
    const std::string& name = pack_->dataset().pictures[index].name;
    Json& failed = told()["failed"];
    if (!failed.is_object()) failed = Json::object();
    if (failed.contains(name) || failed.size() >= kMostFailuresTold) continue;
    failed[name] = std::string(reason.message());
    link_.Say(Severity::kWarning, base::StrCat(name, ": ", base::Std(reason.message())));
  }
}

train::BatchTruth TrainBench::TruthOf(const dataset::Batch& batch) const {
  train::BatchTruth truth;
  const auto class_of = [this](int32_t index) {
    const bool known = index >= 0 && static_cast<size_t>(index) < to_model_.size();
    return known ? to_model_[static_cast<size_t>(index)] : -1;
  };
  for (const std::vector<dataset::SampleBox>& boxes : batch.boxes) {
    std::vector<train::TruthBox>& out = truth.boxes.emplace_back();
    for (const dataset::SampleBox& box : boxes) {
      const int32_t index = class_of(box.class_index);
      if (index >= 0) out.push_back({box.box, index, box.difficult});
    }
  }
  for (const int32_t label : batch.labels) truth.labels.push_back(class_of(label));
  return truth;
}

absl::Status TrainBench::TakeStep() {
  LBW_ASSIGN_OR_RETURN(const dataset::Batch batch, batches_->Next());
  TellFailures();
  const train::BatchTruth truth = TruthOf(batch);
  const auto pictures = static_cast<int64_t>(batch.pictures.size());
  LBW_ASSIGN_OR_RETURN(const train::StepFacts facts,
                       trainer_->Step({absl::MakeConstSpan(batch.values), pictures, &truth}));
  Json& sums = told()["sums"];
  AddTo(sums, "steps", 1);
  AddTo(sums, "gradient_norm", facts.gradient_norm);
  for (const auto& [name, value] : facts.losses) AddTo(sums["losses"], name, value);
  AddSeconds("wait_s", batch.waited_seconds);
  AddSeconds("project_s", facts.project_seconds);
  AddSeconds("train_s", facts.total_seconds + batch.waited_seconds);
  epoch_pictures_ += pictures;
  dirty_ = true;
  judged_.reset();
  steps_.Reach(trainer_->step());
  ReportStep(facts, epoch_watch_.ElapsedSeconds());
  return absl::OkStatus();
}

// What the float version finds, once an attempt.
absl::StatusOr<const RunState*> TrainBench::FloatRun() {
  if (!float_run_.has_value()) {
    LBW_ASSIGN_OR_RETURN(
        const std::unique_ptr<Network> network,
        Network::Make(float_, engine_, spec_.options.threads, Network::Activations::kFloat));
    PartialRun run;
    LBW_RETURN_IF_ERROR(measure_->Run({{{network.get(), &run}}}, spec_.options.threads,
                                      [this](int64_t) { return Obey(); }));
    float_run_ = std::move(run.run);
  }
  return &*float_run_;
}

std::string TrainBench::Metric() const {
  if (measure_ == nullptr) return "";
  return measure_->labelled() ? std::string(measure_->metric()) : "agreement";
}

absl::StatusOr<std::optional<double>> TrainBench::Evaluate(std::string_view stage,
                                                           model::Model model) {
  if (measure_ == nullptr) return std::optional<double>();
  const base::Stopwatch watch;
  Report(stage);
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<Network> network,
                       Network::Make(std::move(model), engine_, spec_.options.threads,
                                     Network::Activations::kFloat));
  PartialRun run;
  LBW_RETURN_IF_ERROR(measure_->Run({{{network.get(), &run}}}, spec_.options.threads,
                                    [this](int64_t) { return Obey(); }));
  const RunState* reference = nullptr;
  if (!measure_->labelled()) {
    LBW_ASSIGN_OR_RETURN(reference, FloatRun());
  }
  LBW_ASSIGN_OR_RETURN(const Measured measured, measure_->Figures(std::string(stage), run.run,
                                                                  reference, base::CancelToken()));
  AddSeconds("evaluate_s", watch.ElapsedSeconds());
  return measure_->labelled() ? measured.value : measured.agreement;
}

// Changed codes and errors of all layers, and of the first ones each.
absl::Status TrainBench::TellFacts(Json& epoch) {
  LBW_ASSIGN_OR_RETURN(const auto facts, trainer_->TakeFacts());
  if (facts.empty()) return absl::OkStatus();
  double weights = 0;
  double changed = 0;
  double error = 0;
  std::map<std::string, double> values;
  for (const auto& [name, one] : facts) {
    weights += static_cast<double>(one.weights);
    changed += static_cast<double>(one.changed);
    error += one.relative_error * static_cast<double>(one.weights);
    if (values.size() < kMostLayerValues) {
      values[base::StrCat("quantization_error.", name)] = one.relative_error;
    }
  }
  if (weights > 0) {
    epoch["codes_changed"] = changed / weights;
    epoch["quantization_error"] = error / weights;
    values["codes_changed"] = changed / weights;
    values["quantization_error"] = error / weights;
  }
  Report("epoch", std::move(values));
  return absl::OkStatus();
}

// Means of the epoch's sums.
void TrainBench::EndSums(Json& epoch, double seconds) {
  Json sums = told().value("sums", Json::object());
  const double steps = std::max(1.0, sums.value("steps", 0.0));
  Json losses = Json::object();
  for (const auto& [name, sum] : sums["losses"].items()) losses[name] = sum.get<double>() / steps;
  epoch["losses"] = std::move(losses);
  epoch["gradient_norm"] = sums.value("gradient_norm", 0.0) / steps;
  epoch["pictures_per_s"] = seconds > 0 ? static_cast<double>(epoch_pictures_) / seconds : 0.0;
  told()["sums"] = Json::object();
}

// Nothing is changed before the last order that may write a checkpoint was asked.
absl::Status TrainBench::EndEpoch() {
  const double seconds = epoch_watch_.ElapsedSeconds();
  const bool averaged = spec_.options.ema > 0;
  const bool last = trainer_->step() == TotalSteps();
  const int64_t every = spec_.evaluate_every;
  const auto number = trainer_->step() / StepsAnEpoch();
  std::optional<double> value;
  if (!last && every > 0 && number % every == 0) {
    LBW_ASSIGN_OR_RETURN(model::Model model,
                         trainer_->Snapshot(averaged ? Weights::kAverage : Weights::kRaw));
    LBW_ASSIGN_OR_RETURN(value, Evaluate("evaluate", std::move(model)));
  }
  Json epoch;
  epoch["epoch"] = base::StrCat(number);
  epoch["steps"] = base::StrCat(trainer_->step());
  EndSums(epoch, seconds);
  epoch["rate"] = spec_.options.optimizer.rate *
                  train::RateFactor(spec_.options.optimizer, spec_.options.low_bit.codes_until,
                                    trainer_->step() - 1, TotalSteps());
  LBW_RETURN_IF_ERROR(TellFacts(epoch));
  if (value.has_value()) {
    epoch[averaged ? "average_value" : "value"] = *value;
    judged_ = value;
    Report("evaluate", {{Metric(), *value}});
    LBW_ASSIGN_OR_RETURN(const std::optional<double> best, NumberOf(told(), "best"));
    best_ = !best.has_value() || *value > *best;
    if (best_) told()["best"] = *value;
  }
  Json& history = told()["history"];
  if (!history.is_array()) history = Json::array();
  history.push_back(std::move(epoch));
  epoch_watch_ = base::Stopwatch();
  epoch_pictures_ = 0;
  dirty_ = true;
  return judged_.has_value() || last ? Checkpoint() : Obey();
}

// Nothing of it is kept: an attempt that goes on finds them again.
absl::Status TrainBench::ReestimateBatchNorm(Weights weights) {
  batches_->Seek(spec_.options.epochs, 0);
  for (int i = 0; i < kBatchNormBatches; ++i) {
    if (steps_.Beat()) Report("batch norm");
    const Order order = link_.order();
    if (order != Order::kGoOn && order != Order::kCheckpoint) return jobs::ObeyedStatus(order);
    LBW_ASSIGN_OR_RETURN(const dataset::Batch batch, batches_->Next());
    const train::BatchTruth truth;
    LBW_RETURN_IF_ERROR(trainer_->ObserveBatchNorm(
        {absl::MakeConstSpan(batch.values), static_cast<int64_t>(batch.pictures.size()), &truth},
        weights));
  }
  return absl::OkStatus();
}

base::CancelToken TrainBench::UntilOrdered() {
  return tasks::UntilOrdered(link_, [this] {
    if (steps_.Beat()) Report(stage_);
  });
}

absl::Status TrainBench::Train() {
  const int64_t an_epoch = StepsAnEpoch();
  LBW_RETURN_IF_ERROR(OpenBatches());
  batches_->Seek(trainer_->step() / an_epoch, trainer_->step() % an_epoch);
  steps_.Begin(TotalSteps());
  epoch_watch_ = base::Stopwatch();
  while (true) {
    const auto history = told().find("history");
    const auto ended = history == told().end() ? 0 : static_cast<int64_t>(history->size());
    if (trainer_->step() / an_epoch > ended) LBW_RETURN_IF_ERROR(EndEpoch());
    if (trainer_->step() == TotalSteps()) break;
    LBW_RETURN_IF_ERROR(Obey());
    LBW_RETURN_IF_ERROR(TakeStep());
  }
  return absl::OkStatus();
}

}  // namespace lbw::tasks
