#include "rpc/spec_parts.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/names.h"

namespace lbw::rpc {
namespace {

constexpr float kScoreThreshold = 0.02F;
constexpr uint32_t kDetections = 200;
constexpr uint32_t kMaxDetections = 1'000;
constexpr uint32_t kTopK = 5;
constexpr uint32_t kMaxTopK = 1'000;
constexpr uint32_t kMaxThreads = 1'024;
constexpr std::string_view kClassifier = "logits";
// The job's assignment is one line of at most 1 MiB.
constexpr size_t kMaxSpecBytes = size_t{512} << 10;

std::string_view LastPart(std::string_view field) {
  const size_t dot = field.rfind('.');
  return dot == std::string_view::npos ? field : field.substr(dot + 1);
}

// OK where value lies in 0..1. `value` is printed as given, also NaN.
absl::Status CheckFraction(float value, std::string_view field) {
  if (std::isfinite(value) && value >= 0 && value <= 1) return absl::OkStatus();
  const std::string_view name = LastPart(field);
  return BadArgument(base::StrCat(name, " must be 0..1: ", name, "=", value), field);
}

absl::Status CheckPixelRule(const std::string& rule, std::string_view field) {
  if (rule == "inclusive" || rule == "continuous") return absl::OkStatus();
  LBW_RETURN_IF_ERROR(CheckText(rule, 32, field));
  return BadArgument(
      base::StrCat("pixel_rule must be \"inclusive\" or \"continuous\": pixel_rule=\"", rule, "\""),
      field);
}

}  // namespace

absl::Status BadArgument(std::string_view message, std::string_view field) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message)
      .Field(field);
}

absl::Status CheckCount(uint64_t value, uint64_t low, uint64_t high, std::string_view field) {
  if (value >= low && value <= high) return absl::OkStatus();
  const std::string_view name = LastPart(field);
  return BadArgument(base::StrCat(name, " must be ", low, "..", high, ": ", name, "=", value),
                     field);
}

base::Error MapFields(const absl::Status& status,
                      absl::FunctionRef<std::string(std::string_view field)> map) {
  const base::ErrorDetails details = base::GetErrorDetails(status);
  base::Error error(status.code(), base::Reason{details.reason}, base::Std(status.message()));
  for (const std::string& field : details.fields) error.Field(map(field));
  return error;
}

absl::Status BelowPath(const absl::Status& status, std::string_view path) {
  if (status.ok()) return status;
  bool has_fields = false;
  base::Error error = MapFields(status, [&](std::string_view field) {
    constexpr std::string_view kOptions = "options.";
    has_fields = true;
    if (field.substr(0, path.size()) == path) return std::string(field);
    if (field.substr(0, kOptions.size()) == kOptions) field.remove_prefix(kOptions.size());
    return base::StrCat(path, ".", field);
  });
  if (!has_fields) error.Field(path);
  return error;
}

const v1::DatasetSplit* FindSplit(const v1::Dataset& dataset, std::string_view name) {
  const auto found =
      std::find_if(dataset.splits().begin(), dataset.splits().end(),
                   [&](const v1::DatasetSplit& split) { return split.name() == name; });
  return found == dataset.splits().end() ? nullptr : &*found;
}

absl::Status CheckSplit(const v1::Dataset& dataset, const std::string& split,
                        std::string_view field) {
  if (split.empty() || FindSplit(dataset, split) != nullptr) return absl::OkStatus();
  std::vector<std::string> known;
  for (const v1::DatasetSplit& one : dataset.splits()) known.push_back(one.name());
  return BadArgument(base::StrCat(dataset.name(), " has no split \"", split,
                                  "\"; it has: ", absl::StrJoin(known, ", ")),
                     field);
}

absl::StatusOr<std::string> ChooseSplit(const std::string& asked, const v1::Dataset& dataset,
                                        std::string_view field) {
  LBW_RETURN_IF_ERROR(CheckSplit(dataset, asked, field));
  if (!asked.empty()) return asked;
  for (const std::string_view usual : {"val", "test"}) {
    if (FindSplit(dataset, usual) != nullptr) return std::string(usual);
  }
  return dataset.splits_size() == 1 ? dataset.splits(0).name() : std::string();
}

uint64_t PicturesIn(const v1::Dataset& dataset, std::string_view split) {
  const v1::DatasetSplit* found = FindSplit(dataset, split);
  return found == nullptr ? dataset.pictures() : found->pictures();
}

absl::Status RequirePictures(const v1::Dataset& dataset, const std::string& split,
                             std::string_view field) {
  if (PicturesIn(dataset, split) > 0) return absl::OkStatus();
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                     base::StrCat("nothing to look at: ", dataset.name(), " split \"", split,
                                  "\" has no pictures"))
      .Field(field);
}

