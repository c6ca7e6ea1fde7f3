// Tensors whose elements are taken from another tensor, whatever their type: for shape arithmetic
// and the folding of constants.
//
// Threads: pure.
#ifndef LBW_GRAPH_MOVES_H_
#define LBW_GRAPH_MOVES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/tensor.h"

namespace lbw::graph {

// Element i of the result is element source[i] of the input. source has as many entries as shape
// has elements, each within the input.
base::Tensor TakeElements(const base::Tensor& input, base::Shape shape,
                          absl::Span<const int64_t> source);
// perm must be a permutation of the dimensions.
base::Tensor TransposeTensor(const base::Tensor& input, absl::Span<const int64_t> perm);
// The same bytes under another shape of as many elements.
base::Tensor ReshapeTensor(const base::Tensor& input, base::Shape shape);

// Row-major strides in elements.
std::vector<int64_t> StridesOf(absl::Span<const int64_t> shape);
// For every element of `shape` in row-major order: sum of index * strides. O(elements).
std::vector<int64_t> WalkOffsets(absl::Span<const int64_t> shape, absl::Span<const int64_t> strides,
                                 int64_t origin);
// Strides of `shape` seen as `target`, to which it broadcasts: 0 along repeated dimensions.
std::vector<int64_t> BroadcastStrides(absl::Span<const int64_t> shape,
                                      absl::Span<const int64_t> target);

}  // namespace lbw::graph

#endif  // LBW_GRAPH_MOVES_H_
