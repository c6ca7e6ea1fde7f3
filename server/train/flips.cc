#include "train/flips.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/bitwise_left_shift.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <utility>

#include "base/status.h"

namespace lbw::train {
namespace {

constexpr double kDecay = 0.99;
// Exponent bias of float32, less one: a quotient of 2^(level - 1) has biased exponent level + 126.
constexpr int64_t kLevelBias = 126;

// Quotients of powers of two are exact, also of denormals.
at::Tensor LevelsOf(const at::Tensor& values, const at::Tensor& one) {
  const at::Tensor quotient = values.div(one).abs_();
  return at::bitwise_right_shift(quotient.view(at::kInt), 23)
      .sub_(kLevelBias)
      .to(at::kFloat)
      .mul_(values.sign());
}

at::Tensor ValuesOf(const at::Tensor& levels, const at::Tensor& one) {
  const at::Tensor exponent = levels.abs().to(at::kInt).add_(kLevelBias);
  return at::bitwise_left_shift(exponent, 23).view(at::kFloat).mul(one).mul_(levels.sign());
}

class TorchFlipTracker final : public FlipTracker {
 public:
  TorchFlipTracker(const at::Tensor& rows, double share)
      : share_(share),
        flips_(at::zeros_like(rows)),
        mean_(at::zeros_like(rows)),
        last_(at::zeros_like(rows)),
        places_(at::zeros_like(rows)),
        held_(at::zeros_like(rows, at::kBool)) {}

  void Observe(const at::Tensor& values, const LevelOne& one, const at::Tensor& moved) override {
    at::Tensor levels = LevelsOf(values, one.read);
    if (steps_ == 0) last_.copy_(levels);
    if (moved.defined()) {
      // As if the weight had always been there.
      mean_ = at::where(moved, levels.mul(Weight()), mean_);
      last_ = at::where(moved, levels, last_);
    }
    ++steps_;
    flips_.mul_(kDecay).add_(levels.ne(last_).to(at::kFloat), 1 - kDecay);
    mean_.mul_(kDecay).add_(levels, 1 - kDecay);
    last_ = std::move(levels);
    const at::Tensor fresh = flips_.gt(share_).logical_and_(held_.logical_not());
    const at::Tensor frequent = mean_.div(Weight()).round_();
    places_ = at::where(fresh, ValuesOf(frequent, one.shadow), places_);
    held_.logical_or_(fresh);
  }

  void Hold(at::Tensor& rows) const override { rows.copy_(at::where(held_, places_, rows)); }
  void Mask(at::Tensor& gradient) const override { gradient.masked_fill_(held_, 0); }
  int64_t Held() const override { return held_.sum().item<int64_t>(); }

  absl::Status State(NamedTensors& state) const override {
    LBW_RETURN_IF_ERROR(Save("flips", flips_, state));
    LBW_RETURN_IF_ERROR(Save("mean", mean_, state));
    LBW_RETURN_IF_ERROR(Save("last", last_, state));
    LBW_RETURN_IF_ERROR(Save("places", places_, state));
    LBW_RETURN_IF_ERROR(Save("held", held_, state));
    state["steps"] = base::Tensor::FromI64({1}, {steps_});
    return absl::OkStatus();
  }

  absl::Status Restore(const NamedTensors& state) override {
    LBW_RETURN_IF_ERROR(Load(state, "flips", flips_));
    LBW_RETURN_IF_ERROR(Load(state, "mean", mean_));
    LBW_RETURN_IF_ERROR(Load(state, "last", last_));
    LBW_RETURN_IF_ERROR(Load(state, "places", places_));
    LBW_RETURN_IF_ERROR(Load(state, "held", held_));
    const auto steps = state.find("steps");
    if (steps == state.end() || steps->second.dtype() != base::DType::kI64 ||
        steps->second.elements() != 1) {
      return base::Error(absl::StatusCode::kDataLoss, base::reason::kDataLoss,
                         "the checkpoint does not say for how many steps flips were counted");
    }
    steps_ = steps->second.as<int64_t>()[0];
    return absl::OkStatus();
  }

 private:
  // Of all that the mean has seen.
  double Weight() const { return 1 - std::pow(kDecay, static_cast<double>(steps_)); }

  const double share_;
  int64_t steps_ = 0;
  at::Tensor flips_;
  at::Tensor mean_;
  at::Tensor last_;
  at::Tensor places_;  // of weights that are held
  at::Tensor held_;
};

}  // namespace

std::unique_ptr<FlipTracker> FlipTracker::Make(const at::Tensor& rows, double share) {
  return std::make_unique<TorchFlipTracker>(rows, share);
}

}  // namespace lbw::train
