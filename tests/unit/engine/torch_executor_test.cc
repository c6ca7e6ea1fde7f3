#include "engine/torch/torch_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "quant/quantize.h"
#include "unit/engine/one_node.h"

namespace lbw::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using testing_support::Floats;
using testing_support::MakeNode;
using testing_support::Varied;

struct Net {
  graph::Graph graph;
  graph::Constants constants;
};

const std::vector<int64_t> kPads = {1, 1, 1, 1};

// conv -> bn -> relu -> + conv's own input, twice; then a mean for each channel.
Net ResidualNet() {
  Net net;
  net.graph.inputs = {
      {"x", base::DType::kF32, {graph::kBatch, 4, graph::kUnknownSize, graph::kUnknownSize}}};
  net.graph.outputs = {{"y", base::DType::kF32, {}}};
  std::string from = "x";
  for (const std::string stage : {"a", "b"}) {
    net.graph.nodes.push_back(
        MakeNode("Conv", {from, stage + ".w"}, stage + ".conv", {{"pads", kPads}}));
    net.graph.nodes.push_back(MakeNode(
        "BatchNormalization",
        {stage + ".conv", stage + ".gamma", stage + ".beta", stage + ".mean", stage + ".var"},
        stage + ".bn"));
    net.graph.nodes.push_back(MakeNode("Relu", {stage + ".bn"}, stage + ".relu"));
    net.graph.nodes.push_back(MakeNode("Add", {stage + ".relu", from}, stage + ".sum"));
    net.constants.emplace(stage + ".w", Varied({4, 4, 3, 3}, 1));
    net.constants.emplace(stage + ".gamma", Varied({4}, 2));
    net.constants.emplace(stage + ".beta", Varied({4}, 3));
    net.constants.emplace(stage + ".mean", Varied({4}, 4));
    net.constants.emplace(stage + ".var", base::Tensor::FromF32({4}, {0.5F, 1, 2, 4}));
    from = stage + ".sum";
  }
  net.graph.nodes.push_back(MakeNode("GlobalAveragePool", {from}, "y"));
  return net;
}

CompileOptions Options(std::vector<std::string> fetch = {}) {
  CompileOptions options;
  options.fetch = std::move(fetch);
  options.height = 5;
  options.width = 6;
  return options;
}

std::vector<base::Tensor> MustRun(const Net& net, const CompileOptions& options,
                                  const base::Tensor& input) {
  auto executor = NewTorchExecutorFactory()->Compile(net.graph, net.constants, options);
  EXPECT_TRUE(executor.ok()) << executor.status();
  if (!executor.ok()) return {};
  auto outputs = (*executor)->Run(input.view(), base::CancelToken());
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  return outputs.ok() ? *std::move(outputs) : std::vector<base::Tensor>();
}

// Fetching "a.conv" forbids both the folding of a's normalization and overwriting in place.
TEST(TorchExecutor, FetchedValuesAreTheGraphsWhateverIsFoldedOrOverwritten) {
  const Net net = ResidualNet();
  const base::Tensor input = Varied({3, 4, 5, 6}, 9);
  const auto folded = MustRun(net, Options(), input);
  const auto all = MustRun(net, Options({"y", "a.conv", "a.bn", "a.relu", "a.sum", "b.bn"}), input);
  ASSERT_EQ(folded.size(), 1U);
  ASSERT_EQ(all.size(), 6U);
  EXPECT_THAT(Floats(folded[0]), Pointwise(FloatNear(1e-4F), Floats(all[0])));
  const auto bn = Floats(all[2]);
  const auto relu = Floats(all[3]);
  const auto sum = Floats(all[4]);
  for (size_t i = 0; i < bn.size(); ++i) {
    ASSERT_EQ(relu[i], std::max(bn[i], 0.0F));
    ASSERT_EQ(sum[i], relu[i] + input.as<float>()[i]);
  }
}

// The weight as a linear layer stores it, [out, in], transposed by a node; as values, and as codes
// whose stored bias belongs to the rows of what is stored.
TEST(TorchExecutor, ATransposedWeightRunsAsValuesAndAsCodesWithABias) {
  Net net;
  net.graph.inputs = {{"x", base::DType::kF32, {graph::kBatch, 3}}};
  net.graph.outputs = {{"y", base::DType::kF32, {}}};
  net.graph.nodes = {MakeNode("Transpose", {"w"}, "t"), MakeNode("MatMul", {"x", "t"}, "y")};
  net.constants.emplace("w", base::Tensor::FromF32({2, 3}, {1, 2, 4, -1, 1, 0.5F}));
  const base::Tensor input = base::Tensor::FromF32({1, 3}, {1, 10, 100});
  EXPECT_THAT(Floats(MustRun(net, CompileOptions(), input)[0]), ElementsAre(421, 59));
  quant::TensorOptions options;
  options.bits = 6;
  auto codes = quant::QuantizeTensor(std::get<base::Tensor>(net.constants.at("w")).view(), options);
  ASSERT_TRUE(codes.ok()) << codes.status();
  codes->tensor.bias = {10, -20};
  net.constants.insert_or_assign("w", std::move(codes->tensor));
  EXPECT_THAT(Floats(MustRun(net, CompileOptions(), input)[0]), ElementsAre(431, 39));
}

