#include "support/disc_detector.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace lbw::testing {
namespace {

constexpr int kWindow = 12;
constexpr double kRadius = 3.0;   // of the anchor's disc, in pooled pixels of its level
constexpr double kColour = 0.56;  // what a disc's colour plane holds inside
constexpr double kPi = 3.14159265358979323846;

NamedArray Make(std::vector<int64_t> shape) {
  int64_t count = 1;
  for (const int64_t d : shape) count *= d;
  return {std::move(shape), std::vector<float>(static_cast<size_t>(count), 0.0F)};
}

// Calls fn(index of [out, in, y, x], dx, dy) for every tap of the window; dx, dy from its centre in
// pooled pixels.
void ForWindow(int out, int in, const std::function<void(size_t, double, double)>& fn) {
  for (int y = 0; y < kWindow; ++y) {
    for (int x = 0; x < kWindow; ++x) {
      const auto index = static_cast<size_t>(((out * 3 + in) * kWindow + y) * kWindow + x);
      fn(index, x + 0.5 - kWindow / 2.0, y + 0.5 - kWindow / 2.0);
    }
  }
}

// Class c looks at colour plane c: the sum inside the disc minus what lies in the ring around it;
// any other colour inside speaks against it. The values are powers of two, so that these weights
// survive any grid.
void FillClass(NamedArray& weight, NamedArray& bias) {
  for (int c = 0; c < kDiscClasses; ++c) {
    for (int in = 0; in < 3; ++in) {
      ForWindow(c, in, [&](size_t index, double dx, double dy) {
        const double r = std::hypot(dx, dy);
        double value = 0;
        if (r <= kRadius) value = in == c ? 1.0 : -0.25;
        if (in == c && r > kRadius + 0.9 && r < 5.6) value = -0.5;
        weight.values[index] = static_cast<float>(value);
      });
    }
    bias.values[static_cast<size_t>(c)] = -9.0F;
  }
}

// Boxes: the first moments of all colour planes give the centre, their mass the size.
void FillBoxes(NamedArray& weight, NamedArray& bias) {
  const double mass = kColour * kPi * kRadius * kRadius;
  const double anchor = 2 * kRadius;  // pooled pixels
  for (int in = 0; in < 3; ++in) {
    const auto within = [](double dx, double dy) { return std::hypot(dx, dy) < 5.3; };
    ForWindow(0, in, [&](size_t i, double dx, double dy) {
      if (within(dx, dy)) weight.values[i] = static_cast<float>(dx / mass / anchor / 0.1);
    });
    ForWindow(1, in, [&](size_t i, double dx, double dy) {
      if (within(dx, dy)) weight.values[i] = static_cast<float>(dy / mass / anchor / 0.1);
    });
    for (int out = 2; out < 4; ++out) {
      ForWindow(out, in, [&](size_t i, double dx, double dy) {
        // log(r / r0) = log(mass / mass0) / 2, near 1.
        if (within(dx, dy)) weight.values[i] = static_cast<float>(0.5 / mass / 0.2);
      });
    }
  }
  bias.values[2] = bias.values[3] = static_cast<float>(-0.5 / 0.2);
}

void AddInitializer(onnx::GraphProto& graph, const std::string& name, const NamedArray& array) {
  onnx::TensorProto* tensor = graph.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::FLOAT);
  for (const int64_t d : array.shape) tensor->add_dims(d);
  tensor->set_raw_data(array.values.data(), array.values.size() * sizeof(float));
}

void AddShape(onnx::GraphProto& graph, const std::string& name, const std::vector<int64_t>& shape) {
  onnx::TensorProto* tensor = graph.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::INT64);
  tensor->add_dims(static_cast<int64_t>(shape.size()));
  for (const int64_t d : shape) tensor->add_int64_data(d);
}

