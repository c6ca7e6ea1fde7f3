// Small networks put together node by node, and what their layers read, by plain loops.
#ifndef LBW_TESTS_UNIT_TASKS_CALIBRATION_FIXTURE_H_
#define LBW_TESTS_UNIT_TASKS_CALIBRATION_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "base/tensor.h"
#include "engine/executor.h"
#include "model/model.h"
#include "support/temp_dir.h"
#include "tasks/calibrate_network.h"
#include "tasks/layer_walk.h"

namespace lbw::tasks {

using Attributes = std::map<std::string, graph::Attribute>;
using Picture = std::vector<float>;

// Input "image", RGB. A node is called by what it makes.
class NetMaker {
 public:
  explicit NetMaker(int64_t size = 6, uint64_t seed = 1) : random_(seed) {
    model_.spec.input.height = model_.spec.input.width = size;
    model_.graph.inputs.push_back({"image", base::DType::kF32, {graph::kBatch, 3, size, size}});
  }
  // Random values about 0.
  std::string Constant(const std::string& name, const base::Shape& shape, float spread = 0.5F);
  std::string Constant(const std::string& name, const base::Shape& shape,
                       const std::vector<float>& values);
  std::string Integers(const std::string& name, const std::vector<int64_t>& values);
  std::string Node(const std::string& op, const std::string& name,
                   const std::vector<std::string>& inputs, const Attributes& attributes = {});
  // A 3x3 convolution that keeps the size, with weight "NAME.w" and bias "NAME.b".
  std::string Conv(const std::string& name, const std::string& input, const base::Shape& weight,
                   int64_t groups = 1);
  // Batch normalization with random moments "NAME.gamma", ".beta", ".mean", ".var".
  std::string Norm(const std::string& name, const std::string& input, int64_t channels);
  // A classifier's head over these values.
  model::Model Finish(const std::vector<std::string>& outputs);

 private:
  model::Model model_;
  base::Random random_;
};

std::vector<Picture> RandomPictures(size_t count, int64_t size, uint64_t seed);

// The torch executor with a folder to spill into.
class Bench {
 public:
  Bench();
  engine::ExecutorFactory& engine() { return *engine_; }
  WalkOptions Options(int threads = 1) const;
  // The walk borrows a copy of the pictures that the bench keeps.
  std::unique_ptr<LayerWalk> Walk(const model::Model& model, const std::vector<Picture>& pictures,
                                  const WalkOptions& options);
  // [picture][value], each of one picture.
  std::vector<std::vector<base::Tensor>> Run(const model::Model& model,
                                             const graph::Constants& constants,
                                             const std::vector<Picture>& pictures,
                                             const std::vector<std::string>& values);

 private:
  testing::TempDir folder_{testing::TempDir::Place::kMemory};
  std::unique_ptr<engine::ExecutorFactory> engine_;
  std::list<std::vector<Picture>> kept_;
};

// What a node's weight is multiplied with at every output position, by plain loops: Conv and
// ConvTranspose of two dimensions, Gemm and MatMul with the weight on the right.
// [group][position][column]
using Rows = std::vector<std::vector<std::vector<double>>>;
Rows InputRows(const graph::Node& node, const base::Shape& weight, const base::Tensor& input,
               const base::Shape& output);

// Of the head's values: mean squared difference over the mean variance of an element from picture
// to picture. Two pictures at least.
double RelativeError(const std::vector<std::vector<base::Tensor>>& reference,
                     const std::vector<std::vector<base::Tensor>>& other);

ChoiceOptions ChoicesAt(int bits);
// Codes, exponents, scales, biases and all other constants are the same bits.
::testing::AssertionResult SameConstants(const graph::Constants& a, const graph::Constants& b);

}  // namespace lbw::tasks

#endif  // LBW_TESTS_UNIT_TASKS_CALIBRATION_FIXTURE_H_
