#include "rpc/training_job_spec.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/convert.h"
#include "rpc/json.h"
#include "rpc/names.h"
#include "rpc/quantize_job_spec.h"
#include "rpc/spec_parts.h"
#include "rpc/training_options.h"
#include "tasks/class_map.h"
#include "tasks/tasks.h"
#include "tasks/weight_plan.h"

namespace lbw::rpc {
namespace {

constexpr uint32_t kCoarseEpochs = 8;

constexpr std::string_view kTrainPath = "spec.train";
constexpr std::string_view kFineTunePath = "spec.fine_tune";
constexpr std::string_view kQuantizePath = "spec.quantize";
// Evaluate nothing.
constexpr std::string_view kNoSplit = "none";

std::string At(std::string_view path, std::string_view field) {
  return base::StrCat(path, ".", field);
}

absl::Status CheckHead(const TrainingFacts& facts, std::string_view path) {
  const std::string& head = facts.version.head_kind;
  if (std::find(facts.heads.begin(), facts.heads.end(), head) != facts.heads.end()) {
    return absl::OkStatus();
  }
  std::vector<std::string> known(facts.heads.begin(), facts.heads.end());
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedHead,
                     base::StrCat("the head of ",
                                  base::VersionName(facts.version.model, facts.version.number),
                                  " cannot be trained: head=", head,
                                  "; those that can: ", absl::StrJoin(known, ", ")))
      .Field(At(path, "version"));
}

// What a network is asked to tell apart must be classes that it has.
absl::Status CheckClasses(const TrainingFacts& facts, const v1::Dataset& dataset,
                          std::string_view field) {
  std::vector<std::string> names;
  for (const v1::DatasetClass& one : dataset.classes()) names.push_back(one.name());
  const absl::Status mapped = tasks::MapClasses(facts.version.classes, names).status();
  if (mapped.ok()) return mapped;
  return base::Error(mapped.code(), base::Reason{base::GetErrorDetails(mapped).reason},
                     base::StrCat(dataset.name(), ": ", base::Std(mapped.message())))
      .Field(field);
}

const v1::Dataset& EvalDataset(const TrainingFacts& facts) {
  return facts.eval.has_value() ? *facts.eval : facts.dataset;
}
bool IsOther(const TrainingFacts& facts) {
  return EvalDataset(facts).name() != facts.dataset.name();
}
bool Evaluates(const v1::TrainingData& data) { return data.eval_split() != kNoSplit; }

absl::StatusOr<std::string> ChooseEvalSplit(const std::string& asked, const TrainingFacts& facts,
                                            std::string_view field) {
  if (asked == kNoSplit) return asked;
  const v1::Dataset& dataset = EvalDataset(facts);
  LBW_RETURN_IF_ERROR(CheckSplit(dataset, asked, field));
  if (!asked.empty()) return asked;
  for (const char* usual : {"val", "test"}) {
    if (FindSplit(dataset, usual) != nullptr) return std::string(usual);
  }
  if (!IsOther(facts)) return std::string(kNoSplit);
  // A dataset that is named for it is not passed over in silence.
  if (dataset.splits_size() == 1) return dataset.splits(0).name();
  std::vector<std::string> known;
  for (const v1::DatasetSplit& split : dataset.splits()) known.push_back(split.name());
  return BadArgument(
      base::StrCat("eval_split is needed: ", dataset.name(),
                   " has neither \"val\" nor \"test\"; it has: ", absl::StrJoin(known, ", ")),
      field);
}

absl::Status FillEval(const v1::TrainingData& asked, const TrainingFacts& facts,
                      std::string_view path, v1::TrainingData& data) {
  const std::string dataset_field = At(path, "eval_dataset");
  const std::string split_field = At(path, "eval_split");
  LBW_ASSIGN_OR_RETURN(*data.mutable_eval_split(),
                       ChooseEvalSplit(asked.eval_split(), facts, split_field));
  if (!Evaluates(data)) return absl::OkStatus();
  const v1::Dataset& dataset = EvalDataset(facts);
  data.set_eval_dataset(dataset.name());
  LBW_RETURN_IF_ERROR(CheckTask(facts.version, dataset, dataset_field));
  LBW_RETURN_IF_ERROR(RequirePictures(dataset, data.eval_split(), split_field));
  if (!HasLabels(facts.version, dataset, data.eval_split())) return absl::OkStatus();
  return CheckClasses(facts, dataset, dataset_field);
}

absl::StatusOr<v1::TrainingData> FillInData(const v1::TrainingData& asked,
                                            const TrainingFacts& facts, std::string_view path) {
  v1::TrainingData data;
  data.set_dataset(facts.dataset.name());
  LBW_RETURN_IF_ERROR(CheckTask(facts.version, facts.dataset, At(path, "dataset")));
  const std::string split = At(path, "split");
  LBW_RETURN_IF_ERROR(CheckSplit(facts.dataset, asked.split(), split));
  data.set_split(asked.split());
  if (asked.split().empty() && FindSplit(facts.dataset, "train") != nullptr) {
    data.set_split("train");
  }
  LBW_RETURN_IF_ERROR(FillEval(asked, facts, path, data));
  data.set_max_pictures(asked.max_pictures());
  if (TrainingPicturesOf(data, facts) == 0) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                       base::StrCat("nothing to train on: ", data.dataset(), " split \"",
                                    data.split(), "\" has no pictures beside those of split \"",
                                    data.eval_split(), "\", which is evaluated on"))
        .Field(split);
  }
  LBW_ASSIGN_OR_RETURN(*data.mutable_augment(),
                       FillInAugmentation(asked.augment(), At(path, "augment")));
  return data;
}

