// What a call means by a model: a function of what the model's versions and aliases are now. Pure.
#ifndef LBW_REGISTRY_RESOLVE_H_
#define LBW_REGISTRY_RESOLVE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "registry/registry.h"

namespace lbw::registry {

struct VersionFacts {
  VersionState state = VersionState::kCreating;
  bool quantized = false;
  std::optional<int64_t> parent;
};

struct ModelFacts {
  std::string model;
  std::map<int64_t, VersionFacts> versions;
  std::map<std::string, int64_t> aliases;
};

// "CREATING", "READY", "FAILED", "DELETING".
std::string_view Name(VersionState state);

// The version's number. ref.model must be facts.model. Errors: as Registry::Resolve.
absl::StatusOr<int64_t> ResolveNumber(const ModelFacts& facts, const base::ModelRef& ref);
// Errors: as Registry::ResolveFloat.
absl::StatusOr<int64_t> ResolveFloatNumber(const ModelFacts& facts, const base::ModelRef& ref);

// Errors: kNotFound; kFailedPrecondition, VERSION_NOT_READY.
absl::Status RequireReady(const ModelFacts& facts, int64_t version);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_RESOLVE_H_
