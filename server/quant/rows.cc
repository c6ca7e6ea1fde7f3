#include "quant/rows.h"

#include <algorithm>
#include <cstddef>

#include "base/status.h"

namespace lbw::quant {
namespace {

// Calls run(offset in the tensor, offset in the block, length) for every contiguous stretch, in the
// tensor's order.
template <typename Run>
void ForEachRun(const RowLayout& layout, int64_t first_row, const Run& run) {
  const int64_t count = BlockRowCount(layout, first_row);
  const int64_t group = first_row / layout.axis_size;
  const int64_t index = first_row % layout.axis_size;
  for (int64_t o = 0; o < layout.outer; ++o) {
    int64_t at = ((group * layout.outer + o) * layout.axis_size + index) * layout.inner;
    int64_t in_block = o * layout.inner;
    for (int64_t r = 0; r < count; ++r) {
      run(static_cast<size_t>(at), static_cast<size_t>(in_block),
          static_cast<size_t>(layout.inner));
      at += layout.inner;
      in_block += layout.row_elements;
    }
  }
}

}  // namespace

// The tensor as [groups, outer, axis_size, inner]: dimension 0 split into groups, the dimensions
// before axis (the group's share of dimension 0 included), axis, the dimensions behind it. Row =
// (group, index along axis), element = (outer, inner).
RowLayout MakeRowLayout(absl::Span<const int64_t> shape, int axis, int groups) {
  RowLayout layout;
  if (shape.size() < 2) {
    layout.inner = shape.empty() ? 1 : shape[0];
    layout.row_elements = layout.inner;
    return layout;
  }
  const size_t split = static_cast<size_t>(axis);
  layout.groups = groups;
  layout.axis_size = shape[split];
  layout.rows = groups * layout.axis_size;
  // Without elements the other products mean nothing and may overflow.
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) {
    layout.outer = 0;
    return layout;
  }
  layout.inner = 1;
  for (size_t i = 0; i < split; ++i) layout.outer *= shape[i];
  for (size_t i = split + 1; i < shape.size(); ++i) layout.inner *= shape[i];
  layout.outer /= groups;
  layout.row_elements = layout.outer * layout.inner;
  return layout;
}

int64_t RowLayout::Offset(int64_t row, int64_t j) const {
  const int64_t group = row / axis_size;
  const int64_t index = row % axis_size;
  return ((group * outer + j / inner) * axis_size + index) * inner + j % inner;
}

int64_t BlockRowCount(const RowLayout& layout, int64_t first_row) {
  return std::min(kBlockRows, layout.axis_size - first_row % layout.axis_size);
}

void GatherRows(const RowLayout& layout, int64_t first_row, absl::Span<const float> tensor,
                absl::Span<float> block) {
  ForEachRun(layout, first_row, [&](size_t at, size_t in_block, size_t length) {
    for (size_t i = 0; i < length; ++i) block[in_block + i] = tensor[at + i];
  });
}

void ScatterRows(const RowLayout& layout, int64_t first_row, absl::Span<const float> block,
                 absl::Span<float> tensor) {
  ForEachRun(layout, first_row, [&](size_t at, size_t in_block, size_t length) {
    for (size_t i = 0; i < length; ++i) tensor[at + i] = block[in_block + i];
  });
}

absl::Span<const float> RowReader::Row(int64_t row) {
  LBW_CHECK(row >= 0 && row < layout_.rows);
  const size_t length = static_cast<size_t>(layout_.row_elements);
  if (layout_.row_elements == 0) return {};
  if (layout_.outer == 1) return tensor_.subspan(static_cast<size_t>(row) * length, length);
  if (row < block_first_ || row >= block_first_ + block_rows_) {
    block_first_ = row;
    block_rows_ = BlockRowCount(layout_, row);
    block_.resize(static_cast<size_t>(block_rows_) * length);
    GatherRows(layout_, row, tensor_, absl::MakeSpan(block_));
  }
  return absl::MakeConstSpan(block_).subspan(static_cast<size_t>(row - block_first_) * length,
                                             length);
}

}  // namespace lbw::quant