TEST(TorchExecutor, InputIsNeverOverwritten) {
  Net net;
  net.graph.inputs = {{"x", base::DType::kF32, {graph::kBatch, 4}}};
  net.graph.outputs = {{"y", base::DType::kF32, {}}};
  net.graph.nodes = {MakeNode("Identity", {"x"}, "same"), MakeNode("Relu", {"same"}, "y")};
  const base::Tensor input = base::Tensor::FromF32({1, 4}, {-1, 2, -3, 4});
  const auto outputs = MustRun(net, CompileOptions(), input);
  EXPECT_THAT(Floats(outputs[0]), ElementsAre(0, 2, 0, 4));
  EXPECT_THAT(Floats(input), ElementsAre(-1, 2, -3, 4));
}

TEST(TorchExecutor, BatchesOfManySizesAgreeWithOne) {
  const Net net = ResidualNet();
  auto executor = NewTorchExecutorFactory()->Compile(net.graph, net.constants, Options());
  ASSERT_TRUE(executor.ok()) << executor.status();
  EXPECT_THAT((*executor)->outputs()[0].shape, ElementsAre(graph::kBatch, 4, 1, 1));
  const base::Tensor pictures = Varied({40, 4, 5, 6}, 5);
  const int64_t picture_bytes = 4 * 5 * 6 * 4;
  for (int64_t n = 1; n <= 40; ++n) {
    const base::TensorView view{
        base::DType::kF32,
        {n, 4, 5, 6},
        pictures.bytes().subspan(0, static_cast<size_t>(n * picture_bytes))};
    const auto outputs = (*executor)->Run(view, base::CancelToken());
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    const base::TensorView last{
        base::DType::kF32,
        {1, 4, 5, 6},
        pictures.bytes().subspan(static_cast<size_t>((n - 1) * picture_bytes),
                                 static_cast<size_t>(picture_bytes))};
    const auto one = (*executor)->Run(last, base::CancelToken());
    ASSERT_TRUE(one.ok()) << one.status();
    const auto many = Floats((*outputs)[0]);
    EXPECT_THAT(std::vector<float>(many.end() - 4, many.end()),
                Pointwise(FloatNear(1e-5F), Floats((*one)[0])));
  }
}

// A channel shuffle before the second convolution: channels stay first in memory there.
TEST(TorchExecutor, BothMemoryOrdersGiveTheSame) {
  Net net = ResidualNet();
  const base::Tensor input = Varied({2, 4, 5, 6}, 9);
  const auto last = MustRun(net, Options(), input);
  for (graph::Node& node : net.graph.nodes) {
    if (node.name == "b.conv_node") node.inputs[0] = "flat.back";
  }
  net.constants.emplace("to", base::Tensor::FromI64({2}, {0, -1}));
  net.constants.emplace("back", base::Tensor::FromI64({4}, {0, 4, 5, 6}));
  net.graph.nodes.insert(net.graph.nodes.begin() + 4,
                         {MakeNode("Reshape", {"a.sum", "to"}, "flat"),
                          MakeNode("Reshape", {"flat", "back"}, "flat.back")});
  const auto first = MustRun(net, Options(), input);
  EXPECT_THAT(Floats(first[0]), Pointwise(FloatNear(1e-5F), Floats(last[0])));
}

TEST(TorchExecutor, CodesWithScalesAndAStoredBiasRunAsTheirValues) {
  for (const std::string op : {"Conv", "Gemm", "MatMul"}) {
    Net net;
    const bool conv = op == "Conv";
    net.graph.inputs = {
        {"x", base::DType::kF32,
         conv ? base::Shape{graph::kBatch, 3, 2, 2} : base::Shape{graph::kBatch, 3}}};
    net.graph.outputs = {{"y", base::DType::kF32, {}}};
    net.graph.nodes = {MakeNode(op, {"x", "w"}, "y")};
    quant::TensorOptions options;
    options.bits = 6;
    options.axis = conv ? 0 : 1;
    const base::Tensor weight = Varied(conv ? base::Shape{2, 3, 1, 1} : base::Shape{3, 2}, 3);
    auto quantized = quant::QuantizeTensor(weight.view(), options);
    ASSERT_TRUE(quantized.ok()) << quantized.status();
    quantized->tensor.scales = {1.5F, 0.75F};
    quantized->tensor.bias = {10, -20};
    net.constants.emplace("w", quantized->tensor);
    const base::Tensor input = Varied(conv ? base::Shape{2, 3, 2, 2} : base::Shape{2, 3}, 8);
    const auto coded = MustRun(net, CompileOptions(), input);

    Net plain = net;
    plain.constants.clear();
    plain.constants.emplace(
        "w", base::Tensor::FromF32(weight.shape(), quant::Dequantize(quantized->tensor)));
    const auto values = MustRun(plain, CompileOptions(), input);
    ASSERT_EQ(coded.size(), 1U);
    const size_t inner = conv ? 4 : 1;
    for (size_t i = 0; i < Floats(coded[0]).size(); ++i) {
      const float bias = i / inner % 2 == 0 ? 10.0F : -20.0F;
      ASSERT_NEAR(Floats(coded[0])[i], Floats(values[0])[i] + bias, 1e-5F) << op;
    }
  }
}

