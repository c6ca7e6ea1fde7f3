#include "graph/batch_rules.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace lbw::graph {
namespace {

using Places = std::vector<std::optional<BatchPlace>>;

BatchVerdict Keep(BatchPlace place) { return BatchVerdict{place, ""}; }
BatchVerdict Refuse(std::string why) { return BatchVerdict{std::nullopt, std::move(why)}; }

// Only input 0 may carry the batch.
bool OnlyFirst(const Places& places) {
  return places[0].has_value() &&
         std::none_of(places.begin() + 1, places.end(),
                      [](const std::optional<BatchPlace>& place) { return place.has_value(); });
}

BatchVerdict PassBroadcast(const Operands& operands, const Places& places) {
  size_t rank = 0;
  for (size_t i = 0; i < operands.inputs.size(); ++i) {
    rank = std::max(rank, operands.shape(i).size());
  }
  std::optional<BatchPlace> out;
  for (size_t i = 0; i < places.size(); ++i) {
    if (!places[i].has_value()) continue;
    BatchPlace place = *places[i];
    place.dim += static_cast<int64_t>(rank - operands.shape(i).size());
    if (out.has_value() && !(*out == place)) return Refuse("its inputs hold the batch differently");
    out = place;
  }
  for (size_t i = 0; i < operands.inputs.size(); ++i) {
    const auto shift = static_cast<int64_t>(rank - operands.shape(i).size());
    if (i < places.size() && places[i].has_value()) continue;
    if (out->dim >= shift && operands.shape(i)[out->dim - shift] != 1) {
      return Refuse(base::StrCat("input ", i, " is fixed along the batch"));
    }
  }
  return Keep(*out);
}

BatchVerdict PassWindow(const Operands&, const Places& places) {
  if (!OnlyFirst(places)) return Refuse("a weight depends on the batch");
  if (places[0]->dim != 0) return Refuse("the batch is not the first dimension");
  return Keep(*places[0]);
}

BatchVerdict PassGemm(const Operands& operands, const Places& places) {
  if (!OnlyFirst(places)) return Refuse("B or C depends on the batch");
  const bool trans = operands.node->Int("transA", 0) != 0;
  if (places[0]->dim != (trans ? 1 : 0)) return Refuse("it sums over the batch");
  if (operands.has(2) && operands.shape(2).size() == 2 && operands.shape(2)[0] != 1) {
    return Refuse("C is fixed along the batch");
  }
  return Keep({0, places[0]->inner});
}

BatchVerdict PassMatMul(const Operands& operands, const Places& places) {
  const auto rank_a = static_cast<int64_t>(operands.shape(0).size());
  const auto rank_b = static_cast<int64_t>(operands.shape(1).size());
  if (rank_a < 2 || rank_b < 2) return Refuse("an operand is a vector");
  const int64_t rank = std::max(rank_a, rank_b);
  std::optional<BatchPlace> out;
  for (size_t i = 0; i < 2; ++i) {
    if (!places[i].has_value()) continue;
    const int64_t own = i == 0 ? rank_a : rank_b;
    if (places[i]->dim == (i == 0 ? own - 1 : own - 2)) return Refuse("it sums over the batch");
    const BatchPlace place{places[i]->dim + rank - own, places[i]->inner};
    if (out.has_value() && !(*out == place)) return Refuse("its inputs hold the batch differently");
    out = place;
  }
  // Rows or columns: the other side's own matrix dimension does not meet them.
  if (out->dim >= rank - 2) {
    return places[0].has_value() && places[1].has_value() ? Refuse("both sides hold the batch")
                                                          : Keep(*out);
  }
  for (size_t i = 0; i < 2; ++i) {
    const int64_t at = out->dim - (rank - (i == 0 ? rank_a : rank_b));
    if (!places[i].has_value() && at >= 0 && operands.shape(i)[at] != 1) {
      return Refuse(base::StrCat("input ", i, " is fixed along the batch"));
    }
  }
  return Keep(*out);
}

BatchVerdict PassTranspose(const Operands& operands, const Places& places) {
  const auto perm = ResolveTranspose(operands);
  if (!perm.ok()) return Refuse(std::string(perm.status().message()));
  const auto it = std::find(perm->begin(), perm->end(), places[0]->dim);
  return Keep({it - perm->begin(), places[0]->inner});
}

BatchVerdict PassConcat(const Operands& operands, const Places& places) {
  const auto rank = static_cast<int64_t>(operands.shape(0).size());
  const auto axis = NormalizeAxis(operands, operands.node->Int("axis", 0), rank);
  for (const auto& place : places) {
    if (!place.has_value()) return Refuse("a constant is concatenated to the batch");
    if (!(*place == *places[0])) return Refuse("its inputs hold the batch differently");
  }
  if (!axis.ok() || *axis == places[0]->dim) return Refuse("it concatenates along the batch");
  return Keep(*places[0]);
}

BatchVerdict PassAxis(const Operands& operands, const Places& places, int64_t fallback) {
  const auto rank = static_cast<int64_t>(operands.shape(0).size());
  const auto axis = NormalizeAxis(operands, operands.node->Int("axis", fallback), rank);
  if (!axis.ok() || *axis == places[0]->dim) return Refuse("its axis is the batch");
  return Keep(*places[0]);
}

BatchVerdict PassSoftmax(const Operands& operands, const Places& places) {
  const auto params = ResolveSoftmax(operands);
  if (!params.ok()) return Refuse("its axis does not fit");
  const bool mixes =
      params->flatten ? places[0]->dim >= params->axis : places[0]->dim == params->axis;
  return mixes ? Refuse("it normalizes over the batch") : Keep(*places[0]);
}

BatchVerdict PassGather(const Operands& operands, const Places& places) {
  if (!OnlyFirst(places)) return Refuse("its indices depend on the batch");
  const auto rank = static_cast<int64_t>(operands.shape(0).size());
  const auto axis = NormalizeAxis(operands, operands.node->Int("axis", 0), rank);
  if (!axis.ok() || *axis == places[0]->dim) return Refuse("it picks along the batch");
  BatchPlace place = *places[0];
  if (place.dim > *axis) place.dim += static_cast<int64_t>(operands.shape(1).size()) - 1;
  return Keep(place);
}

BatchVerdict PassSlice(const Operands& operands, const Places& places) {
  const auto ranges = ResolveSlice(operands);
  if (!ranges.ok()) return Refuse("its ranges are not known");
  for (const SliceRange& range : *ranges) {
    if (range.axis != places[0]->dim) continue;
    const bool whole =
        range.start == 0 && range.step == 1 && range.length == operands.shape(0)[range.axis];
    if (!whole) return Refuse("it cuts the batch");
  }
  return Keep(*places[0]);
}

BatchVerdict PassPad(const Operands& operands, const Places& places) {
  const auto params = ResolvePad(operands);
  const auto dim = static_cast<size_t>(places[0]->dim);
  if (!params.ok() || params->begin[dim] != 0 || params->end[dim] != 0) {
    return Refuse("it pads the batch");
  }
  return Keep(*places[0]);
}

// Reduce* and Squeeze: dimensions go away.
BatchVerdict PassDropped(const Places& places, const std::vector<int64_t>& axes, bool keep_dims) {
  BatchPlace place = *places[0];
  int64_t before = 0;
  for (const int64_t axis : axes) {
    if (axis == place.dim) return Refuse("it drops or reduces the batch");
    if (axis < place.dim) ++before;
  }
  if (!keep_dims) place.dim -= before;
  return Keep(place);
}

BatchVerdict PassReduce(const Operands& operands, const Places& places) {
  const auto params = ResolveReduce(operands);
  if (!params.ok()) return Refuse("its axes are not known");
  return PassDropped(places, params->axes, params->keep_dims);
}

BatchVerdict PassSqueeze(const Operands& operands, const Places& places) {
  const auto axes = ResolveAxes(operands, static_cast<int64_t>(operands.shape(0).size()));
  if (!axes.ok() || !axes->has_value()) return Refuse("it squeezes whatever is 1");
  return PassDropped(places, **axes, false);
}

BatchVerdict PassUnsqueeze(const Operands& operands, const Places& places) {
  const auto rank = static_cast<int64_t>(operands.shape(0).size());
  size_t count = operands.node->Ints("axes").size();
  if (operands.has(1)) {
    const auto given = KnownInts(operands, 1);
    count = given.ok() ? given->size() : 0;
  }
  const auto axes = ResolveAxes(operands, rank + static_cast<int64_t>(count));
  if (!axes.ok() || !axes->has_value()) return Refuse("its axes are not known");
  BatchPlace place = *places[0];
  for (const int64_t axis : **axes) {
    if (axis <= place.dim) ++place.dim;
  }
  return Keep(place);
}

BatchVerdict PassExpand(const Operands& operands, const Places& places) {
  const auto shape = KnownInts(operands, 1);
  if (!shape.ok()) return Refuse("its shape is not known");
  const auto own = static_cast<int64_t>(operands.shape(0).size());
  const int64_t rank = std::max(own, static_cast<int64_t>(shape->size()));
  return Keep({places[0]->dim + rank - own, places[0]->inner});
}

bool IsOneOf(std::string_view op, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), op) != names.end();
}

}  // namespace

