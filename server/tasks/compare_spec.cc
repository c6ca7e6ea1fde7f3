#include "tasks/compare_spec.h"

#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

constexpr int64_t kMostPictures = 1024;

absl::Status BadArgument(std::string_view message, std::string_view field) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message)
      .Field(field);
}

}  // namespace

absl::StatusOr<CompareSpec> ParseCompareSpec(std::string_view spec_json) {
  LBW_ASSIGN_OR_RETURN(const Json json, ParseObject(spec_json, "the spec of a comparison"));
  CompareSpec spec;
  LBW_ASSIGN_OR_RETURN(const std::string version, TextOf(json, "version"));
  LBW_ASSIGN_OR_RETURN(spec.version, ParseVersionName(version, "version"));
  LBW_ASSIGN_OR_RETURN(const std::string reference, TextOf(json, "reference"));
  LBW_ASSIGN_OR_RETURN(spec.reference, ParseVersionName(reference, "reference"));
  if (spec.version == spec.reference || spec.version.model != spec.reference.model) {
    return BadArgument(base::StrCat("reference must be another version of the same model: version=",
                                    version, " reference=", reference),
                       "reference");
  }
  LBW_ASSIGN_OR_RETURN(const std::string dataset, TextOf(json, "dataset"));
  LBW_ASSIGN_OR_RETURN(spec.dataset, base::ParseDatasetName(dataset, "dataset"));
  LBW_ASSIGN_OR_RETURN(spec.split, TextOf(json, "split"));
  LBW_ASSIGN_OR_RETURN(spec.count, IntegerOf(json, "count"));
  if (spec.count < 1 || spec.count > kMostPictures) {
    return BadArgument(base::StrCat("count must be 1..1024: count=", spec.count), "count");
  }
  LBW_ASSIGN_OR_RETURN(spec.seed, UnsignedOf(json, "seed"));
  LBW_ASSIGN_OR_RETURN(spec.options_json, ObjectOf(json, "options"));
  LBW_ASSIGN_OR_RETURN(spec.options, ParseEvaluateOptions(spec.options_json));
  return spec;
}

}  // namespace lbw::tasks
