#include "rpc/model_origin.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "graph/build/ssd_tiny.h"

namespace lbw::rpc {
namespace {

base::Error Bad(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

absl::StatusOr<model::BuildOptions> ArchitectureOf(const v1::BuiltInArchitecture& architecture) {
  const std::vector<std::string_view> names = model::ArchNames();
  if (std::find(names.begin(), names.end(), architecture.name()) == names.end()) {
    std::string known;
    for (const std::string_view name : names) {
      base::StrAppend(&known, known.empty() ? "" : ", ", name);
    }
    return Bad(base::StrCat("architecture.name must be one of ", known, ": \"", architecture.name(),
                            "\""))
        .Field("architecture.name");
  }
  model::BuildOptions options;
  options.arch = architecture.name();
  options.seed = architecture.seed();
  if (!architecture.has_width_multiplier()) return options;
  options.width_multiplier = architecture.width_multiplier();
  // Not a number is in no range.
  if (options.width_multiplier >= graph::kLeastWidthMultiplier &&
      options.width_multiplier <= graph::kGreatestWidthMultiplier) {
    return options;
  }
  return Bad(base::StrCat("architecture.width_multiplier must be in ", graph::kLeastWidthMultiplier,
                          "..", graph::kGreatestWidthMultiplier,
                          ": width_multiplier=", options.width_multiplier))
      .Field("architecture.width_multiplier");
}

}  // namespace

absl::StatusOr<ModelOrigin> OriginOf(const v1::CreateModelRequest& request) {
  ModelOrigin origin;
  if (request.has_architecture()) {
    if (!request.artifact().empty()) {
      return Bad("artifact and architecture exclude each other: both are given")
          .Field("artifact")
          .Field("architecture");
    }
    LBW_ASSIGN_OR_RETURN(origin.architecture, ArchitectureOf(request.architecture()));
    return origin;
  }
  if (request.artifact().empty()) {
    return Bad("one of artifact and architecture is needed: neither is given")
        .Field("artifact")
        .Field("architecture");
  }
  LBW_ASSIGN_OR_RETURN(origin.artifact, base::ParseArtifactName(request.artifact(), "artifact"));
  return origin;
}

}  // namespace lbw::rpc
