#include "rpc/compare_job_spec.h"

#include <algorithm>
#include <string>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/json.h"
#include "rpc/spec_parts.h"
#include "tasks/tasks.h"

namespace lbw::rpc {
namespace {

constexpr uint32_t kPictures = 32;
constexpr uint32_t kMaxPictures = 1'024;

absl::Status CheckReference(const CompareFacts& facts) {
  const bool same_model = facts.version.model == facts.reference.model;
  if (same_model && facts.version.number != facts.reference.number) return absl::OkStatus();
  return BadArgument(
      base::StrCat("reference must be another version of the same model: version=",
                   base::VersionName(facts.version.model, facts.version.number),
                   " reference=", base::VersionName(facts.reference.model, facts.reference.number)),
      "spec.compare.reference");
}

}  // namespace

absl::StatusOr<v1::CompareSpec> FillIn(const v1::CompareSpec& asked, const CompareFacts& facts) {
  LBW_RETURN_IF_ERROR(CheckReference(facts));
  LBW_RETURN_IF_ERROR(CheckTask(facts.version, facts.dataset, "spec.compare.dataset"));
  v1::CompareSpec spec;
  spec.set_version(base::VersionName(facts.version.model, facts.version.number));
  spec.set_reference(base::VersionName(facts.reference.model, facts.reference.number));
  spec.set_dataset(facts.dataset.name());
  LBW_ASSIGN_OR_RETURN(*spec.mutable_split(),
                       ChooseSplit(asked.split(), facts.dataset, "spec.compare.split"));
  LBW_RETURN_IF_ERROR(RequirePictures(facts.dataset, spec.split(), "spec.compare.split"));
  spec.set_count(asked.count() == 0 ? kPictures : asked.count());
  LBW_RETURN_IF_ERROR(CheckCount(spec.count(), 1, kMaxPictures, "spec.compare.count"));
  spec.set_seed(asked.seed());
  LBW_RETURN_IF_ERROR(RefusePictureCounts(asked.options(), "spec.compare.options"));
  LBW_ASSIGN_OR_RETURN(
      *spec.mutable_options(),
      FillInOptions(asked.options(),
                    {&facts.model_spec.head.nms, facts.dataset.pixel_rule(), facts.threads},
                    "spec.compare.options"));
  return spec;
}

uint64_t PicturesOf(const v1::CompareSpec& filled, const v1::Dataset& dataset) {
  return std::min<uint64_t>(filled.count(), PicturesIn(dataset, filled.split()));
}

absl::StatusOr<jobs::JobDraft> DraftOf(const v1::CreateJobRequest& request,
                                       const v1::CompareSpec& filled, const CompareFacts& facts) {
  LBW_ASSIGN_OR_RETURN(jobs::JobDraft draft, DraftAround(request, tasks::kCompare,
                                                         ToCanonicalJson(filled), "spec.compare"));
  draft.uses = {filled.version(), filled.reference(), filled.dataset()};
  LBW_ASSIGN_OR_RETURN(const std::string pack,
                       base::ParseArtifactName(facts.dataset.pack_artifact(), "pack_artifact"));
  // Two versions may share a bundle: equal content has one digest.
  for (const std::string& artifact : {facts.version.bundle, facts.reference.bundle, pack}) {
    AddOnce(artifact, draft.artifacts);
  }
  return draft;
}

}  // namespace lbw::rpc
