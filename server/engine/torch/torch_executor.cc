#include "engine/torch/torch_executor.h"

#include <c10/core/InferenceMode.h>

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/batch_plans.h"
#include "engine/torch/layout.h"
#include "engine/torch/plan.h"
#include "engine/torch/torch_bridge.h"
#include "engine/torch/torch_pieces.h"
#include "graph/passes.h"

namespace lbw::engine {
namespace {

class TorchExecutor final : public Executor {
 public:
  TorchExecutor(graph::Graph graph, graph::Constants constants, CompileOptions options,
                base::Shape picture)
      : options_(std::move(options)),
        channels_last_(PrefersChannelsLast(graph)),
        laid_out_(channels_last_ ? LayOutWeights(graph, constants) : LaidOut()),
        constants_(std::move(constants)),
        graph_(std::move(graph)),
        plans_({graph_, constants_, laid_out_, channels_last_, options_.fetch, &options_.emulate},
               std::move(picture)) {
    for (const auto& [name, constant] : constants_) {
      resident_bytes_ += std::get<base::Tensor>(constant).size_bytes();
    }
  }

  absl::Status Prepare() { return plans_.Prepare(); }

  absl::StatusOr<std::vector<base::Tensor>> Run(const base::TensorView& input,
                                                const base::CancelToken& cancel) override {
    LBW_RETURN_IF_ERROR(CheckInput(input));
    LBW_RETURN_IF_ERROR(cancel.Check());
    UseThreads(options_.threads);
    const c10::InferenceMode guard;
    LBW_ASSIGN_OR_RETURN(const Plan* plan, plans_.For(input.shape[0]));
    try {
      return plan->Run({input}, cancel);
    } catch (...) {
      return CurrentTorchError("running");
    }
  }

  uint64_t resident_bytes() const override { return resident_bytes_; }
  const std::vector<graph::ValueInfo>& outputs() const override { return plans_.outputs(); }

 private:
  absl::Status CheckInput(const base::TensorView& input) const {
    LBW_RETURN_IF_ERROR(plans_.CheckInput(input.shape, input.dtype));
    const auto count = base::CheckedElementCount(input.shape, int64_t{1} << 31);
    if (count.ok() && *count == input.elements()) return absl::OkStatus();
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
        base::StrCat("input ", graph_.inputs[0].name,
                     " does not have its shape's bytes: shape=", base::ShapeToString(input.shape)));
  }

  const CompileOptions options_;
  const bool channels_last_;
  const LaidOut laid_out_;
  const graph::Constants constants_;  // borrowed by the plans
  const graph::Graph graph_;
  uint64_t resident_bytes_ = 0;
  BatchPlans plans_;
};

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
    LBW_ASSIGN_OR_RETURN(base::Shape picture, PictureShape(graph, options.height, options.width));
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
    LBW_ASSIGN_OR_RETURN(const base::Shape picture,
                         PictureShape(graph, options.height, options.width));
    return NewTorchPieceCompiler(graph, constants, picture);
  }
};

}  // namespace

std::unique_ptr<ExecutorFactory> NewTorchExecutorFactory() {
  return std::make_unique<TorchExecutorFactory>();
}

}  // namespace lbw::engine
