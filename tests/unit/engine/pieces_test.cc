#include "engine/pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "engine/torch/torch_executor.h"
#include "quant/quantize.h"
#include "unit/engine/one_node.h"

namespace lbw::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pointwise;
using testing_support::Floats;
using testing_support::MakeNode;
using testing_support::Varied;
using Ints = std::vector<int64_t>;

constexpr int64_t kHeight = 6;
constexpr int64_t kWidth = 5;

struct Net {
  graph::Graph graph;
  graph::Constants constants;
};

// A residual branch, a concat with the picture, shape arithmetic before a Reshape, and weights that
// are turned long before they are read.
Net BranchedNet() {
  Net net;
  net.graph.inputs = {
      {"x", base::DType::kF32, {graph::kBatch, 3, graph::kUnknownSize, graph::kUnknownSize}}};
  net.graph.outputs = {{"y", base::DType::kF32, {}}};
  const Ints pads = {1, 1, 1, 1};
  net.graph.nodes = {
      MakeNode("Transpose", {"hwio"}, "w3", {{"perm", Ints{3, 2, 0, 1}}}),
      MakeNode("Transpose", {"linear"}, "fc", {{"perm", Ints{1, 0}}}),
      MakeNode("Conv", {"x", "w1", "b1"}, "c1", {{"pads", pads}}),
      MakeNode("Relu", {"c1"}, "r1"),
      MakeNode("Conv", {"r1", "w2"}, "c2", {{"pads", pads}}),
      MakeNode("Add", {"c2", "r1"}, "sum"),
      MakeNode("Concat", {"sum", "x"}, "cat", {{"axis", int64_t{1}}}),
      MakeNode("Conv", {"cat", "w3"}, "c3", {{"strides", Ints{2, 2}}}),
      MakeNode("Relu", {"c3"}, "r3"),
      MakeNode("Shape", {"r3"}, "shape"),
      MakeNode("Gather", {"shape", "first"}, "batch"),
      MakeNode("Concat", {"batch", "rest"}, "target", {{"axis", int64_t{0}}}),
      MakeNode("Reshape", {"r3", "target"}, "flat"),
      MakeNode("MatMul", {"flat", "fc"}, "y"),
  };
  net.constants.emplace("w1", Varied({4, 3, 3, 3}, 1));
  net.constants.emplace("b1", Varied({4}, 2));
  net.constants.emplace("w2", Varied({4, 4, 3, 3}, 3));
  net.constants.emplace("hwio", Varied({3, 3, 7, 6}, 4));
  net.constants.emplace("linear", Varied({5, 24}, 5));
  net.constants.emplace("first", base::Tensor::FromI64({1}, {0}));
  net.constants.emplace("rest", base::Tensor::FromI64({1}, {-1}));
  return net;
}

const std::vector<std::string> kFloatValues = {"c1", "r1", "c2",   "sum", "cat",
                                               "c3", "r3", "flat", "y"};

base::Tensor Picture() { return Varied({1, 3, kHeight, kWidth}, 9); }

CompileOptions Options(std::vector<std::string> fetch = {}) {
  CompileOptions options;
  options.fetch = std::move(fetch);
  options.height = kHeight;
  options.width = kWidth;
  return options;
}

std::unique_ptr<PieceCompiler> Open(const Net& net) {
  auto compiler = NewTorchExecutorFactory()->OpenPieces(net.graph, net.constants, Options());
  EXPECT_TRUE(compiler.ok()) << compiler.status();
  return compiler.ok() ? *std::move(compiler) : nullptr;
}

using Values = std::map<std::string, base::Tensor>;

std::unique_ptr<Piece> Compile(const PieceCompiler& compiler, const graph::Constants& constants,
                               const PieceRange& range) {
  auto piece = compiler.Compile(constants, range);
  EXPECT_TRUE(piece.ok()) << piece.status();
  return piece.ok() ? *std::move(piece) : nullptr;
}

