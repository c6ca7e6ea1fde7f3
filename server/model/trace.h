// Finds the activation that a graph applies before a value, through operators that only move
// elements. Private to the room.
//
// Threads: pure.
#ifndef LBW_MODEL_TRACE_H_
#define LBW_MODEL_TRACE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "detect/spec.h"
#include "graph/graph.h"

namespace lbw::model {

struct TracedActivation {
  detect::Activation activation = detect::Activation::kNone;
  // The values before the activation, one a branch, in the order in which they are concatenated;
  // empty where there is none.
  std::vector<std::string> logits;
  // Nothing that rearranges (only Identity, Cast, Dropout) lies between value and activation.
  bool direct = true;
  int64_t softmax_channels = 0;  // size of the axis of a softmax; 0 otherwise
};

// Through Concat, Reshape, Transpose, Slice, Split, Gather, Flatten, Squeeze, Unsqueeze, Identity,
// Cast and Dropout.
// shapes: of the graph's values. Errors: kInvalidArgument, BAD_GRAPH - branches with different
// activations; more than 1,000 branches.
absl::StatusOr<TracedActivation> TraceActivation(const graph::Graph& graph,
                                                 const graph::InferredShapes& shapes,
                                                 std::string_view value);

}  // namespace lbw::model

#endif  // LBW_MODEL_TRACE_H_
