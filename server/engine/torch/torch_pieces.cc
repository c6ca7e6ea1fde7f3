#include "engine/torch/torch_pieces.h"

#include <c10/core/InferenceMode.h>

#include <map>
#include <set>
#include <utility>

#include "base/cancel.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/layout.h"
#include "engine/torch/plan.h"
#include "engine/torch/torch_bridge.h"
#include "graph/operators.h"
#include "graph/passes.h"
#include "graph/views.h"

namespace lbw::engine {
namespace {

class TorchPiece final : public Piece {
 public:
  TorchPiece(graph::Graph graph, graph::Constants constants, std::vector<std::string> fetch)
      : channels_last_(PrefersChannelsLast(graph)),
        laid_out_(channels_last_ ? LayOutWeights(graph, constants) : LaidOut()),
        constants_(std::move(constants)),
        fetch_(std::move(fetch)),
        graph_(std::move(graph)) {
    for (const graph::ValueInfo& input : graph_.inputs) inputs_.push_back(input.name);
  }

  absl::Status Build() {
    std::map<std::string, base::Shape> shapes;
    for (const graph::ValueInfo& input : graph_.inputs) shapes.emplace(input.name, input.shape);
    LBW_ASSIGN_OR_RETURN(
        plan_, Plan::Build({graph_, constants_, laid_out_, channels_last_, fetch_}, shapes));
    return absl::OkStatus();
  }

  const std::vector<std::string>& inputs() const override { return inputs_; }

  absl::StatusOr<std::vector<base::Tensor>> Run(
      absl::Span<const base::TensorView> inputs) const override {
    LBW_CHECK(inputs.size() == inputs_.size());
    UseThreads(1);
    const c10::InferenceMode guard;
    try {
      return plan_->Run(inputs, base::CancelToken());
    } catch (...) {
      return CurrentTorchError("running");
    }
  }

 private:
  const bool channels_last_;
  const LaidOut laid_out_;
  const graph::Constants constants_;  // borrowed by the plan
  const std::vector<std::string> fetch_;
  const graph::Graph graph_;
  std::vector<std::string> inputs_;
  std::unique_ptr<Plan> plan_;
};

class TorchPieceCompiler final : public PieceCompiler {
 public:
  TorchPieceCompiler(const graph::Graph& graph, base::Shape picture, graph::InferredShapes shapes)
      : graph_(graph), picture_(std::move(picture)), shapes_(std::move(shapes)) {}

  const graph::InferredShapes& shapes() const override { return shapes_; }

  absl::StatusOr<std::unique_ptr<Piece>> Compile(const graph::Constants& constants,
                                                 const PieceRange& range) const override {
    LBW_CHECK(range.first <= range.end && range.end <= graph_.nodes.size());
    // Anew: what is known of a small weight in another form is the weight as it is now.
    LBW_ASSIGN_OR_RETURN(
        const graph::InferredShapes shapes,
        graph::InferShapes(graph_, constants, {{graph_.inputs[0].name, picture_}}));
    const graph::ConstantViews views = graph::FindConstantViews(graph_, constants);
    for (const std::string& name : range.fetch) {
      if (constants.count(name) == 0 && shapes.known.count(name) == 0 && views.count(name) == 0) {
        continue;
      }
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
                         base::StrCat("value ", name, " is a constant: a piece cannot fetch it"));
    }
    try {
      graph::Graph part = NodesOf(range, views, shapes);
      graph::RemoveDeadNodes(part, range.fetch);
      graph::Constants used = ConstantsOf(part, constants, shapes);
      LBW_RETURN_IF_ERROR(graph::MaterializeWeights(part, used));
      LBW_RETURN_IF_ERROR(graph::FoldConstantViews(part, used, range.fetch));
      LBW_RETURN_IF_ERROR(DeclareInputs(range, used, part));
      auto piece = std::make_unique<TorchPiece>(std::move(part), std::move(used), range.fetch);
      LBW_RETURN_IF_ERROR(piece->Build());
      return piece;
    } catch (...) {
      return CurrentTorchError("compiling");
    }
  }

 private:
  static bool IsKnown(const graph::Node& node, const graph::InferredShapes& shapes) {
    for (const std::string& output : node.outputs) {
      if (!output.empty() && shapes.known.count(output) == 0) return false;
    }
    return true;
  }

  // With the views of constants, wherever they stand: a weight may have been turned long before.
  graph::Graph NodesOf(const PieceRange& range, const graph::ConstantViews& views,
                       const graph::InferredShapes& shapes) const {
    graph::Graph part;
    part.name = graph_.name;
    part.opset = graph_.opset;
    part.max_batch = 1;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const graph::Node& node = graph_.nodes[i];
      const bool inside = i >= range.first && i < range.end;
      const bool view = views.count(node.outputs[0]) != 0;
      if ((inside || view) && !IsKnown(node, shapes)) part.nodes.push_back(node);
    }
    return part;
  }

  // Those that the nodes read, with what shape arithmetic gave.
  static graph::Constants ConstantsOf(const graph::Graph& part, const graph::Constants& constants,
                                      const graph::InferredShapes& shapes) {
    graph::Constants used;
    for (const graph::Node& node : part.nodes) {
      for (const std::string& input : node.inputs) {
        if (const auto it = constants.find(input); it != constants.end()) {
          used.insert(*it);
        } else if (const auto known = shapes.known.find(input); known != shapes.known.end()) {
          used.emplace(input, known->second);
        }
      }
    }
    return used;
  }

  // What is read and neither made here nor constant.
  absl::Status DeclareInputs(const PieceRange& range, const graph::Constants& used,
                             graph::Graph& part) const {
    std::set<std::string, std::less<>> made;
    std::set<std::string, std::less<>> declared;
    const auto declare = [&](const std::string& name) -> absl::Status {
      if (name.empty() || made.count(name) != 0 || used.count(name) != 0) return absl::OkStatus();
      if (!declared.insert(name).second) return absl::OkStatus();
      const auto info = shapes_.values.find(name);
      if (info == shapes_.values.end()) {
        return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
                           base::StrCat("no value is called ", name));
      }
      part.inputs.push_back(info->second);
      return absl::OkStatus();
    };
    for (const graph::Node& node : part.nodes) {
      for (const std::string& input : node.inputs) LBW_RETURN_IF_ERROR(declare(input));
      made.insert(node.outputs.begin(), node.outputs.end());
    }
    for (const std::string& name : range.fetch) LBW_RETURN_IF_ERROR(declare(name));
    return absl::OkStatus();
  }

  const graph::Graph graph_;
  const base::Shape picture_;
  const graph::InferredShapes shapes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PieceCompiler>> NewTorchPieceCompiler(
    const graph::Graph& graph, const graph::Constants& constants, const base::Shape& picture) {
  LBW_ASSIGN_OR_RETURN(graph::InferredShapes shapes,
                       graph::InferShapes(graph, constants, {{graph.inputs[0].name, picture}}));
  return std::make_unique<TorchPieceCompiler>(graph, picture, std::move(shapes));
}

}  // namespace lbw::engine
