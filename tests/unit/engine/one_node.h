// Runs one operator through the torch executor, for tests.
#ifndef LBW_TESTS_UNIT_ENGINE_ONE_NODE_H_
#define LBW_TESTS_UNIT_ENGINE_ONE_NODE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/tensor.h"
#include "graph/graph.h"

namespace lbw::engine::testing_support {

struct OneNode {
  std::string op;
  base::Tensor input;                   // the graph's input; [N, ...] f32
  std::vector<base::Tensor> constants;  // the node's inputs from 1 on
  std::map<std::string, graph::Attribute> attributes;
  int64_t opset = 13;
  size_t outputs = 1;
};

// The batch is symbolic. Errors: those of compiling and running.
absl::StatusOr<std::vector<base::Tensor>> RunOneNode(const OneNode& node);

// A node "{output}_node".
graph::Node MakeNode(const std::string& op, std::vector<std::string> inputs, std::string output,
                     std::map<std::string, graph::Attribute> attributes = {});

// Values 0.1, -0.2, ... that differ everywhere; the same for the same seed.
base::Tensor Varied(base::Shape shape, uint32_t seed);

std::vector<float> Floats(const base::Tensor& tensor);

}  // namespace lbw::engine::testing_support

#endif  // LBW_TESTS_UNIT_ENGINE_ONE_NODE_H_