// Adds what the piece makes to the values that it reads from.
void RunOn(const Piece& piece, const std::vector<std::string>& fetch, Values& values) {
  std::vector<base::TensorView> inputs;
  for (const std::string& name : piece.inputs()) {
    ASSERT_EQ(values.count(name), 1U) << name;
    inputs.push_back(values.at(name).view());
  }
  auto made = piece.Run(inputs);
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_EQ(made->size(), fetch.size());
  for (size_t i = 0; i < fetch.size(); ++i) {
    values.insert_or_assign(fetch[i], std::move((*made)[i]));
  }
}

Values RunWhole(const PieceCompiler& compiler, const Net& net) {
  Values values = {{"x", Picture()}};
  const auto piece = Compile(compiler, net.constants, {0, net.graph.nodes.size(), kFloatValues});
  if (piece != nullptr) RunOn(*piece, kFloatValues, values);
  return values;
}

bool SameBits(const base::Tensor& a, const base::Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.bytes().data(), b.bytes().data(), a.size_bytes()) == 0;
}

TEST(Pieces, TheWholeAgreesWithTheExecutor) {
  const Net net = BranchedNet();
  const auto compiler = Open(net);
  ASSERT_NE(compiler, nullptr);
  const Values whole = RunWhole(*compiler, net);
  auto executor =
      NewTorchExecutorFactory()->Compile(net.graph, net.constants, Options(kFloatValues));
  ASSERT_TRUE(executor.ok()) << executor.status();
  const auto values = (*executor)->Run(Picture().view(), base::CancelToken());
  ASSERT_TRUE(values.ok()) << values.status();
  for (size_t i = 0; i < kFloatValues.size(); ++i) {
    const base::Tensor& value = whole.at(kFloatValues[i]);
    EXPECT_EQ(value.shape(), (*values)[i].shape()) << kFloatValues[i];
    EXPECT_EQ(value.shape(), compiler->shapes().values.at(kFloatValues[i]).shape);
    EXPECT_THAT(Floats(value), Pointwise(FloatNear(1e-4F), Floats((*values)[i])))
        << kFloatValues[i];
  }
}

// In two anywhere: what the second piece reads is what the first one is asked for.
TEST(Pieces, CutAnywhereGiveTheBitsOfTheWhole) {
  const Net net = BranchedNet();
  const auto compiler = Open(net);
  ASSERT_NE(compiler, nullptr);
  const Values whole = RunWhole(*compiler, net);
  const size_t count = net.graph.nodes.size();
  for (size_t cut = 0; cut <= count; ++cut) {
    const auto second = Compile(*compiler, net.constants, {cut, count, {"y"}});
    ASSERT_NE(second, nullptr) << "cut=" << cut;
    const std::vector<std::string> between = second->inputs();
    const auto first = Compile(*compiler, net.constants, {0, cut, between});
    ASSERT_NE(first, nullptr) << "cut=" << cut;
    Values values = {{"x", Picture()}};
    RunOn(*first, between, values);
    RunOn(*second, {"y"}, values);
    for (const auto& [name, value] : values) {
      EXPECT_TRUE(SameBits(value, whole.at(name))) << "cut=" << cut << " value=" << name;
    }
  }
}

// Every node alone. Views of constants and shape arithmetic make nothing that must be kept.
TEST(Pieces, OfOneNodeEachGiveTheBitsOfTheWhole) {
  const Net net = BranchedNet();
  const auto compiler = Open(net);
  ASSERT_NE(compiler, nullptr);
  const Values whole = RunWhole(*compiler, net);
  Values values = {{"x", Picture()}};
  for (size_t i = 0; i < net.graph.nodes.size(); ++i) {
    const std::string& made = net.graph.nodes[i].outputs[0];
    if (std::find(kFloatValues.begin(), kFloatValues.end(), made) == kFloatValues.end()) continue;
    const auto piece = Compile(*compiler, net.constants, {i, i + 1, {made}});
    ASSERT_NE(piece, nullptr) << made;
    RunOn(*piece, {made}, values);
    EXPECT_TRUE(SameBits(values.at(made), whole.at(made))) << made;
  }
  EXPECT_EQ(values.count("y"), 1U);
}

