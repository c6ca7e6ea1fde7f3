#include "detect/role_reader.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::detect {
namespace {

using absl::StatusCode;

absl::Status BadGraph(std::string_view message) {
  return base::Error(StatusCode::kInvalidArgument, base::reason::kBadGraph, message);
}

}  // namespace

RoleReader::RoleReader(std::string name, const Role& role, int64_t channels,
                       std::vector<std::string>& inputs)
    : name_(std::move(name)), channels_(channels) {
  for (const ValueSlice& slice : role.values) {
    auto found = std::find(inputs.begin(), inputs.end(), slice.value);
    if (found == inputs.end()) found = inputs.insert(inputs.end(), slice.value);
    sources_.push_back({static_cast<size_t>(found - inputs.begin()), slice});
  }
}

absl::Status RoleReader::Misfit(const Source& source, absl::Span<const int64_t> shape) const {
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

absl::StatusOr<RoleReader::Plan> RoleReader::MakePlan(const Source& source,
                                                      absl::Span<const int64_t> shape) const {
  if (shape.size() < 2 || shape.size() > 4) return Misfit(source, shape);
  for (size_t i = 1; i < shape.size(); ++i) {
    if (shape[i] <= 0) return Misfit(source, shape);
  }
  const bool conv = shape.size() == 4;
  const bool sliced = source.slice.channel_begin.has_value();
  const int64_t all = conv ? shape[1] : shape.back();
  const int64_t begin = source.slice.channel_begin.value_or(0);
  const int64_t end = source.slice.channel_end.value_or(all);
  if (begin < 0 || begin >= end || end > all) return Misfit(source, shape);
  const int64_t width = end - begin;

  Plan plan;
  if (conv) {
    if (width % channels_ != 0) return Misfit(source, shape);
    const int64_t area = shape[2] * shape[3];
    plan = {all * area, begin * area, area, width / channels_, 1, area, false};
  } else if (shape.size() == 3) {
    if (width != channels_) return Misfit(source, shape);
    plan = {shape[1] * all, begin, shape[1], 1, all, 1, !sliced || width == all};
  } else {
    if (width % channels_ != 0) return Misfit(source, shape);
    plan = {all, begin, width / channels_, 1, channels_, 1, true};
  }
  return plan;
}

absl::StatusOr<int64_t> RoleReader::CountRows(absl::Span<const base::Shape> shapes) const {
  int64_t rows = 0;
  for (const Source& source : sources_) {
    if (source.input >= shapes.size()) {
      return BadGraph(base::StrCat(name_, ": value ", source.slice.value, " was not delivered"));
    }
    LBW_ASSIGN_OR_RETURN(const Plan plan, MakePlan(source, shapes[source.input]));
    rows += plan.cells * plan.boxes;
  }
  return rows;
}

absl::StatusOr<absl::Span<const float>> RoleReader::Read(absl::Span<const base::Tensor> outputs,
                                                         int64_t index,
                                                         std::vector<float>& storage) const {
  storage.clear();
  for (const Source& source : sources_) {
    if (source.input >= outputs.size()) {
      return BadGraph(base::StrCat(name_, ": value ", source.slice.value, " was not delivered"));
    }
    const base::Tensor& tensor = outputs[source.input];
    if (tensor.dtype() != base::DType::kF32) {
      return BadGraph(base::StrCat(name_, ": value ", source.slice.value, " has type ",
                                   base::Name(tensor.dtype()), "; expected F32"));
    }
    LBW_ASSIGN_OR_RETURN(const Plan plan, MakePlan(source, tensor.shape()));
    if (index < 0 || index >= tensor.shape()[0]) {
      return base::Error(StatusCode::kInvalidArgument, base::reason::kBadArgument,
                         base::StrCat("index must be below the batch: index=", index,
                                      " batch=", tensor.shape()[0]));
    }
    const int64_t rows = plan.cells * plan.boxes;
    const float* picture = tensor.as<float>().data() + index * plan.picture + plan.begin;
    const auto count = static_cast<size_t>(rows * channels_);
    if (plan.contiguous && sources_.size() == 1) return absl::MakeConstSpan(picture, count);

    const size_t old = storage.size();
    storage.resize(old + count);
    float* out = storage.data() + old;
    const int64_t row_width = plan.boxes * channels_;
    for (int64_t cell = 0; cell < plan.cells; ++cell) {
      const float* in = picture + cell * plan.cell_stride;
      for (int64_t c = 0; c < row_width; ++c) *out++ = in[c * plan.channel_stride];
    }
  }
  return absl::MakeConstSpan(storage);
}

}  // namespace lbw::detect
