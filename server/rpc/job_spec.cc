#include "rpc/job_spec.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/json.h"
#include "rpc/names.h"
#include "tasks/tasks.h"

namespace lbw::rpc {
namespace {

constexpr size_t kMaxRequestIdBytes = 64;
constexpr size_t kMaxLabelBytes = 64;
constexpr size_t kMaxLabels = 16;
constexpr int32_t kMaxPriority = 100;
constexpr float kScoreThreshold = 0.02F;
constexpr uint32_t kDetections = 200;
constexpr uint32_t kMaxDetections = 1'000;
constexpr uint32_t kTopK = 5;
constexpr uint32_t kMaxTopK = 1'000;
constexpr uint32_t kMaxThreads = 1'024;
constexpr std::string_view kClassifier = "logits";

absl::Status BadArgument(std::string_view message, std::string_view field) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message)
      .Field(field);
}

bool IsLabelKey(std::string_view key) {
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !key.empty() && key.size() <= kMaxLabelBytes && alphanumeric(key.front()) &&
         std::all_of(key.begin(), key.end(), [&](char c) {
           return alphanumeric(c) || c == '_' || c == '.' || c == '-' || c == '/';
         });
}

absl::Status CheckLabels(const v1::CreateJobRequest& request) {
  if (request.labels().size() > kMaxLabels) {
    return BadArgument(
        base::StrCat("too many labels: count=", request.labels().size(), " limit=", kMaxLabels),
        "labels");
  }
  for (const auto& label : request.labels()) {
    if (!IsLabelKey(label.first)) {
      return BadArgument(
          base::StrCat("a label's key must match [A-Za-z0-9]([A-Za-z0-9_./-]{0,63}): "
                       "\"",
                       label.first, "\""),
          "labels");
    }
    LBW_RETURN_IF_ERROR(
        CheckText(label.second, kMaxLabelBytes, base::StrCat("labels.", label.first)));
  }
  return absl::OkStatus();
}

absl::Status CheckKind(const v1::JobSpec& spec) {
  LBW_RETURN_IF_ERROR(RefuseUnknownFields(spec, "spec"));
  if (spec.has_evaluate()) return absl::OkStatus();
  if (spec.has_check_dataset()) {
    return BadArgument("check_dataset cannot be created directly: CreateDataset makes it",
                       "spec.check_dataset");
  }
  return BadArgument("spec names no kind of job: known kinds are evaluate", "spec");
}

// OK where value lies in low..high. `value` is printed as given, also NaN.
absl::Status CheckFraction(float value, std::string_view name) {
  if (std::isfinite(value) && value >= 0 && value <= 1) return absl::OkStatus();
  return BadArgument(base::StrCat(name, " must be 0..1: ", name, "=", value),
                     base::StrCat("spec.evaluate.options.", name));
}

absl::Status CheckCount(uint32_t value, uint32_t low, uint32_t high, std::string_view name) {
  if (value >= low && value <= high) return absl::OkStatus();
  return BadArgument(base::StrCat(name, " must be ", low, "..", high, ": ", name, "=", value),
                     base::StrCat("spec.evaluate.options.", name));
}

absl::StatusOr<v1::EvaluateOptions> FillInOptions(const v1::EvaluateOptions& asked,
                                                  const EvaluateFacts& facts) {
  const detect::NmsSpec& nms = facts.model_spec.head.nms;
  v1::EvaluateOptions options = asked;
  if (!options.has_score_threshold()) options.set_score_threshold(kScoreThreshold);
  LBW_RETURN_IF_ERROR(CheckFraction(options.score_threshold(), "score_threshold"));
  if (!options.has_iou_threshold()) options.set_iou_threshold(nms.iou);
  LBW_RETURN_IF_ERROR(CheckFraction(options.iou_threshold(), "iou_threshold"));
  if (!options.has_per_class_nms()) options.set_per_class_nms(nms.per_class);
  if (!options.has_max_detections()) {
    const int64_t keep = std::clamp<int64_t>(nms.keep, 0, kMaxDetections);
    options.set_max_detections(std::max(kDetections, static_cast<uint32_t>(keep)));
  }
  LBW_RETURN_IF_ERROR(CheckCount(options.max_detections(), 1, kMaxDetections, "max_detections"));
  if (options.pixel_rule().empty()) {
    const std::string& rule = facts.dataset.pixel_rule();
    options.set_pixel_rule(rule.empty() ? "inclusive" : rule);
  }
  if (options.pixel_rule() != "inclusive" && options.pixel_rule() != "continuous") {
    LBW_RETURN_IF_ERROR(CheckText(options.pixel_rule(), 32, "spec.evaluate.options.pixel_rule"));
    return BadArgument(
        base::StrCat("pixel_rule must be \"inclusive\" or \"continuous\": pixel_rule=\"",
                     options.pixel_rule(), "\""),
        "spec.evaluate.options.pixel_rule");
  }
  if (options.top_k() == 0) options.set_top_k(kTopK);
  LBW_RETURN_IF_ERROR(CheckCount(options.top_k(), 1, kMaxTopK, "top_k"));
  if (options.threads() == 0) options.set_threads(static_cast<uint32_t>(facts.threads));
  LBW_RETURN_IF_ERROR(CheckCount(options.threads(), 1, kMaxThreads, "threads"));
  return options;
}

const v1::DatasetSplit* FindSplit(const v1::Dataset& dataset, std::string_view name) {
  const auto found =
      std::find_if(dataset.splits().begin(), dataset.splits().end(),
                   [&](const v1::DatasetSplit& split) { return split.name() == name; });
  return found == dataset.splits().end() ? nullptr : &*found;
}