TEST(Pieces, InputsAreWhatIsReadAndNotMade) {
  const Net net = BranchedNet();
  const auto compiler = Open(net);
  ASSERT_NE(compiler, nullptr);
  const auto inputs = [&](const PieceRange& range) {
    const auto piece = Compile(*compiler, net.constants, range);
    return piece == nullptr ? std::vector<std::string>{"none"} : piece->inputs();
  };
  EXPECT_THAT(inputs({0, 14, {"y"}}), ElementsAre("x"));
  EXPECT_THAT(inputs({5, 14, {"y"}}), ElementsAre("c2", "r1", "x"));
  EXPECT_THAT(inputs({6, 14, {"y"}}), ElementsAre("sum", "x"));
  // Neither the turned weights nor the target of the Reshape come from outside.
  EXPECT_THAT(inputs({7, 8, {"c3"}}), ElementsAre("cat"));
  EXPECT_THAT(inputs({12, 14, {"y"}}), ElementsAre("r3"));
  EXPECT_THAT(inputs({13, 14, {"y"}}), ElementsAre("flat"));
  // Nodes that are not needed ask for nothing.
  EXPECT_THAT(inputs({4, 14, {"sum"}}), ElementsAre("r1"));
  EXPECT_THAT(inputs({0, 14, {"r1"}}), ElementsAre("x"));
  // Values from before the piece are inputs, in the order in which they are read, then fetched.
  EXPECT_THAT(inputs({6, 7, {"c1", "cat", "sum"}}), ElementsAre("sum", "x", "c1"));
  EXPECT_THAT(inputs({6, 6, {"sum", "x", "sum"}}), ElementsAre("sum", "x"));
  EXPECT_THAT(inputs({0, 14, {}}), IsEmpty());
}

// In the order of fetch, as often as asked for; a value that is read in place by no one is changed.
TEST(Pieces, ValuesPassThroughUnchanged) {
  const Net net = BranchedNet();
  const auto compiler = Open(net);
  ASSERT_NE(compiler, nullptr);
  const Values whole = RunWhole(*compiler, net);
  const auto piece = Compile(*compiler, net.constants, {2, 4, {"r1", "x", "c1", "x"}});
  ASSERT_NE(piece, nullptr);
  ASSERT_THAT(piece->inputs(), ElementsAre("x"));
  const base::Tensor picture = Picture();
  const auto values = piece->Run({picture.view()});
  ASSERT_TRUE(values.ok()) << values.status();
  ASSERT_EQ(values->size(), 4U);
  EXPECT_TRUE(SameBits((*values)[0], whole.at("r1")));
  EXPECT_TRUE(SameBits((*values)[1], picture));
  EXPECT_TRUE(SameBits((*values)[2], whole.at("c1")));
  EXPECT_TRUE(SameBits((*values)[3], picture));
  EXPECT_TRUE(SameBits(picture, Picture()));
  // A piece without nodes hands on what it is given.
  const auto none = Compile(*compiler, net.constants, {3, 3, {"sum"}});
  ASSERT_NE(none, nullptr);
  const auto same = none->Run({whole.at("sum").view()});
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_TRUE(SameBits((*same)[0], whole.at("sum")));
}

// Relu may overwrite what its own piece made, never what was handed in.
TEST(Pieces, NeverOverwriteTheirInputs) {
  const Net net = BranchedNet();
  const auto compiler = Open(net);
  ASSERT_NE(compiler, nullptr);
  const base::Tensor input = Varied({1, 4, kHeight, kWidth}, 21);
  const base::Tensor before = input;
  const auto piece = Compile(*compiler, net.constants, {3, 4, {"r1"}});
  ASSERT_NE(piece, nullptr);
  const auto values = piece->Run({input.view()});
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_TRUE(SameBits(input, before));
  EXPECT_FALSE(SameBits((*values)[0], before));
}

graph::Constants Quantized(const Net& net) {
  graph::Constants constants = net.constants;
  const std::map<std::string, int> axes = {{"w2", 0}, {"hwio", 3}, {"linear", 0}};
  for (const auto& [name, axis] : axes) {
    quant::TensorOptions options;
    options.bits = 3;
    options.axis = axis;
    auto codes = quant::QuantizeTensor(std::get<base::Tensor>(constants.at(name)).view(), options);
    EXPECT_TRUE(codes.ok()) << codes.status();
    const auto rows = static_cast<size_t>(codes->report.rows);
    for (size_t r = 0; r < rows; ++r) {
      codes->tensor.bias.push_back(0.5F * static_cast<float>(r) - 1);
      codes->tensor.scales.push_back(1 + 0.125F * static_cast<float>(r));
    }
    constants.insert_or_assign(name, std::move(codes->tensor));
  }
  return constants;
}

