#include "graph/batch.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "graph/batch_rules.h"
#include "graph/operators.h"
#include "graph/views.h"

namespace lbw::graph {
namespace {

// Sizes that change when a picture is larger by this follow from the picture.
constexpr int64_t kLarger = 64;

using Places = std::map<std::string, BatchPlace, std::less<>>;

// Shapes of the inputs at a batch; open sizes as the picture has them.
std::map<std::string, base::Shape> InputShapes(const Graph& graph, int64_t batch,
                                               const PictureSize& picture) {
  std::map<std::string, base::Shape> shapes;
  for (const ValueInfo& input : graph.inputs) {
    base::Shape shape = input.shape;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (i == 0) {
        shape[i] = batch;
      } else if (shape[i] == kUnknownSize) {
        const bool is_picture = shape.size() == 4;
        shape[i] = is_picture && i == 1   ? picture.channels
                   : is_picture && i == 3 ? picture.width
                                          : picture.height;
      }
    }
    shapes.emplace(input.name, std::move(shape));
  }
  return shapes;
}

bool HasOpenSizes(const Graph& graph) {
  return std::any_of(graph.inputs.begin(), graph.inputs.end(), [](const ValueInfo& input) {
    return std::count(input.shape.begin() + 1, input.shape.end(), kUnknownSize) != 0;
  });
}

// Changes nodes and the constants they read, and can take that back.
class ShapeEdits {
 public:
  ShapeEdits(Graph& graph, Constants& constants) : graph_(graph), constants_(constants) {}

  // Gives input `i` of a node these integers: in place where only that node reads the constant.
  void Replace(size_t node, size_t i, const std::vector<int64_t>& values) {
    SaveNode(node);
    std::string& input = graph_.nodes[node].inputs[i];
    base::Tensor tensor = base::Tensor::FromI64({static_cast<int64_t>(values.size())}, values);
    const auto it = constants_.find(input);
    if (it != constants_.end() && Readers(input) == 1) {
      old_constants_.emplace_back(input, std::get<base::Tensor>(it->second));
      it->second = std::move(tensor);
      return;
    }
    std::string name = base::StrCat(input, ".batch");
    while (constants_.count(name) != 0) name += "_";
    constants_.emplace(name, std::move(tensor));
    added_.push_back(name);
    input = name;
  }
  void SetAttribute(size_t node, const std::string& name, Attribute value) {
    SaveNode(node);
    graph_.nodes[node].attributes.insert_or_assign(name, std::move(value));
  }

  void Undo() {
    for (auto it = old_nodes_.rbegin(); it != old_nodes_.rend(); ++it) {
      graph_.nodes[it->first] = std::move(it->second);
    }
    for (const std::string& name : added_) constants_.erase(name);
    for (auto& [name, tensor] : old_constants_) constants_.find(name)->second = std::move(tensor);
  }

 private:
  void SaveNode(size_t node) { old_nodes_.emplace_back(node, graph_.nodes[node]); }

  int64_t Readers(const std::string& constant) const {
    int64_t readers = 0;
    for (const Node& node : graph_.nodes) {
      readers += std::count(node.inputs.begin(), node.inputs.end(), constant);
    }
    return readers;
  }

  Graph& graph_;
  Constants& constants_;
  std::vector<std::pair<size_t, Node>> old_nodes_;
  std::vector<std::string> added_;
  std::vector<std::pair<std::string, base::Tensor>> old_constants_;
};

// What the shapes in `base` were inferred for.
struct Tried {
  int64_t batch = 1;
  PictureSize picture;
};

// One attempt. Every method returns what stands in the way; empty = nothing.
class BatchProof {
 public:
  BatchProof(Graph& graph, Constants& constants, const InferredShapes& base, const Tried& tried)
      : graph_(graph),
        constants_(constants),
        base_(base),
        batch_(tried.batch),
        picture_(tried.picture),
        views_(FindConstantViews(graph, constants)),
        edits_(graph, constants) {
    for (const ValueInfo& input : graph.inputs) places_.emplace(input.name, BatchPlace{});
  }

  std::string Run(std::vector<std::string>& notes) {
    std::string why = Follow(notes);
    for (int64_t batch = 1; batch <= 3 && why.empty(); ++batch) why = Compare(batch);
    if (why.empty()) why = CheckOutputs();
    if (!why.empty()) edits_.Undo();
    return why;
  }