bool IsClassifier(const registry::Version& version) { return version.head_kind == kClassifier; }

absl::Status CheckTask(const registry::Version& version, const v1::Dataset& dataset,
                       std::string_view field) {
  const bool classifies = dataset.task() == v1::DATASET_TASK_CLASSIFICATION;
  if (IsClassifier(version) ? classifies || dataset.boxes() == 0 : !classifies) {
    return absl::OkStatus();
  }
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kNotTheRightHead,
                     base::StrCat(base::VersionName(version.model, version.number),
                                  IsClassifier(version) ? " is a classifier" : " finds boxes",
                                  " (head ", version.head_kind, "), ", dataset.name(), " has ",
                                  classifies ? "one label a picture" : "boxes"))
      .Field(field);
}

bool HasLabels(const registry::Version& version, const v1::Dataset& dataset,
               std::string_view split) {
  if (IsClassifier(version)) return dataset.task() == v1::DATASET_TASK_CLASSIFICATION;
  const v1::DatasetSplit* found = FindSplit(dataset, split);
  return (found == nullptr ? dataset.boxes() : found->boxes()) > 0;
}

absl::StatusOr<v1::EvaluateOptions> FillInOptions(const v1::EvaluateOptions& asked,
                                                  const EvaluateDefaults& defaults,
                                                  std::string_view path) {
  const auto field = [path](std::string_view name) { return base::StrCat(path, ".", name); };
  v1::EvaluateOptions options = asked;
  if (!options.has_score_threshold()) options.set_score_threshold(kScoreThreshold);
  LBW_RETURN_IF_ERROR(CheckFraction(options.score_threshold(), field("score_threshold")));
  if (!options.has_iou_threshold()) options.set_iou_threshold(defaults.nms->iou);
  LBW_RETURN_IF_ERROR(CheckFraction(options.iou_threshold(), field("iou_threshold")));
  if (!options.has_per_class_nms()) options.set_per_class_nms(defaults.nms->per_class);
  if (!options.has_max_detections()) {
    const int64_t keep = std::clamp<int64_t>(defaults.nms->keep, 0, kMaxDetections);
    options.set_max_detections(std::max(kDetections, static_cast<uint32_t>(keep)));
  }
  LBW_RETURN_IF_ERROR(
      CheckCount(options.max_detections(), 1, kMaxDetections, field("max_detections")));
  if (options.pixel_rule().empty()) {
    options.set_pixel_rule(defaults.pixel_rule.empty() ? "inclusive"
                                                       : std::string(defaults.pixel_rule));
  }
  LBW_RETURN_IF_ERROR(CheckPixelRule(options.pixel_rule(), field("pixel_rule")));
  if (options.top_k() == 0) options.set_top_k(kTopK);
  LBW_RETURN_IF_ERROR(CheckCount(options.top_k(), 1, kMaxTopK, field("top_k")));
  if (options.threads() == 0) options.set_threads(static_cast<uint32_t>(defaults.threads));
  LBW_RETURN_IF_ERROR(CheckCount(options.threads(), 1, kMaxThreads, field("threads")));
  return options;
}

absl::Status RefusePictureCounts(const v1::EvaluateOptions& asked, std::string_view path) {
  if (asked.max_pictures() != 0) {
    return BadArgument("max_pictures does not belong here: the spec itself says how many pictures",
                       base::StrCat(path, ".max_pictures"));
  }
  if (asked.checkpoint_pictures() != 0) {
    return BadArgument("checkpoint_pictures belongs to jobs of kind evaluate",
                       base::StrCat(path, ".checkpoint_pictures"));
  }
  return absl::OkStatus();
}

absl::StatusOr<jobs::JobDraft> DraftAround(const v1::CreateJobRequest& request,
                                           std::string_view kind, std::string spec_json,
                                           std::string_view field) {
  if (spec_json.size() > kMaxSpecBytes) {
    return BadArgument(base::StrCat("the spec is too long for a job: bytes=", spec_json.size(),
                                    " limit=", kMaxSpecBytes),
                       field);
  }
  jobs::JobDraft draft;
  draft.kind = std::string(kind);
  draft.spec_json = std::move(spec_json);
  draft.submitter = request.submitter();
  draft.request_id = request.request_id();
  draft.priority = request.priority();
  draft.labels.insert(request.labels().begin(), request.labels().end());
  return draft;
}

void AddOnce(std::string_view name, std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
}

}  // namespace lbw::rpc