// Codes with real scales and a stored bias, small ones behind views among them, given to a compiler
// that was opened with the float weights: what was known of those must not live on.
TEST(Pieces, TakeTheConstantsOfTheCall) {
  const Net net = BranchedNet();
  const auto compiler = Open(net);
  ASSERT_NE(compiler, nullptr);
  ASSERT_EQ(compiler->shapes().known.count("w3"), 1U);  // small enough for shape arithmetic
  Net quantized = net;
  quantized.constants = Quantized(net);
  auto executor =
      NewTorchExecutorFactory()->Compile(net.graph, quantized.constants, Options(kFloatValues));
  ASSERT_TRUE(executor.ok()) << executor.status();
  const auto expected = (*executor)->Run(Picture().view(), base::CancelToken());
  ASSERT_TRUE(expected.ok()) << expected.status();
  const Values whole = RunWhole(*compiler, quantized);
  for (size_t i = 0; i < kFloatValues.size(); ++i) {
    EXPECT_THAT(Floats(whole.at(kFloatValues[i])),
                Pointwise(FloatNear(1e-3F), Floats((*expected)[i])))
        << kFloatValues[i];
  }
  // Cut in front of every layer, as calibration does.
  Values values = {{"x", Picture()}};
  const std::vector<std::vector<std::string>> made = {{"r1"}, {"sum", "cat"}, {"flat"}, {"y"}};
  const std::vector<size_t> cuts = {0, 4, 7, 13, 14};
  for (size_t i = 0; i < made.size(); ++i) {
    const auto piece = Compile(*compiler, quantized.constants, {cuts[i], cuts[i + 1], made[i]});
    ASSERT_NE(piece, nullptr);
    RunOn(*piece, made[i], values);
    for (const std::string& name : made[i]) {
      EXPECT_TRUE(SameBits(values.at(name), whole.at(name))) << name;
    }
  }
  // The compiler opened with the codes makes the same.
  const auto other = Open(quantized);
  ASSERT_NE(other, nullptr);
  EXPECT_TRUE(SameBits(RunWhole(*other, quantized).at("y"), whole.at("y")));
  EXPECT_FALSE(SameBits(RunWhole(*compiler, net).at("y"), whole.at("y")));
}

// A piece keeps what it needs: the constants may be gone or changed afterwards.
TEST(Pieces, KeepTheirConstants) {
  const Net net = BranchedNet();
  auto compiler = Open(net);
  ASSERT_NE(compiler, nullptr);
  const Values whole = RunWhole(*compiler, net);
  std::unique_ptr<Piece> piece;
  {
    graph::Constants constants = net.constants;
    piece = Compile(*compiler, constants, {0, 14, {"y"}});
    ASSERT_NE(piece, nullptr);
    for (auto& [name, constant] : constants) {
      for (std::byte& byte : std::get<base::Tensor>(constant).mutable_bytes()) byte = {};
    }
  }
  compiler.reset();
  const auto values = piece->Run({Picture().view()});
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_TRUE(SameBits((*values)[0], whole.at("y")));
}

