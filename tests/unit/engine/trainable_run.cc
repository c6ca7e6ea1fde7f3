#include "unit/engine/trainable_run.h"

#include <gtest/gtest.h>

#include <utility>

#include "engine/torch/torch_bridge.h"
#include "engine/torch/torch_executor.h"

namespace lbw::engine::testing_support {

Net::Net(const base::Shape& picture) {
  base::Shape shape = {graph::kBatch};
  shape.insert(shape.end(), picture.begin(), picture.end());
  graph.inputs = {{"x", base::DType::kF32, shape}};
  graph.outputs = {{"y", base::DType::kF32, {}}};
}

Net& Net::Add(graph::Node node) {
  graph.nodes.push_back(std::move(node));
  return *this;
}

Net& Net::Set(const std::string& name, base::Tensor value) {
  constants.insert_or_assign(name, std::move(value));
  return *this;
}

std::unique_ptr<Trainable> MustOpen(const Net& net, TrainableOptions options) {
  if (options.fetch.empty()) options.fetch = {"y"};
  auto trainable = Trainable::Open(net.graph, net.constants, options);
  EXPECT_TRUE(trainable.ok()) << trainable.status();
  return trainable.ok() ? *std::move(trainable) : nullptr;
}

absl::Status OpenError(const Net& net, const TrainableOptions& options) {
  return Trainable::Open(net.graph, net.constants, options).status();
}

Trainable::Values LeafValues(const Trainable& trainable) {
  Trainable::Values values;
  for (const TrainableConstant& constant : trainable.constants()) {
    auto value = trainable.Initial(constant.name);
    EXPECT_TRUE(value.ok()) << value.status();
    if (!value.ok()) continue;
    const bool running = constant.kind == TrainableConstant::Kind::kMean ||
                         constant.kind == TrainableConstant::Kind::kVariance;
    values.emplace(constant.name, value->requires_grad_(!running));
  }
  return values;
}

at::Tensor AsTorch(const base::Tensor& tensor) { return CopyToTorch(tensor.view()).value(); }

std::vector<float> FloatsOf(const at::Tensor& tensor) {
  const base::Tensor copy = CopyFromTorch(tensor.detach()).value();
  return std::vector<float>(copy.as<float>().begin(), copy.as<float>().end());
}

std::vector<at::Tensor> MustRun(Trainable& trainable, const base::Tensor& pictures,
                                const Trainable::Values& values,
                                Trainable::BatchNormRun batch_norm) {
  auto outputs = trainable.Run(AsTorch(pictures), values, batch_norm);
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  return outputs.ok() ? *std::move(outputs) : std::vector<at::Tensor>();
}

std::vector<base::Tensor> ByExecutor(const Net& net, const base::Tensor& pictures,
                                     const std::vector<std::string>& fetch) {
  CompileOptions options;
  options.fetch = fetch;
  auto executor = NewTorchExecutorFactory()->Compile(net.graph, net.constants, options);
  EXPECT_TRUE(executor.ok()) << executor.status();
  if (!executor.ok()) return {};
  auto outputs = (*executor)->Run(pictures.view(), base::CancelToken());
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  return outputs.ok() ? *std::move(outputs) : std::vector<base::Tensor>();
}

}  // namespace lbw::engine::testing_support
