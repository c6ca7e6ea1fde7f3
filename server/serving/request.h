// What a request gets wrong, told before anything is done for it.
#ifndef LBW_SERVING_REQUEST_H_
#define LBW_SERVING_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "serving/detector.h"

namespace lbw::serving {

// Errors: kInvalidArgument - BAD_ARGUMENT or LIMIT_EXCEEDED, with the field as the API names it
// ("images", "options.score_threshold").
absl::Status CheckRequest(const DetectRequest& request, const ServingLimits& limits);

// Indices of the wanted labels, rising; every class of that label. Empty for no names.
// Errors: kInvalidArgument, field "options.classes" - a label that the model does not have (lists
// some that it has).
absl::StatusOr<std::vector<int32_t>> FindClasses(absl::Span<const std::string> names,
                                                 absl::Span<const std::string> labels);

// The same error with its field ("images[3]").
absl::Status WithField(const absl::Status& status, std::string_view field);

}  // namespace lbw::serving

#endif  // LBW_SERVING_REQUEST_H_
