#include "engine/layer_inputs.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "graph/passes.h"
#include "graph/views.h"
#include "quant/quantize.h"

namespace lbw::engine {
namespace {

using graph::UnsupportedNode;

int64_t ProductOf(absl::Span<const int64_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

bool IsFloatingView(const std::string& value, const graph::Constants& constants,
                    const graph::ConstantViews& views) {
  const auto view = graph::ViewOf(value, constants, views);
  return view.has_value() && base::IsFloating(view->dtype);
}

// Every element of the weight as the node reads it: its place in the stored tensor.
absl::StatusOr<base::Tensor> StoredPlaces(const graph::Graph& graph,
                                          const graph::Constants& constants,
                                          const std::string& stored, const std::string& operand) {
  const base::Shape shape = graph::ShapeOf(constants.find(stored)->second);
  std::vector<int64_t> places(static_cast<size_t>(ProductOf(shape)));
  std::iota(places.begin(), places.end(), 0);
  base::Tensor own = base::Tensor::FromI64(shape, places);
  if (operand == stored) return own;
  const graph::ConstantViews all = graph::FindConstantViews(graph, constants);
  graph::Graph views;
  views.opset = graph.opset;
  for (const graph::Node& node : graph.nodes) {
    if (!graph::IsViewOperator(node.op_type)) continue;
    views.nodes.push_back(node);
    // A Cast of weights would round what is a place here; one of a shape stays.
    if (node.op_type == "Cast" && IsFloatingView(node.outputs[0], constants, all)) {
      views.nodes.back().op_type = "Identity";
      views.nodes.back().attributes.clear();
    }
  }
  graph::RemoveDeadNodes(views, {operand});
  graph::Constants needed;
  for (const graph::Node& node : views.nodes) {
    for (const std::string& input : node.inputs) {
      const auto it = constants.find(input);
      if (it != constants.end() && input != stored) needed.insert(*it);
    }
  }
  needed.insert_or_assign(stored, std::move(own));
  LBW_RETURN_IF_ERROR(graph::FoldConstantViews(views, needed, {}));
  const auto found = needed.find(operand);
  const auto* tensor = found == needed.end() ? nullptr : std::get_if<base::Tensor>(&found->second);
  if (tensor == nullptr) {
    return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                       base::StrCat("weight ", operand, " is no view of ", stored));
  }
  return *tensor;
}

// Where element (group, row, column) of the product stands in the operand.
class OperandOrder {
 public:
  OperandOrder(const WeightUse& use, const base::Shape& operand, bool transposed)
      : use_(use), transposed_(transposed) {
    inner_ = use.kind == WeightUse::Kind::kConvTranspose
                 ? ProductOf(absl::MakeConstSpan(operand).subspan(2))
                 : 1;
  }
  int64_t At(int64_t group, int64_t row, int64_t column) const {
    switch (use_.kind) {
      case WeightUse::Kind::kConv:
        return (group * use_.rows + row) * use_.columns + column;
      case WeightUse::Kind::kConvTranspose: {
        const int64_t per_group = use_.columns / inner_;
        const int64_t channel = group * per_group + column / inner_;
        return (channel * use_.rows + row) * inner_ + column % inner_;
      }
      case WeightUse::Kind::kRows:
        return transposed_ ? row * use_.columns + column : column * use_.rows + row;
      case WeightUse::Kind::kColumns:
        break;
    }
    return row * use_.columns + column;
  }

