#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "train/heads.h"

namespace lbw::train {
namespace {

absl::Span<const int64_t> SizesOf(const at::Tensor& tensor) {
  return absl::MakeConstSpan(tensor.sizes().data(), tensor.sizes().size());
}

}  // namespace

RoleRows::RoleRows(std::string name, const std::vector<detect::ValueSlice>& slices,
                   int64_t channels, std::vector<std::string>& inputs)
    : name_(std::move(name)), channels_(channels), sources_(detect::FindSources(slices, inputs)) {}

absl::StatusOr<at::Tensor> RoleRows::ReadOne(const detect::RoleSource& source,
                                             const at::Tensor& output) const {
  if (!output.defined() || !output.is_floating_point()) {
    return BadGraph(base::StrCat(name_, ": value ", source.slice.value, " is no F32 tensor"));
  }
  const absl::Span<const int64_t> shape = SizesOf(output);
  const detect::RoleShape wanted{name_, channels_};
  if (!shape.empty() && shape[0] <= 0) return detect::RoleMisfit(wanted, source, shape);
  LBW_ASSIGN_OR_RETURN(const detect::RoleChannels channels,
                       detect::ChannelsOf(wanted, source, shape));
  const bool conv = shape.size() == 4;
  const int64_t axis = conv ? 1 : static_cast<int64_t>(shape.size()) - 1;

  at::Tensor part = output.narrow(axis, channels.begin, channels.width);
  const int64_t rows = part.numel() / shape[0] / channels_;
  // Anchor (row * W + col) * c + i: the channels behind the cells.
  if (conv) part = part.permute({0, 2, 3, 1});
  part = part.reshape({shape[0], rows, channels_});
  return part.element_size() < 4 ? part.to(at::kFloat) : part;
}

absl::StatusOr<at::Tensor> RoleRows::Read(const std::vector<at::Tensor>& outputs) const {
  std::vector<at::Tensor> parts;
  for (const detect::RoleSource& source : sources_) {
    if (source.input >= outputs.size()) {
      return BadGraph(base::StrCat(name_, ": value ", source.slice.value, " was not delivered"));
    }
    LBW_ASSIGN_OR_RETURN(at::Tensor part, ReadOne(source, outputs[source.input]));
    if (!parts.empty() && part.size(0) != parts[0].size(0)) {
      return BadGraph(base::StrCat(name_, ": value ", source.slice.value, " is of ", part.size(0),
                                   " pictures, value ", sources_[0].slice.value, " of ",
                                   parts[0].size(0)));
    }
    parts.push_back(std::move(part));
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

}  // namespace lbw::train
