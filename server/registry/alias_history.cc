#include "registry/alias_history.h"

#include <vector>

namespace lbw::registry {

std::optional<int64_t> RollbackTarget(absl::Span<const AliasStep> history) {
  if (history.empty()) return std::nullopt;
  // What it pointed at, one for each move that stands, above what it pointed at before them.
  std::vector<std::optional<int64_t>> standing = {history.front().previous};
  for (const AliasStep& step : history) {
    if (step.kind == AliasStep::Kind::kMove) {
      standing.push_back(step.version);
      continue;
    }
    if (standing.size() > 1) standing.pop_back();
    // The same already, unless the move that it undid is missing from the history.
    standing.back() = step.version;
  }
  if (standing.size() < 2) return std::nullopt;
  return standing[standing.size() - 2];
}

}  // namespace lbw::registry