// What is learned from labels needs them, and their classes.
absl::Status CheckLabels(const v1::TrainingOptions& options, const v1::TrainingData& data,
                         const TrainingFacts& facts, std::string_view field) {
  if (options.labels() == 0) return absl::OkStatus();
  if (HasLabels(facts.version, facts.dataset, data.split())) {
    return CheckClasses(facts, facts.dataset, field);
  }
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                     base::StrCat("labels above 0 need a dataset with labels: labels=",
                                  options.labels(), ", ", data.dataset(), " split \"", data.split(),
                                  "\" has none for the head ", facts.version.head_kind))
      .Field(field);
}

absl::StatusOr<v1::EvaluateOptions> FillInEvaluate(const v1::EvaluateOptions& asked,
                                                   uint32_t threads, const TrainingFacts& facts,
                                                   std::string_view path) {
  if (asked.checkpoint_pictures() != 0) {
    return BadArgument("checkpoint_pictures belongs to jobs of kind evaluate",
                       At(path, "checkpoint_pictures"));
  }
  return FillInOptions(
      asked,
      {&facts.outline.spec.head.nms, EvalDataset(facts).pixel_rule(), static_cast<int>(threads)},
      path);
}

// The part of a quantization: checked as a job of kind quantize is, which measures nothing.
absl::StatusOr<v1::QuantizeSpec> FillInCodes(const v1::FineTuneSpec& asked,
                                             const v1::TrainingData& data,
                                             const TrainingFacts& facts) {
  if (asked.options().bits() == 0) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions,
                       "bits is required: 2..6")
        .Field(At(kFineTunePath, "options.bits"));
  }
  v1::QuantizeSpec spec;
  *spec.mutable_options() = asked.options();
  *spec.mutable_calibration() = asked.calibration();
  spec.mutable_measure()->set_skip(true);
  QuantizeFacts codes;
  codes.version = facts.version;
  codes.outline = facts.outline;
  codes.dataset = facts.calibration.has_value() ? *facts.calibration : facts.dataset;
  codes.threads = facts.threads;
  const bool same = codes.dataset.name() == data.dataset();
  if (same && asked.calibration().split().empty()) {
    spec.mutable_calibration()->set_split(data.split());
  }
  absl::StatusOr<v1::QuantizeSpec> filled = FillIn(spec, codes);
  if (filled.ok()) return filled;
  return MapFields(filled.status(), [](std::string_view field) {
    if (field.substr(0, kQuantizePath.size()) != kQuantizePath) return std::string(field);
    return base::StrCat(kFineTunePath, field.substr(kQuantizePath.size()));
  });
}

