// Real detectors and classifiers through a Trainable.
#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/io.h"
#include "base/strings.h"
#include "engine/torch/torch_executor.h"
#include "engine/torch/trainable.h"
#include "graph/onnx/import.h"
#include "support/test_data.h"
#include "unit/engine/one_node.h"
#include "unit/engine/trainable_run.h"

namespace lbw::engine {
namespace {

using namespace testing_support;  // NOLINT(google-build-using-namespace)
using ::testing::FloatNear;
using ::testing::Pointwise;

class TrainableGolden : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::optional<std::string> data = testing::TestDataDir();
    if (!data.has_value()) GTEST_SKIP() << "LBW_TEST_DATA is not set";
    const auto reader = base::OpenFileReader(base::StrCat(*data, "/", GetParam()));
    ASSERT_TRUE(reader.ok()) << reader.status();
    const auto bytes = base::ReadAll(**reader, uint64_t{1} << 32);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    auto imported = graph::ImportOnnx(*bytes);
    ASSERT_TRUE(imported.ok()) << imported.status();
    model_ = *std::move(imported);
    base::Shape shape = model_.graph.inputs[0].shape;
    shape[0] = 2;
    pictures_ = Varied(shape, 3);
  }

  std::unique_ptr<Trainable> Open() const {
    TrainableOptions options;
    options.threads = 2;
    auto trainable = Trainable::Open(model_.graph, model_.constants, options);
    EXPECT_TRUE(trainable.ok()) << trainable.status();
    return trainable.ok() ? *std::move(trainable) : nullptr;
  }

  graph::Imported model_;
  base::Tensor pictures_;
};

TEST_P(TrainableGolden, EqualsTheExecutor) {
  CompileOptions options;
  options.threads = 2;
  auto executor = NewTorchExecutorFactory()->Compile(model_.graph, model_.constants, options);
  ASSERT_TRUE(executor.ok()) << executor.status();
  const auto want = (*executor)->Run(pictures_.view(), base::CancelToken());
  ASSERT_TRUE(want.ok()) << want.status();
  const auto trainable = Open();
  ASSERT_NE(trainable, nullptr);
  const auto got = MustRun(*trainable, pictures_);
  ASSERT_EQ(got.size(), want->size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_THAT(FloatsOf(got[i]), Pointwise(FloatNear(1e-4F), Floats((*want)[i])));
  }
}

// Every layer's weight, in the same bits for two steps.
TEST_P(TrainableGolden, EveryWeightGetsAGradientOfTheSameBits) {
  const auto trainable = Open();
  ASSERT_NE(trainable, nullptr);
  const auto gradients = [&] {
    const Trainable::Values values = LeafValues(*trainable);
    at::Tensor loss;
    for (const at::Tensor& output : MustRun(*trainable, pictures_, values)) {
      const at::Tensor squares = output.mul(output).sum();
      loss = loss.defined() ? loss.add(squares) : squares;
    }
    loss.backward();
    std::map<std::string, std::vector<float>> result;
    for (const auto& [name, value] : values) {
      if (value.requires_grad()) result[name] = FloatsOf(value.grad());
    }
    return result;
  };
  const auto first = gradients();
  for (const graph::Weight& weight : graph::FindWeights(model_.graph, model_.constants, {})) {
    ASSERT_EQ(first.count(weight.constant), 1U) << weight.constant;
    double norm = 0;
    for (const float g : first.at(weight.constant)) norm += double{g} * double{g};
    EXPECT_TRUE(std::isfinite(norm) && norm > 0) << weight.constant;
  }
  EXPECT_EQ(gradients(), first);
}

INSTANTIATE_TEST_SUITE_P(Models, TrainableGolden,
                         ::testing::Values("weights_aizoo_ssd/face_mask_detection.onnx",
                                           "weights_cifar_resnet/resnet20-12fca82f.onnx",
                                           "weights_fastestdet/FastestDet.onnx"),
                         [](const auto& test) { return base::StrCat("model", test.index); });

}  // namespace
}  // namespace lbw::engine
