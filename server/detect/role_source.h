// The values that a role reads, and which of their channels: what every reader of a role's rows
// asks first, whatever holds the numbers.
//
// Threads: pure.
#ifndef LBW_DETECT_ROLE_SOURCE_H_
#define LBW_DETECT_ROLE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "detect/spec.h"

namespace lbw::detect {

struct RoleSource {
  size_t input = 0;  // place of the value in `inputs`
  ValueSlice slice;
};
// Of each slice. Values that `inputs` lacks are added to it.
std::vector<RoleSource> FindSources(absl::Span<const ValueSlice> slices,
                                    std::vector<std::string>& inputs);

// Channels that are read of a value.
struct RoleChannels {
  int64_t begin = 0;
  int64_t width = 0;
  int64_t all = 0;  // of the value
};
// What is read: `channels` numbers a row; role: its name, for messages.
struct RoleShape {
  std::string_view role;
  int64_t channels = 0;
};
// shape: [N or -1, ...], one of role_reader.h's layouts. Errors: kInvalidArgument, BAD_GRAPH -
// names role, value, shape and expectation.
absl::Status RoleMisfit(const RoleShape& wanted, const RoleSource& source,
                        absl::Span<const int64_t> shape);
absl::StatusOr<RoleChannels> ChannelsOf(const RoleShape& wanted, const RoleSource& source,
                                        absl::Span<const int64_t> shape);

}  // namespace lbw::detect

#endif  // LBW_DETECT_ROLE_SOURCE_H_
