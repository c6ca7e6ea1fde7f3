#include "tasks/layer_solve.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "absl/types/span.h"
#include "base/status.h"
#include "base/strings.h"
#include "quant/parallel.h"
#include "quant/report.h"
#include "quant/rows.h"
#include "tasks/layer_readers.h"

namespace lbw::tasks {
namespace {

// The rows of the stored tensor one behind the other.
std::vector<float> RowsOf(absl::Span<const float> values, const base::Shape& shape,
                          const quant::TensorOptions& options) {
  const quant::RowLayout layout = quant::MakeRowLayout(shape, options.axis, options.groups);
  quant::RowReader reader(layout, values);
  std::vector<float> rows;
  rows.reserve(values.size());
  for (int64_t r = 0; r < layout.rows; ++r) {
    const absl::Span<const float> row = reader.Row(r);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

// A row, not 0: nothing behind the layer sees it.
using Dead = std::vector<uint8_t>;

Dead FindDead(const WalkLayer& layer, absl::Span<const float> rows, size_t count) {
  Dead dead;
  const size_t length = rows.size() / std::max<size_t>(count, 1);
  for (size_t r = 0; r < count; ++r) {
    float largest = 0;
    for (const float w : rows.subspan(r * length, length)) {
      largest = std::max(largest, std::fabs(w));
    }
    const double gain = layer.gains.empty() ? 1 : layer.gains[r];
    dead.push_back(gain * static_cast<double>(largest) < static_cast<double>(quant::kDeadBelow));
  }
  return dead;
}

// Over the rows that are not dead.
double SumAlive(absl::Span<const double> values, absl::Span<const uint8_t> dead) {
  double sum = 0;
  for (size_t r = 0; r < values.size(); ++r) sum += dead[r] != 0 ? 0.0 : values[r];
  return sum;
}

// The rows that the layer makes outputs of.
struct LayerRows {
  std::vector<float> values;
  Dead dead;
};
LayerRows ReadRows(const WalkLayer& layer, const base::Tensor& weights, const LayerSums& sums) {
  LayerRows rows;
  quant::TensorOptions own;
  own.axis = layer.weight.axis;
  own.groups = layer.weight.groups;
  rows.values = RowsOf(weights.as<float>(), weights.shape(), own);
  rows.dead = FindDead(layer, rows.values, sums.output_power.size());
  return rows;
}

// Of one group of a layer, as seen by its sums.
struct Part {
  absl::Span<const float> weights;
  absl::Span<const double> power;
  absl::Span<const uint8_t> dead;
};
Part PartOf(const LayerRows& rows, const LayerSums& sums, size_t group) {
  const size_t size = rows.values.size() / sums.groups.size();
  const size_t count = sums.output_power.size() / sums.groups.size();
  return {absl::MakeConstSpan(rows.values).subspan(group * size, size),
          absl::MakeConstSpan(sums.output_power).subspan(group * count, count),
          absl::MakeConstSpan(rows.dead).subspan(group * count, count)};
}

// The tensor's rows as the layer makes outputs of them; a rule may have codes in other rows.
quant::TensorOptions OwnRows(const WalkLayer& layer, quant::TensorOptions options) {
  options.axis = layer.weight.axis;
  options.groups = layer.weight.groups;
  return options;
}
bool InOwnRows(const WalkLayer& layer, const quant::TensorOptions& options) {
  return options.axis == layer.weight.axis && options.groups == layer.weight.groups;
}

std::string WhyPlain(const WalkLayer& layer, const LayerSums* sums,
                     const quant::TensorOptions& options) {
  if (options.scheme == quant::Scheme::kUniform) return "8-bit uniform";
  if (options.scheme == quant::Scheme::kThreshold) return "threshold scheme";
  if (options.granularity == quant::Granularity::kTensor) return "one exponent for all rows";
  if (!InOwnRows(layer, options)) return "its rows are not the layer's outputs";
  if (sums != nullptr) return layer.limited;
  return layer.unsupported.empty() ? "no samples" : layer.unsupported;
}

// MeasureRows, some rows at a time on each thread.
absl::StatusOr<quant::RowErrors> Measure(const Part& part, absl::Span<const float> values,
                                         const quant::Gram& gram, const SolveEffort& effort) {
  constexpr size_t kRowsAPiece = 8;
  const auto n = static_cast<size_t>(gram.columns);
  const size_t rows = part.weights.size() / n;
  std::vector<quant::RowErrors> pieces((rows + kRowsAPiece - 1) / kRowsAPiece);
  LBW_RETURN_IF_ERROR(quant::ParallelWhile(
      static_cast<int64_t>(pieces.size()), effort.max_threads, effort.keep_going,
      [&](int64_t piece) {
        const size_t first = static_cast<size_t>(piece) * kRowsAPiece;
        const size_t count = std::min(kRowsAPiece, rows - first);
        pieces[static_cast<size_t>(piece)] = quant::MeasureRows(
            part.weights.subspan(first * n, count * n), values.subspan(first * n, count * n), gram,
            part.power.subspan(first, count));
      }));
  quant::RowErrors all;
  for (const quant::RowErrors& piece : pieces) {
    all.error.insert(all.error.end(), piece.error.begin(), piece.error.end());
    all.bias_change.insert(all.bias_change.end(), piece.bias_change.begin(),
                           piece.bias_change.end());
  }
  return all;
}

// Nearest codes; with sums, what they do to the outputs and the change of bias that mends it.
absl::StatusOr<SolvedLayer> Project(const WalkLayer& layer, const base::Tensor& weights,
                                    const LayerSums* sums, const LayerChoice& choice,
                                    const SolveEffort& effort) {
  SolvedLayer solved;
  solved.weight = layer.weight.constant;
  LBW_ASSIGN_OR_RETURN(quant::QuantizeResult made,
                       quant::QuantizeTensor(weights.view(), choice.tensor));
  solved.figures.dead_rows = made.report.dead_rows;
  solved.tensor = std::move(made.tensor);
  if (sums == nullptr) return solved;
  const quant::TensorOptions own = OwnRows(layer, choice.tensor);
  const LayerRows rows = ReadRows(layer, weights, *sums);
  const std::vector<float> values = RowsOf(quant::Dequantize(solved.tensor), weights.shape(), own);
  for (size_t g = 0; g < sums->groups.size(); ++g) {
    const Part part = PartOf(rows, *sums, g);
    const size_t at = g * part.weights.size();
    LBW_ASSIGN_OR_RETURN(const quant::RowErrors errors,
                         Measure(part, absl::MakeConstSpan(values).subspan(at, part.weights.size()),
                                 sums->groups[g], effort));
    solved.bias_change.insert(solved.bias_change.end(), errors.bias_change.begin(),
                              errors.bias_change.end());
    solved.figures.error += SumAlive(errors.error, part.dead);
  }
  solved.figures.dead_rows = std::count(rows.dead.begin(), rows.dead.end(), 1);
  solved.figures.output_power = SumAlive(sums->output_power, rows.dead);
  solved.figures.nearest_error = solved.figures.error;
  return solved;
}

std::string ToText(quant::Plain plain) {
  switch (plain) {
    case quant::Plain::kNo:
      break;
    case quant::Plain::kNoSignal:
      return "its inputs are constant";
    case quant::Plain::kNotFinite:
      return "its inputs are not finite, or too large to be summed";
    case quant::Plain::kNotFactored:
      return "its inputs' moments cannot be factored";
    case quant::Plain::kBeyondFloat:
      return "the codes to aim at are beyond float32";
  }
  return "";
}

absl::StatusOr<std::vector<quant::CalibratedRows>> CalibrateGroups(const LayerRows& rows,
                                                                   const LayerSums& sums,
                                                                   const LayerChoice& choice,
                                                                   const SolveEffort& effort) {
  quant::CalibrateOptions options;
  options.bits = choice.tensor.bits;
  options.code_book = choice.tensor.code_book;
  options.scale = choice.scale;
  options.damping = choice.damping;
  options.sweeps = choice.sweeps;
  options.keep_target = choice.keep_target;
  // Threads are shared out over groups where there are several.
  const bool one = sums.groups.size() == 1;
  options.max_threads = one ? effort.max_threads : 1;
  if (one) options.keep_going = effort.keep_going;
  std::vector<quant::CalibratedRows> made(sums.groups.size());
  std::vector<absl::Status> statuses(sums.groups.size());
  LBW_RETURN_IF_ERROR(quant::ParallelWhile(
      static_cast<int64_t>(made.size()), one ? 1 : effort.max_threads, effort.keep_going,
      [&](int64_t index) {
        const auto g = static_cast<size_t>(index);
        const Part part = PartOf(rows, sums, g);
        quant::CalibrateOptions own = options;
        own.dead = part.dead;
        absl::StatusOr<quant::CalibratedRows> group =
            quant::CalibrateRows(part.weights, sums.groups[g], part.power, own);
        statuses[g] = group.status();
        if (group.ok()) made[g] = *std::move(group);
      }));
  for (const absl::Status& status : statuses) LBW_RETURN_IF_ERROR(status);
  return made;
}

// The targets of all groups in the tensor's own order.
std::vector<float> TargetOf(const std::vector<quant::CalibratedRows>& groups,
                            const base::Shape& shape, const quant::TensorOptions& options) {
  const quant::RowLayout layout = quant::MakeRowLayout(shape, options.axis, options.groups);
  const auto length = static_cast<size_t>(layout.row_elements);
  std::vector<float> rows;
  for (const quant::CalibratedRows& group : groups) {
    rows.insert(rows.end(), group.target.begin(), group.target.end());
  }
  std::vector<float> target(rows.size());
  for (int64_t r = 0; r < layout.rows;) {
    const int64_t count = quant::BlockRowCount(layout, r);
    quant::ScatterRows(layout, r,
                       absl::MakeConstSpan(rows).subspan(static_cast<size_t>(r) * length,
                                                         static_cast<size_t>(count) * length),
                       absl::MakeSpan(target));
    r += count;
  }
  return target;
}

absl::StatusOr<SolvedLayer> Calibrate(const WalkLayer& layer, const base::Tensor& weights,
                                      const LayerSums& sums, const LayerChoice& choice,
                                      const SolveEffort& effort) {
  const LayerRows rows = ReadRows(layer, weights, sums);
  const absl::StatusOr<std::vector<quant::CalibratedRows>> made =
      CalibrateGroups(rows, sums, choice, effort);
  if (!made.ok()) {
    return base::WithContext(made.status(), base::StrCat("tensor ", layer.weight.constant));
  }
  SolvedLayer solved;
  solved.weight = layer.weight.constant;
  LBW_ASSIGN_OR_RETURN(
      solved.tensor, quant::AssembleTensor(*made, weights.shape(), choice.tensor, weights.dtype()));
  bool plain = true;
  for (size_t g = 0; g < made->size(); ++g) {
    const quant::CalibratedRows& group = (*made)[g];
    const Part part = PartOf(rows, sums, g);
    solved.bias_change.insert(solved.bias_change.end(), group.bias_change.begin(),
                              group.bias_change.end());
    solved.figures.dead_rows += group.dead_rows;
    solved.figures.output_power += SumAlive(part.power, part.dead);
    solved.figures.error += SumAlive(group.error, part.dead);
    solved.figures.nearest_error += SumAlive(group.nearest_error, part.dead);
    plain = plain && group.plain != quant::Plain::kNo;
  }
  if (choice.keep_target) solved.target = TargetOf(*made, weights.shape(), choice.tensor);
  // Of groups that differ the first one's: it need not be the only cause.
  if (plain) solved.figures.plain = ToText(made->front().plain);
  return solved;
}

// constant[r] += factor * change[r].
void AddTo(const std::string& name, double factor, const std::vector<float>& change,
           graph::Constants& constants) {
  auto& tensor = std::get<base::Tensor>(constants.find(name)->second);
  const absl::Span<float> values = tensor.mutable_as<float>();
  for (size_t r = 0; r < change.size(); ++r) {
    values[r] = static_cast<float>(static_cast<double>(values[r]) +
                                   factor * static_cast<double>(change[r]));
  }
}

// The layer's own bias, where each of its nodes has one that can be changed.
bool IntoBias(const graph::Graph& graph, const WalkLayer& layer, const SolvedLayer& solved,
              graph::Constants& constants, Placed& placed) {
  const auto readers = ReadersOf(graph);
  std::set<size_t> own;
  for (const engine::WeightUse& use : layer.uses) own.insert(use.node);
  std::map<std::string, double> factors;  // by bias
  for (const engine::WeightUse& use : layer.uses) {
    const graph::Node& node = graph.nodes[use.node];
    const bool has = node.op_type != "MatMul" && node.inputs.size() > 2 &&
                     IsRow(constants, node.inputs[2], solved.bias_change.size());
    if (!has) return false;
    const auto [begin, end] = readers.equal_range(node.inputs[2]);
    for (auto it = begin; it != end; ++it) {
      if (own.count(it->second) == 0) return false;
    }
    const double beta = node.op_type == "Gemm" ? static_cast<double>(node.Float("beta", 1)) : 1.0;
    if (beta == 0) return false;
    const double factor = use.output_scale / beta;
    const auto [known, added] = factors.emplace(node.inputs[2], factor);
    if (!added && known->second != factor) return false;
  }
  for (const auto& [name, factor] : factors) {
    AddTo(name, factor, solved.bias_change, constants);
    placed.changed.push_back(name);
  }
  placed.bias_in = "bias";
  return true;
}

// The running mean of the batch normalization behind the only node.
bool IntoBatchNorm(const graph::Graph& graph, const WalkLayer& layer, const SolvedLayer& solved,
                   graph::Constants& constants, Placed& placed) {
  if (layer.uses.size() != 1) return false;
  // A normalization's channels are dimension 1, be there as many of another.
  if (layer.uses[0].row_dimension != 1) return false;
  const auto readers = ReadersOf(graph);
  const auto [begin, end] = readers.equal_range(layer.uses[0].output);
  if (begin == end || std::next(begin) != end || begin->second >= graph.nodes.size()) return false;
  const graph::Node& node = graph.nodes[begin->second];
  if (node.op_type != "BatchNormalization" || node.inputs.size() < 5) return false;
  const std::string& mean = node.inputs[3];
  if (readers.count(mean) != 1) return false;
  if (!IsRow(constants, mean, solved.bias_change.size())) return false;
  AddTo(mean, -layer.uses[0].output_scale, solved.bias_change, constants);
  placed.changed.push_back(mean);
  placed.bias_in = "batch_norm";
  return true;
}

}  // namespace

absl::StatusOr<SolvedLayer> SolveLayer(const WalkLayer& layer, const base::Tensor& weights,
                                       const LayerSums* sums, const LayerChoice& choice,
                                       const SolveEffort& effort) {
  const std::string plain = WhyPlain(layer, sums, choice.tensor);
  LBW_ASSIGN_OR_RETURN(SolvedLayer solved, plain.empty()
                                               ? Calibrate(layer, weights, *sums, choice, effort)
                                               : Project(layer, weights, sums, choice, effort));
  if (!plain.empty()) solved.figures.plain = plain;
  if (sums != nullptr) solved.figures.samples = sums->samples;
  // A change that float32 cannot tell is none; one that is not finite would spoil the layer.
  const bool none = std::all_of(solved.bias_change.begin(), solved.bias_change.end(),
                                [](float change) { return change == 0; });
  const bool broken = std::any_of(solved.bias_change.begin(), solved.bias_change.end(),
                                  [](float change) { return !std::isfinite(change); });
  if (none || broken) solved.bias_change.clear();
  if (broken) {
    std::string& why = solved.figures.plain;
    why = base::StrCat(why, why.empty() ? "" : "; ",
                       "the change of its bias is not finite and left out");
  }
  return solved;
}

Placed PlaceLayer(const graph::Graph& graph, const WalkLayer& layer, const SolvedLayer& solved,
                  graph::Constants& constants) {
  Placed placed;
  placed.changed.push_back(solved.weight);
  quant::QuantizedTensor tensor = solved.tensor;
  if (!solved.bias_change.empty() && !layer.uses.empty() &&
      !IntoBias(graph, layer, solved, constants, placed) &&
      !IntoBatchNorm(graph, layer, solved, constants, placed)) {
    const double scale = layer.uses[0].output_scale;
    const auto takes = [&](const graph::Node& node) {
      if (node.op_type == "MatMul") return true;
      if (node.op_type == "Gemm" && node.Float("beta", 1) == 0) return false;
      if (node.inputs.size() < 3 || node.inputs[2].empty()) return true;
      return IsRow(constants, node.inputs[2], solved.bias_change.size()) ||
             IsRow(constants, node.inputs[2], 1);
    };
    // A stored bias belongs to the rows of the codes.
    const bool alike =
        InOwnRows(layer, tensor.options) &&
        std::all_of(layer.uses.begin(), layer.uses.end(), [&](const engine::WeightUse& use) {
          return use.output_scale == scale && takes(graph.nodes[use.node]);
        });
    if (alike) {
      for (const float change : solved.bias_change) {
        tensor.bias.push_back(static_cast<float>(scale * static_cast<double>(change)));
      }
      placed.bias_in = "stored";
    }
  }
  constants.insert_or_assign(solved.weight, std::move(tensor));
  return placed;
}

}  // namespace lbw::tasks
