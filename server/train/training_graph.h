// A model's graph as it is trained: codes become values, and biases that lie beside codes become
// constants of their own.
//
// Threads: pure.
#ifndef LBW_TRAIN_TRAINING_GRAPH_H_
#define LBW_TRAIN_TRAINING_GRAPH_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "model/model.h"

namespace lbw::train {

struct TrainingGraph {
  graph::Graph graph;
  graph::Constants constants;  // no codes
  // A bias of one layer alone, which the graph did not have -> the weight whose codes store it
  // (QuantizedTensor::bias); equal to it. Stored biases of other layers (several nodes, MatMul, a
  // bias of its own beside it) stay as they are.
  std::map<std::string, std::string> stored_bias;
};

// Errors: those of graph::MaterializeWeights.
absl::StatusOr<TrainingGraph> MakeTrainingGraph(const model::Model& model);

}  // namespace lbw::train

#endif  // LBW_TRAIN_TRAINING_GRAPH_H_
