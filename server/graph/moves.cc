#include "graph/moves.h"

#include <cstring>
#include <utility>

#include "base/status.h"

namespace lbw::graph {

base::Tensor TakeElements(const base::Tensor& input, base::Shape shape,
                          absl::Span<const int64_t> source) {
  base::Tensor out(input.dtype(), std::move(shape));
  LBW_CHECK(out.elements() == static_cast<int64_t>(source.size()));
  const size_t width = base::SizeOf(input.dtype());
  const std::byte* from = input.bytes().data();
  std::byte* to = out.mutable_bytes().data();
  for (size_t i = 0; i < source.size(); ++i) {
    std::memcpy(to + i * width, from + static_cast<size_t>(source[i]) * width, width);
  }
  return out;
}

std::vector<int64_t> StridesOf(absl::Span<const int64_t> shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::vector<int64_t> WalkOffsets(absl::Span<const int64_t> shape, absl::Span<const int64_t> strides,
                                 int64_t origin) {
  std::vector<int64_t> offsets = {origin};
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    std::vector<int64_t> next;
    next.reserve(offsets.size() * static_cast<size_t>(shape[axis]));
    for (const int64_t offset : offsets) {
      for (int64_t i = 0; i < shape[axis]; ++i) next.push_back(offset + i * strides[axis]);
    }
    offsets = std::move(next);
  }
  return offsets;
}

std::vector<int64_t> BroadcastStrides(absl::Span<const int64_t> shape,
                                      absl::Span<const int64_t> target) {
  const std::vector<int64_t> own = StridesOf(shape);
  std::vector<int64_t> strides(target.size(), 0);
  const size_t shift = target.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1) strides[i + shift] = own[i];
  }
  return strides;
}

base::Tensor TransposeTensor(const base::Tensor& input, absl::Span<const int64_t> perm) {
  const std::vector<int64_t> own = StridesOf(input.shape());
  base::Shape shape;
  std::vector<int64_t> strides;
  for (const int64_t axis : perm) {
    shape.push_back(input.shape()[static_cast<size_t>(axis)]);
    strides.push_back(own[static_cast<size_t>(axis)]);
  }
  base::Tensor out(input.dtype(), shape);
  const size_t width = base::SizeOf(input.dtype());
  const std::byte* from = input.bytes().data();
  std::byte* to = out.mutable_bytes().data();
  // Weights pass here: counting up needs no table of offsets.
  std::vector<int64_t> at(shape.size(), 0);
  int64_t offset = 0;
  for (int64_t i = 0; i < out.elements(); ++i) {
    std::memcpy(to + static_cast<size_t>(i) * width, from + static_cast<size_t>(offset) * width,
                width);
    for (size_t axis = shape.size(); axis-- > 0;) {
      offset += strides[axis];
      if (++at[axis] < shape[axis]) break;
      offset -= strides[axis] * shape[axis];
      at[axis] = 0;
    }
  }
  return out;
}

base::Tensor ReshapeTensor(const base::Tensor& input, base::Shape shape) {
  base::Tensor out(input.dtype(), std::move(shape));
  LBW_CHECK(out.size_bytes() == input.size_bytes());
  if (out.size_bytes() != 0) {
    std::memcpy(out.mutable_bytes().data(), input.bytes().data(), input.size_bytes());
  }
  return out;
}

}  // namespace lbw::graph
