#include "model/trace.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::model {
namespace {

using detect::Activation;

constexpr size_t kMaxBranches = 1000;
// What leaves every element where it is; a Cast stands behind the activation in a file whose
// weights were halved.
constexpr std::array<std::string_view, 3> kPlain = {"Identity", "Cast", "Dropout"};
constexpr std::array<std::string_view, 8> kMoves = {"Reshape", "Transpose", "Slice",   "Split",
                                                    "Gather",  "Flatten",   "Squeeze", "Unsqueeze"};

template <size_t N>
bool IsOneOf(const std::array<std::string_view, N>& names, std::string_view op) {
  return std::find(names.begin(), names.end(), op) != names.end();
}

absl::Status BadGraph(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph, message);
}

using Producers = std::map<std::string, const graph::Node*, std::less<>>;

// Size of what one softmax is taken over. Before opset 13 everything from the axis on is one row.
int64_t SoftmaxChannels(const graph::Node& node, int64_t opset, const base::Shape& shape) {
  const auto rank = static_cast<int64_t>(shape.size());
  int64_t axis = node.Int("axis", opset < 13 ? 1 : -1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return 0;
  int64_t channels = 1;
  for (int64_t i = axis; i < (opset < 13 ? rank : axis + 1); ++i) {
    channels *= shape[static_cast<size_t>(i)];
  }
  return channels;
}

// What one branch ends in.
struct Branch {
  Activation activation = Activation::kNone;
  std::string value;  // before the activation, or where the moves end
  const graph::Node* node = nullptr;
};

}  // namespace

absl::StatusOr<TracedActivation> TraceActivation(const graph::Graph& graph,
                                                 const graph::InferredShapes& shapes,
                                                 std::string_view value) {
  Producers producers;
  for (const graph::Node& node : graph.nodes) {
    for (const std::string& output : node.outputs) producers.emplace(output, &node);
  }
  TracedActivation result;
  std::vector<Branch> branches;
  // Values still to follow, the next one last, so that branches come out in their order.
  std::vector<std::string> open = {std::string(value)};
  // A value may be concatenated with itself over and over: steps are bounded, not only branches.
  size_t steps = 0;
  while (!open.empty()) {
    if (++steps > 16 * kMaxBranches || branches.size() > kMaxBranches) {
      return BadGraph(base::StrCat("value ", value, " is put together from more than ",
                                   kMaxBranches, " branches"));
    }
    const std::string at = std::move(open.back());
    open.pop_back();
    const auto found = producers.find(at);
    const graph::Node* node = found == producers.end() ? nullptr : found->second;
    const std::string_view op = node == nullptr ? "" : std::string_view(node->op_type);
    if (op == "Concat") {
      open.insert(open.end(), node->inputs.rbegin(), node->inputs.rend());
      result.direct = false;
    } else if ((IsOneOf(kPlain, op) || IsOneOf(kMoves, op)) && !node->inputs.empty()) {
      open.push_back(node->inputs[0]);
      result.direct = result.direct && IsOneOf(kPlain, op);
    } else if (op == "Sigmoid" && !node->inputs.empty()) {
      branches.push_back({Activation::kSigmoid, node->inputs[0], node});
    } else if (op == "Softmax" && !node->inputs.empty()) {
      branches.push_back({Activation::kSoftmax, node->inputs[0], node});
    } else {
      branches.push_back({Activation::kNone, at, node});
    }
  }
  result.activation = branches.empty() ? Activation::kNone : branches[0].activation;
  for (const Branch& branch : branches) {
    if (branch.activation != result.activation) {
      return BadGraph(base::StrCat("value ", value,
                                   " joins branches with different activations: one ends at ",
                                   branches[0].value, ", another at ", branch.value));
    }
    if (branch.activation == Activation::kNone) continue;
    result.logits.push_back(branch.value);
    const auto shape = shapes.values.find(branch.value);
    if (branch.activation == Activation::kSoftmax && shape != shapes.values.end()) {
      result.softmax_channels = SoftmaxChannels(*branch.node, graph.opset, shape->second.shape);
    }
  }
  return result;
}

}  // namespace lbw::model
