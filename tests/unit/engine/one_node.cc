#include "unit/engine/one_node.h"

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/torch_executor.h"

namespace lbw::engine::testing_support {

absl::StatusOr<std::vector<base::Tensor>> RunOneNode(const OneNode& node) {
  graph::Graph graph;
  graph.opset = node.opset;
  base::Shape shape = node.input.shape();
  shape[0] = graph::kBatch;
  graph.inputs.push_back({"x", base::DType::kF32, shape});
  graph::Constants constants;
  graph::Node built;
  built.name = "n";
  built.op_type = node.op;
  built.inputs.push_back("x");
  built.attributes = node.attributes;
  for (const base::Tensor& constant : node.constants) {
    const std::string name = base::StrCat("c", built.inputs.size());
    built.inputs.push_back(name);
    constants.emplace(name, constant);
  }
  for (size_t i = 0; i < node.outputs; ++i) {
    const std::string name = base::StrCat("y", i);
    built.outputs.push_back(name);
    graph.outputs.push_back({name, base::DType::kF32, {}});
  }
  graph.nodes.push_back(std::move(built));
  LBW_ASSIGN_OR_RETURN(const auto executor,
                       NewTorchExecutorFactory()->Compile(graph, constants, CompileOptions()));
  return executor->Run(node.input.view(), base::CancelToken());
}

graph::Node MakeNode(const std::string& op, std::vector<std::string> inputs, std::string output,
                     std::map<std::string, graph::Attribute> attributes) {
  graph::Node node;
  node.name = output + "_node";
  node.op_type = op;
  node.inputs = std::move(inputs);
  node.outputs = {std::move(output)};
  node.attributes = std::move(attributes);
  return node;
}

base::Tensor Varied(base::Shape shape, uint32_t seed) {
  base::Tensor tensor(base::DType::kF32, std::move(shape));
  uint32_t state = seed * 2654435761U + 12345U;
  for (float& value : tensor.mutable_as<float>()) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<float>(static_cast<int32_t>(state >> 16) % 200 - 100) / 64.0F;
  }
  return tensor;
}

std::vector<float> Floats(const base::Tensor& tensor) {
  const auto values = tensor.as<float>();
  return std::vector<float>(values.begin(), values.end());
}

}  // namespace lbw::engine::testing_support