TEST(TorchExecutor, RefusesWhatDoesNotFit) {
  const Net net = ResidualNet();
  const auto factory = NewTorchExecutorFactory();
  auto executor = factory->Compile(net.graph, net.constants, Options());
  ASSERT_TRUE(executor.ok()) << executor.status();
  for (const base::Shape& shape : {base::Shape{1, 4, 5, 5}, base::Shape{1, 3, 5, 6},
                                   base::Shape{4, 5, 6}, base::Shape{0, 4, 5, 6}}) {
    const base::Tensor input(base::DType::kF32, shape);
    const auto result = (*executor)->Run(input.view(), base::CancelToken());
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(base::ShapeToString(shape)));
  }
  const base::Tensor integers(base::DType::kI32, {1, 4, 5, 6});
  EXPECT_FALSE((*executor)->Run(integers.view(), base::CancelToken()).ok());

  CompileOptions no_size = Options();
  no_size.height = 0;
  EXPECT_THAT(std::string(factory->Compile(net.graph, net.constants, no_size).status().message()),
              HasSubstr("height x width"));
  const auto missing = factory->Compile(net.graph, net.constants, Options({"nothing"}));
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("nothing"));
}

TEST(TorchExecutor, MaxBatchOneIsKept) {
  Net net = ResidualNet();
  net.graph.max_batch = 1;
  auto executor = NewTorchExecutorFactory()->Compile(net.graph, net.constants, Options());
  ASSERT_TRUE(executor.ok()) << executor.status();
  EXPECT_TRUE((*executor)->Run(Varied({1, 4, 5, 6}, 1).view(), base::CancelToken()).ok());
  EXPECT_FALSE((*executor)->Run(Varied({2, 4, 5, 6}, 1).view(), base::CancelToken()).ok());
}

// The token says stop when it is asked for the fourth time: inside the list of nodes.
TEST(TorchExecutor, CancellationIsSeenBetweenNodes) {
  const Net net = ResidualNet();
  auto executor = NewTorchExecutorFactory()->Compile(net.graph, net.constants, Options());
  ASSERT_TRUE(executor.ok()) << executor.status();
  std::atomic<int> asked = 0;
  const base::CancelToken token([&] { return ++asked >= 4; }, absl::InfiniteFuture());
  const base::Tensor input = Varied({1, 4, 5, 6}, 1);
  EXPECT_EQ((*executor)->Run(input.view(), token).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 4);
  const base::CancelToken late([] { return false; }, absl::InfinitePast());
  EXPECT_EQ((*executor)->Run(input.view(), late).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE((*executor)->Run(input.view(), base::CancelToken()).ok());
}

// 2048 pictures of 2^30 values: refused when the plan is made, before anything is allocated.
TEST(TorchExecutor, ABatchBeyondTheElementLimitIsRefused) {
  Net net;
  net.graph.inputs = {{"x", base::DType::kF32, {graph::kBatch, 1}}};
  net.graph.outputs = {{"y", base::DType::kF32, {}}};
  net.constants.emplace("shape", base::Tensor::FromI64({2}, {1, int64_t{1} << 30}));
  net.graph.nodes = {MakeNode("Expand", {"x", "shape"}, "wide"), MakeNode("Exp", {"wide"}, "y")};
  auto executor = NewTorchExecutorFactory()->Compile(net.graph, net.constants, CompileOptions());
  ASSERT_TRUE(executor.ok()) << executor.status();
  const base::Tensor many(base::DType::kF32, {2048, 1});
  const auto result = (*executor)->Run(many.view(), base::CancelToken());
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(result.status()).reason, "LIMIT_EXCEEDED");
}

TEST(TorchExecutor, TwoExecutorsRunOnTwoThreads) {
  const Net net = ResidualNet();
  const base::Tensor input = Varied({2, 4, 5, 6}, 1);
  const auto expected = Floats(MustRun(net, Options(), input)[0]);
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        EXPECT_THAT(Floats(MustRun(net, Options(), input)[0]),
                    Pointwise(FloatNear(1e-6F), expected));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace lbw::engine
