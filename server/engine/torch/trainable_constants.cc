#include "engine/torch/trainable_constants.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "graph/operators.h"
#include "graph/views.h"

namespace lbw::engine {
namespace {

using Kind = TrainableConstant::Kind;

class Finder {
 public:
  Finder(const graph::Graph& graph, const graph::Constants& constants,
         const graph::InferredShapes& inferred)
      : graph_(graph),
        constants_(constants),
        inferred_(inferred),
        views_(graph::FindConstantViews(graph, constants)) {
    for (const graph::Weight& weight : graph::FindWeights(graph, constants, {})) {
      weights_.insert(weight.constant);
    }
  }

  std::vector<TrainableConstant> Run() {
    for (const graph::Node& node : graph_.nodes) {
      // A view is read on behalf of those who read it.
      if (views_.count(node.outputs[0]) == 0) Look(node);
    }
    ExcludeCompiled();
    std::vector<TrainableConstant> result;
    for (const std::string& name : order_) {
      const std::vector<std::optional<Kind>>& uses = uses_.find(name)->second;
      if (excluded_.count(name) != 0 || IsSpoilt(uses)) continue;
      const auto first =
          std::find_if(uses.begin(), uses.end(), [](const auto& use) { return use.has_value(); });
      if (first != uses.end()) result.push_back({name, **first});
    }
    return result;
  }

 private:
  static bool IsRunning(const std::optional<Kind>& use) {
    return use == Kind::kMean || use == Kind::kVariance;
  }

  static bool IsSpoilt(const std::vector<std::optional<Kind>>& uses) {
    return std::any_of(uses.begin(), uses.end(), IsRunning) &&
           std::any_of(uses.begin(), uses.end(), [&](const auto& use) { return use != uses[0]; });
  }

  void Look(const graph::Node& node) {
    const size_t data_inputs = graph::FindOperator(node.op_type)->data_inputs;
    for (size_t i = 0; i < node.inputs.size() && node.op_type != "Shape"; ++i) {
      const auto view = graph::ViewOf(node.inputs[i], constants_, views_);
      if (!view.has_value()) continue;
      const std::string& name = view->constant;
      if (!base::IsFloating(graph::DTypeOf(constants_.find(name)->second))) continue;
      if (i >= data_inputs) excluded_.insert(name);
      const std::optional<Kind> kind = KindOf(node, i, name);
      auto& uses = uses_[name];
      if (uses.empty()) order_.push_back(name);
      uses.push_back(kind);
      if (node.op_type == "MatMul" && kind == Kind::kWeight) products_.insert(node.outputs[0]);
    }
  }

  std::optional<Kind> KindOf(const graph::Node& node, size_t input, const std::string& name) const {
    const std::string& op = node.op_type;
    if (op == "Conv" || op == "ConvTranspose" || op == "Gemm") {
      if (input == 1 && weights_.count(name) != 0) return Kind::kWeight;
      if (input == 2) return Kind::kBias;
    }
    if (op == "MatMul" && weights_.count(name) != 0) return Kind::kWeight;
    if (op == "Add" && products_.count(node.inputs[1 - input]) != 0) return Kind::kBias;
    if (op == "PRelu" && input == 1) return Kind::kGamma;
    if (op != "BatchNormalization") return std::nullopt;
    if (input == 1) return Kind::kGamma;
    if (input == 2) return Kind::kBeta;
    // Written in place: only as they are stored.
    if (input < 3 || node.inputs[input] != name) return std::nullopt;
    return input == 3 ? Kind::kMean : Kind::kVariance;
  }

  // What a kernel takes as integers or as a parameter is fixed when it is compiled.
  void ExcludeCompiled() {
    const auto from = KnownFrom(graph_, inferred_, NameSet(order_.begin(), order_.end()));
    const auto exclude = [&](const NameSet& names) {
      excluded_.insert(names.begin(), names.end());
    };
    for (const auto& [value, names] : from) {
      if (!base::IsFloating(inferred_.known.find(value)->second.dtype())) exclude(names);
    }
    for (const graph::Node& node : graph_.nodes) {
      if (node.op_type == "Shape") continue;
      for (size_t i = graph::FindOperator(node.op_type)->data_inputs; i < node.inputs.size(); ++i) {
        if (const auto it = from.find(node.inputs[i]); it != from.end()) exclude(it->second);
      }
    }
  }

  const graph::Graph& graph_;
  const graph::Constants& constants_;
  const graph::InferredShapes& inferred_;
  const graph::ConstantViews views_;
  NameSet weights_;
  NameSet products_;  // of a MatMul and a weight
  std::vector<std::string> order_;
  std::map<std::string, std::vector<std::optional<Kind>>, std::less<>> uses_;
  NameSet excluded_;
};

}  // namespace

std::map<std::string, NameSet, std::less<>> KnownFrom(const graph::Graph& graph,
                                                      const graph::InferredShapes& inferred,
                                                      const NameSet& names) {
  std::map<std::string, NameSet, std::less<>> from;
  for (const graph::Node& node : graph.nodes) {
    if (node.op_type == "Shape") continue;
    NameSet sources;
    for (const std::string& input : node.inputs) {
      if (names.count(input) != 0) sources.insert(input);
      if (const auto it = from.find(input); it != from.end()) {
        sources.insert(it->second.begin(), it->second.end());
      }
    }
    if (sources.empty()) continue;
    for (const std::string& output : node.outputs) {
      if (inferred.known.count(output) != 0) from.insert_or_assign(output, sources);
    }
  }
  return from;
}

std::vector<TrainableConstant> FindTrainableConstants(const graph::Graph& graph,
                                                      const graph::Constants& constants,
                                                      const graph::InferredShapes& inferred) {
  return Finder(graph, constants, inferred).Run();
}

}  // namespace lbw::engine
