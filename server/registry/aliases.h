// The tables aliases and alias_moves: every change of an alias and its entry in the history, in one
// transaction of the caller's.
#ifndef LBW_REGISTRY_ALIASES_H_
#define LBW_REGISTRY_ALIASES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "registry/registry.h"
#include "registry/resolve.h"
#include "store/database.h"

namespace lbw::registry {

// Which alias.
struct AliasKey {
  std::string_view model;
  std::string_view alias;
};

// What needs no database. Errors: kInvalidArgument - BAD_NAME, RESERVED, LIMIT_EXCEEDED (texts or
// rules too long), those of CheckRule.
absl::Status CheckAliasChange(std::string_view alias, const AliasChange& change);
// Only its texts.
absl::Status CheckMover(const AliasChange& change);

// Errors: as Registry::SetAlias.
absl::StatusOr<Alias> SetAliasRow(store::Session& session, const RegistryLimits& limits,
                                  const AliasKey& key, int64_t version, const AliasChange& change);
// Errors: as Registry::RollbackAlias.
absl::StatusOr<Alias> RollbackAliasRow(store::Session& session, const RegistryLimits& limits,
                                       const AliasKey& key, const AliasChange& change);
// Errors: as Registry::DeleteAlias.
absl::Status DeleteAliasRow(store::Session& session, const RegistryLimits& limits,
                            const AliasKey& key, const AliasChange& change);
// Points "stable" at version 1, unless there is one.
absl::Status CreateStable(store::Session& session, const RegistryLimits& limits,
                          std::string_view model);
// Deletes every alias of the version that goes away.
absl::Status DeleteAliasesOf(store::Session& session, const RegistryLimits& limits,
                             std::string_view model, int64_t version);
// Forgets the model's aliases and their history.
absl::Status DropAliases(store::Session& session, std::string_view model);

// At most limit moves with numbers below `before`, newest first.
struct NumberedMove {
  int64_t number = 0;
  AliasMove move;
};
absl::StatusOr<std::vector<NumberedMove>> ReadMoves(store::Session& session, const AliasKey& key,
                                                    int64_t before, int64_t limit);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_ALIASES_H_
