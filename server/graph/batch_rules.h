// How the batch passes through one node. Internal to the room.
#ifndef LBW_GRAPH_BATCH_RULES_H_
#define LBW_GRAPH_BATCH_RULES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/resolve.h"

namespace lbw::graph {

// Where the batch lies: dimension `dim` has N * inner elements, the batch outermost.
struct BatchPlace {
  int64_t dim = 0;
  int64_t inner = 1;
  bool operator==(const BatchPlace&) const = default;
};

struct BatchVerdict {
  std::optional<BatchPlace> place;  // of every output; none where the rule does not hold
  std::string why;                  // then: what stands in the way
};

// operands: shapes at the batch tried; places: of the data inputs, at least one of them set.
// Reshape is not among the rules.
BatchVerdict PassBatch(const Operands& operands,
                       const std::vector<std::optional<BatchPlace>>& places);

// Where the batch of a value of shape `input` lies in `output`, the same elements in the same
// order, at a batch of `batch`; none where it is not the outermost part of one dimension.
std::optional<BatchPlace> ReshapedPlace(const base::Shape& input, const BatchPlace& place,
                                        const base::Shape& output, int64_t batch);

}  // namespace lbw::graph

#endif  // LBW_GRAPH_BATCH_RULES_H_
