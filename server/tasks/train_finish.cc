// What a training leaves: the weights that are chosen, their bundle, its evaluation, the report.
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "tasks/cpu.h"
#include "tasks/evaluate_contender.h"
#include "tasks/evaluate_report.h"
#include "tasks/evaluate_subject.h"
#include "tasks/job_files.h"
#include "tasks/observe_ranges.h"
#include "tasks/quantize_report.h"
#include "tasks/train_bench.h"

namespace lbw::tasks {
namespace {

constexpr size_t kPicturesAtATime = 8;
constexpr int kDecodeThreads = 2;

// Codes that are others; a real scale that moved changes none.
int64_t Differences(const quant::QuantizedTensor& a, const quant::QuantizedTensor& b) {
  const std::vector<float> x = quant::Dequantize(a);
  const std::vector<float> y = quant::Dequantize(b);
  const bool scaled = !a.scales.empty();
  int64_t count = 0;
  for (size_t i = 0; i < x.size() && i < y.size(); ++i) {
    const bool same_sign = (x[i] > 0) == (y[i] > 0) && (x[i] < 0) == (y[i] < 0);
    if (scaled ? !same_sign : x[i] != y[i]) ++count;
  }
  return count;
}

double Seconds(const Json& told, const char* key) {
  const auto seconds = told.find("seconds");
  return seconds == told.end() ? 0.0 : seconds->value(key, 0.0);
}

}  // namespace

// The better of the weights as they are and their averages; of those whose batch norm was found
// anew there is one alone.
absl::StatusOr<model::Model> TrainBench::Choose() {
  steps_.Begin(2);
  const bool averaged = spec_.options.ema > 0;
  const Weights usual = averaged ? Weights::kAverage : Weights::kRaw;
  const bool trains = spec_.options.batch_norm == train::BatchNorm::kTrain;
  const bool anew = trains && spec_.reestimate_batch_norm;
  if (anew) LBW_RETURN_IF_ERROR(ReestimateBatchNorm(usual));
  LBW_ASSIGN_OR_RETURN(model::Model model, trainer_->Snapshot(usual));
  LBW_ASSIGN_OR_RETURN(const std::optional<double> value,
                       Evaluate(averaged ? "evaluate average" : "evaluate", model));
  // Not kept: what is put into told moves what lies in it.
  const auto last = [this]() -> Json& { return told()["history"].back(); };
  Put(last(), averaged ? "average_value" : "value", value);
  told()["chosen"] = averaged ? "average" : "raw";
  Put(told(), "value", value);
  if (!averaged || anew) return model;
  LBW_ASSIGN_OR_RETURN(model::Model raw, trainer_->Snapshot(Weights::kRaw));
  LBW_ASSIGN_OR_RETURN(const std::optional<double> raw_value, Evaluate("evaluate", raw));
  Put(last(), "value", raw_value);
  const bool take_raw = raw_value.has_value() && (!value.has_value() || *raw_value > *value);
  Put(told(), "other_value", take_raw ? value : raw_value);
  if (!take_raw) return model;
  told()["chosen"] = "raw";
  told()["value"] = *raw_value;
  return raw;
}

absl::Status TrainBench::TellLayers(const model::Model& chosen) {
  Json layers = Json::array();
  LBW_ASSIGN_OR_RETURN(const auto facts, trainer_->TakeFacts());
  for (const auto& [name, start] : state_.starts) {
    const auto& codes = std::get<quant::QuantizedTensor>(chosen.constants.find(name)->second);
    Json layer;
    layer["name"] = name;
    layer["bits"] = codes.options.bits;
    const auto found = facts.find(name);
    if (found != facts.end()) {
      layer["weights"] = base::StrCat(found->second.weights);
      layer["frozen"] = base::StrCat(found->second.frozen);
      layer["quantization_error"] = found->second.relative_error;
    }
    layer["codes_changed"] = base::StrCat(Differences(start, codes));
    layers.push_back(std::move(layer));
  }
  told()["layers"] = std::move(layers);
  return absl::OkStatus();
}

// As a job of kind evaluate would, from the stored bundle.
absl::StatusOr<Json> TrainBench::FullEvaluation(const std::string& bundle) {
  EvaluateSpec spec;
  spec.version = spec_.version;
  spec.dataset = spec_.evaluate.dataset;
  spec.split = spec_.evaluate.split;
  spec.options = spec_.evaluate.options;
  spec.options.max_pictures = spec_.evaluate.max_pictures;
  LBW_ASSIGN_OR_RETURN(const Subject subject, ReadSubject(*eval_pack_, spec));
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<Contender> contender,
                       Contender::Load({context_.blobs, eval_pack_.get()}, bundle, spec.options,
                                       engine_, spec_.options.threads));
  base::ThreadPool decoders({.name = "decode", .threads = kDecodeThreads, .max_queue = 4096});
  EvaluateState state;
  for (size_t first = 0; first < subject.pictures.size(); first += kPicturesAtATime) {
    LBW_RETURN_IF_ERROR(Obey());
    const auto places = absl::MakeConstSpan(subject.pictures).subspan(first, kPicturesAtATime);
    LBW_ASSIGN_OR_RETURN(
        const Contender::Failures failures,
        contender->Judge(contender->Prepare(places, decoders), first, subject, state.main));
    for (const auto& [index, reason] : failures) state.failed.push_back(index);
    state.done += static_cast<int64_t>(places.size());
  }
  state.seconds = contender->TakeSeconds();
  LBW_ASSIGN_OR_RETURN(Json report, tasks::Report(subject.truth, spec, state, UntilOrdered()));
  report["dataset"] = base::DatasetName(spec.dataset);
  report["pack_artifact"] = base::ArtifactName(eval_sha256_);
  report["split"] = spec.split;
  report["options"] = spec_.evaluate.options_json;
  report["timings"]["device"] = base::StrCat("cpu, ", CpuIsa());
  report["timings"]["threads"] = spec_.options.threads;
  return report;
}