 private:
  std::string Follow(std::vector<std::string>& notes) {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      const OperatorInfo* info = FindOperator(node.op_type);
      std::vector<std::optional<BatchPlace>> places;
      bool any = false;
      for (size_t k = 0; k < std::min(node.inputs.size(), info->data_inputs); ++k) {
        const auto it = places_.find(node.inputs[k]);
        places.push_back(it == places_.end() ? std::nullopt : std::optional(it->second));
        any = any || places.back().has_value();
      }
      if (!any) continue;
      BatchVerdict verdict = Pass(i, places, notes);
      if (!verdict.place.has_value()) {
        return base::StrCat("node ", node.name, " (", node.op_type, "): ", verdict.why);
      }
      for (const std::string& output : node.outputs) places_.emplace(output, *verdict.place);
    }
    return "";
  }

  BatchVerdict Pass(size_t index, const std::vector<std::optional<BatchPlace>>& places,
                    std::vector<std::string>& notes) {
    const Node& node = graph_.nodes[index];
    const Operands operands = MakeOperands(node, graph_.opset, base_, constants_);
    if (node.op_type == "Resize") EditSizes(index, operands, notes);
    if (node.op_type != "Reshape" && node.op_type != "Flatten") {
      return PassBatch(MakeOperands(graph_.nodes[index], graph_.opset, base_, constants_), places);
    }
    const base::Shape& output = base_.values.find(node.outputs[0])->second.shape;
    BatchVerdict verdict;
    verdict.place = ReshapedPlace(operands.shape(0), *places[0], output, batch_);
    if (!verdict.place.has_value()) {
      verdict.why =
          base::StrCat("the batch is torn apart from ", base::ShapeToString(operands.shape(0)),
                       " to ", base::ShapeToString(output));
    } else if (node.op_type == "Reshape") {
      verdict.why = EditShape(index, *places[0], *verdict.place, notes);
      if (!verdict.why.empty()) verdict.place.reset();
    }
    return verdict;
  }

  // A constant, also in another form: shape arithmetic cannot adapt it to the batch.
  bool IsFixed(const std::string& value) const {
    return constants_.count(value) != 0 || views_.count(value) != 0;
  }

  // Makes the shape of a Reshape hold for any batch, where a constant fixes it. Returns why not.
  std::string EditShape(size_t index, const BatchPlace& from, const BatchPlace& to,
                        std::vector<std::string>& notes) {
    const Node& node = graph_.nodes[index];
    if (!IsFixed(node.inputs[1])) return "";
    const Operands operands = MakeOperands(node, graph_.opset, base_, constants_);
    std::vector<int64_t> shape = *KnownInts(operands, 1);
    const std::vector<int64_t> before = shape;
    const base::Shape& output = base_.values.find(node.outputs[0])->second.shape;
    const auto at = static_cast<size_t>(to.dim);
    const bool copies = node.Int("allowzero", 0) == 0 && from == to;
    if (shape[at] == -1 || (shape[at] == 0 && copies)) return "";
    if (copies) {
      shape[at] = 0;
    } else {
      for (size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] != -1) continue;
        if (HasOpenSizes(graph_)) return "its -1 depends on an open height or width";
        shape[i] = output[i];
      }
      shape[at] = -1;
    }
    notes.push_back(base::StrCat("Reshape ", node.name, ": shape [", absl::StrJoin(before, ", "),
                                 "] became [", absl::StrJoin(shape, ", "),
                                 "], so that it holds for any batch"));
    edits_.Replace(index, 1, shape);
    return "";
  }

  // Sizes of a Resize that name the batch too are narrowed to the dimensions behind it.
  void EditSizes(size_t index, const Operands& operands, std::vector<std::string>& notes) {
    const Node& node = graph_.nodes[index];
    const size_t rank = operands.shape(0).size();
    if (!operands.has(3) || !IsFixed(node.inputs[3]) || node.Has("axes")) return;
    const auto sizes = KnownInts(operands, 3);
    if (!sizes.ok() || sizes->size() != rank || rank < 2 || (*sizes)[0] != batch_) return;
    std::vector<int64_t> axes;
    for (size_t i = 1; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
    notes.push_back(base::StrCat("Resize ", node.name, ": its sizes no longer name the batch"));
    edits_.Replace(index, 3, std::vector<int64_t>(sizes->begin() + 1, sizes->end()));
    edits_.SetAttribute(index, "axes", Attribute(std::move(axes)));
  }

  // Shapes at another batch are what the places say, and nothing else depends on the batch.
  std::string Compare(int64_t batch) {
    const auto other = InferShapes(graph_, constants_, InputShapes(graph_, batch, picture_));
    if (!other.ok()) {
      return base::StrCat("a batch of ", batch, ": ", std::string(other.status().message()));
    }
    for (const auto& [name, info] : base_.values) {
      if (constants_.count(name) != 0) continue;  // an edit may have changed it
      base::Shape expected = info.shape;
      if (const auto it = places_.find(name); it != places_.end()) {
        expected[it->second.dim] = batch * it->second.inner;
      }
      const auto it = other->values.find(name);
      if (it != other->values.end() && it->second.shape != expected) {
        return base::StrCat("value ", name, " is ", base::ShapeToString(it->second.shape),
                            " at a batch of ", batch, ", not ", base::ShapeToString(expected));
      }
    }
    return CheckContents(*other);
  }

  std::string CheckContents(const InferredShapes& other) {
    std::set<std::string> varying;
    for (const auto& [name, tensor] : base_.known) {
      const auto it = other.known.find(name);
      if (it == other.known.end() || it->second.bytes() != tensor.bytes()) varying.insert(name);
    }
    for (const Node& node : graph_.nodes) {
      const bool tracked = places_.count(node.outputs[0]) != 0;
      const size_t data = FindOperator(node.op_type)->data_inputs;
      const bool sized_only = node.op_type == "Reshape" || node.op_type == "Expand" ||
                              node.op_type == "Resize" || node.op_type == "Upsample";
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (varying.count(node.inputs[i]) == 0) continue;
        if (!tracked) {
          // What is computed from it may vary too, unless it was evaluated and compared.
          for (const std::string& output : node.outputs) {
            if (base_.known.count(output) == 0) varying.insert(output);
          }
        } else if (i < data || !sized_only) {
          return base::StrCat("node ", node.name, " (", node.op_type, ") computes with ",
                              node.inputs[i], ", which depends on the batch size");
        }
      }
    }
    return "";
  }

  std::string CheckOutputs() const {
    for (const ValueInfo& output : graph_.outputs) {
      const auto it = places_.find(output.name);
      if (it == places_.end() || !(it->second == BatchPlace{})) {
        return base::StrCat("output ", output.name, " does not have the batch in front");
      }
    }
    return "";
  }

  Graph& graph_;
  Constants& constants_;
  const InferredShapes& base_;
  const int64_t batch_;
  const PictureSize picture_;
  const ConstantViews views_;
  ShapeEdits edits_;
  Places places_;
};

