// Which datasets a version was calibrated and trained on: told by the spec of the job that made it
// and, when that is deleted, by the report that the version keeps.
//
// Every function runs inside a transaction of its caller.
#ifndef LBW_REGISTRY_LINEAGE_CALIBRATION_H_
#define LBW_REGISTRY_LINEAGE_CALIBRATION_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "registry/lineage_walk.h"
#include "store/database.h"

namespace lbw::registry {

// Datasets ("datasets/d") with "calibrated_on" and "trained_on"; none where it was neither.
absl::StatusOr<std::vector<LineageLink>> DatasetsOf(store::Session& session, std::string_view model,
                                                    int64_t version);
// Versions that were calibrated or trained on "datasets/d" by jobs that there are still, with the
// same relations; of at most `limit` versions.
absl::StatusOr<std::vector<LineageLink>> MadeOn(store::Session& session, std::string_view dataset,
                                                int64_t limit);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_LINEAGE_CALIBRATION_H_
