#include "registry/resolve.h"

#include "base/status.h"
#include "base/strings.h"
#include "registry/checkpoint_version.h"

namespace lbw::registry {
namespace {

constexpr std::string_view kStable = "stable";

base::Error NotFound(std::string_view what) {
  return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                     base::StrCat("there is no ", what));
}

base::Error NoAlias(std::string_view model, std::string_view alias) {
  if (alias.substr(0, kJobAlias.size()) != kJobAlias)
    return NotFound(base::AliasName(model, alias));
  return NotFound(base::StrCat(base::AliasName(model, alias),
                               ": a job's checkpoint is no version and can only be detected with"));
}

base::Error NotReady(std::string_view message) {
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kVersionNotReady,
                     message);
}

// The newest READY float version, for a name without a "stable".
absl::StatusOr<int64_t> NewestFloat(const ModelFacts& facts) {
  for (auto it = facts.versions.rbegin(); it != facts.versions.rend(); ++it) {
    if (it->second.state == VersionState::kReady && !it->second.quantized) return it->first;
  }
  return NotReady(
      base::StrCat(base::ModelName(facts.model),
                   " has no alias \"stable\" and no float version that is READY: versions=",
                   facts.versions.size()));
}

// Follows parents to a float version; every step goes to a smaller number, so it ends.
absl::StatusOr<int64_t> FloatAncestor(const ModelFacts& facts, int64_t version) {
  int64_t current = version;
  while (true) {
    const auto found = facts.versions.find(current);
    if (found == facts.versions.end()) break;
    if (!found->second.quantized) {
      LBW_RETURN_IF_ERROR(RequireReady(facts, current));
      return current;
    }
    if (!found->second.parent || *found->second.parent >= current) break;
    current = *found->second.parent;
  }
  return NotReady(base::StrCat("the float version that ", base::VersionName(facts.model, version),
                               " was quantized from is gone"));
}

}  // namespace

std::string_view Name(VersionState state) {
  switch (state) {
    case VersionState::kCreating:
      return "CREATING";
    case VersionState::kReady:
      return "READY";
    case VersionState::kFailed:
      return "FAILED";
    case VersionState::kDeleting:
      return "DELETING";
  }
  return "FAILED";
}

absl::Status RequireReady(const ModelFacts& facts, int64_t version) {
  const auto found = facts.versions.find(version);
  if (found == facts.versions.end()) return NotFound(base::VersionName(facts.model, version));
  if (found->second.state == VersionState::kReady) return absl::OkStatus();
  return NotReady(base::StrCat(base::VersionName(facts.model, version),
                               " is not READY: state=", Name(found->second.state)));
}

absl::StatusOr<int64_t> ResolveNumber(const ModelFacts& facts, const base::ModelRef& ref) {
  if (!ref.version && !ref.alias && facts.aliases.count(std::string(kStable)) == 0)
    return NewestFloat(facts);
  int64_t number = 0;
  if (ref.version) {
    number = *ref.version;
  } else {
    const std::string alias = ref.alias.value_or(std::string(kStable));
    const auto found = facts.aliases.find(alias);
    if (found == facts.aliases.end()) return NoAlias(facts.model, alias);
    number = found->second;
  }
  LBW_RETURN_IF_ERROR(RequireReady(facts, number));
  return number;
}

absl::StatusOr<int64_t> ResolveFloatNumber(const ModelFacts& facts, const base::ModelRef& ref) {
  LBW_ASSIGN_OR_RETURN(const int64_t number, ResolveNumber(facts, ref));
  if (!facts.versions.at(number).quantized) return number;
  LBW_ASSIGN_OR_RETURN(const int64_t ancestor, FloatAncestor(facts, number));
  if (!ref.version) return ancestor;
  return base::Error(
             absl::StatusCode::kFailedPrecondition, base::reason::kAlreadyQuantized,
             base::StrCat(base::VersionName(facts.model, number),
                          " is quantized already; start from ",
                          base::VersionName(facts.model, ancestor), ", which it was made from"))
      .Metadata("float_version", base::VersionName(facts.model, ancestor));
}

}  // namespace lbw::registry
