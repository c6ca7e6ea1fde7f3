#include "train/layer_state.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/tensor.h"
#include "quant/grid.h"

namespace lbw::train {
namespace {

template <typename T>
void PutVector(const std::string& key, base::DType dtype, const std::vector<T>& values,
               NamedTensors& tensors) {
  base::Tensor tensor(dtype, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), tensor.mutable_as<T>().begin());
  tensors.insert_or_assign(key, std::move(tensor));
}

template <typename T>
absl::StatusOr<std::vector<T>> TakeVector(const NamedTensors& tensors, const std::string& key,
                                          base::DType dtype, size_t size) {
  const auto found = tensors.find(key);
  if (found == tensors.end() || found->second.dtype() != dtype ||
      found->second.elements() != static_cast<int64_t>(size)) {
    return base::Error(
        absl::StatusCode::kDataLoss, base::reason::kDataLoss,
        base::StrCat("a layer's ", key, " are missing from the checkpoint or of another shape"));
  }
  const absl::Span<const T> values = found->second.as<T>();
  return std::vector<T>(values.begin(), values.end());
}

bool AreExponents(const std::vector<int16_t>& values) {
  return std::all_of(values.begin(), values.end(), [](int16_t s) {
    return s >= quant::kMinExponent && s <= quant::kMaxExponent;
  });
}

}  // namespace

void PutState(const LayerState& state, NamedTensors& tensors) {
  PutVector("exponents", base::DType::kI16, state.exponents, tensors);
  PutVector("centres", base::DType::kI16, state.centres, tensors);
  PutVector("levels", base::DType::kI8, state.seen_levels, tensors);
  PutVector<int64_t>("progress", base::DType::kI64,
                     {state.bits, state.fixed ? 1 : 0, state.counted}, tensors);
}

absl::Status TakeState(const NamedTensors& tensors, LayerState& into) {
  LayerState state;
  const size_t rows = into.exponents.size();
  LBW_ASSIGN_OR_RETURN(state.exponents,
                       TakeVector<int16_t>(tensors, "exponents", base::DType::kI16, rows));
  LBW_ASSIGN_OR_RETURN(state.centres,
                       TakeVector<int16_t>(tensors, "centres", base::DType::kI16, rows));
  LBW_ASSIGN_OR_RETURN(state.seen_levels, TakeVector<int8_t>(tensors, "levels", base::DType::kI8,
                                                             into.seen_levels.size()));
  LBW_ASSIGN_OR_RETURN(const std::vector<int64_t> progress,
                       TakeVector<int64_t>(tensors, "progress", base::DType::kI64, 3));
  if (!AreExponents(state.exponents) || !AreExponents(state.centres) ||
      progress[0] < quant::kMinBits || progress[0] > quant::kMaxBits) {
    return base::Error(absl::StatusCode::kDataLoss, base::reason::kDataLoss,
                       "a layer's exponents or width in the checkpoint are out of range");
  }
  state.bits = static_cast<int>(progress[0]);
  state.fixed = progress[1] != 0;
  state.counted = progress[2];
  into = std::move(state);
  return absl::OkStatus();
}

}  // namespace lbw::train
