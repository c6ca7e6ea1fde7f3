// Calibrated quantization of a network of ResNet-50's shapes on random pictures: seconds of the
// forward passes, of the sums and of the solver, and the most memory.
//
//   calibrate-bench [--pictures 64] [--threads 2] [--bits 4] [--size 224] [--json]
//
// The weights are random, scaled so that activations keep their size; what is timed does not depend
// on their values.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/strings.h"
#include "engine/torch/torch_executor.h"
#include "graph/graph.h"
#include "model/model.h"
#include "support/temp_dir.h"
#include "tasks/calibrate_network.h"
#include "tasks/cpu.h"

namespace {

using lbw::base::Random;
using lbw::base::StrCat;
using lbw::base::Tensor;

// Adds layers to a graph, each with random weights.
class Builder {
 public:
  explicit Builder(int64_t size) {
    graph_.name = "resnet50";
    graph_.opset = 13;
    graph_.inputs = {{"picture", lbw::base::DType::kF32, {lbw::graph::kBatch, 3, size, size}}};
  }

  struct Shape {
    int64_t in, out, kernel, stride;
  };
  std::string Conv(const std::string& input, const Shape& shape) {
    const std::string name = StrCat("conv", ++count_);
    const int64_t fan_in = shape.in * shape.kernel * shape.kernel;
    Weight(StrCat(name, ".weight"), {shape.out, shape.in, shape.kernel, shape.kernel}, fan_in);
    Weight(StrCat(name, ".bias"), {shape.out}, 100);
    lbw::graph::Node node;
    node.name = name;
    node.op_type = "Conv";
    node.inputs = {input, StrCat(name, ".weight"), StrCat(name, ".bias")};
    node.outputs = {StrCat(name, ".out")};
    const int64_t pad = shape.kernel / 2;
    node.attributes["kernel_shape"] = std::vector<int64_t>{shape.kernel, shape.kernel};
    node.attributes["strides"] = std::vector<int64_t>{shape.stride, shape.stride};
    node.attributes["pads"] = std::vector<int64_t>{pad, pad, pad, pad};
    graph_.nodes.push_back(std::move(node));
    return StrCat(name, ".out");
  }
  std::string Op(const std::string& op, std::vector<std::string> inputs,
                 std::map<std::string, lbw::graph::Attribute> attributes = {}) {
    lbw::graph::Node node;
    node.name = StrCat(op, ++count_);
    node.op_type = op;
    node.inputs = std::move(inputs);
    node.outputs = {StrCat(node.name, ".out")};
    node.attributes = std::move(attributes);
    graph_.nodes.push_back(std::move(node));
    return graph_.nodes.back().outputs[0];
  }
  std::string Bottleneck(const std::string& input, int64_t in, int64_t middle, int64_t stride) {
    std::string x = Op("Relu", {Conv(input, {in, middle, 1, 1})});
    x = Op("Relu", {Conv(x, {middle, middle, 3, stride})});
    x = Conv(x, {middle, 4 * middle, 1, 1});
    const bool same = in == 4 * middle && stride == 1;
    const std::string side = same ? input : Conv(input, {in, 4 * middle, 1, stride});
    return Op("Relu", {Op("Add", {x, side})});
  }
  lbw::model::Model Finish(const std::string& last, int64_t channels, int64_t size) {
    Weight("fc.weight", {1000, channels}, channels);
    Weight("fc.bias", {1000}, 100);
    lbw::graph::Node node;
    node.name = "fc";
    node.op_type = "Gemm";
    node.inputs = {last, "fc.weight", "fc.bias"};
    node.outputs = {"logits"};
    node.attributes["transB"] = int64_t{1};
    graph_.nodes.push_back(std::move(node));
    graph_.outputs = {{"logits", lbw::base::DType::kF32, {lbw::graph::kBatch, 1000}}};
    lbw::model::Model model;
    model.graph = std::move(graph_);
    model.constants = std::move(constants_);
    model.spec.input.height = static_cast<int>(size);
    model.spec.input.width = static_cast<int>(size);
    model.spec.head.kind = "logits";
    return model;
  }

 private:
  void Weight(const std::string& name, lbw::base::Shape shape, int64_t fan_in) {
    Tensor tensor(lbw::base::DType::kF32, std::move(shape));
    const float scale = std::sqrt(2.0F / static_cast<float>(fan_in));
    for (float& value : tensor.mutable_as<float>()) value = scale * random_.Bell();
    constants_.emplace(name, std::move(tensor));
  }

