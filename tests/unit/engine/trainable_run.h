// Small graphs and their runs through a Trainable, for tests.
#ifndef LBW_TESTS_UNIT_ENGINE_TRAINABLE_RUN_H_
#define LBW_TESTS_UNIT_ENGINE_TRAINABLE_RUN_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "engine/torch/trainable.h"
#include "graph/graph.h"

namespace lbw::engine::testing_support {

struct Net {
  graph::Graph graph;
  graph::Constants constants;

  // Declares the input [N, dims...] called "x".
  explicit Net(const base::Shape& picture);
  Net& Add(graph::Node node);
  Net& Set(const std::string& name, base::Tensor value);
};

// Fetches "y" unless told otherwise.
std::unique_ptr<Trainable> MustOpen(const Net& net, TrainableOptions options = {});
absl::Status OpenError(const Net& net, const TrainableOptions& options = {});

// Every value of constants() under its name, as it is at first; those that are trained by gradients
// ask for them.
Trainable::Values LeafValues(const Trainable& trainable);

at::Tensor AsTorch(const base::Tensor& tensor);
std::vector<float> FloatsOf(const at::Tensor& tensor);

std::vector<at::Tensor> MustRun(
    Trainable& trainable, const base::Tensor& pictures, const Trainable::Values& values = {},
    Trainable::BatchNormRun batch_norm = Trainable::BatchNormRun::kFrozen);

// The outputs of the torch executor.
std::vector<base::Tensor> ByExecutor(const Net& net, const base::Tensor& pictures,
                                     const std::vector<std::string>& fetch = {"y"});

}  // namespace lbw::engine::testing_support

#endif  // LBW_TESTS_UNIT_ENGINE_TRAINABLE_RUN_H_
