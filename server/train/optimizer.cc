#include "train/optimizer.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <cstddef>
#include <utility>

#include "base/status.h"
#include "engine/torch/torch_bridge.h"
#include "train/named_tensors.h"

namespace lbw::train {
namespace {

constexpr double kWeightEpsilon = 1e-12;
constexpr double kOtherEpsilon = 1e-8;
constexpr char kCount[] = "count";

at::Tensor Get(const std::shared_ptr<at::Tensor>& handle) {
  return handle == nullptr ? at::Tensor() : *handle;
}

at::Tensor InUnits(const at::Tensor& tensor, const at::Tensor& unit) {
  return unit.defined() ? tensor.mul(unit) : tensor;
}

class TorchOptimizer final : public ParameterOptimizer {
 public:
  TorchOptimizer(const OptimizerOptions& options, std::vector<Parameter> parameters)
      : options_(options), parameters_(std::move(parameters)), frozen_(parameters_.size()) {}

  absl::StatusOr<StepFacts> Step(double factor) override;
  void ClearFirstMoments() override {
    for (at::Tensor& moment : first_) moment.zero_();
  }
  void Freeze(const std::string& name, ParameterKind kind) override;
  absl::StatusOr<std::map<std::string, base::Tensor>> State() const override;
  absl::Status Restore(const std::map<std::string, base::Tensor>& state) override;

 private:
  // Device memory is asked for where its lack can be answered, not in Make.
  void EnsureMoments();
  std::vector<at::Tensor> Gradients() const;
  StepFacts Measure(std::vector<at::Tensor>& gradients) const;
  double Rate(ParameterKind kind) const;
  void Decay(const Parameter& parameter, double rate) const;
  void Adam(size_t i, const at::Tensor& gradient, double rate);
  void Sgd(size_t i, const at::Tensor& gradient, double rate);

  const OptimizerOptions options_;
  const std::vector<Parameter> parameters_;
  std::vector<bool> frozen_;
  std::vector<at::Tensor> first_;   // first moments, or momenta
  std::vector<at::Tensor> second_;  // empty for kSgd
  int64_t count_ = 0;
};

void TorchOptimizer::EnsureMoments() {
  if (!first_.empty()) return;
  std::vector<at::Tensor> first;
  std::vector<at::Tensor> second;
  for (const Parameter& parameter : parameters_) {
    const at::TensorOptions options =
        at::TensorOptions().dtype(at::kFloat).device(parameter.value->device());
    first.push_back(at::zeros(parameter.value->sizes(), options));
    if (options_.kind == Optimizer::kSgd) continue;
    second.push_back(at::zeros(parameter.value->sizes(), options));
  }
  first_ = std::move(first);
  second_ = std::move(second);
}

// Undefined where no step is taken.
std::vector<at::Tensor> TorchOptimizer::Gradients() const {
  std::vector<at::Tensor> gradients;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor gradient = frozen_[i] ? at::Tensor() : Get(parameters_[i].gradient);
    if (gradient.defined()) gradient = gradient.detach().to(at::kFloat);
    gradients.push_back(std::move(gradient));
  }
  return gradients;
}

// One wait for the device. A sum of squares that is finite says of all its elements that they are:
// only where one is not, elements are looked at.
ParameterOptimizer::StepFacts TorchOptimizer::Measure(std::vector<at::Tensor>& gradients) const {
  std::vector<size_t> measured;
  std::vector<at::Tensor> sums;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;
    measured.push_back(i);
    sums.push_back(InUnits(gradients[i], Get(parameters_[i].unit)).square().sum(at::kDouble));
  }
  StepFacts facts;
  if (sums.empty()) return facts;
  const at::Tensor on_host = at::stack(sums).cpu();
  const double* const squares = on_host.data_ptr<double>();
  double total = 0;
  for (size_t k = 0; k < measured.size(); ++k) {
    double square = squares[k];
    if (!std::isfinite(square)) {
      at::Tensor& gradient = gradients[measured[k]];
      const at::Tensor clean = at::nan_to_num(gradient, 0.0, 0.0, 0.0);
      facts.not_finite += gradient.ne(clean).sum().item<int64_t>();
      gradient = clean;
      square = InUnits(clean.to(at::kDouble), Get(parameters_[measured[k]].unit))
                   .square()
                   .sum()
                   .item<double>();
    }
    total += square;
  }
  facts.gradient_norm = std::sqrt(total);
  return facts;
}

double TorchOptimizer::Rate(ParameterKind kind) const {
  switch (kind) {
    case ParameterKind::kWeight:
      return options_.rate;
    case ParameterKind::kBias:
      return options_.bias_rate;
    case ParameterKind::kScale:
      return options_.scale_rate;
  }
  return options_.rate;
}

