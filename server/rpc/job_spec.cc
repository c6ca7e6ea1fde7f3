#include "rpc/job_spec.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/json.h"
#include "rpc/names.h"
#include "rpc/spec_parts.h"
#include "tasks/tasks.h"

namespace lbw::rpc {
namespace {

constexpr size_t kMaxRequestIdBytes = 64;
constexpr size_t kMaxLabelBytes = 64;
constexpr size_t kMaxLabels = 16;
constexpr int32_t kMaxPriority = 100;

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
  if (spec.has_evaluate() || spec.has_quantize() || spec.has_compare() || spec.has_train() ||
      spec.has_fine_tune()) {
    return absl::OkStatus();
  }
  if (spec.has_check_dataset()) {
    return BadArgument("check_dataset cannot be created directly: CreateDataset makes it",
                       "spec.check_dataset");
  }
  return BadArgument(
      "spec names no kind of job: known kinds are compare, evaluate, fine_tune, quantize, train",
      "spec");
}

absl::Status CheckHead(const registry::Version& version, bool classifies, std::string_view field) {
  const bool is_classifier = IsClassifier(version);
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
  LBW_ASSIGN_OR_RETURN(*spec.mutable_split(),
                       ChooseSplit(asked.split(), facts.dataset, "spec.evaluate.split"));
  LBW_ASSIGN_OR_RETURN(
      *spec.mutable_options(),
      FillInOptions(asked.options(),
                    {&facts.model_spec.head.nms, facts.dataset.pixel_rule(), facts.threads},
                    "spec.evaluate.options"));
  if (PicturesOf(spec, facts.dataset) == 0) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                       base::StrCat("nothing to evaluate on: ", spec.dataset(), " split \"",
                                    spec.split(), "\" has no pictures"))
        .Field("spec.evaluate.split");
  }
  return spec;
}

uint64_t PicturesOf(const v1::EvaluateSpec& filled, const v1::Dataset& dataset) {
  const uint64_t pictures = PicturesIn(dataset, filled.split());
  const uint32_t most = filled.options().max_pictures();
  return most == 0 ? pictures : std::min<uint64_t>(pictures, most);
}

absl::StatusOr<jobs::JobDraft> DraftOf(const v1::CreateJobRequest& request,
                                       const v1::EvaluateSpec& filled, const EvaluateFacts& facts) {
  LBW_ASSIGN_OR_RETURN(jobs::JobDraft draft, DraftAround(request, tasks::kEvaluate,
                                                         ToCanonicalJson(filled), "spec.evaluate"));
  LBW_ASSIGN_OR_RETURN(const std::string pack,
                       base::ParseArtifactName(facts.dataset.pack_artifact(), "pack_artifact"));
  draft.uses = {filled.version(), filled.dataset()};
  AddOnce(facts.version.bundle, draft.artifacts);
  AddOnce(pack, draft.artifacts);
  if (facts.against.has_value()) {
    AddOnce(filled.against(), draft.uses);
    // Two versions may share a bundle: equal content has one digest.
    AddOnce(facts.against->bundle, draft.artifacts);
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
