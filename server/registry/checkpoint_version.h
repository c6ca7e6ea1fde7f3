// The newest checkpoint of a job that trains, as a version that can be detected with.
//
// Every function runs inside a transaction of its caller.
#ifndef LBW_REGISTRY_CHECKPOINT_VERSION_H_
#define LBW_REGISTRY_CHECKPOINT_VERSION_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "registry/registry.h"
#include "store/database.h"

namespace lbw::registry {

// Aliases that begin so are the names of jobs: "job-{id}".
inline constexpr std::string_view kJobAlias = "job-";

// As Registry::ResolveCheckpoint.
absl::StatusOr<Version> CheckpointVersion(store::Session& session, std::string_view model,
                                          std::string_view job);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_CHECKPOINT_VERSION_H_
