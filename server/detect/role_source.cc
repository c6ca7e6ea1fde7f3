#include "detect/role_source.h"

#include <algorithm>

#include "base/status.h"
#include "base/strings.h"
#include "base/tensor.h"

namespace lbw::detect {

absl::Status RoleMisfit(const RoleShape& wanted, const RoleSource& source,
                        absl::Span<const int64_t> shape) {
  std::string channels;
  if (source.slice.channel_begin) {
    channels = base::StrCat(", channels [", *source.slice.channel_begin, ", ",
                            source.slice.channel_end.value_or(0), ")");
  }
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
                     base::StrCat(wanted.role, ": value ", source.slice.value, " has shape ",
                                  base::ShapeToString(shape), channels, "; expected [N, anchors, ",
                                  wanted.channels, "], [N, anchors * ", wanted.channels,
                                  "] or [N, boxes * ", wanted.channels, ", rows, cols]"));
}

std::vector<RoleSource> FindSources(absl::Span<const ValueSlice> slices,
                                    std::vector<std::string>& inputs) {
  std::vector<RoleSource> sources;
  for (const ValueSlice& slice : slices) {
    auto found = std::find(inputs.begin(), inputs.end(), slice.value);
    if (found == inputs.end()) found = inputs.insert(inputs.end(), slice.value);
    sources.push_back({static_cast<size_t>(found - inputs.begin()), slice});
  }
  return sources;
}

absl::StatusOr<RoleChannels> ChannelsOf(const RoleShape& wanted, const RoleSource& source,
                                        absl::Span<const int64_t> shape) {
  if (shape.size() < 2 || shape.size() > 4) return RoleMisfit(wanted, source, shape);
  for (size_t i = 1; i < shape.size(); ++i) {
    if (shape[i] <= 0) return RoleMisfit(wanted, source, shape);
  }
  const int64_t all = shape.size() == 4 ? shape[1] : shape.back();
  const int64_t begin = source.slice.channel_begin.value_or(0);
  const int64_t end = source.slice.channel_end.value_or(all);
  if (begin < 0 || begin >= end || end > all) return RoleMisfit(wanted, source, shape);
  const int64_t width = end - begin;
  const bool fits = shape.size() == 3 ? width == wanted.channels : width % wanted.channels == 0;
  if (!fits) return RoleMisfit(wanted, source, shape);
  return RoleChannels{begin, width, all};
}

}  // namespace lbw::detect
