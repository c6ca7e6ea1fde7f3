// Whether a version may have an alias: a function of the evaluations that are stored. Pure.
#ifndef LBW_REGISTRY_PROMOTION_H_
#define LBW_REGISTRY_PROMOTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "registry/evaluations.h"

namespace lbw::registry {

// What the newest evaluation of the version on a dataset, made as the rule says, has to reach.
struct PromotionRule {
  std::string dataset;
  std::optional<std::string> split;  // "": everything; none: any
  // As Evaluation::options_json (how many pictures, which boxes): one that was asked otherwise does
  // not count. None: any.
  std::optional<std::string> options_json;
  std::string metric;  // "": the evaluation's own
  std::optional<double> min_value;
  std::optional<double> max_drop;  // below another version's on the same content, split, options
  std::optional<int64_t> against_version;  // of the same model; goes with max_drop
};

// Exactly one of min_value and max_drop, finite, max_drop not negative, a known metric, against
// with max_drop and only there. Errors: kInvalidArgument, BAD_ARGUMENT - names field, value and
// limit; fields begin with `field` ("require[0]").
absl::Status CheckRule(const PromotionRule& rule, std::string_view field);

// What a rule is judged by.
struct Candidate {
  std::string version_name;  // "models/m/versions/3", for messages
  std::string against_name;  // "": the rule has none
  // Pack of the dataset, which is READY: evaluations on what stood under its name before do not
  // count.
  std::string content;
  std::vector<Evaluation> evaluations;  // those of the version, newest first, any datasets
  std::vector<Evaluation> against;      // those of rule.against_version, likewise
};

// Returns what was required and found: "map_50 on datasets/faces (val): 0.8957 >= 0.85". A drop may
// exceed max_drop by 1e-9, so that decimal fractions mean what they say.
// Errors: kFailedPrecondition - EVALUATION_MISSING (names version, dataset, split and metric, and
// how to make one), EVALUATION_FAILED (both figures and the limit). Either names the newest four
// evaluations that were passed over, and why: another content, split or options.
absl::StatusOr<std::string> Judge(const PromotionRule& rule, const Candidate& candidate);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_PROMOTION_H_