onnx::NodeProto* AddNode(onnx::GraphProto& graph, const std::string& op,
                         const std::vector<std::string>& inputs, const std::string& output) {
  onnx::NodeProto* node = graph.add_node();
  node->set_op_type(op);
  node->set_name(op + "_" + output);
  for (const std::string& input : inputs) node->add_input(input);
  node->add_output(output);
  return node;
}

void SetInts(onnx::NodeProto* node, const std::string& name, const std::vector<int64_t>& values) {
  onnx::AttributeProto* attribute = node->add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute->add_ints(value);
}

void SetInt(onnx::NodeProto* node, const std::string& name, int64_t value) {
  onnx::AttributeProto* attribute = node->add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::INT);
  attribute->set_i(value);
}

void AddValue(onnx::ValueInfoProto* info, const std::string& name,
              const std::vector<int64_t>& shape) {
  info->set_name(name);
  auto* tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(onnx::TensorProto::FLOAT);
  tensor->mutable_shape()->add_dim()->set_dim_param("batch");
  for (const int64_t d : shape) tensor->mutable_shape()->add_dim()->set_dim_value(d);
}

// One output of a level: convolution over the pooled planes, then [N, cells, channels].
void AddHead(onnx::GraphProto& graph, const std::string& source, const std::string& name,
             int64_t channels) {
  onnx::NodeProto* conv =
      AddNode(graph, "Conv", {source, name + ".weight", name + ".bias"}, name + "_conv");
  SetInts(conv, "kernel_shape", {kWindow, kWindow});
  SetInts(conv, "strides", {2, 2});
  SetInts(conv, "pads", {5, 5, 5, 5});
  SetInts(AddNode(graph, "Transpose", {name + "_conv"}, name + "_nhwc"), "perm", {0, 2, 3, 1});
  AddShape(graph, name + "_shape", {0, -1, channels});
  AddNode(graph, "Reshape", {name + "_nhwc", name + "_shape"}, name + "_flat");
}

void AddPool(onnx::GraphProto& graph, const std::string& input, const std::string& output,
             int64_t size) {
  onnx::NodeProto* pool = AddNode(graph, "AveragePool", {input}, output);
  SetInts(pool, "kernel_shape", {size, size});
  SetInts(pool, "strides", {size, size});
}

// Planes in float64: [channels][height][width].
using Planes = std::vector<std::vector<std::vector<double>>>;

Planes Pool(const Planes& in, int size) {
  const size_t height = in[0].size() / static_cast<size_t>(size);
  Planes out(in.size(), std::vector<std::vector<double>>(height, std::vector<double>(height)));
  for (size_t c = 0; c < in.size(); ++c) {
    for (size_t y = 0; y < height; ++y) {
      for (size_t x = 0; x < height; ++x) {
        double sum = 0;
        for (int j = 0; j < size; ++j) {
          for (int i = 0; i < size; ++i) {
            sum += in[c][y * static_cast<size_t>(size) + static_cast<size_t>(j)]
                     [x * static_cast<size_t>(size) + static_cast<size_t>(i)];
          }
        }
        out[c][y][x] = sum / (size * size);
      }
    }
  }
  return out;
}

// The value of one window convolution at cell (row, col).
double WindowSum(const NamedArray& weight, const NamedArray& bias, const Planes& in, int out,
                 std::array<int, 2> cell) {
  const int size = static_cast<int>(in[0].size());
  double sum = bias.values[static_cast<size_t>(out)];
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < kWindow; ++y) {
      for (int x = 0; x < kWindow; ++x) {
        const int yy = cell[0] * 2 - 5 + y;
        const int xx = cell[1] * 2 - 5 + x;
        if (yy < 0 || xx < 0 || yy >= size || xx >= size) continue;
        const auto index = static_cast<size_t>(((out * 3 + c) * kWindow + y) * kWindow + x);
        sum += static_cast<double>(weight.values[index]) *
               in[static_cast<size_t>(c)][static_cast<size_t>(yy)][static_cast<size_t>(xx)];
      }
    }
  }
  return sum;
}

