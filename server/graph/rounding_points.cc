#include "graph/rounding_points.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "graph/views.h"

namespace lbw::graph {
namespace {

using Names = std::set<std::string, std::less<>>;

// Whatever their attributes are.
constexpr std::array<std::string_view, 13> kMoves = {
    "MaxPool", "GlobalMaxPool", "Reshape", "Flatten", "Squeeze",  "Unsqueeze", "Transpose",
    "Slice",   "Split",         "Gather",  "Expand",  "Identity", "Dropout"};

bool IsFloatingCast(const Node& node) {
  // FLOAT, FLOAT16, DOUBLE, BFLOAT16 of ONNX's TensorProto.DataType.
  const int64_t to = node.Int("to", 0);
  return to == 1 || to == 10 || to == 11 || to == 16;
}

bool PadsWithZero(const Node& node, const Constants& constants) {
  if (node.String("mode", "constant") != "constant") return true;
  if (node.inputs.size() < 3 || node.inputs[2].empty()) return node.Float("value", 0) == 0;
  const auto found = constants.find(node.inputs[2]);
  if (found == constants.end()) return false;
  const absl::StatusOr<base::Tensor> value = ConstantAsF32(found->second);
  return value.ok() && value->elements() == 1 && value->as<float>()[0] == 0;
}

// Types and constancy of values, as far as rounding asks for them: no shapes are needed.
class Kinds {
 public:
  Kinds(const Graph& graph, const Constants& constants) : constants_(constants) {
    for (const ValueInfo& input : graph.inputs) {
      if (!base::IsFloating(input.dtype)) whole_.insert(input.name);
    }
    for (const Node& node : graph.nodes) Add(node);
  }

  // Follows from constants and shapes alone.
  bool IsConstant(std::string_view value) const {
    return fixed_.count(value) != 0 || constants_.find(value) != constants_.end();
  }

  // The outputs hold elements of input 0 as they are, or zeros.
  bool IsMove(const Node& node) const {
    const std::string& op = node.op_type;
    if (std::find(kMoves.begin(), kMoves.end(), op) != kMoves.end()) return true;
    if (op == "Resize" || op == "Upsample") return node.String("mode", "nearest") == "nearest";
    if (op == "Pad") return PadsWithZero(node, constants_);
    return op == "Cast" && IsFloatingCast(node) && whole_.count(node.inputs[0]) == 0;
  }

 private:
  void Add(const Node& node) {
    const std::string& op = node.op_type;
    const bool fixed = op == "Shape" || std::all_of(node.inputs.begin(), node.inputs.end(),
                                                    [&](const std::string& input) {
                                                      return input.empty() || IsConstant(input);
                                                    });
    const size_t typed = op == "Where" ? 1 : 0;
    bool whole = op == "Shape" || op == "Equal" || op == "Less" || op == "Greater";
    if (op == "Cast") {
      whole = !IsFloatingCast(node);
    } else if (node.inputs.size() > typed) {
      whole = whole || whole_.count(node.inputs[typed]) != 0;
    }
    if (fixed) fixed_.insert(node.outputs.begin(), node.outputs.end());
    if (whole) whole_.insert(node.outputs.begin(), node.outputs.end());
  }

  const Constants& constants_;
  Names fixed_;
  Names whole_;  // of an integer or boolean type
};

// Values of the head and all that is computed from them.
Names FindFloatValues(const Graph& graph, const Kinds& kinds,
                      const std::vector<std::string>& heads) {
  std::map<std::string_view, const Node*> producer;
  for (const Node& node : graph.nodes) {
    for (const std::string& output : node.outputs) producer.emplace(output, &node);
  }
  std::vector<std::string> open = heads;
  if (open.empty()) {
    for (const ValueInfo& output : graph.outputs) open.push_back(output.name);
  }
  Names values;
  while (!open.empty()) {
    const std::string at = std::move(open.back());
    open.pop_back();
    const auto found = producer.find(at);
    // A picture or constant that a head reads is no value of the head.
    if (found == producer.end() || !values.insert(at).second) continue;
    const Node& node = *found->second;
    if (node.op_type == "Concat") {
      open.insert(open.end(), node.inputs.begin(), node.inputs.end());
    } else if (kinds.IsMove(node) || node.op_type == "Sigmoid" || node.op_type == "Softmax") {
      open.push_back(node.inputs[0]);
    }
  }
  for (const Node& node : graph.nodes) {
    const bool reads = std::any_of(node.inputs.begin(), node.inputs.end(),
                                   [&](const std::string& x) { return values.count(x) != 0; });
    if (reads && node.op_type != "Shape") values.insert(node.outputs.begin(), node.outputs.end());
  }
  return values;
}

// What a low-bit layer reads as data; nullptr for any other node.
class Layers {
 public:
  Layers(const Graph& graph, const Constants& constants, const std::vector<std::string>& heads)
      : constants_(constants), views_(FindConstantViews(graph, constants)) {
    for (Weight& weight : FindWeights(graph, constants, heads)) {
      const Constant& constant = constants.find(weight.constant)->second;
      if (std::get_if<quant::QuantizedTensor>(&constant) != nullptr) {
        low_bit_.insert(std::move(weight.constant));
      }
    }
  }

