// Where a rollback leads: a function of an alias's history. Pure.
#ifndef LBW_REGISTRY_ALIAS_HISTORY_H_
#define LBW_REGISTRY_ALIAS_HISTORY_H_

#include <cstdint>
#include <optional>

#include "absl/types/span.h"

namespace lbw::registry {

// One move. A create, a set and a delete are kMove.
struct AliasStep {
  enum class Kind : uint8_t { kMove, kRollback };
  Kind kind = Kind::kMove;
  std::optional<int64_t> version;   // where it pointed after it; unset: there was no alias
  std::optional<int64_t> previous;  // and before it
};

// What the alias pointed at before its newest move that no rollback undid; a rollback undoes one
// move and is none itself, so that a second one goes one further back and does not toggle. None:
// every move is undone, or it did not exist before that move (a rollback never deletes an alias).
// history: oldest first. Its beginning may be missing; then a rollback goes no further than what is
// there. Cost: O(history).
std::optional<int64_t> RollbackTarget(absl::Span<const AliasStep> history);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_ALIAS_HISTORY_H_
