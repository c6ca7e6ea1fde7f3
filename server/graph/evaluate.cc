// Shape arithmetic: small values that follow from constants and shapes.
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>

#include "graph/moves.h"
#include "graph/operators.h"

namespace lbw::graph {
namespace {

// Shapes, indices and scales are far smaller; weights are not evaluated.
constexpr int64_t kMaxKnownElements = 1 << 16;

using Known = std::optional<base::Tensor>;

// Values widened to what arithmetic needs.
struct Numbers {
  bool floating = false;
  std::vector<int64_t> ints;
  std::vector<float> floats;
};

std::optional<Numbers> Read(const Operands& operands, size_t i) {
  Numbers numbers;
  numbers.floating = base::IsFloating(operands.known[i]->dtype());
  if (numbers.floating) {
    auto values = KnownFloats(operands, i);
    if (!values.ok()) return std::nullopt;
    numbers.floats = *std::move(values);
  } else {
    auto values = KnownInts(operands, i);
    if (!values.ok()) return std::nullopt;
    numbers.ints = *std::move(values);
  }
  return numbers;
}

template <typename T, typename From>
base::Tensor Fill(const ValueInfo& info, const std::vector<From>& values) {
  base::Tensor out(info.dtype, info.shape);
  const auto to = out.mutable_as<T>();
  for (size_t i = 0; i < values.size(); ++i) to[i] = static_cast<T>(values[i]);
  return out;
}

Known FromInts(const ValueInfo& info, const std::vector<int64_t>& values) {
  switch (info.dtype) {
    case base::DType::kI64:
      return Fill<int64_t>(info, values);
    case base::DType::kI32:
      return Fill<int32_t>(info, values);
    case base::DType::kF32:
      return Fill<float>(info, values);
    case base::DType::kBool:
      return Fill<uint8_t>(info, values);
    default:
      return std::nullopt;
  }
}

Known FromFloats(const ValueInfo& info, const std::vector<float>& values) {
  if (info.dtype != base::DType::kF32) return std::nullopt;
  return Fill<float>(info, values);
}

Known EvaluateCast(const Operands& operands, const ValueInfo& info) {
  const std::optional<Numbers> in = Read(operands, 0);
  if (!in.has_value()) return std::nullopt;
  if (!in->floating) {
    if (info.dtype != base::DType::kBool) return FromInts(info, in->ints);
    std::vector<int64_t> flags;
    for (const int64_t value : in->ints) flags.push_back(value != 0 ? 1 : 0);
    return FromInts(info, flags);
  }
  if (info.dtype == base::DType::kF32) return FromFloats(info, in->floats);
  std::vector<int64_t> ints;
  for (const float value : in->floats) {
    if (!(std::fabs(value) < 0x1p62F)) return std::nullopt;
    ints.push_back(static_cast<int64_t>(value));
  }
  return FromInts(info, ints);
}

// Wraps like two's complement; nullopt for a division by zero.
std::optional<int64_t> IntBinary(std::string_view op, int64_t a, int64_t b) {
  const auto x = static_cast<uint64_t>(a);
  const auto y = static_cast<uint64_t>(b);
  if (op == "Add") return static_cast<int64_t>(x + y);
  if (op == "Sub") return static_cast<int64_t>(x - y);
  if (op == "Mul") return static_cast<int64_t>(x * y);
  if (op == "Min") return std::min(a, b);
  if (op == "Max") return std::max(a, b);
  if (op == "Equal") return a == b ? 1 : 0;
  if (op == "Less") return a < b ? 1 : 0;
  if (op == "Greater") return a > b ? 1 : 0;
  if (op == "Div" && b == -1) return static_cast<int64_t>(0 - x);
  if (op == "Div" && b != 0) return a / b;
  return std::nullopt;
}

std::optional<float> FloatBinary(std::string_view op, float a, float b) {
  if (op == "Add") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  if (op == "Div") return a / b;
  if (op == "Min") return std::min(a, b);
  if (op == "Max") return std::max(a, b);
  return std::nullopt;
}

Known EvaluateBinary(const Operands& operands, const ValueInfo& info) {
  if (operands.inputs.size() != 2) return std::nullopt;
  const std::optional<Numbers> a = Read(operands, 0);
  const std::optional<Numbers> b = Read(operands, 1);
  if (!a.has_value() || !b.has_value() || a->floating != b->floating) return std::nullopt;
  const std::string& op = operands.node->op_type;
  const std::vector<int64_t> from_a =
      WalkOffsets(info.shape, BroadcastStrides(operands.shape(0), info.shape), 0);
  const std::vector<int64_t> from_b =
      WalkOffsets(info.shape, BroadcastStrides(operands.shape(1), info.shape), 0);
  std::vector<int64_t> ints;
  std::vector<float> floats;
  for (size_t i = 0; i < from_a.size(); ++i) {
    const auto x = static_cast<size_t>(from_a[i]);
    const auto y = static_cast<size_t>(from_b[i]);
    if (a->floating) {
      const std::optional<float> value = FloatBinary(op, a->floats[x], b->floats[y]);
      if (!value.has_value()) return std::nullopt;
      floats.push_back(*value);
    } else {
      const std::optional<int64_t> value = IntBinary(op, a->ints[x], b->ints[y]);
      if (!value.has_value()) return std::nullopt;
      ints.push_back(*value);
    }
  }
  return a->floating ? FromFloats(info, floats) : FromInts(info, ints);
}

Known EvaluateUnary(const Operands& operands, const ValueInfo& info) {
  const std::optional<Numbers> in = Read(operands, 0);
  if (!in.has_value() || !in->floating) return std::nullopt;
  std::vector<float> out;
  for (const float value : in->floats) {
    out.push_back(operands.node->op_type == "Floor"  ? std::floor(value)
                  : operands.node->op_type == "Ceil" ? std::ceil(value)
                                                     : -value);
  }
  return FromFloats(info, out);
}

Known EvaluateWhere(const Operands& operands, const ValueInfo& info) {
  const auto condition = KnownInts(operands, 0);
  if (!condition.ok() || operands.known[1]->dtype() != operands.known[2]->dtype()) {
    return std::nullopt;
  }
  std::vector<std::vector<int64_t>> from;
  for (size_t i = 0; i < 3; ++i) {
    from.push_back(WalkOffsets(info.shape, BroadcastStrides(operands.shape(i), info.shape), 0));
  }
  base::Tensor yes = TakeElements(*operands.known[1], info.shape, from[1]);
  const base::Tensor no = TakeElements(*operands.known[2], info.shape, from[2]);
  const size_t width = base::SizeOf(yes.dtype());
  for (size_t i = 0; i < from[0].size(); ++i) {
    if ((*condition)[static_cast<size_t>(from[0][i])] != 0) continue;
    std::copy_n(no.bytes().begin() + static_cast<std::ptrdiff_t>(i * width), width,
                yes.mutable_bytes().begin() + static_cast<std::ptrdiff_t>(i * width));
  }
  return yes;
}

Known EvaluateGather(const Operands& operands, const ValueInfo& info) {
  const auto indices = KnownInts(operands, 1);
  const base::Shape& input = operands.shape(0);
  const auto axis =
      NormalizeAxis(operands, operands.node->Int("axis", 0), static_cast<int64_t>(input.size()));
  if (!indices.ok() || !axis.ok()) return std::nullopt;
  const std::vector<int64_t> strides = StridesOf(input);
  const int64_t stride = strides[*axis];
  const int64_t block = stride * input[*axis];
  int64_t outer = 1;
  for (int64_t i = 0; i < *axis; ++i) outer *= input[i];
  std::vector<int64_t> source;
  for (int64_t o = 0; o < outer; ++o) {
    for (const int64_t index : *indices) {
      const int64_t at = index < 0 ? index + input[*axis] : index;
      for (int64_t i = 0; i < stride; ++i) source.push_back(o * block + at * stride + i);
    }
  }
  return TakeElements(*operands.known[0], info.shape, source);
}

Known EvaluateSlice(const Operands& operands, const ValueInfo& info) {
  const auto ranges = ResolveSlice(operands);
  if (!ranges.ok()) return std::nullopt;
  std::vector<int64_t> strides = StridesOf(operands.shape(0));
  int64_t origin = 0;
  for (const SliceRange& range : *ranges) {
    if (range.length == 0) return base::Tensor(operands.dtype(0), info.shape);
    origin += range.start * strides[range.axis];
    strides[range.axis] *= range.length > 1 ? range.step : 1;
  }
  return TakeElements(*operands.known[0], info.shape, WalkOffsets(info.shape, strides, origin));
}

Known EvaluateConcat(const Operands& operands, const ValueInfo& info) {
  // Shape arithmetic concatenates vectors.
  if (info.shape.size() != 1) return std::nullopt;
  base::Tensor out(operands.dtype(0), info.shape);
  auto to = out.mutable_bytes().begin();
  for (const base::Tensor* part : operands.known) {
    if (part->dtype() != out.dtype()) return std::nullopt;
    to = std::copy(part->bytes().begin(), part->bytes().end(), to);
  }
  return out;
}

Known EvaluateSplitPart(const Operands& operands, const ValueInfo& info, size_t part) {
  const auto params = ResolveSplit(operands);
  if (!params.ok()) return std::nullopt;
  const std::vector<int64_t> strides = StridesOf(operands.shape(0));
  int64_t start = 0;
  for (size_t i = 0; i < part; ++i) start += params->sizes[i];
  return TakeElements(*operands.known[0], info.shape,
                      WalkOffsets(info.shape, strides, start * strides[params->axis]));
}

Known EvaluateConstantOfShape(const Operands& operands, const ValueInfo& info) {
  const auto it = operands.node->attributes.find("value");
  if (it == operands.node->attributes.end()) return base::Tensor(info.dtype, info.shape);
  const auto* value = std::get_if<base::Tensor>(&it->second);
  const std::vector<int64_t> zeros(info.shape.size(), 0);
  return TakeElements(*value, info.shape, WalkOffsets(info.shape, zeros, 0));
}

Known EvaluateRange(const Operands& operands, const ValueInfo& info) {
  const std::optional<Numbers> start = Read(operands, 0);
  const std::optional<Numbers> delta = Read(operands, 2);
  if (!start.has_value() || !delta.has_value() || start->floating || delta->floating) {
    return std::nullopt;
  }
  std::vector<int64_t> values;
  for (int64_t i = 0; i < info.shape[0]; ++i) {
    // Unsigned: a hostile delta may wrap.
    values.push_back(
        static_cast<int64_t>(static_cast<uint64_t>(start->ints[0]) +
                             static_cast<uint64_t>(i) * static_cast<uint64_t>(delta->ints[0])));
  }
  return FromInts(info, values);
}

Known EvaluateExpand(const Operands& operands, const ValueInfo& info) {
  return TakeElements(*operands.known[0], info.shape,
                      WalkOffsets(info.shape, BroadcastStrides(operands.shape(0), info.shape), 0));
}

Known EvaluateShape(const Operands& operands, const ValueInfo& info) {
  return FromInts(info, operands.shape(0));
}

Known EvaluateReshape(const Operands& operands, const ValueInfo& info) {
  return ReshapeTensor(*operands.known[0], info.shape);
}

Known EvaluateTranspose(const Operands& operands, const ValueInfo&) {
  const auto perm = ResolveTranspose(operands);
  if (!perm.ok()) return std::nullopt;
  return TransposeTensor(*operands.known[0], *perm);
}

using Evaluate = Known (*)(const Operands&, const ValueInfo&);

Evaluate FindEvaluate(std::string_view op) {
  static constexpr std::pair<std::string_view, Evaluate> kTable[] = {
      {"Add", EvaluateBinary},
      {"Cast", EvaluateCast},
      {"Ceil", EvaluateUnary},
      {"Concat", EvaluateConcat},
      {"ConstantOfShape", EvaluateConstantOfShape},
      {"Div", EvaluateBinary},
      {"Dropout", EvaluateReshape},
      {"Equal", EvaluateBinary},
      {"Expand", EvaluateExpand},
      {"Flatten", EvaluateReshape},
      {"Floor", EvaluateUnary},
      {"Gather", EvaluateGather},
      {"Greater", EvaluateBinary},
      {"Identity", EvaluateReshape},
      {"Less", EvaluateBinary},
      {"Max", EvaluateBinary},
      {"Min", EvaluateBinary},
      {"Mul", EvaluateBinary},
      {"Neg", EvaluateUnary},
      {"Range", EvaluateRange},
      {"Reshape", EvaluateReshape},
      {"Shape", EvaluateShape},
      {"Slice", EvaluateSlice},
      {"Squeeze", EvaluateReshape},
      {"Sub", EvaluateBinary},
      {"Transpose", EvaluateTranspose},
      {"Unsqueeze", EvaluateReshape},
      {"Where", EvaluateWhere},
  };
  for (const auto& [name, evaluate] : kTable) {
    if (name == op) return evaluate;
  }
  return nullptr;
}

bool Small(const std::vector<ValueInfo>& values) {
  return std::all_of(values.begin(), values.end(), [](const ValueInfo& value) {
    const auto count = base::CheckedElementCount(value.shape, kMaxKnownElements);
    return count.ok();
  });
}

}  // namespace

std::vector<base::Tensor> EvaluateKnown(const Operands& operands,
                                        const std::vector<ValueInfo>& outputs) {
  const std::string& op = operands.node->op_type;
  if (!Small(outputs)) return {};
  for (size_t i = 0; i < operands.inputs.size() && op != "Shape"; ++i) {
    if (!operands.has(i)) continue;
    if (operands.known[i] == nullptr || operands.known[i]->elements() > kMaxKnownElements) {
      return {};
    }
  }
  std::vector<base::Tensor> result;
  const Evaluate evaluate = FindEvaluate(op);
  for (size_t i = 0; i < outputs.size(); ++i) {
    Known value;
    if (op == "Split") {
      value = EvaluateSplitPart(operands, outputs[i], i);
    } else if (evaluate != nullptr) {
      value = evaluate(operands, outputs[i]);
    }
    if (!value.has_value()) return {};
    result.push_back(*std::move(value));
  }
  return result;
}

}  // namespace lbw::graph