absl::StatusOr<std::string> ChooseSplit(const std::string& asked, const v1::Dataset& dataset) {
  if (asked.empty()) {
    for (const std::string_view usual : {"val", "test"}) {
      if (FindSplit(dataset, usual) != nullptr) return std::string(usual);
    }
    return dataset.splits_size() == 1 ? dataset.splits(0).name() : std::string();
  }
  if (FindSplit(dataset, asked) != nullptr) return asked;
  std::vector<std::string> known;
  for (const v1::DatasetSplit& split : dataset.splits()) known.push_back(split.name());
  return BadArgument(base::StrCat(dataset.name(), " has no split \"", asked,
                                  "\"; it has: ", absl::StrJoin(known, ", ")),
                     "spec.evaluate.split");
}

absl::Status CheckHead(const registry::Version& version, bool classifies, std::string_view field) {
  const bool is_classifier = version.head_kind == kClassifier;
  if (is_classifier == classifies) return absl::OkStatus();
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kNotTheRightHead,
                     base::StrCat(base::VersionName(version.model, version.number),
                                  is_classifier ? " is a classifier" : " finds boxes", " (head ",
                                  version.head_kind, "), the dataset has ",
                                  classifies ? "one label a picture" : "boxes"))
      .Field(field);
}

absl::StatusOr<std::string> AgainstOf(const EvaluateFacts& facts) {
  if (!facts.against.has_value()) return std::string();
  std::string name = base::VersionName(facts.against->model, facts.against->number);
  if (name == base::VersionName(facts.version.model, facts.version.number)) {
    return BadArgument(base::StrCat("against is the version itself: ", name),
                       "spec.evaluate.against");
  }
  return name;
}

}  // namespace

absl::Status CheckCreateRequest(const v1::CreateJobRequest& request) {
  LBW_RETURN_IF_ERROR(CheckKind(request.spec()));
  LBW_RETURN_IF_ERROR(CheckText(request.request_id(), kMaxRequestIdBytes, "request_id"));
  LBW_RETURN_IF_ERROR(CheckText(request.submitter(), kMaxSubmitterBytes, "submitter"));
  if (request.priority() < -kMaxPriority || request.priority() > kMaxPriority) {
    return BadArgument(base::StrCat("priority must be -100..100: priority=", request.priority()),
                       "priority");
  }
  return CheckLabels(request);
}

absl::StatusOr<v1::EvaluateSpec> FillIn(const v1::EvaluateSpec& asked, const EvaluateFacts& facts) {
  const bool classifies = facts.dataset.task() == v1::DATASET_TASK_CLASSIFICATION;
  LBW_RETURN_IF_ERROR(CheckHead(facts.version, classifies, "spec.evaluate.dataset"));
  v1::EvaluateSpec spec;
  spec.set_version(base::VersionName(facts.version.model, facts.version.number));
  spec.set_dataset(facts.dataset.name());
  LBW_ASSIGN_OR_RETURN(*spec.mutable_against(), AgainstOf(facts));
  if (facts.against.has_value()) {
    LBW_RETURN_IF_ERROR(CheckHead(*facts.against, classifies, "spec.evaluate.against"));
  }
  LBW_ASSIGN_OR_RETURN(*spec.mutable_split(), ChooseSplit(asked.split(), facts.dataset));
  LBW_ASSIGN_OR_RETURN(*spec.mutable_options(), FillInOptions(asked.options(), facts));
  if (PicturesOf(spec, facts.dataset) == 0) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                       base::StrCat("nothing to evaluate on: ", spec.dataset(), " split \"",
                                    spec.split(), "\" has no pictures"))
        .Field("spec.evaluate.split");
  }
  return spec;
}

uint64_t PicturesOf(const v1::EvaluateSpec& filled, const v1::Dataset& dataset) {
  const v1::DatasetSplit* split = FindSplit(dataset, filled.split());
  const uint64_t pictures = split == nullptr ? dataset.pictures() : split->pictures();
  const uint32_t most = filled.options().max_pictures();
  return most == 0 ? pictures : std::min<uint64_t>(pictures, most);
}

jobs::JobDraft DraftOf(const v1::CreateJobRequest& request, const v1::EvaluateSpec& filled,
                       const EvaluateFacts& facts) {
  jobs::JobDraft draft;
  draft.kind = std::string(tasks::kEvaluate);
  draft.spec_json = ToCanonicalJson(filled);
  draft.submitter = request.submitter();
  draft.request_id = request.request_id();
  draft.priority = request.priority();
  draft.labels.insert(request.labels().begin(), request.labels().end());
  draft.uses = {filled.version(), filled.dataset()};
  draft.artifacts = {facts.version.bundle};
  const auto pack = base::ParseArtifactName(facts.dataset.pack_artifact(), "pack_artifact");
  if (pack.ok() && *pack != facts.version.bundle) draft.artifacts.push_back(*pack);
  if (facts.against.has_value()) {
    draft.uses.push_back(filled.against());
    // Two versions may share a bundle: equal content has one digest.
    if (facts.against->bundle != facts.version.bundle) {
      draft.artifacts.push_back(facts.against->bundle);
    }
  }
  return draft;
}

v1::JobEstimate ToProto(const tasks::Estimate& estimate) {
  v1::JobEstimate out;
  const int64_t micros = absl::ToInt64Microseconds(estimate.duration);
  out.mutable_duration()->set_seconds(micros / 1'000'000);
  out.mutable_duration()->set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1'000);
  out.set_memory_bytes(estimate.memory_bytes);
  out.set_basis(estimate.basis);
  return out;
}

}  // namespace lbw::rpc