void TorchOptimizer::Decay(const Parameter& parameter, double rate) const {
  if (parameter.kind != ParameterKind::kWeight || options_.weight_decay == 0) return;
  const double share = rate * options_.weight_decay;
  at::Tensor value = *parameter.value;
  const at::Tensor unit = Get(parameter.unit);
  if (unit.defined()) {
    // Rows of unit 0 stay where they are.
    value.addcmul_(value, unit.ne(0).to(at::kFloat), -share);
  } else {
    value.mul_(1 - share);
  }
}

void TorchOptimizer::Adam(size_t i, const at::Tensor& gradient, double rate) {
  const Parameter& parameter = parameters_[i];
  at::Tensor& first = first_[i];
  at::Tensor& second = second_[i];
  first.mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
  second.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
  const auto count = static_cast<double>(count_);
  const double first_share = 1 - std::pow(options_.beta1, count);
  const double second_share = 1 - std::pow(options_.beta2, count);
  const bool weight = parameter.kind == ParameterKind::kWeight;
  const at::Tensor root =
      second.sqrt().mul_(1 / std::sqrt(second_share)).add_(weight ? kWeightEpsilon : kOtherEpsilon);
  parameter.value->addcdiv_(InUnits(first, Get(parameter.unit)), root, -rate / first_share);
}

void TorchOptimizer::Sgd(size_t i, const at::Tensor& gradient, double rate) {
  const Parameter& parameter = parameters_[i];
  first_[i].mul_(options_.momentum).add_(gradient);
  const at::Tensor unit = Get(parameter.unit);
  parameter.value->add_(InUnits(InUnits(first_[i], unit), unit), -rate);
}

absl::StatusOr<ParameterOptimizer::StepFacts> TorchOptimizer::Step(double factor) {
  const c10::AutoGradMode no_graphs(false);
  try {
    EnsureMoments();
    std::vector<at::Tensor> gradients = Gradients();
    const StepFacts facts = Measure(gradients);
    ++count_;
    const bool clips = options_.clip_norm > 0 && facts.gradient_norm > options_.clip_norm;
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      const double rate = Rate(parameters_[i].kind) * factor;
      const at::Tensor gradient =
          clips ? gradients[i].mul(options_.clip_norm / facts.gradient_norm) : gradients[i];
      Decay(parameters_[i], rate);
      if (options_.kind == Optimizer::kAdam) {
        Adam(i, gradient, rate);
      } else {
        Sgd(i, gradient, rate);
      }
    }
    return facts;
  } catch (...) {
    return engine::CurrentTorchError("a step of the optimizer");
  }
}

void TorchOptimizer::Freeze(const std::string& name, ParameterKind kind) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].name == name && parameters_[i].kind == kind) frozen_[i] = true;
  }
}

absl::StatusOr<std::map<std::string, base::Tensor>> TorchOptimizer::State() const {
  std::map<std::string, base::Tensor> state;
  state[kCount] = base::Tensor::FromI64({1}, {count_});
  try {
    for (size_t i = 0; i < parameters_.size(); ++i) {
      // Before the first step all moments are 0.
      const at::Tensor zero =
          first_.empty() ? at::zeros(parameters_[i].value->sizes()) : at::Tensor();
      LBW_RETURN_IF_ERROR(
          Save(KeyOf("m", parameters_[i]), first_.empty() ? zero : first_[i], state));
      if (options_.kind == Optimizer::kSgd) continue;
      LBW_RETURN_IF_ERROR(
          Save(KeyOf("v", parameters_[i]), second_.empty() ? zero : second_[i], state));
    }
  } catch (...) {
    return engine::CurrentTorchError("taking the optimizer's state");
  }
  return state;
}

absl::Status TorchOptimizer::Restore(const std::map<std::string, base::Tensor>& state) {
  const c10::AutoGradMode no_graphs(false);
  const size_t moments = options_.kind == Optimizer::kSgd ? 1 : 2;
  const auto count = state.find(kCount);
  if (state.size() != 1 + moments * parameters_.size() || count == state.end() ||
      count->second.dtype() != base::DType::kI64 || count->second.elements() != 1) {
    return base::Error(absl::StatusCode::kDataLoss, base::reason::kDataLoss,
                       "the checkpoint's optimizer is not one of these parameters");
  }
  try {
    EnsureMoments();
    for (size_t i = 0; i < parameters_.size(); ++i) {
      LBW_RETURN_IF_ERROR(Load(state, KeyOf("m", parameters_[i]), first_[i]));
      if (options_.kind == Optimizer::kSgd) continue;
      LBW_RETURN_IF_ERROR(Load(state, KeyOf("v", parameters_[i]), second_[i]));
    }
  } catch (...) {
    return engine::CurrentTorchError("restoring the optimizer's state");
  }
  count_ = count->second.as<int64_t>()[0];
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<ParameterOptimizer> ParameterOptimizer::Make(const OptimizerOptions& options,
                                                             std::vector<Parameter> parameters) {
  return std::make_unique<TorchOptimizer>(options, std::move(parameters));
}

}  // namespace lbw::train
