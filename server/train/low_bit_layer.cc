#include "train/low_bit_layer.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/torch_bridge.h"
#include "quant/grid.h"
#include "quant/rows.h"
#include "train/flips.h"
#include "train/layer_plan.h"
#include "train/layer_state.h"
#include "train/projection.h"
#include "train/row_codes.h"
#include "train/shadow_start.h"

namespace lbw::train {
namespace {

using quant::QuantizedTensor;

at::Tensor FromHost(const std::vector<float>& values, std::vector<int64_t> shape,
                    const std::string& device) {
  // torch takes void*, but nothing writes through a tensor that is only read.
  return at::from_blob(const_cast<float*>(values.data()), shape).clone().to(device);
}

absl::Span<const float> HostSpan(const at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

// Weights of a tensor in its own order, and as rows (quant/rows.cc): where rows are no stretches of
// the tensor, two dimensions change places.
at::Tensor OwnOrder(const at::Tensor& rows, const quant::RowLayout& layout,
                    const base::Shape& shape) {
  if (layout.outer == 1) return rows.view(shape);
  return rows.view({layout.groups, layout.axis_size, layout.outer, layout.inner})
      .permute({0, 2, 1, 3})
      .reshape(shape)
      .contiguous();
}
at::Tensor RowOrder(const at::Tensor& tensor, const quant::RowLayout& layout) {
  if (layout.outer == 1) return tensor.reshape({layout.rows, layout.row_elements});
  return tensor.reshape({layout.groups, layout.outer, layout.axis_size, layout.inner})
      .permute({0, 2, 1, 3})
      .reshape({layout.rows, layout.row_elements});
}

class TorchLowBitLayer final : public LowBitLayer {
 public:
  TorchLowBitLayer(LayerStart start, const Shadow& shadow, const LowBitOptions& options);
  // Throws what torch throws.
  void Prepare(const Shadow& shadow, const std::string& device);

  const std::string& name() const override { return start_.name; }
  absl::StatusOr<at::Tensor> Student(int64_t t, int64_t total) override;
  absl::Status TakeGradient() override;
  const std::vector<Parameter>& parameters() const override { return parameters_; }
  void FixCodes() override { state_.fixed = true; }
  absl::StatusOr<QuantizedTensor> Packed(const std::vector<at::Tensor>& values) const override;
  absl::StatusOr<Facts> TakeFacts() override;
  absl::StatusOr<std::map<std::string, base::Tensor>> State() const override;
  absl::Status Restore(const std::map<std::string, base::Tensor>& state) override;

 private:
  // Real scales are those of the layer's own width.
  bool IsReal() const { return v_.defined() && state_.bits == own_.bits; }
  GridShape Grid() const {
    return state_.bits == own_.bits ? own_ : StageGrid(state_.bits, start_.codes.options);
  }
  at::Tensor& shadow() const { return *parameters_[0].value; }
  // v exp(a), [R], the same bits wherever it is asked for.
  at::Tensor ScaledBy(const at::Tensor& a) const;
  at::Tensor Scaled() const { return ScaledBy(*parameters_[1].value); }

  absl::Status ChangeWidth(int bits);
  absl::Status SearchExponents();
  absl::Status ChooseGrid(int64_t t, int64_t total);
  absl::Status Project(const at::Tensor& rows, at::Tensor& out) const;
  void CountFlips();
  absl::Status PackGrids(const at::Tensor& rows, const std::vector<at::Tensor>& values,
                         QuantizedTensor& packed) const;
  RowGrids CurrentGrids() const;

  const LayerStart start_;  // codes and target are not kept
  const LowBitOptions options_;
  const quant::RowLayout layout_;
  const GridShape own_;
  const std::vector<float> host_v_;  // [R] or empty
  std::vector<Parameter> parameters_;
  at::Tensor v_;          // [R]
  at::Tensor threshold_;  // [R]
  at::Tensor dead_;       // indices; undefined: none
  std::unique_ptr<FlipTracker> flips_;

  LayerState state_;
  at::Tensor moved_;   // [R, 1] bool: rows whose grid is another one; undefined: none
  at::Tensor values_;  // [R, N], on the grid
  double share_ = 1;   // of values_ in what the network reads
  at::Tensor student_;
};

LayerStart WithoutWeights(LayerStart start) {
  start.target = {};
  start.codes.codes = {};
  start.codes.bias = {};
  return start;
}

TorchLowBitLayer::TorchLowBitLayer(LayerStart start, const Shadow& shadow,
                                   const LowBitOptions& options)
    : start_(WithoutWeights(std::move(start))),
      options_(options),
      layout_(shadow.layout),
      own_{start_.codes.options.bits, shadow.magnitudes},
      host_v_(shadow.scaled) {
  state_.bits = own_.bits;
  state_.exponents = shadow.exponents;
  state_.centres = shadow.exponents;
}

void TorchLowBitLayer::Prepare(const Shadow& shadow, const std::string& device) {
  const auto parameter = [&](ParameterKind kind, at::Tensor value, at::Tensor unit) {
    parameters_.push_back(Parameter{.name = start_.name,
                                    .kind = kind,
                                    .value = std::make_shared<at::Tensor>(std::move(value)),
                                    .gradient = std::make_shared<at::Tensor>(),
                                    .unit = std::make_shared<at::Tensor>(std::move(unit))});
  };
  const int64_t rows = layout_.rows;
  parameter(ParameterKind::kWeight, FromHost(shadow.values, {rows, layout_.row_elements}, device),
            FromHost(shadow.units, {rows, 1}, device));
  values_ = at::empty_like(this->shadow());
  if (!host_v_.empty()) {
    std::vector<float> thresholds;
    for (const float v : host_v_) thresholds.push_back(TernaryThreshold(v));
    v_ = FromHost(host_v_, {rows}, device);
    threshold_ = FromHost(thresholds, {rows}, device);
    parameter(ParameterKind::kScale, at::zeros_like(v_), at::Tensor());
  }
  if (!shadow.dead_rows.empty()) {
    dead_ = at::tensor(shadow.dead_rows, at::TensorOptions().dtype(at::kLong)).to(device);
  }
  if (options_.freeze_flips > 0) {
    flips_ = FlipTracker::Make(this->shadow(), options_.freeze_flips);
  }
  state_.seen_levels = SignedLevels(RowCodes(shadow.values, CurrentGrids()), state_.bits);
}

RowGrids TorchLowBitLayer::CurrentGrids() const {
  return RowGrids{.row_elements = layout_.row_elements,
                  .bits = state_.bits,
                  .magnitudes = Grid().magnitudes,
                  .exponents = state_.exponents,
                  .scaled = IsReal() ? absl::MakeConstSpan(host_v_) : absl::Span<const float>()};
}

// In float64, so that a different vector width in exp does not show; within what a scale and an
// exponent can say.
at::Tensor TorchLowBitLayer::ScaledBy(const at::Tensor& a) const {
  const at::Tensor scaled = a.detach().to(at::kDouble).exp_().mul_(v_.to(at::kDouble));
  return at::clamp(scaled, static_cast<double>(std::numeric_limits<float>::denorm_min()),
                   static_cast<double>(std::numeric_limits<float>::max()))
      .to(at::kFloat);
}

// A stage begins, or ends: exponents are searched anew.
absl::Status TorchLowBitLayer::ChangeWidth(int bits) {
  state_.bits = bits;
  moved_ = at::ones({layout_.rows, 1}, shadow().options().dtype(at::kBool));
  if (IsReal()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(state_.exponents, ExactExponents(shadow(), Grid()));
  state_.centres = state_.exponents;
  return absl::OkStatus();
}

absl::Status TorchLowBitLayer::SearchExponents() {
  LBW_ASSIGN_OR_RETURN(
      std::vector<int16_t> chosen,
      ExactExponentsNear(shadow(), Grid(), {state_.centres, options_.exponent_reach}));
  std::vector<int64_t> moved;
  for (size_t row = 0; row < chosen.size(); ++row) {
    moved.push_back(chosen[row] != state_.exponents[row] ? 1 : 0);
  }
  moved_ = at::tensor(moved).ne(0).unsqueeze(1).to(shadow().device());
  state_.exponents = std::move(chosen);
  return absl::OkStatus();
}

absl::Status TorchLowBitLayer::ChooseGrid(int64_t t, int64_t total) {
  moved_ = at::Tensor();
  const int bits = state_.fixed ? own_.bits : StageBits(options_, own_.bits, t, total);
  if (bits != state_.bits) return ChangeWidth(bits);
  const bool searches = !state_.fixed && !IsReal() && options_.exponent_every > 0 && t > 0 &&
                        t % options_.exponent_every == 0;
  return searches ? SearchExponents() : absl::OkStatus();
}

absl::Status TorchLowBitLayer::Project(const at::Tensor& rows, at::Tensor& out) const {
  if (!IsReal()) return NearestValues(rows, state_.exponents, Grid(), out);
  const bool here = rows.device() == v_.device();
  const at::Tensor scaled = Scaled();
  return TernaryValues(rows, here ? threshold_ : threshold_.to(rows.device()),
                       here ? scaled : scaled.to(rows.device()), out);
}

void TorchLowBitLayer::CountFlips() {
  if (IsReal()) {
    flips_->Observe(values_, {Scaled().unsqueeze(1), v_.unsqueeze(1)}, moved_);
    return;
  }
  std::vector<float> least;
  for (const int16_t exponent : state_.exponents) {
    least.push_back(
        quant::PowerOfTwo(std::max(exponent - Grid().magnitudes + 1, quant::kMinExponent)));
  }
  const at::Tensor column = FromHost(least, {layout_.rows, 1}, "cpu").to(shadow().device());
  flips_->Observe(values_, {column, column}, moved_);
}

absl::StatusOr<at::Tensor> TorchLowBitLayer::Student(int64_t t, int64_t total) {
  const c10::AutoGradMode no_graphs(false);
  try {
    if (flips_ != nullptr) flips_->Hold(shadow());
    LBW_RETURN_IF_ERROR(ChooseGrid(t, total));
    LBW_RETURN_IF_ERROR(Project(shadow(), values_));
    if (flips_ != nullptr && !state_.fixed && t > state_.counted) {
      CountFlips();
      state_.counted = t;
      // What is held from now on is read at its place at once, as Packed gives it.
      flips_->Hold(shadow());
      LBW_RETURN_IF_ERROR(Project(shadow(), values_));
    }
    share_ = state_.fixed ? 1 : BlendShare(options_, start_.steps_an_epoch, t, total);
    const at::Tensor read = share_ == 1 ? values_ : values_.mul(share_).add_(shadow(), 1 - share_);
    student_ = OwnOrder(read, layout_, start_.codes.shape).detach();
    student_.set_requires_grad(true);
  } catch (...) {
    return engine::CurrentTorchError(base::StrCat("projecting ", start_.name));
  }
  return student_;
}

absl::Status TorchLowBitLayer::TakeGradient() {
  const c10::AutoGradMode no_graphs(false);
  for (const Parameter& parameter : parameters_) *parameter.gradient = at::Tensor();
  try {
    if (!student_.defined() || !student_.grad().defined()) return absl::OkStatus();
    at::Tensor gradient = RowOrder(student_.grad(), layout_).to(at::kFloat);
    student_.mutable_grad() = at::Tensor();
    if (dead_.defined()) gradient.index_fill_(0, dead_, 0);
    if (IsReal()) *parameters_[1].gradient = gradient.mul(values_).sum(1).mul_(share_);
    if (state_.fixed) return absl::OkStatus();
    if (flips_ != nullptr) flips_->Mask(gradient);
    *parameters_[0].gradient = std::move(gradient);
  } catch (...) {
    return engine::CurrentTorchError(base::StrCat("the gradient of ", start_.name));
  }
  return absl::OkStatus();
}

// Exponents and scales of packed codes, from rows on the host and the values of a.
absl::Status TorchLowBitLayer::PackGrids(const at::Tensor& rows,
                                         const std::vector<at::Tensor>& values,
                                         QuantizedTensor& packed) const {
  packed.exponents = state_.exponents;
  if (host_v_.empty()) {
    if (state_.bits == own_.bits) return absl::OkStatus();
    LBW_ASSIGN_OR_RETURN(packed.exponents, ExactExponents(rows, own_));
    return absl::OkStatus();
  }
  packed.exponents.clear();
  packed.scales.clear();
  const at::Tensor scaled = ScaledBy(values[1]).cpu();
  for (const float v : HostSpan(scaled)) {
    if (!std::isfinite(v)) {
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kNonFinite,
                         base::StrCat("a real scale of ", start_.name, " is not finite"));
    }
    const SplitScale split = Split(v);
    packed.exponents.push_back(split.exponent);
    packed.scales.push_back(split.scale);
  }
  return absl::OkStatus();
}

absl::StatusOr<QuantizedTensor> TorchLowBitLayer::Packed(
    const std::vector<at::Tensor>& values) const {
  LBW_CHECK(values.size() == parameters_.size() && values[0].sizes() == shadow().sizes());
  const c10::AutoGradMode no_graphs(false);
  try {
    at::Tensor rows = (state_.fixed ? shadow() : values[0]).detach();
    if (flips_ != nullptr) {
      rows = rows.clone();
      flips_->Hold(rows);
    }
    rows = rows.cpu().contiguous();
    QuantizedTensor packed = start_.codes;
    LBW_RETURN_IF_ERROR(PackGrids(rows, values, packed));
    const RowGrids grids{.row_elements = layout_.row_elements,
                         .bits = own_.bits,
                         .magnitudes = own_.magnitudes,
                         .exponents = packed.exponents,
                         .scaled = host_v_};
    packed.codes = PackRows(RowCodes(HostSpan(rows), grids), layout_.row_elements, own_.bits);
    return packed;
  } catch (...) {
    return engine::CurrentTorchError(base::StrCat("packing ", start_.name));
  }
}

absl::StatusOr<LowBitLayer::Facts> TorchLowBitLayer::TakeFacts() {
  const c10::AutoGradMode no_graphs(false);
  Facts facts;
  try {
    const at::Tensor rows = shadow().cpu();
    at::Tensor projected = at::empty_like(rows);
    LBW_RETURN_IF_ERROR(Project(rows, projected));
    facts.weights = rows.numel();
    if (flips_ != nullptr) facts.frozen = flips_->Held();
    facts.relative_error = RelativeError(HostSpan(rows), HostSpan(projected));
    std::vector<int8_t> levels =
        SignedLevels(RowCodes(HostSpan(rows), CurrentGrids()), state_.bits);
    for (size_t i = 0; i < levels.size(); ++i) {
      facts.changed += levels[i] != state_.seen_levels[i] ? 1 : 0;
    }
    state_.seen_levels = std::move(levels);
  } catch (...) {
    return engine::CurrentTorchError(base::StrCat("measuring ", start_.name));
  }
  return facts;
}

absl::StatusOr<std::map<std::string, base::Tensor>> TorchLowBitLayer::State() const {
  std::map<std::string, base::Tensor> state;
  PutState(state_, state);
  try {
    if (flips_ != nullptr) LBW_RETURN_IF_ERROR(flips_->State(state));
  } catch (...) {
    return engine::CurrentTorchError(base::StrCat("the state of ", start_.name));
  }
  return state;
}

absl::Status TorchLowBitLayer::Restore(const std::map<std::string, base::Tensor>& state) {
  const c10::AutoGradMode no_graphs(false);
  try {
    LBW_RETURN_IF_ERROR(TakeState(state, state_));
    if (flips_ != nullptr) LBW_RETURN_IF_ERROR(flips_->Restore(state));
  } catch (...) {
    return engine::CurrentTorchError(base::StrCat("restoring ", start_.name));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LowBitLayer>> LowBitLayer::Make(LayerStart start,
                                                               const LowBitOptions& options,
                                                               const std::string& device) {
  LBW_RETURN_IF_ERROR(CheckStages(options, start.codes.options.bits));
  LBW_ASSIGN_OR_RETURN(Shadow shadow, StartShadow(start, options));
  const std::string name = start.name;
  try {
    auto layer = std::make_unique<TorchLowBitLayer>(std::move(start), shadow, options);
    layer->Prepare(shadow, device);
    return layer;
  } catch (...) {
    return engine::CurrentTorchError(base::StrCat("preparing ", name));
  }
}

}  // namespace lbw::train
