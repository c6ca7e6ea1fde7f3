// Where values that are not finite come from.
//
// Threads: one. Throws what torch throws.
#ifndef LBW_TRAIN_DIVERGENCE_H_
#define LBW_TRAIN_DIVERGENCE_H_

#include <string>
#include <utility>
#include <vector>

#include "engine/torch/trainable.h"
#include "graph/graph.h"

namespace lbw::train {

// Node and output of every layer with a weight, in graph order.
struct LayerOutput {
  std::string node;
  std::string value;
};
std::vector<LayerOutput> LayerOutputs(const graph::Graph& graph, const graph::Constants& constants);

// "constant NAME"; "" where all are finite.
std::string FirstNonFinite(const engine::Trainable::Values& values);
// "layer NODE" of the first output, beside layers; "the loss alone" where all are finite.
std::string FirstNonFinite(const std::vector<LayerOutput>& layers,
                           const std::vector<at::Tensor>& outputs);

}  // namespace lbw::train

#endif  // LBW_TRAIN_DIVERGENCE_H_
