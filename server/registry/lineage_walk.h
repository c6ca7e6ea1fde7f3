// Which resources a lineage shows: a walk over links that somebody answers. Pure but for the
// answers.
#ifndef LBW_REGISTRY_LINEAGE_WALK_H_
#define LBW_REGISTRY_LINEAGE_WALK_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "registry/lineage.h"

namespace lbw::registry {

// A neighbour, and how it is related.
struct LineageLink {
  std::string name;
  std::string relation;
};

class LineageLinks {
 public:
  virtual ~LineageLinks() = default;
  // What the resource was made from.
  virtual absl::StatusOr<std::vector<LineageLink>> MadeFrom(std::string_view name) = 0;
  // What was made from it. May answer as few as `limit` of them.
  virtual absl::StatusOr<std::vector<LineageLink>> MadeInto(std::string_view name,
                                                            size_t limit) = 0;
};

struct LineageShape {
  std::vector<std::string> names;  // the starts first, in order; then by distance
  std::vector<LineageEdge> edges;  // between names only, each once
  bool truncated = false;
};

// Walks as lineage.h says. Ends also where links go in a circle. Errors: those of links.
absl::StatusOr<LineageShape> WalkLineage(LineageLinks& links, absl::Span<const std::string> starts,
                                         size_t max_nodes);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_LINEAGE_WALK_H_