void AppendLevel(const NamedArrays& weights, const Planes& planes, const std::string& level,
                 DiscOutputs& outputs) {
  const int cells = static_cast<int>(planes[0].size()) / 2;
  for (int row = 0; row < cells; ++row) {
    for (int col = 0; col < cells; ++col) {
      for (int k = 0; k < 4; ++k) {
        outputs.boxes.push_back(static_cast<float>(WindowSum(weights.at("loc_" + level + ".weight"),
                                                             weights.at("loc_" + level + ".bias"),
                                                             planes, k, {row, col})));
      }
      for (int k = 0; k < kDiscClasses; ++k) {
        const double logit = WindowSum(weights.at("cls_" + level + ".weight"),
                                       weights.at("cls_" + level + ".bias"), planes, k, {row, col});
        outputs.scores.push_back(static_cast<float>(1 / (1 + std::exp(-logit))));
      }
    }
  }
}

double Overlap(const ScalarBox& a, const ScalarBox& b) {
  const double w = std::min(a.x_max, b.x_max) - std::max(a.x_min, b.x_min);
  const double h = std::min(a.y_max, b.y_max) - std::max(a.y_min, b.y_min);
  if (w <= 0 || h <= 0) return 0;
  const double both = w * h;
  const auto area = [](const ScalarBox& box) {
    return (box.x_max - box.x_min) * (box.y_max - box.y_min);
  };
  return both / (area(a) + area(b) - both);
}

ScalarBox DecodeAnchor(const DiscOutputs& outputs, int anchor) {
  const bool small = anchor < 400;
  const int cells = small ? 20 : 10;
  const int local = small ? anchor : anchor - 400;
  const double size = small ? 0.15 : 0.3;
  const double centre_x = (local % cells + 0.5) / cells;
  const double centre_y = (local / cells + 0.5) / cells;
  const float* t = outputs.boxes.data() + static_cast<size_t>(anchor) * 4;
  const double cx = centre_x + 0.1 * t[0] * size;
  const double cy = centre_y + 0.1 * t[1] * size;
  const double w = size * std::exp(0.2 * t[2]);
  const double h = size * std::exp(0.2 * t[3]);
  ScalarBox box{cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, 0, 0};
  for (int c = 0; c < kDiscClasses; ++c) {
    const double score = outputs.scores[static_cast<size_t>(anchor * kDiscClasses + c)];
    if (score > box.score) {
      box.score = score;
      box.class_index = c;
    }
  }
  return box;
}

}  // namespace

NamedArrays DiscDetectorWeights() {
  NamedArrays weights;
  NamedArray colour = Make({3, 3, 1, 1});
  NamedArray colour_bias = Make({3});
  for (size_t out = 0; out < 3; ++out) {
    for (size_t in = 0; in < 3; ++in) colour.values[out * 3 + in] = out == in ? 1.0F : -0.5F;
    colour_bias.values[out] = -0.25F;
  }
  weights["colour.weight"] = colour;
  weights["colour.bias"] = colour_bias;
  for (const char* level : {"0", "1"}) {
    const std::string suffix(level);
    FillClass(weights["cls_" + suffix + ".weight"] = Make({kDiscClasses, 3, kWindow, kWindow}),
              weights["cls_" + suffix + ".bias"] = Make({kDiscClasses}));
    FillBoxes(weights["loc_" + suffix + ".weight"] = Make({4, 3, kWindow, kWindow}),
              weights["loc_" + suffix + ".bias"] = Make({4}));
  }
  return weights;
}

