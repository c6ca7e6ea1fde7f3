// A small detector for tests: an 8 x 8 picture, one convolution, a box branch and two class
// branches of one anchor each, 32 anchors, two classes. Every weight differs.
#ifndef LBW_TESTS_UNIT_MODEL_TINY_MODEL_H_
#define LBW_TESTS_UNIT_MODEL_TINY_MODEL_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/model.h"

namespace lbw::model {

// Where the graph applies its activation.
enum class ActivationAt { kNowhere, kBranches, kOneBranch, kEnd };

struct TinyOptions {
  ActivationAt at = ActivationAt::kBranches;
  std::string op = "Sigmoid";
};

inline base::Tensor Values(base::Shape shape, float first) {
  int64_t elements = 1;
  for (const int64_t d : shape) elements *= d;
  std::vector<float> values;
  for (int64_t i = 0; i < elements; ++i) {
    const auto x = static_cast<float>((i * 37 + 11) % 101 - 50) / 64;
    values.push_back(x + first);
  }
  return base::Tensor::FromF32(std::move(shape), values);
}

class TinyGraph {
 public:
  explicit TinyGraph(const TinyOptions& options) {
    graph_.name = "tiny";
    graph_.opset = 13;
    graph_.inputs = {{"image", base::DType::kF32, {graph::kBatch, 3, 8, 8}}};
    AddConv("stem", "image", {8, 3, 3, 3},
            {{"strides", std::vector<int64_t>{2, 2}}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    Add("Relu", {"stem"}, "features");
    AddConv("loc", "features", {8, 8, 1, 1}, {});
    Arrange("loc", "boxes_shape", "boxes", 4);
    std::vector<std::string> branches;
    for (const std::string name : {"cls_a", "cls_b"}) {
      AddConv(name, "features", {2, 8, 1, 1}, {});
      Arrange(name, "scores_shape", name + "_rows", 2);
      branches.push_back(name + "_rows");
      const bool one = options.at == ActivationAt::kOneBranch && name == "cls_a";
      if (options.at == ActivationAt::kBranches || one) {
        Add(options.op, {branches.back()}, name + "_probabilities");
        branches.back() = name + "_probabilities";
      }
    }
    const bool at_end = options.at == ActivationAt::kEnd;
    Add("Concat", branches, at_end ? "all_logits" : "scores", {{"axis", int64_t{1}}});
    if (at_end) Add(options.op, {"all_logits"}, "scores");
    graph_.outputs = {{"boxes", base::DType::kF32, {graph::kBatch, 32, 4}},
                      {"scores", base::DType::kF32, {graph::kBatch, 32, 2}}};
  }

  graph::Graph& graph() { return graph_; }
  graph::Constants& constants() { return constants_; }

 private:
  using Attributes = std::map<std::string, graph::Attribute>;

  void Add(std::string op, std::vector<std::string> inputs, const std::string& output,
           Attributes attributes = {}) {
    graph_.nodes.push_back(
        {output + "_node", std::move(op), std::move(inputs), {output}, std::move(attributes)});
  }
  void AddConv(const std::string& name, const std::string& input, const base::Shape& shape,
               Attributes attributes) {
    constants_[name + ".weight"] = Values(shape, 0.01F * static_cast<float>(constants_.size()));
    constants_[name + ".bias"] = Values({shape[0]}, 0.25F);
    Add("Conv", {input, name + ".weight", name + ".bias"}, name, std::move(attributes));
  }
  void Arrange(const std::string& value, const std::string& shape, const std::string& result,
               int64_t columns) {
    constants_[shape] = base::Tensor::FromI64({3}, {0, -1, columns});
    Add("Transpose", {value}, value + "_hwc", {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
    Add("Reshape", {value + "_hwc", shape}, result);
  }

  graph::Graph graph_;
  graph::Constants constants_;
};

inline std::string TinySpecText(const std::string& score = "{activation: sigmoid}") {
  return R"(
input: {size: [8, 8], scale: 0.00392156862745098}
classes: [red, blue]
head:
  kind: ssd
  outputs: {boxes: boxes, scores: scores}
  boxes:
    priors:
      - {cells: [4, 4], wh: [[0.25, 0.25]]}
      - {cells: [4, 4], wh: [[0.5, 0.375]]}
  score: )" +
         score + R"(
  nms: {iou: 0.5, score: 0.25}
)";
}

inline absl::StatusOr<Model> MakeTiny(const TinyOptions& options = {},
                                      const std::string& spec_text = TinySpecText()) {
  TinyGraph tiny(options);
  auto spec = ParseSpec(spec_text);
  if (!spec.ok()) return spec.status();
  return MakeModel(std::move(tiny.graph()), std::move(tiny.constants()), *std::move(spec));
}

}  // namespace lbw::model

#endif  // LBW_TESTS_UNIT_MODEL_TINY_MODEL_H_
