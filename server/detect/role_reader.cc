#include "detect/role_reader.h"

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
    : name_(std::move(name)), channels_(channels), sources_(FindSources(role.values, inputs)) {}

absl::StatusOr<RoleReader::Plan> RoleReader::MakePlan(const RoleSource& source,
                                                      absl::Span<const int64_t> shape) const {
  LBW_ASSIGN_OR_RETURN(const RoleChannels part, ChannelsOf({name_, channels_}, source, shape));
  const auto [begin, width, all] = part;
  if (shape.size() == 4) {
    const int64_t area = shape[2] * shape[3];
    return Plan{all * area, begin * area, area, width / channels_, 1, area, false};
  }
  if (shape.size() == 3) {
    const bool sliced = source.slice.channel_begin.has_value();
    return Plan{shape[1] * all, begin, shape[1], 1, all, 1, !sliced || width == all};
  }
  return Plan{all, begin, width / channels_, 1, channels_, 1, true};
}

absl::StatusOr<int64_t> RoleReader::CountRows(absl::Span<const base::Shape> shapes) const {
  int64_t rows = 0;
  for (const RoleSource& source : sources_) {
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
  for (const RoleSource& source : sources_) {
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