  lbw::graph::Graph graph_;
  lbw::graph::Constants constants_;
  Random random_{1};
  int count_ = 0;
};

lbw::model::Model ResNet50(int64_t size) {
  Builder builder(size);
  std::string x = builder.Op("Relu", {builder.Conv("picture", {3, 64, 7, 2})});
  x = builder.Op("MaxPool", {x},
                 {{"kernel_shape", std::vector<int64_t>{3, 3}},
                  {"strides", std::vector<int64_t>{2, 2}},
                  {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  int64_t in = 64;
  const std::vector<std::pair<int64_t, int>> stages = {{64, 3}, {128, 4}, {256, 6}, {512, 3}};
  for (size_t s = 0; s < stages.size(); ++s) {
    for (int block = 0; block < stages[s].second; ++block) {
      x = builder.Bottleneck(x, in, stages[s].first, s > 0 && block == 0 ? 2 : 1);
      in = 4 * stages[s].first;
    }
  }
  x = builder.Op("GlobalAveragePool", {x});
  x = builder.Op("Flatten", {x});
  return builder.Finish(x, in, size);
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "calibrate-bench: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  int pictures = 64;
  int threads = 2;
  int bits = 4;
  int64_t size = 224;
  bool json = false;
  CLI::App app("calibrated quantization of a network of ResNet-50's shapes");
  app.add_option("--pictures", pictures)->check(CLI::Range(1, 4096));
  app.add_option("--threads", threads)->check(CLI::Range(1, 1024));
  app.add_option("--bits", bits)->check(CLI::Range(2, 6));
  app.add_option("--size", size)->check(CLI::Range(32, 1024));
  app.add_flag("--json", json);
  CLI11_PARSE(app, argc, argv);

  const lbw::model::Model model = ResNet50(size);
  lbw::testing::TempDir scratch;
  Random random(7);
  std::vector<std::vector<float>> inputs(static_cast<size_t>(pictures));
  for (std::vector<float>& input : inputs) {
    input.resize(static_cast<size_t>(3 * size * size));
    for (float& value : input) value = random.Bell();
  }
  const auto engine = lbw::engine::NewTorchExecutorFactory();
  lbw::tasks::WalkOptions walk_options;
  walk_options.threads = threads;
  walk_options.scratch_folder = scratch.path();
  const lbw::base::Stopwatch watch;
  auto walk = lbw::tasks::LayerWalk::Open(model, *engine, inputs, {"logits"}, walk_options);
  if (!walk.ok()) return Fail(walk.status());
  const double open = watch.ElapsedSeconds();
  lbw::tasks::ChoiceOptions options;
  options.quantize.tensor.bits = bits;
  auto choices = lbw::tasks::ChooseLayers(model, (*walk)->layers(), options);
  if (!choices.ok()) return Fail(choices.status());
  lbw::tasks::CalibrateSteps steps;
  steps.solved = [&](const std::vector<lbw::tasks::SolvedLayer>& solved) {
    std::fprintf(stderr, "\r%zu of %zu layers, %.0f s ", solved.size(), choices->size(),
                 watch.ElapsedSeconds());
    return absl::OkStatus();
  };
  auto network = lbw::tasks::CalibrateNetwork(**walk, model, *choices, {}, threads, steps);
  if (!network.ok()) return Fail(network.status());
  const double total = watch.ElapsedSeconds();
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const double gib = static_cast<double>(usage.ru_maxrss) / (1024.0 * 1024.0);
  std::fprintf(stderr, "\n");
  if (json) {
    const nlohmann::json row = {{"what", "calibrate ResNet-50's shapes"},
                                {"cpu", lbw::tasks::CpuIsa()},
                                {"bits", bits},
                                {"pictures", pictures},
                                {"size", size},
                                {"threads", threads},
                                {"open_s", open},
                                {"forward_s", network->walk_seconds.forward},
                                {"gram_s", network->walk_seconds.gram},
                                {"solve_s", network->solve_seconds},
                                {"total_s", total},
                                {"peak_gib", gib},
                                {"output_error", network->output_error}};
    std::printf("%s\n", nlohmann::json::array({row}).dump(2).c_str());
    return 0;
  }
  std::printf("ResNet-50's shapes at %ldx%ld, %d pictures, %d bits, %d threads, %s\n", size, size,
              pictures, bits, threads, lbw::tasks::CpuIsa().c_str());
  std::printf("  reading %.1f s, forward %.1f s, sums %.1f s, solver %.1f s, in all %.1f s\n", open,
              network->walk_seconds.forward, network->walk_seconds.gram, network->solve_seconds,
              total);
  std::printf("  most memory %.2f GiB, output error %.4f\n", gib, network->output_error);
  return 0;
}
