// What a comparison of two versions is asked, as values: lbw.v1.CompareSpec with everything filled
// in.
#ifndef LBW_TASKS_COMPARE_SPEC_H_
#define LBW_TASKS_COMPARE_SPEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "tasks/evaluate_spec.h"
#include "tasks/json.h"

namespace lbw::tasks {

struct CompareSpec {
  base::ModelRef version;    // with its number
  base::ModelRef reference;  // another version of the same model, with its number
  std::string dataset;       // name without "datasets/"
  std::string split;         // "": every picture
  int64_t count = 32;        // pictures, 1..1024; the split may have fewer
  uint64_t seed = 0;         // that draws them
  EvaluateOptions options;   // max_pictures and checkpoint_pictures are 0
  Json options_json;         // as it stands in the spec
};

// Errors: kInvalidArgument - a field that is wrong (names it, its value and its limit).
absl::StatusOr<CompareSpec> ParseCompareSpec(std::string_view spec_json);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_COMPARE_SPEC_H_
