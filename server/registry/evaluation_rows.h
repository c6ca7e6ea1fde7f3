// The table evaluations as values, for the room's own use. Every function runs inside a transaction
// of its caller.
//
// metrics_json: {"metric": "map_50", "values": {"map_50": 0.8957, ...}}. What is not finite is left
// out.
#ifndef LBW_REGISTRY_EVALUATION_ROWS_H_
#define LBW_REGISTRY_EVALUATION_ROWS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "registry/evaluations.h"
#include "store/database.h"

namespace lbw::registry {

// Columns in the order that ToEvaluation reads.
#define LBW_EVALUATION_FIGURES                                                                 \
  "id, model, version, dataset, pack_artifact, split, job, against, create_us, options_json, " \
  "metrics_json"
// A version's evaluations are those made since it is there ($1 model, $2 number): a model that was
// deleted and made anew uses its numbers again.
#define LBW_SINCE_VERSION                                                                         \
  "create_us >= COALESCE((SELECT create_us FROM versions WHERE versions.model = $1 AND number = " \
  "$2), 0)"

// All but summary_json and result_json.
Evaluation ToEvaluation(const store::Row& row);

absl::Status InsertEvaluation(store::Session& session, const Evaluation& evaluation);

// What promotion looks at: newest first, at most the newest 1000, without the texts of summary and
// result.
absl::StatusOr<std::vector<Evaluation>> ReadFigures(store::Session& session, std::string_view model,
                                                    int64_t version, std::string_view dataset);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_EVALUATION_ROWS_H_