  const std::string* DataOf(const Node& node) const {
    const std::string& op = node.op_type;
    if (op != "Conv" && op != "ConvTranspose" && op != "Gemm" && op != "MatMul") return nullptr;
    if (node.inputs.size() < 2) return nullptr;
    if (IsLowBit(node.inputs[1])) return &node.inputs[0];
    return op == "MatMul" && IsLowBit(node.inputs[0]) ? &node.inputs[1] : nullptr;
  }

 private:
  bool IsLowBit(const std::string& value) const {
    const std::optional<ConstantView> view = ViewOf(value, constants_, views_);
    return view.has_value() && low_bit_.count(view->constant) != 0;
  }

  const Constants& constants_;
  const ConstantViews views_;
  Names low_bit_;
};

// Where codes come from: a value that is computed (no parts), or codes that are joined.
struct Source {
  std::string value;
  std::vector<int> parts;
  bool is_input = false;
};

class Finder {
 public:
  Finder(const Graph& graph, const Constants& constants, const std::vector<std::string>& heads)
      : graph_(graph),
        kinds_(graph, constants),
        floats_(FindFloatValues(graph, kinds_, heads)),
        layers_(graph, constants, heads) {}

  std::vector<RoundingPoint> Run() {
    for (const ValueInfo& input : graph_.inputs) AddSource({input.name, {}, true});
    for (const Node& node : graph_.nodes) AddNode(node);
    parent_.resize(sources_.size());
    std::iota(parent_.begin(), parent_.end(), 0);
    MarkReached();
    std::vector<RoundingPoint> points;
    std::map<int, int> numbers;
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (!reached_[i] || !sources_[i].parts.empty()) continue;
      const int root = RootOf(static_cast<int>(i));
      const int group = numbers.emplace(root, static_cast<int>(numbers.size())).first->second;
      points.push_back({sources_[i].value, group, sources_[i].is_input});
    }
    return points;
  }

 private:
  void AddSource(Source source) {
    source_of_.insert_or_assign(source.value, static_cast<int>(sources_.size()));
    sources_.push_back(std::move(source));
  }

  // -1: a constant or a value that stays float.
  int SourceOf(const std::string& value) const {
    const auto found = source_of_.find(value);
    return found == source_of_.end() ? -1 : found->second;
  }

  void AddNode(const Node& node) {
    std::vector<int> parts;
    if (node.op_type == "Concat") {
      for (const std::string& input : node.inputs) parts.push_back(SourceOf(input));
      if (std::find(parts.begin(), parts.end(), -1) != parts.end()) parts.clear();
    }
    const bool moves = kinds_.IsMove(node);
    for (const std::string& output : node.outputs) {
      if (output.empty() || floats_.count(output) != 0 || kinds_.IsConstant(output)) continue;
      if (!moves) {
        AddSource({output, parts, false});
      } else if (const int source = SourceOf(node.inputs[0]); source >= 0) {
        source_of_.insert_or_assign(output, source);
      }
    }
  }

  void MarkReached() {
    reached_.assign(sources_.size(), false);
    std::vector<int> open;
    for (const Node& node : graph_.nodes) {
      const std::string* data = layers_.DataOf(node);
      if (data != nullptr) open.push_back(SourceOf(*data));
    }
    while (!open.empty()) {
      const int at = open.back();
      open.pop_back();
      if (at < 0 || reached_[static_cast<size_t>(at)]) continue;
      reached_[static_cast<size_t>(at)] = true;
      for (const int part : sources_[static_cast<size_t>(at)].parts) {
        Unite(at, part);
        open.push_back(part);
      }
    }
  }

  int RootOf(int source) {
    while (parent_[static_cast<size_t>(source)] != source) {
      int& up = parent_[static_cast<size_t>(source)];
      up = parent_[static_cast<size_t>(up)];
      source = up;
    }
    return source;
  }

  void Unite(int a, int b) {
    const int first = RootOf(a);
    const int second = RootOf(b);
    parent_[static_cast<size_t>(std::max(first, second))] = std::min(first, second);
  }

  const Graph& graph_;
  const Kinds kinds_;
  const Names floats_;
  const Layers layers_;
  std::vector<Source> sources_;  // in graph order
  std::map<std::string, int, std::less<>> source_of_;
  std::vector<bool> reached_;
  std::vector<int> parent_;  // union-find over sources
};

}  // namespace

std::vector<RoundingPoint> FindRoundingPoints(const Graph& graph, const Constants& constants,
                                              const std::vector<std::string>& heads) {
  return Finder(graph, constants, heads).Run();
}

}  // namespace lbw::graph
