// Proves that a graph computes every picture of a batch by itself, and makes its batch symbolic.
//
// The proof follows the batch through every node: a value's batch is the outermost part of one of
// its dimensions (dimension `dim` has N * inner elements; a channel shuffle folds it in that way).
// Where an exporter wrote the batch of its example into the shape of a Reshape, the constant is
// rewritten so that it holds for any batch. What the rules leave open is refused, never guessed;
// the result is checked by shape inference at other batch sizes.
// Threads: pure.
#ifndef LBW_GRAPH_BATCH_H_
#define LBW_GRAPH_BATCH_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "graph/graph.h"

namespace lbw::graph {

// Every input of the graph has the batch in dimension 0; a symbolic one is tried as 1.
// On success the first dimension of inputs and outputs is kBatch, max_batch = 0 and notes tell what
// was rewritten. Where it cannot be proved, constants stay as they are, max_batch = 1, outputs have
// the shapes of one picture and notes tell why. Open sizes are tried as `picture` has them:
// outputs then have kUnknownSize where they depend on them.
// Errors: kInvalidArgument - BAD_GRAPH, UNSUPPORTED_OPERATOR: shapes that contradict each other; a
// batch fixed above 1 that cannot be made symbolic.
absl::Status MakeBatchSymbolic(Graph& graph, Constants& constants, const PictureSize& picture,
                               std::vector<std::string>& notes);

}  // namespace lbw::graph

#endif  // LBW_GRAPH_BATCH_H_
