// Who reads what a layer makes, and what its nodes add to it.
//
// Threads: pure.
#ifndef LBW_TASKS_LAYER_READERS_H_
#define LBW_TASKS_LAYER_READERS_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "engine/layer_inputs.h"
#include "graph/graph.h"

namespace lbw::tasks {

// Value or constant -> the nodes that read it, by index; the number of nodes for a declared output,
// which somebody outside reads.
using Readers = std::multimap<std::string, size_t, std::less<>>;
Readers ReadersOf(const graph::Graph& graph);

// The constant is stored in F32 and has one value for each of so many rows.
bool IsRow(const graph::Constants& constants, const std::string& name, size_t rows);

// What the outputs of a weight's nodes are multiplied with behind them, a row: |gamma| /
// sqrt(var + eps) of a batch normalization, 1 where anything else reads the output; the largest of
// all readers of all uses. Empty where it is 1 for every row.
std::vector<double> RowGains(const graph::Graph& graph, const graph::Constants& constants,
                             absl::Span<const engine::WeightUse> uses);

// What the node adds to its rows, in front of its output scale, where that is constant: [rows];
// empty where there is nothing or another shape.
std::vector<double> ConstantBias(const graph::Graph& graph, const graph::Constants& constants,
                                 const engine::WeightUse& use);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_LAYER_READERS_H_