// Codes that nobody trains would make the job a calibration at many times its price.
absl::Status RequireTrainable(const v1::QuantizationOptions& options, const TrainingFacts& facts) {
  const std::string field = At(kFineTunePath, "options");
  LBW_ASSIGN_OR_RETURN(const model::QuantizeOptions values, FromProto(options, field));
  const absl::StatusOr<tasks::WeightPlan> plan = tasks::PlanWeights(facts.outline, values, {});
  if (!plan.ok()) return BelowPath(plan.status(), field);
  if (plan->trainable > 0) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions,
                     base::StrCat("no layer would be trained: none of the ", plan->quantized,
                                  " that are quantized has the scheme EXACT with an exponent a "
                                  "channel"))
      .Field(field);
}

TrainingColumn ColumnOf(const v1::FineTuneSpec& spec) {
  const bool ternary =
      spec.options().bits() == quant::kMinBits && spec.calibration().scale() == v1::SCALE_KIND_REAL;
  return ternary ? TrainingColumn::kTernary : TrainingColumn::kGrid;
}

// What the job reads besides its version.
absl::Status AddDatasets(const v1::TrainingData& data, const TrainingFacts& facts,
                         jobs::JobDraft& draft) {
  std::vector<const v1::Dataset*> datasets = {&facts.dataset};
  if (Evaluates(data)) datasets.push_back(&EvalDataset(facts));
  if (facts.calibration.has_value()) datasets.push_back(&*facts.calibration);
  for (const v1::Dataset* dataset : datasets) {
    AddOnce(dataset->name(), draft.uses);
    LBW_ASSIGN_OR_RETURN(const std::string pack,
                         base::ParseArtifactName(dataset->pack_artifact(), "pack_artifact"));
    AddOnce(pack, draft.artifacts);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::TrainSpec> FillIn(const v1::TrainSpec& asked, const TrainingFacts& facts) {
  LBW_RETURN_IF_ERROR(CheckHead(facts, kTrainPath));
  v1::TrainSpec spec;
  spec.set_version(base::VersionName(facts.version.model, facts.version.number));
  LBW_ASSIGN_OR_RETURN(*spec.mutable_data(),
                       FillInData(asked.data(), facts, At(kTrainPath, "data")));
  TrainingDefaults defaults;
  defaults.threads = facts.threads;
  LBW_ASSIGN_OR_RETURN(*spec.mutable_options(),
                       FillInTraining(asked.options(), defaults, At(kTrainPath, "options")));
  LBW_RETURN_IF_ERROR(
      CheckLabels(spec.options(), spec.data(), facts, At(kTrainPath, "data.dataset")));
  if (!Evaluates(spec.data())) return spec;
  LBW_ASSIGN_OR_RETURN(*spec.mutable_evaluate(),
                       FillInEvaluate(asked.evaluate(), spec.options().threads(), facts,
                                      At(kTrainPath, "evaluate")));
  return spec;
}

absl::StatusOr<v1::FineTuneSpec> FillIn(const v1::FineTuneSpec& asked, const TrainingFacts& facts) {
  LBW_RETURN_IF_ERROR(CheckHead(facts, kFineTunePath));
  v1::FineTuneSpec spec;
  spec.set_version(base::VersionName(facts.version.model, facts.version.number));
  LBW_ASSIGN_OR_RETURN(*spec.mutable_data(),
                       FillInData(asked.data(), facts, At(kFineTunePath, "data")));
  LBW_ASSIGN_OR_RETURN(v1::QuantizeSpec codes, FillInCodes(asked, spec.data(), facts));
  *spec.mutable_options() = std::move(*codes.mutable_options());
  *spec.mutable_calibration() = std::move(*codes.mutable_calibration());
  LBW_RETURN_IF_ERROR(RequireTrainable(spec.options(), facts));
  TrainingDefaults defaults;
  defaults.column = ColumnOf(spec);
  defaults.has_labels = HasLabels(facts.version, facts.dataset, spec.data().split());
  defaults.threads = facts.threads;
  v1::TrainingOptions training = asked.training();
  // Powers of two alone need longer at 2 bits than above.
  const bool coarse = defaults.column == TrainingColumn::kGrid &&
                      spec.options().bits() == static_cast<uint32_t>(quant::kMinBits);
  if (coarse && !training.has_epochs()) training.set_epochs(kCoarseEpochs);
  LBW_ASSIGN_OR_RETURN(*spec.mutable_training(),
                       FillInTraining(training, defaults, At(kFineTunePath, "training")));
  LBW_RETURN_IF_ERROR(
      CheckLabels(spec.training(), spec.data(), facts, At(kFineTunePath, "data.dataset")));
  LBW_ASSIGN_OR_RETURN(*spec.mutable_low_bit(),
                       FillInLowBit(asked.low_bit(), defaults.column, spec.options().bits(),
                                    At(kFineTunePath, "low_bit")));
  if (!Evaluates(spec.data())) return spec;
  LBW_ASSIGN_OR_RETURN(*spec.mutable_evaluate(),
                       FillInEvaluate(asked.evaluate(), spec.training().threads(), facts,
                                      At(kFineTunePath, "evaluate")));
  return spec;
}

uint64_t TrainingPicturesOf(const v1::TrainingData& data, const TrainingFacts& facts) {
  uint64_t pictures = PicturesIn(facts.dataset, data.split());
  if (data.split().empty() && Evaluates(data) && !IsOther(facts)) {
    pictures -= std::min(pictures, PicturesIn(facts.dataset, data.eval_split()));
  }
  return data.max_pictures() == 0 ? pictures : std::min<uint64_t>(pictures, data.max_pictures());
}

uint64_t EvaluatedPicturesOf(const v1::TrainingData& data, const v1::EvaluateOptions& evaluate,
                             const TrainingFacts& facts) {
  if (!Evaluates(data)) return 0;
  const uint64_t pictures = PicturesIn(EvalDataset(facts), data.eval_split());
  const uint32_t most = evaluate.max_pictures();
  return most == 0 ? pictures : std::min<uint64_t>(pictures, most);
}

absl::StatusOr<jobs::JobDraft> DraftOf(const v1::CreateJobRequest& request,
                                       const v1::TrainSpec& filled, const TrainingFacts& facts) {
  LBW_ASSIGN_OR_RETURN(jobs::JobDraft draft,
                       DraftAround(request, tasks::kTrain, ToCanonicalJson(filled), kTrainPath));
  AddOnce(filled.version(), draft.uses);
  AddOnce(facts.version.bundle, draft.artifacts);
  LBW_RETURN_IF_ERROR(AddDatasets(filled.data(), facts, draft));
  return draft;
}

absl::StatusOr<jobs::JobDraft> DraftOf(const v1::CreateJobRequest& request,
                                       const v1::FineTuneSpec& filled, const TrainingFacts& facts) {
  LBW_ASSIGN_OR_RETURN(jobs::JobDraft draft,
                       DraftAround(request, tasks::kFineTune, ToCanonicalJson(filled),
                                   At(kFineTunePath, "options.rules")));
  AddOnce(filled.version(), draft.uses);
  AddOnce(facts.version.bundle, draft.artifacts);
  LBW_RETURN_IF_ERROR(AddDatasets(filled.data(), facts, draft));
  return draft;
}

}  // namespace lbw::rpc
