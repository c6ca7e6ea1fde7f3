// Small graphs for tests of the room.
#ifndef LBW_TESTS_UNIT_GRAPH_NETS_H_
#define LBW_TESTS_UNIT_GRAPH_NETS_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/tensor.h"
#include "graph/graph.h"

namespace lbw::graph::testing_support {

inline Node MakeNode(std::string op, std::vector<std::string> inputs,
                     std::vector<std::string> outputs,
                     std::map<std::string, Attribute> attributes = {}) {
  Node node;
  node.name = outputs.front() + "_node";
  node.op_type = std::move(op);
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  node.attributes = std::move(attributes);
  return node;
}

// 0, 1, 2, ...
inline base::Tensor Counting(base::Shape shape) {
  base::Tensor tensor(base::DType::kF32, std::move(shape));
  float next = 0;
  for (float& value : tensor.mutable_as<float>()) value = next++;
  return tensor;
}

inline base::Tensor Ints(std::vector<int64_t> values) {
  return base::Tensor::FromI64({static_cast<int64_t>(values.size())}, values);
}

struct Net {
  Graph graph;
  Constants constants;

  void Input(const std::string& name, base::Shape shape) {
    graph.inputs.push_back({name, base::DType::kF32, std::move(shape)});
  }
  void Output(const std::string& name) { graph.outputs.push_back({name, base::DType::kF32, {}}); }
  void Add(Node node) { graph.nodes.push_back(std::move(node)); }
};

}  // namespace lbw::graph::testing_support

#endif  // LBW_TESTS_UNIT_GRAPH_NETS_H_
