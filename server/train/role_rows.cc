#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "base/tensor.h"
#include "train/heads.h"

namespace lbw::train {
namespace {

absl::Span<const int64_t> SizesOf(const at::Tensor& tensor) {
  return absl::MakeConstSpan(tensor.sizes().data(), tensor.sizes().size());
}

}  // namespace

RoleRows::RoleRows(std::string name, const std::vector<detect::ValueSlice>& slices,
                   int64_t channels, std::vector<std::string>& inputs)
    : name_(std::move(name)), channels_(channels) {
  for (const detect::ValueSlice& slice : slices) {
    auto found = std::find(inputs.begin(), inputs.end(), slice.value);
    if (found == inputs.end()) found = inputs.insert(inputs.end(), slice.value);
    sources_.push_back({static_cast<size_t>(found - inputs.begin()), slice});
  }
}

absl::Status RoleRows::Misfit(const Source& source, absl::Span<const int64_t> shape) const {
  std::string channels;
  if (source.slice.channel_begin) {
    channels = base::StrCat(", channels [", *source.slice.channel_begin, ", ",
                            source.slice.channel_end.value_or(0), ")");
  }
  return BadGraph(base::StrCat(name_, ": value ", source.slice.value, " has shape ",
                               base::ShapeToString(shape), channels, "; expected [N, anchors, ",
                               channels_, "], [N, anchors * ", channels_, "] or [N, boxes * ",
                               channels_, ", rows, cols]"));
}

absl::StatusOr<at::Tensor> RoleRows::ReadOne(const Source& source, const at::Tensor& output) const {
  if (!output.defined() || !output.is_floating_point()) {
    return BadGraph(base::StrCat(name_, ": value ", source.slice.value, " is no F32 tensor"));
  }
  const absl::Span<const int64_t> shape = SizesOf(output);
  if (shape.size() < 2 || shape.size() > 4) return Misfit(source, shape);
  for (const int64_t size : shape) {
    if (size <= 0) return Misfit(source, shape);
  }
  const bool conv = shape.size() == 4;
  const int64_t axis = conv ? 1 : static_cast<int64_t>(shape.size()) - 1;
  const int64_t all = shape[static_cast<size_t>(axis)];
  const int64_t begin = source.slice.channel_begin.value_or(0);
  const int64_t end = source.slice.channel_end.value_or(all);
  if (begin < 0 || begin >= end || end > all) return Misfit(source, shape);
  const int64_t width = end - begin;
  const bool fits = shape.size() == 3 ? width == channels_ : width % channels_ == 0;
  if (!fits) return Misfit(source, shape);

  at::Tensor part = output.narrow(axis, begin, width);
  const int64_t rows = part.numel() / shape[0] / channels_;
  // Anchor (row * W + col) * c + i: the channels behind the cells.
  if (conv) part = part.permute({0, 2, 3, 1});
  part = part.reshape({shape[0], rows, channels_});
  return part.element_size() < 4 ? part.to(at::kFloat) : part;
}

absl::StatusOr<at::Tensor> RoleRows::Read(const std::vector<at::Tensor>& outputs) const {
  std::vector<at::Tensor> parts;
  for (const Source& source : sources_) {
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
