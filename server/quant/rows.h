// Rows of a tensor in packing order, gathered where they are strided.
//
// Threads:   RowReader one at a time; the functions are pure.
// Cost:      a contiguous row is borrowed; strided rows are copied in blocks of kBlockRows, so that
//            every cache line is read once. Scratch: kBlockRows rows, never more than the tensor.
#ifndef LBW_QUANT_ROWS_H_
#define LBW_QUANT_ROWS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "quant/quantize.h"

namespace lbw::quant {

inline constexpr int64_t kBlockRows = 16;

// How many rows, from first_row on, belong to one block: at most kBlockRows, all of one group.
int64_t BlockRowCount(const RowLayout& layout, int64_t first_row);

// block [BlockRowCount, row_elements] from the tensor, and back into it.
void GatherRows(const RowLayout& layout, int64_t first_row, absl::Span<const float> tensor,
                absl::Span<float> block);
void ScatterRows(const RowLayout& layout, int64_t first_row, absl::Span<const float> block,
                 absl::Span<float> tensor);

// Reads rows in rising order.
class RowReader {
 public:
  // tensor is borrowed.
  RowReader(const RowLayout& layout, absl::Span<const float> tensor)
      : layout_(layout), tensor_(tensor) {}
  // row in 0 .. rows-1. Valid until the next call.
  absl::Span<const float> Row(int64_t row);

 private:
  const RowLayout layout_;
  const absl::Span<const float> tensor_;
  std::vector<float> block_;
  int64_t block_first_ = 0;
  int64_t block_rows_ = 0;
};

}  // namespace lbw::quant

#endif  // LBW_QUANT_ROWS_H_
