#include "tasks/train_publish.h"

#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "tasks/publish_parts.h"
#include "tasks/report_size.h"
#include "tasks/train_spec.h"

namespace lbw::tasks {
namespace {

absl::StatusOr<TrainJobSpec> SpecOf(const jobs::Job& job) {
  return job.kind == kFineTune ? ParseFineTuneSpec(job.spec_json) : ParseTrainSpec(job.spec_json);
}

// ModelVersion with these fields alone.
std::string ReportText(const Json& training, const Json& rule_matches) {
  Json report;
  report["training"] = training["training"];
  for (const char* key : {"calibration", "report"}) {
    if (training.contains(key)) report[key] = training[key];
  }
  if (!rule_matches.empty()) report["rule_matches"] = rule_matches;
  return Dump(report);
}

// Leaves out what the version and the evaluation have in full, until the text fits.
void Shrink(Json& training) {
  const auto too_long = [&training] { return Dump(training).size() > kMostReportBytes; };
  if (!too_long()) return;
  const auto without = [&training](const char* what) {
    Json& notes = training["training"]["notes"];
    if (!notes.is_array()) notes = Json::array();
    notes.push_back(
        base::StrCat("too long for a job's result: without ", what, ", which the version has"));
  };
  // Of many epochs every other one, again and again; the last one stays.
  Json& report = training["training"];
  for (bool told = false; too_long() && report["history"].size() > 100; told = true) {
    Json kept = Json::array();
    const size_t size = report["history"].size();
    for (size_t i = 1 - size % 2; i < size; i += 2) kept.push_back(report["history"][i]);
    report["history"] = std::move(kept);
    if (!told) without("some epochs of training.history");
  }
  const auto drop = [&](const char* parent, const char* key, const char* what) {
    if (!too_long() || !training.contains(parent) || !training[parent].contains(key)) return;
    training[parent].erase(key);
    without(what);
  };
  drop("report", "tensors", "report.tensors");
  drop("calibration", "layers", "calibration.layers");
  drop("calibration", "activations", "calibration.activations");
  drop("training", "layers", "training.layers");
  if (too_long() && training.contains("evaluation")) {
    ShrinkToFit(kMostReportBytes / 2, training["evaluation"]);
  }
}

absl::StatusOr<registry::MadeVersion> Made(const jobs::Job& job, const TrainJobSpec& spec,
                                           const TaskContext& context, const Json& result) {
  registry::MadeVersion made;
  made.model = spec.version.model;
  made.parent = *spec.version.version;
  made.parent_seen = job.create_time;
  made.quantized = spec.fine_tune.has_value();
  made.job = job.id;
  LBW_RETURN_IF_ERROR(TakeBundle(*context.blobs, result, made));
  if (made.quantized) {
    LBW_RETURN_IF_ERROR(RequireObject(result, "options"));
    made.quantization_json = Dump(result["options"]);
  }
  return made;
}

}  // namespace

absl::StatusOr<std::string> PrepareTrain(const jobs::Job& job, registry::Registry& registry,
                                         registry::Datasets& datasets) {
  LBW_ASSIGN_OR_RETURN(const TrainJobSpec spec, SpecOf(job));
  Json inputs;
  LBW_ASSIGN_OR_RETURN(inputs["bundle"], BundleOf(registry, spec.version));
  LBW_ASSIGN_OR_RETURN(inputs["pack"], PackOf(datasets, spec.data.dataset));
  if (!spec.evaluate.skip) {
    LBW_ASSIGN_OR_RETURN(inputs["eval_pack"], PackOf(datasets, spec.evaluate.dataset));
  }
  if (spec.fine_tune.has_value()) {
    LBW_ASSIGN_OR_RETURN(inputs["calibration_pack"],
                         PackOf(datasets, spec.fine_tune->calibration.dataset));
  }
  return Dump(inputs);
}

absl::Status ApplyTrain(store::Session& session, const jobs::Job& job, const TaskContext& context,
                        Json& result) {
  LBW_ASSIGN_OR_RETURN(const TrainJobSpec spec, SpecOf(job));
  LBW_ASSIGN_OR_RETURN(Json training, TakeMessage(*context.blobs, "training", result));
  LBW_RETURN_IF_ERROR(RequireObject(training, "training"));
  Json rule_matches = result.value("rule_matches", Json::array());
  if (const auto found = training.find("rule_matches"); found != training.end()) {
    rule_matches = *found;
    training.erase("rule_matches");
  }
  LBW_ASSIGN_OR_RETURN(registry::MadeVersion made, Made(job, spec, context, result));
  made.report_json = ReportText(training, rule_matches);
  LBW_ASSIGN_OR_RETURN(const registry::Version version,
                       context.registry->AddReadyVersion(session, made));
  training["version"] = base::VersionName(version.model, version.number);
  if (training.contains("evaluation")) {
    Json& evaluation = training["evaluation"];
    evaluation["version"] = training["version"];
    base::ModelRef ref;
    ref.model = version.model;
    ref.version = version.number;
    LBW_RETURN_IF_ERROR(InsertEvaluation(
        session, job, *context.evaluations,
        {ref, spec.evaluate.dataset, spec.evaluate.split, {}, spec.evaluate.options_json},
        evaluation));
  }
  Shrink(training);
  // The job keeps the API's JobResult; what the child told beside it was for this room.
  result = Json::object();
  result["training"] = std::move(training);
  return absl::OkStatus();
}

}  // namespace lbw::tasks