BatchVerdict PassBatch(const Operands& operands,
                       const std::vector<std::optional<BatchPlace>>& places) {
  const std::string& op = operands.node->op_type;
  if (IsOneOf(op, {"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Equal", "Less", "Greater",
                   "Where", "PRelu"})) {
    return PassBroadcast(operands, places);
  }
  if (op == "MatMul") return PassMatMul(operands, places);
  if (op == "Concat") return PassConcat(operands, places);
  if (!places[0].has_value()) return Refuse("the batch enters by another input than the first");
  if (IsOneOf(op, {"Conv", "ConvTranspose", "BatchNormalization", "MaxPool", "AveragePool",
                   "GlobalAveragePool", "GlobalMaxPool", "Resize", "Upsample"})) {
    return PassWindow(operands, places);
  }
  if (op == "Gemm") return PassGemm(operands, places);
  if (op == "Transpose") return PassTranspose(operands, places);
  if (op == "Split") return PassAxis(operands, places, 0);
  if (op == "Softmax") return PassSoftmax(operands, places);
  if (op == "Gather") return PassGather(operands, places);
  if (op == "Slice") return PassSlice(operands, places);
  if (op == "Pad") return PassPad(operands, places);
  if (op == "Squeeze") return PassSqueeze(operands, places);
  if (op == "Unsqueeze") return PassUnsqueeze(operands, places);
  if (op == "Expand") return PassExpand(operands, places);
  if (op.rfind("Reduce", 0) == 0) return PassReduce(operands, places);
  if (IsOneOf(op, {"Abs", "Cast",  "Ceil",       "Clip",        "Dropout",  "Elu",      "Erf",
                   "Exp", "Floor", "HardSwish",  "HardSigmoid", "Identity", "Log",      "LeakyRelu",
                   "Neg", "Relu",  "Reciprocal", "Sigmoid",     "Sqrt",     "Softplus", "Tanh"})) {
    return Keep(*places[0]);
  }
  return Refuse("no rule says what it does to the batch");
}

std::optional<BatchPlace> ReshapedPlace(const base::Shape& input, const BatchPlace& place,
                                        const base::Shape& output, int64_t batch) {
  int64_t outer = 1;
  for (int64_t i = 0; i < place.dim; ++i) outer *= input[i];
  std::optional<BatchPlace> first;
  int64_t before = 1;
  for (size_t i = 0; i < output.size() && before <= outer; ++i) {
    if (before == outer && output[i] % batch == 0 && output[i] > 0) {
      const BatchPlace candidate{static_cast<int64_t>(i), output[i] / batch};
      // A dimension of its own is what an exporter means by a leading 1.
      if (candidate.inner == 1) return candidate;
      if (!first.has_value()) first = candidate;
    }
    before *= output[i];
  }
  return first;
}

}  // namespace lbw::graph