 private:
  const WeightUse& use_;
  const bool transposed_;
  int64_t inner_ = 1;
};

// Fills use.column; rows must be the stored rows and must all be shuffled alike.
absl::Status MapColumns(const graph::Node& node, const graph::Weight& weight,
                        const base::Shape& stored, const base::Tensor& places,
                        const OperandOrder& order, WeightUse& use) {
  const quant::RowLayout layout = quant::MakeRowLayout(stored, weight.axis, weight.groups);
  if (layout.rows != use.groups * use.rows || layout.row_elements != use.columns) {
    return UnsupportedNode(
        node, base::StrCat("its weight ", weight.constant, " has ", layout.rows, " rows of ",
                           layout.row_elements, " as stored and other ones as read"));
  }
  const absl::Span<const int64_t> place = places.as<int64_t>();
  const auto column_of = [&](int64_t at, int64_t row) -> int64_t {
    const int64_t inner = at % layout.inner;
    const int64_t along = at / layout.inner % layout.axis_size;
    const int64_t outer = at / layout.inner / layout.axis_size % layout.outer;
    const int64_t group = at / layout.inner / layout.axis_size / layout.outer;
    return group * layout.axis_size + along == row ? outer * layout.inner + inner : -1;
  };
  std::vector<int32_t> map(static_cast<size_t>(use.columns), -1);
  for (int64_t row = 0; row < layout.rows; ++row) {
    for (int64_t j = 0; j < use.columns; ++j) {
      const int64_t at = order.At(row / use.rows, row % use.rows, j);
      const int64_t column = column_of(place[static_cast<size_t>(at)], row);
      if (column < 0) return UnsupportedNode(node, "its rows are not the rows that are stored");
      int32_t& mapped = map[static_cast<size_t>(column)];
      if (mapped >= 0 && mapped != j) {
        return UnsupportedNode(node, "its rows are shuffled differently");
      }
      mapped = static_cast<int32_t>(j);
    }
  }
  bool same = true;
  for (int64_t j = 0; j < use.columns; ++j) same = same && map[static_cast<size_t>(j)] == j;
  if (!same) use.column = std::move(map);
  return absl::OkStatus();
}

absl::Status FillWindow(const graph::Node& node, const graph::Operands& operands, WeightUse& use) {
  const bool transposed = node.op_type == "ConvTranspose";
  LBW_ASSIGN_OR_RETURN(const graph::ConvParams params, transposed
                                                           ? graph::ResolveConvTranspose(operands)
                                                           : graph::ResolveConv(operands));
  use.kind = transposed ? WeightUse::Kind::kConvTranspose : WeightUse::Kind::kConv;
  use.window = params.window;
  use.groups = params.groups;
  const base::Shape& input = operands.shape(0);
  use.in_sizes.assign(input.begin() + 2, input.end());
  use.out_sizes.assign(params.output.begin() + 2, params.output.end());
  use.rows = params.output[1] / params.groups;
  use.columns = input[1] / params.groups * ProductOf(params.window.kernel);
  use.positions = ProductOf(use.out_sizes);
  return absl::OkStatus();
}

absl::Status FillProduct(const graph::Node& node, const graph::Operands& operands, bool left,
                         WeightUse& use) {
  const base::Shape& weight = operands.shape(left ? 0 : 1);
  const base::Shape& input = operands.shape(left ? 1 : 0);
  if (weight.size() != 2) return UnsupportedNode(node, "its weight has batch dimensions");
  if (input.size() < 2) return UnsupportedNode(node, "its input has one dimension");
  const auto last = input.size() - 1;
  const int64_t leading = ProductOf(absl::MakeConstSpan(input).subspan(0, input.size() - 2));
  use.in_sizes = {leading, input[last - 1], input[last]};
  use.row_dimension = left ? last - 1 : last;
  if (left) {
    use.kind = WeightUse::Kind::kColumns;
    use.rows = weight[0];
    use.columns = weight[1];
    use.positions = leading * input[last];
    return absl::OkStatus();
  }
  use.kind = WeightUse::Kind::kRows;
  const bool transposed = node.op_type == "Gemm" && node.Int("transB", 0) != 0;
  use.rows = weight[transposed ? 0 : 1];
  use.columns = weight[transposed ? 1 : 0];
  use.positions = leading * input[last - 1];
  if (node.op_type != "Gemm") return absl::OkStatus();
  if (node.Int("transA", 0) != 0) return UnsupportedNode(node, "its input is transposed");
  use.output_scale = static_cast<double>(node.Float("alpha", 1));
  return absl::OkStatus();
}

// Flat places in one channel of the input that the window covers at an output position; -1 in the
// padding.
class WindowPlaces {
 public:
  explicit WindowPlaces(const WeightUse& use)
      : use_(use), taps_(ProductOf(use.window.kernel)), places_(static_cast<size_t>(taps_)) {}

  const std::vector<int64_t>& At(int64_t position) {
    const size_t dims = use_.window.kernel.size();
    std::vector<int64_t>& out = places_;
    for (int64_t tap = 0; tap < taps_; ++tap) {
      int64_t rest_out = position;
      int64_t rest_tap = tap;
      int64_t place = 0;
      int64_t stride = 1;
      for (size_t d = dims; d-- > 0;) {
        const int64_t o = rest_out % use_.out_sizes[d];
        const int64_t k = rest_tap % use_.window.kernel[d];
        rest_out /= use_.out_sizes[d];
        rest_tap /= use_.window.kernel[d];
        const int64_t i = Input(d, o, k);
        if (i < 0 || i >= use_.in_sizes[d]) {
          place = -1;
          break;
        }
        place += i * stride;
        stride *= use_.in_sizes[d];
      }
      out[static_cast<size_t>(tap)] = place;
    }
    return out;
  }

 private:
  // Along one dimension; -1 where no input stands behind this tap.
  int64_t Input(size_t d, int64_t o, int64_t k) const {
    const graph::Window& window = use_.window;
    if (use_.kind == WeightUse::Kind::kConv) {
      return o * window.strides[d] - window.begin[d] + k * window.dilations[d];
    }
    const int64_t at = o + window.begin[d] - k * window.dilations[d];
    return at < 0 || at % window.strides[d] != 0 ? -1 : at / window.strides[d];
  }