Json TrainBench::TrainingJson() const {
  const Json& told = state_.told;
  Json out;
  out["dataset"] = base::DatasetName(spec_.data.dataset);
  out["pack_artifact"] = base::ArtifactName(pack_sha256_);
  out["split"] = spec_.data.split;
  out["pictures"] = base::StrCat(pictures_.size());
  out["pictures_failed"] = base::StrCat(told.value("failed", Json::object()).size());
  out["steps"] = base::StrCat(TotalSteps());
  out["epochs"] = base::StrCat(spec_.options.epochs);
  out["batch"] = spec_.options.batch;
  out["history"] = told.value("history", Json::array());
  if (measure_ != nullptr) out["metric"] = Metric();
  for (const char* key :
       {"float_value", "start_value", "value", "other_value", "chosen", "notes", "layers"}) {
    if (told.contains(key)) out[key] = told[key];
  }
  out["attempts"] = base::StrCat(context_.attempt);
  out["bit_exact"] = state_.bit_exact;
  Json timings;
  for (const char* key :
       {"train_s", "wait_s", "project_s", "evaluate_s", "calibrate_s", "checkpoint_s"}) {
    timings[key] = Seconds(told, key);
  }
  timings["total_s"] = earlier_seconds_ + watch_.ElapsedSeconds();
  timings["epoch_s"] = Seconds(told, "train_s") / static_cast<double>(spec_.options.epochs);
  timings["peak_memory_bytes"] = base::StrCat(PeakMemoryBytes());
  timings["threads"] = spec_.options.threads;
  timings["device"] = state_.device;
  out["timings"] = std::move(timings);
  return out;
}

absl::StatusOr<Json> TrainBench::ResultJson(const model::Model& chosen) {
  Json result;
  Json& training = result["training"];
  training["training"] = TrainingJson();
  if (!on_grid()) return result;
  const FineTuneAsked& asked = *spec_.fine_tune;
  const CodesOf codes_of = [&chosen](const std::string& weight) {
    const auto found = chosen.constants.find(weight);
    return found == chosen.constants.end() ? nullptr
                                           : std::get_if<quant::QuantizedTensor>(&found->second);
  };
  LBW_ASSIGN_OR_RETURN(const model::QuantizeOutcome plan,
                       ReportCodes(float_, asked.options, codes_of));
  training["report"] = ReportJson(plan.reports);
  Json calibration =
      CalibrationJson(asked.calibration, calibration_sha256_, calibration_, chosen.activations);
  calibration["layers"] = state_.told.value("calibrated_layers", Json::array());
  training["calibration"] = std::move(calibration);
  result["rule_matches"] = RuleMatchesJson(plan.caught, asked.options.rules);
  result["options"] = asked.options_json;
  return result;
}

// Names the blob anew where it is there already: sweeps wait while its lock is held, so it is held
// around this alone, and not over the evaluation between the two times.
absl::StatusOr<store::BlobInfo> TrainBench::WriteVersion(const model::Model& chosen) {
  LBW_ASSIGN_OR_RETURN(const auto hold, context_.blobs->Acquire(store::BlobStore::Access::kName));
  return CommitBundle(*context_.blobs, chosen);
}

absl::StatusOr<std::string> TrainBench::Finish() {
  LBW_ASSIGN_OR_RETURN(model::Model chosen, Choose());
  LBW_RETURN_IF_ERROR(TellLayers(chosen));
  if (on_grid()) {
    LBW_ASSIGN_OR_RETURN(chosen.activations, ObserveRanges(chosen, engine_, calibration_.inputs,
                                                           spec_.options.threads, [this](size_t) {
                                                             Report("activation ranges");
                                                             return Obey();
                                                           }));
  }
  LBW_ASSIGN_OR_RETURN(const store::BlobInfo first, WriteVersion(chosen));
  Report("evaluate the version");
  Json evaluation;
  if (measure_ != nullptr && measure_->labelled()) {
    LBW_ASSIGN_OR_RETURN(evaluation, FullEvaluation(first.sha256));
  }
  LBW_ASSIGN_OR_RETURN(Json result, ResultJson(chosen));
  if (!evaluation.is_null()) result["training"]["evaluation"] = std::move(evaluation);
  LBW_ASSIGN_OR_RETURN(const store::BlobInfo info, WriteVersion(chosen));
  result["bundle"] = info.sha256;
  result["bundle_bytes"] = base::StrCat(info.size_bytes);
  steps_.End();
  Report("write the version");
  return ResultText(*context_.blobs, "training", std::move(result));
}

}  // namespace lbw::tasks
