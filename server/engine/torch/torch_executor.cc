#include "engine/torch/torch_executor.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/layout.h"
#include "engine/torch/plan.h"
#include "engine/torch/torch_bridge.h"
#include "engine/torch/torch_pieces.h"
#include "graph/passes.h"

namespace lbw::engine {
namespace {

// Plans kept for different batch sizes.
constexpr size_t kMaxPlans = 32;

base::Error BadGraph(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph, message);
}

class TorchExecutor final : public Executor {
 public:
  TorchExecutor(graph::Graph graph, graph::Constants constants, CompileOptions options,
                base::Shape picture)
      : options_(std::move(options)),
        channels_last_(PrefersChannelsLast(graph)),
        laid_out_(channels_last_ ? LayOutWeights(graph, constants) : LaidOut()),
        constants_(std::move(constants)),
        graph_(std::move(graph)),
        picture_(std::move(picture)) {
    for (const auto& [name, constant] : constants_) {
      resident_bytes_ += std::get<base::Tensor>(constant).size_bytes();
    }
  }

  // Builds the plan of one picture, so that what cannot run is refused when compiling.
  absl::Status Prepare() {
    LBW_ASSIGN_OR_RETURN(const Plan* one, PlanFor(1));
    outputs_ = one->outputs();
    if (graph_.max_batch == 1) return absl::OkStatus();
    LBW_ASSIGN_OR_RETURN(const Plan* two, PlanFor(2));
    for (size_t i = 0; i < outputs_.size(); ++i) {
      base::Shape& shape = outputs_[i].shape;
      const base::Shape& other = two->outputs()[i].shape;
      const bool in_front = !shape.empty() && shape[0] == 1 && other[0] == 2 &&
                            std::equal(shape.begin() + 1, shape.end(), other.begin() + 1);
      if (!in_front) {
        return BadGraph(
            base::StrCat("value ", outputs_[i].name,
                         " does not have the batch in front: shape=", base::ShapeToString(shape)));
      }
      shape[0] = graph::kBatch;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<base::Tensor>> Run(const base::TensorView& input,
                                                const base::CancelToken& cancel) override {
    LBW_RETURN_IF_ERROR(CheckInput(input));
    LBW_RETURN_IF_ERROR(cancel.Check());
    UseThreads(options_.threads);
    const c10::InferenceMode guard;
    LBW_ASSIGN_OR_RETURN(const Plan* plan, PlanFor(input.shape[0]));
    try {
      return plan->Run({input}, cancel);
    } catch (...) {
      return CurrentTorchError("running");
    }
  }

  uint64_t resident_bytes() const override { return resident_bytes_; }
  const std::vector<graph::ValueInfo>& outputs() const override { return outputs_; }

 private:
  absl::Status CheckInput(const base::TensorView& input) const {
    const auto bad = [&](std::string_view what) {
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                         base::StrCat("input ", graph_.inputs[0].name, " ", what,
                                      ": shape=", base::ShapeToString(input.shape),
                                      " type=", base::Name(input.dtype)));
    };
    if (input.dtype != base::DType::kF32) return bad("must be F32");
    const bool fits = input.shape.size() == picture_.size() && input.shape[0] >= 1 &&
                      std::equal(picture_.begin() + 1, picture_.end(), input.shape.begin() + 1);
    if (!fits) {
      return bad(base::StrCat("must be N times one picture of ", base::ShapeToString(picture_)));
    }
    if (graph_.max_batch != 0 && input.shape[0] > graph_.max_batch) {
      return bad(base::StrCat("may hold ", graph_.max_batch, " pictures"));
    }
    const auto count = base::CheckedElementCount(input.shape, int64_t{1} << 31);
    if (!count.ok() || *count != input.elements()) return bad("does not have its shape's bytes");
    return absl::OkStatus();
  }

  absl::StatusOr<const Plan*> PlanFor(int64_t batch) {
    if (const auto it = plans_.find(batch); it != plans_.end()) return it->second.get();
    base::Shape shape = picture_;
    shape[0] = batch;
    LBW_ASSIGN_OR_RETURN(std::unique_ptr<Plan> plan,
                         Plan::Build({graph_, constants_, laid_out_, channels_last_, options_.fetch,
                                      &options_.emulate},
                                     {{graph_.inputs[0].name, shape}}));
    if (plans_.size() >= kMaxPlans) plans_.clear();
    return plans_.emplace(batch, std::move(plan)).first->second.get();
  }

  const CompileOptions options_;
  const bool channels_last_;
  const LaidOut laid_out_;
  const graph::Constants constants_;  // borrowed by the plans
  const graph::Graph graph_;
  const base::Shape picture_;  // [1, C, H, W]
  uint64_t resident_bytes_ = 0;
  std::vector<graph::ValueInfo> outputs_;
  std::map<int64_t, std::unique_ptr<Plan>> plans_;
};

// The input's shape for one picture, open sizes filled from the options.
absl::StatusOr<base::Shape> PictureShape(const graph::Graph& graph, const CompileOptions& options) {
  if (graph.inputs.size() != 1) {
    return BadGraph(base::StrCat("an executor takes graphs with one input: ", graph.inputs.size()));
  }
  const graph::ValueInfo& input = graph.inputs[0];
  base::Shape shape = input.shape;
  if (shape.empty()) return BadGraph(base::StrCat("input ", input.name, " has no dimensions"));
  shape[0] = 1;
  for (size_t i = 1; i < shape.size(); ++i) {
    const int64_t wanted = shape.size() != 4 || i < 2 ? 0 : i == 2 ? options.height : options.width;
    if (shape[i] == graph::kUnknownSize) shape[i] = wanted;
    if (shape[i] < 1 || (wanted > 0 && shape[i] != wanted)) {
      return BadGraph(base::StrCat("input ", input.name, " is ", base::ShapeToString(input.shape),
                                   "; a picture of ", options.height, "x", options.width,
                                   " (height x width) does not fit"));
    }
  }
  return shape;
}

graph::Constants UsedConstants(const graph::Graph& graph, const graph::Constants& constants,
                               const std::vector<std::string>& fetch) {
  std::set<std::string, std::less<>> used(fetch.begin(), fetch.end());
  for (const graph::Node& node : graph.nodes) used.insert(node.inputs.begin(), node.inputs.end());
  graph::Constants kept;
  for (const std::string& name : used) {
    if (const auto it = constants.find(name); it != constants.end()) kept.insert(*it);
  }
  return kept;
}

// Values that compile passes must leave as they are.
std::vector<std::string> SeenValues(const CompileOptions& options) {
  std::vector<std::string> seen = options.fetch;
  for (const auto& [name, range] : options.emulate) seen.push_back(name);
  return seen;
}

class TorchExecutorFactory final : public ExecutorFactory {
 public:
  absl::StatusOr<std::unique_ptr<Executor>> Compile(const graph::Graph& graph,
                                                    const graph::Constants& constants,
                                                    const CompileOptions& options) override {
    if (options.threads < 1) {
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                         base::StrCat("threads must be at least 1: ", options.threads));
    }
    LBW_RETURN_IF_ERROR(graph::Validate(graph, constants));
    LBW_RETURN_IF_ERROR(graph::CheckActivations(options.emulate, graph));
    LBW_ASSIGN_OR_RETURN(base::Shape picture, PictureShape(graph, options));
    CompileOptions own = options;
    if (own.fetch.empty()) {
      for (const graph::ValueInfo& output : graph.outputs) own.fetch.push_back(output.name);
    }
    try {
      graph::Graph compiled = graph;
      graph::RemoveDeadNodes(compiled, own.fetch);
      graph::Constants used = UsedConstants(compiled, constants, own.fetch);
      LBW_RETURN_IF_ERROR(graph::MaterializeWeights(compiled, used));
      const std::vector<std::string> seen = SeenValues(own);
      LBW_RETURN_IF_ERROR(graph::FoldConstantViews(compiled, used, seen));
      graph::FoldBatchNormalization(compiled, used, seen);
      used = UsedConstants(compiled, used, own.fetch);
      auto executor = std::make_unique<TorchExecutor>(std::move(compiled), std::move(used),
                                                      std::move(own), std::move(picture));
      LBW_RETURN_IF_ERROR(executor->Prepare());
      return executor;
    } catch (...) {
      return CurrentTorchError("compiling");
    }
  }

  absl::StatusOr<std::unique_ptr<PieceCompiler>> OpenPieces(
      const graph::Graph& graph, const graph::Constants& constants,
      const CompileOptions& options) override {
    LBW_RETURN_IF_ERROR(graph::Validate(graph, constants));
    LBW_ASSIGN_OR_RETURN(const base::Shape picture, PictureShape(graph, options));
    return NewTorchPieceCompiler(graph, constants, picture);
  }
};

}  // namespace

std::unique_ptr<ExecutorFactory> NewTorchExecutorFactory() {
  return std::make_unique<TorchExecutorFactory>();
}

}  // namespace lbw::engine