TEST(Pieces, RunConcurrentlyWithTheSameBits) {
  const Net net = BranchedNet();
  const auto compiler = Open(net);
  ASSERT_NE(compiler, nullptr);
  const auto piece = Compile(*compiler, net.constants, {0, 14, {"sum", "y"}});
  ASSERT_NE(piece, nullptr);
  constexpr size_t kThreads = 4;
  constexpr int kRuns = 10;
  // A picture for each thread: none may see another's values.
  std::vector<base::Tensor> pictures;
  std::vector<std::vector<base::Tensor>> expected;
  for (size_t t = 0; t < kThreads; ++t) {
    pictures.push_back(Varied({1, 3, kHeight, kWidth}, static_cast<uint32_t>(30 + t)));
    auto values = piece->Run({pictures[t].view()});
    ASSERT_TRUE(values.ok()) << values.status();
    expected.push_back(*std::move(values));
  }
  std::vector<int> same(kThreads, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRuns; ++i) {
        const auto values = piece->Run({pictures[t].view()});
        if (values.ok() && SameBits((*values)[0], expected[t][0]) &&
            SameBits((*values)[1], expected[t][1])) {
          ++same[t];
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : same) EXPECT_EQ(count, kRuns);
}

TEST(Pieces, CompileConcurrently) {
  const Net net = BranchedNet();
  const auto compiler = Open(net);
  ASSERT_NE(compiler, nullptr);
  const Values whole = RunWhole(*compiler, net);
  std::vector<int> same(3, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < same.size(); ++t) {
    threads.emplace_back([&, t] {
      const auto piece = compiler->Compile(net.constants, {0, 14, {"y"}});
      if (!piece.ok()) return;
      const auto values = (*piece)->Run({Picture().view()});
      if (values.ok() && SameBits((*values)[0], whole.at("y"))) same[t] = 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(same, ElementsAre(1, 1, 1));
}

void ExpectError(const absl::Status& status, const std::string& reason, const std::string& part) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(base::GetErrorDetails(status).reason, reason) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(part));
}

TEST(OpenPieces, RefusesWhatAnExecutorRefuses) {
  const auto factory = NewTorchExecutorFactory();
  const auto status = [&](const Net& net, const CompileOptions& options) {
    return factory->OpenPieces(net.graph, net.constants, options).status();
  };
  const Net net = BranchedNet();
  CompileOptions no_size = Options();
  no_size.height = 0;
  ExpectError(status(net, no_size), "BAD_GRAPH", "height x width");
  Net two = net;
  two.graph.inputs.push_back({"z", base::DType::kF32, {graph::kBatch, 1}});
  ExpectError(status(two, Options()), "BAD_GRAPH", "one input");
  Net unknown = net;
  unknown.graph.nodes[3].op_type = "Einsum";
  ExpectError(status(unknown, Options()), "UNSUPPORTED_OPERATOR", "r1_node");
  Net missing = net;
  missing.constants.erase("w2");
  ExpectError(status(missing, Options()), "BAD_GRAPH", "w2");
  // Pictures that are too small for the net: 1x1 before a window of 3x3.
  CompileOptions tiny = Options();
  tiny.height = 1;
  tiny.width = 1;
  ExpectError(status(net, tiny), "BAD_GRAPH", "c3_node");
}

TEST(Pieces, CompileErrorsNameWhatIsWrong) {
  const Net net = BranchedNet();
  const auto compiler = Open(net);
  ASSERT_NE(compiler, nullptr);
  const auto status = [&](const graph::Constants& constants, const PieceRange& range) {
    return compiler->Compile(constants, range).status();
  };
  ExpectError(status(net.constants, {0, 14, {"nothing"}}), "BAD_GRAPH", "nothing");
  // Constants and shapes are no values of a picture, whether something here reads them or not.
  for (const std::string constant : {"w1", "b1", "first", "shape", "target", "w3"}) {
    ExpectError(status(net.constants, {0, 14, {constant}}), "BAD_GRAPH", constant);
    ExpectError(status(net.constants, {13, 14, {"y", constant}}), "BAD_GRAPH", constant);
  }
  // Other shapes than those that the compiler was opened with.
  graph::Constants constants = net.constants;
  constants.insert_or_assign("w2", Varied({4, 5, 3, 3}, 3));
  ExpectError(status(constants, {0, 14, {"y"}}), "BAD_GRAPH", "c2_node");
  // A stored bias whose layer cannot take it.
  constants = Quantized(net);
  Net pooled = net;
  pooled.graph.nodes[13] = MakeNode("Mul", {"flat", "linear"}, "y");
  const auto other = NewTorchExecutorFactory()->OpenPieces(pooled.graph, constants, Options());
  ASSERT_TRUE(other.ok()) << other.status();
  ExpectError((*other)->Compile(constants, {0, 14, {"y"}}).status(), "BAD_GRAPH", "stored bias");
}

}  // namespace
}  // namespace lbw::engine