  const WeightUse& use_;
  const int64_t taps_;
  std::vector<int64_t> places_;
};

void GatherWindows(const WeightUse& use, absl::Span<const float> input,
                   absl::Span<const int32_t> positions, absl::Span<float> out) {
  WindowPlaces windows(use);
  const int64_t taps = ProductOf(use.window.kernel);
  const int64_t channels = use.columns / taps;
  const int64_t plane = ProductOf(use.in_sizes);
  const auto count = static_cast<int64_t>(positions.size());
  for (int64_t p = 0; p < count; ++p) {
    const std::vector<int64_t>& places = windows.At(positions[static_cast<size_t>(p)]);
    for (int64_t group = 0; group < use.groups; ++group) {
      float* row = out.data() + (group * count + p) * use.columns;
      for (int64_t c = 0; c < channels; ++c) {
        const float* channel = input.data() + (group * channels + c) * plane;
        for (int64_t tap = 0; tap < taps; ++tap) {
          const int64_t place = places[static_cast<size_t>(tap)];
          *row++ = place < 0 ? 0.0F : channel[place];
        }
      }
    }
  }
}

void GatherRows(const WeightUse& use, absl::Span<const float> input,
                absl::Span<const int32_t> positions, absl::Span<float> out) {
  float* row = out.data();
  for (const int32_t position : positions) {
    if (use.kind == WeightUse::Kind::kRows) {
      const float* from = input.data() + int64_t{position} * use.columns;
      row = std::copy(from, from + use.columns, row);
      continue;
    }
    const int64_t width = use.in_sizes[2];
    const float* from = input.data() + position / width * use.columns * width + position % width;
    for (int64_t j = 0; j < use.columns; ++j) *row++ = from[j * width];
  }
}

}  // namespace

absl::StatusOr<WeightUse> ResolveWeightUse(const graph::Graph& graph,
                                           const graph::Constants& constants,
                                           const graph::InferredShapes& shapes,
                                           const graph::Weight& weight, size_t node_index) {
  const graph::Node& node = graph.nodes[node_index];
  const graph::Operands operands = graph::MakeOperands(node, graph.opset, shapes, constants);
  WeightUse use;
  use.node = node_index;
  use.output = node.outputs[0];
  // A product may have its weight on either side.
  const graph::ConstantViews views = graph::FindConstantViews(graph, constants);
  const auto reads = [&](size_t i) {
    const auto view = graph::ViewOf(node.inputs[i], constants, views);
    return view.has_value() && view->constant == weight.constant;
  };
  const bool left = node.op_type == "MatMul" && !reads(1);
  use.input = node.inputs[left ? 1 : 0];
  const bool window = node.op_type == "Conv" || node.op_type == "ConvTranspose";
  LBW_RETURN_IF_ERROR(window ? FillWindow(node, operands, use)
                             : FillProduct(node, operands, left, use));
  const size_t operand = left ? 0 : 1;
  LBW_ASSIGN_OR_RETURN(const base::Tensor places,
                       StoredPlaces(graph, constants, weight.constant, node.inputs[operand]));
  const bool transposed = node.op_type == "Gemm" && node.Int("transB", 0) != 0;
  const OperandOrder order(use, operands.shape(operand), transposed);
  LBW_RETURN_IF_ERROR(MapColumns(
      node, weight, graph::ShapeOf(constants.find(weight.constant)->second), places, order, use));
  return use;
}

void GatherInputs(const WeightUse& use, absl::Span<const float> input,
                  absl::Span<const int32_t> positions, absl::Span<float> out) {
  LBW_CHECK(static_cast<int64_t>(out.size()) ==
            use.groups * static_cast<int64_t>(positions.size()) * use.columns);
  const bool window =
      use.kind == WeightUse::Kind::kConv || use.kind == WeightUse::Kind::kConvTranspose;
  if (window) {
    GatherWindows(use, input, positions, out);
  } else {
    GatherRows(use, input, positions, out);
  }
  if (use.column.empty()) return;
  const auto columns = static_cast<size_t>(use.columns);
  std::vector<float> row(columns);
  for (size_t at = 0; at < out.size(); at += columns) {
    for (size_t j = 0; j < columns; ++j) row[j] = out[at + static_cast<size_t>(use.column[j])];
    std::copy(row.begin(), row.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

void AddOutputSums(const WeightUse& use, absl::Span<const float> output,
                   absl::Span<const int32_t> positions, absl::Span<double> sums) {
  const int64_t rows = use.groups * use.rows;
  LBW_CHECK(static_cast<int64_t>(sums.size()) == 2 * rows);
  LBW_CHECK(static_cast<int64_t>(output.size()) == rows * use.positions);
  const double scale = use.output_scale == 0 ? 0 : 1 / use.output_scale;
  for (const int32_t position : positions) {
    int64_t base = 0;
    int64_t stride = 0;
    if (use.kind == WeightUse::Kind::kRows) {
      base = int64_t{position} * rows;
      stride = 1;
    } else if (use.kind == WeightUse::Kind::kColumns) {
      const int64_t width = use.in_sizes[2];
      base = position / width * rows * width + position % width;
      stride = width;
    } else {
      base = position;
      stride = use.positions;
    }
    for (int64_t r = 0; r < rows; ++r) {
      const double y = scale * static_cast<double>(output[static_cast<size_t>(base + r * stride)]);
      sums[static_cast<size_t>(2 * r)] += y;
      sums[static_cast<size_t>(2 * r + 1)] += y * y;
    }
  }
}

}  // namespace lbw::engine
