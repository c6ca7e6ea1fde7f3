// Compile passes that any executor may use. They work on copies: the stored graph is never
// rewritten.
//
// Threads: pure.
#ifndef LBW_GRAPH_PASSES_H_
#define LBW_GRAPH_PASSES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "graph/graph.h"

namespace lbw::graph {

// Keeps the nodes that `fetch` needs, in order.
void RemoveDeadNodes(Graph& graph, const std::vector<std::string>& fetch);

// Replaces codes by f32 values. A stored bias of codes (QuantizedTensor::bias, one a row) is added
// to the output of every node that reads the weight, also through views of it (views.h): into the
// bias of Conv, ConvTranspose and Gemm, as an Add behind MatMul. Errors: kInvalidArgument,
// BAD_GRAPH - a bias whose layer cannot take it.
absl::Status MaterializeWeights(Graph& graph, Constants& constants);

// Computes Transpose, Reshape, Squeeze, Unsqueeze, Flatten, Identity and Cast of constants once:
// the result is a constant under the value's own name and the node is gone; fetched values stay.
// Codes are not touched: run it behind MaterializeWeights. Errors: kInvalidArgument, BAD_GRAPH - a
// node that does not fit its constant.
absl::Status FoldConstantViews(Graph& graph, Constants& constants,
                               const std::vector<std::string>& fetch);

// y = gamma * (conv(x) + b - mean) / sqrt(var + eps) + beta becomes one Conv, where the convolution
// is read by nothing else, is not fetched, and all constants are f32 tensors. Constants that a pass
// makes are called "NAME|folded".
// Returns how many were folded.
// Precision: the folded weight is rounded to f32 once; outputs of ResNet-56 differ by less than
// 1e-4.
int FoldBatchNormalization(Graph& graph, Constants& constants,
                           const std::vector<std::string>& fetch);

}  // namespace lbw::graph

#endif  // LBW_GRAPH_PASSES_H_
