// Where a resource came from and what was made of it, as a directed graph read from the rows of
// artifacts, versions, aliases, datasets, jobs and evaluations.
//
// Walk:     ancestors of the start, and descendants of the start with what else each of them was
//           made of, one step (the dataset of a version's evaluation); not the descendants of
//           ancestors (a common artifact would bring in everybody). At most max_nodes, nearest
//           first.
// Deleted:  a resource that only a name is left of is a node that is `gone`.
// Edges:    from what was there first to what was made of it:
//             artifact  imported       version          version   points_at      alias
//             version   quantized      version          ("made", where the second is float)
//             artifact, version, dataset  ran           job (it reads them)
//             job       checked        dataset          (the archive itself, where no job did)
//             job       made           version
//             dataset   calibrated_on  version          (found from the dataset while its job is)
//             version, dataset, job    evaluated        evaluation
//             version   compared_with  evaluation
//             version   bundled        artifact, dataset  packed  artifact: of the start only
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
  std::string relation;  // above
  bool operator==(const LineageEdge&) const = default;
};

struct Lineage {
  std::vector<LineageNode> nodes;  // the start first
  std::vector<LineageEdge> edges;
  bool truncated = false;
};

// name: "models/m" (its versions), "models/m/versions/n", "artifacts/{sha256}", "datasets/d",
// "jobs/{id}", "evaluations/{id}", "models/m/aliases/a". Errors: kInvalidArgument, BAD_NAME, field
// "name"; kNotFound - neither it nor anything that was made from it or into it.
absl::StatusOr<Lineage> ReadLineage(store::Database& database, std::string_view name,
                                    size_t max_nodes = 1000);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_LINEAGE_H_