// Output shapes as tried; sizes that change with open heights and widths are kUnknownSize.
absl::Status SetOutputs(Graph& graph, const Constants& constants, const Tried& tried) {
  LBW_ASSIGN_OR_RETURN(
      const InferredShapes one,
      InferShapes(graph, constants, InputShapes(graph, tried.batch, tried.picture)));
  PictureSize larger = tried.picture;
  larger.height += kLarger;
  larger.width += kLarger;
  const auto two = InferShapes(graph, constants, InputShapes(graph, tried.batch, larger));
  for (ValueInfo& output : graph.outputs) {
    output = one.values.find(output.name)->second;
    if (!two.ok()) continue;
    const base::Shape& other = two->values.find(output.name)->second.shape;
    for (size_t i = 0; i < output.shape.size() && i < other.size(); ++i) {
      if (output.shape[i] != other[i]) output.shape[i] = kUnknownSize;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeBatchSymbolic(Graph& graph, Constants& constants, const PictureSize& picture,
                               std::vector<std::string>& notes) {
  int64_t batch = 1;
  for (const ValueInfo& input : graph.inputs) {
    if (input.shape.empty()) {
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
                         base::StrCat("input ", input.name, " has no batch dimension"));
    }
    if (input.shape[0] != kBatch) batch = input.shape[0];
  }
  LBW_ASSIGN_OR_RETURN(const InferredShapes base,
                       InferShapes(graph, constants, InputShapes(graph, batch, picture)));
  const Tried tried{batch, picture};
  std::vector<std::string> edits;
  const std::string why = BatchProof(graph, constants, base, tried).Run(edits);
  if (!why.empty() && batch != 1) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
        base::StrCat("the batch is fixed at ", batch, " and cannot be made symbolic: ", why));
  }
  LBW_RETURN_IF_ERROR(SetOutputs(graph, constants, tried));
  graph.max_batch = why.empty() ? 0 : 1;
  for (ValueInfo& input : graph.inputs) input.shape[0] = why.empty() ? kBatch : 1;
  if (!why.empty()) {
    notes.push_back(base::StrCat("the batch stays 1: ", why));
    return absl::OkStatus();
  }
  for (ValueInfo& output : graph.outputs) output.shape[0] = kBatch;
  notes.insert(notes.end(), edits.begin(), edits.end());
  return absl::OkStatus();
}

}  // namespace lbw::graph