std::string DiscDetectorOnnx(const NamedArrays& weights) {
  onnx::ModelProto model;
  model.set_ir_version(7);
  model.set_producer_name("lbw disc detector");
  model.add_opset_import()->set_version(13);
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.set_name("discs");
  AddValue(graph.add_input(), "image", {3, kDiscInput, kDiscInput});
  for (const auto& [name, array] : weights) AddInitializer(graph, name, array);
  SetInts(AddNode(graph, "Conv", {"image", "colour.weight", "colour.bias"}, "colour"),
          "kernel_shape", {1, 1});
  AddNode(graph, "Relu", {"colour"}, "colour_relu");
  AddPool(graph, "colour_relu", "pool_0", 4);
  AddPool(graph, "pool_0", "pool_1", 2);
  for (const char* level : {"0", "1"}) {
    AddHead(graph, "pool_" + std::string(level), "loc_" + std::string(level), 4);
    AddHead(graph, "pool_" + std::string(level), "cls_" + std::string(level), kDiscClasses);
  }
  SetInt(AddNode(graph, "Concat", {"loc_0_flat", "loc_1_flat"}, "boxes"), "axis", 1);
  SetInt(AddNode(graph, "Concat", {"cls_0_flat", "cls_1_flat"}, "logits"), "axis", 1);
  AddNode(graph, "Sigmoid", {"logits"}, "scores");
  AddValue(graph.add_output(), "boxes", {kDiscAnchors, 4});
  AddValue(graph.add_output(), "scores", {kDiscAnchors, kDiscClasses});
  return model.SerializeAsString();
}

std::string DiscDetectorSpec() {
  return R"(# Finds red, green and blue discs.
input: {size: [160, 160], resize: stretch, interpolation: linear, color: rgb, mean: 0, scale: 0.00392156862745098}
classes: [red, green, blue]
head:
  kind: ssd
  outputs: {boxes: boxes, scores: scores}
  boxes:
    encoding: center_size
    variances: [0.1, 0.2]
    priors:
      - {cells: [20, 20], wh: [[0.15, 0.15]]}
      - {cells: [10, 10], wh: [[0.3, 0.3]]}
  score: {activation: sigmoid, background: none}
  nms: {iou: 0.4, per_class: false, score: 0.5, keep: 100}
)";
}

DiscOutputs ScalarForward(const NamedArrays& weights, const std::vector<float>& input) {
  const NamedArray& colour = weights.at("colour.weight");
  const NamedArray& bias = weights.at("colour.bias");
  Planes planes(3, std::vector<std::vector<double>>(kDiscInput, std::vector<double>(kDiscInput)));
  constexpr size_t kArea = static_cast<size_t>(kDiscInput) * kDiscInput;
  for (size_t out = 0; out < 3; ++out) {
    for (size_t i = 0; i < kArea; ++i) {
      double sum = bias.values[out];
      for (size_t in = 0; in < 3; ++in) {
        sum += static_cast<double>(colour.values[out * 3 + in]) * input[in * kArea + i];
      }
      planes[out][i / kDiscInput][i % kDiscInput] = std::max(0.0, sum);
    }
  }
  const Planes level0 = Pool(planes, 4);
  DiscOutputs outputs;
  AppendLevel(weights, level0, "0", outputs);
  AppendLevel(weights, Pool(level0, 2), "1", outputs);
  return outputs;
}

std::vector<ScalarBox> ScalarDecode(const DiscOutputs& outputs, double score_threshold) {
  std::vector<ScalarBox> boxes;
  for (int anchor = 0; anchor < kDiscAnchors; ++anchor) {
    const ScalarBox box = DecodeAnchor(outputs, anchor);
    if (box.score > score_threshold) boxes.push_back(box);
  }
  std::stable_sort(boxes.begin(), boxes.end(),
                   [](const ScalarBox& a, const ScalarBox& b) { return a.score > b.score; });
  std::vector<ScalarBox> kept;
  for (const ScalarBox& box : boxes) {
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](const ScalarBox& other) {
      return Overlap(box, other) > 0.4;
    });
    if (!covered) kept.push_back(box);
  }
  return kept;
}

}  // namespace lbw::testing
