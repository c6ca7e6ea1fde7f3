// Which constants of a graph may be trained, and as what. Internal to the room; free of torch.
//
// Threads: pure.
#ifndef LBW_ENGINE_TORCH_TRAINABLE_CONSTANTS_H_
#define LBW_ENGINE_TORCH_TRAINABLE_CONSTANTS_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/torch/trainable.h"
#include "graph/graph.h"

namespace lbw::engine {

using NameSet = std::set<std::string, std::less<>>;

// Values of inferred.known that follow from the values of constants in `names`, and from which.
// (What follows from their shapes alone is not among them.)
std::map<std::string, NameSet, std::less<>> KnownFrom(const graph::Graph& graph,
                                                      const graph::InferredShapes& inferred,
                                                      const NameSet& names);

// In graph order, each once, under its first kind. Left out are constants that a node needs when it
// is compiled (bounds of a Clip, what is cast to a shape), and running means and variances that are
// read as anything else as well: training the other use would spoil them. constants: f32, or no
// floating type. inferred: of the same graph and constants, for any batch.
std::vector<TrainableConstant> FindTrainableConstants(const graph::Graph& graph,
                                                      const graph::Constants& constants,
                                                      const graph::InferredShapes& inferred);

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_TRAINABLE_CONSTANTS_H_
