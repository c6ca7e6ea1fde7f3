// The known name that a misspelt one probably means.
#ifndef LBW_CONFIG_NEAREST_H_
#define LBW_CONFIG_NEAREST_H_

#include <cstddef>
#include <string_view>

#include "absl/types/span.h"

namespace lbw::config {

// Single characters to insert, delete, replace or swap with their neighbour to turn one text into
// the other (optimal string alignment distance). Cost: O(|a| |b|).
size_t EditDistance(std::string_view a, std::string_view b);

// The name of least distance (the first of several); "" where it is more than half of what was
// given, so that no far-fetched hint is given.
std::string_view Nearest(std::string_view given, absl::Span<const std::string_view> names);

}  // namespace lbw::config

#endif  // LBW_CONFIG_NEAREST_H_
