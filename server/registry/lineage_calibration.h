// Which dataset a version was calibrated on: told by the spec of the job that made it and, when
// that is deleted, by the report that the version keeps.
//
// Every function runs inside a transaction of its caller.
#ifndef LBW_REGISTRY_LINEAGE_CALIBRATION_H_
#define LBW_REGISTRY_LINEAGE_CALIBRATION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "store/database.h"

namespace lbw::registry {

// "datasets/d", or "" where it was not calibrated.
absl::StatusOr<std::string> CalibrationOf(store::Session& session, std::string_view model,
                                          int64_t version);
// Names of the versions that were calibrated on "datasets/d" by jobs that there are still; at most
// `limit`.
absl::StatusOr<std::vector<std::string>> CalibratedOn(store::Session& session,
                                                      std::string_view dataset, int64_t limit);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_LINEAGE_CALIBRATION_H_
