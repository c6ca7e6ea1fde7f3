// Where a resource came from and what was made of it, as a directed graph read from the rows of
// artifacts, versions, aliases, datasets, jobs and evaluations.
//
// Walk:     ancestors of the start, and descendants of the start; not the descendants of ancestors
//           (a common artifact would bring in everybody). At most max_nodes, nearest first.
// Deleted:  a resource that only a name is left of is a node that is `gone`.
#ifndef LBW_REGISTRY_LINEAGE_H_
#define LBW_REGISTRY_LINEAGE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "store/database.h"

namespace lbw::registry {

struct LineageNode {
  std::string name;     // "models/m/versions/3"
  std::string kind;     // "artifact", "version", "alias", "dataset", "job", "evaluation"
  std::string state;    // "READY", "SUCCEEDED", ...; "" where the kind has none
  std::string summary;  // one line for a person
  std::optional<absl::Time> create_time;
  bool gone = false;
};

struct LineageEdge {
  std::string from;
  std::string to;
  std::string relation;  // "imported", "quantized", "checked", "evaluated", "points_at", "ran", ...
  bool operator==(const LineageEdge&) const = default;
};

struct Lineage {
  std::vector<LineageNode> nodes;  // the start first
  std::vector<LineageEdge> edges;
  bool truncated = false;
};

// name: "models/m" (its versions), "models/m/versions/n", "artifacts/{sha256}", "datasets/d",
// "jobs/{id}", "evaluations/{id}". Errors: kInvalidArgument, BAD_NAME; kNotFound.
absl::StatusOr<Lineage> ReadLineage(store::Database& database, std::string_view name,
                                    size_t max_nodes = 1000);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_LINEAGE_H_
