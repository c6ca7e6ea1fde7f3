#include "train/averages.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include "train/schedule.h"

namespace lbw::train {

Averages::Averages(const std::vector<Parameter>& parameters, double ema)
    : ema_(ema), parameters_(parameters) {
  for (const Parameter& one : parameters_) {
    values_.push_back(ema > 0 ? one.value->detach().clone() : one.value->detach());
  }
}

Averages::~Averages() = default;

at::Tensor& Averages::value(size_t i) { return values_[i]; }

void Averages::Update(int64_t t) {
  if (ema_ <= 0) return;
  const c10::AutoGradMode guard(false);
  const double decay = EmaDecay(ema_, t);
  for (size_t i = 0; i < values_.size(); ++i) {
    values_[i].mul_(decay).add_(*parameters_[i].value, 1 - decay);
  }
}

void Averages::CopyBack() {
  if (ema_ <= 0) return;
  const c10::AutoGradMode guard(false);
  for (size_t i = 0; i < values_.size(); ++i) parameters_[i].value->copy_(values_[i]);
}

}  // namespace lbw::train
