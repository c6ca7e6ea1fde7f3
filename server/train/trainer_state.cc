// What a run has become: the model as it would be served, and all that it needs to go on.
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/torch_bridge.h"
#include "train/torch_trainer.h"

namespace lbw::train {

// What the network would read of them.
absl::StatusOr<Trainable::Values> TorchTrainer::ValuesOf(Weights weights) const {
  Trainable::Values values;
  const auto value_of = [&](size_t i) {
    return weights == Weights::kAverage ? averages_->values()[i] : all_[i].value->detach();
  };
  size_t at = 0;
  for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
    Outputs own;
    for (size_t i = 0; i < layer->parameters().size(); ++i) own.push_back(value_of(at++));
    LBW_ASSIGN_OR_RETURN(const quant::QuantizedTensor codes, layer->Packed(own));
    const base::Tensor floats = base::Tensor::FromF32(codes.shape, quant::Dequantize(codes));
    LBW_ASSIGN_OR_RETURN(const at::Tensor value, engine::CopyToTorch(floats.view()));
    values.insert_or_assign(layer->name(), value.to(options_.device));
  }
  plain_->AddTo(values);
  for (; at < all_.size(); ++at) values.insert_or_assign(all_[at].name, value_of(at));
  return values;
}

absl::StatusOr<model::Model> TorchTrainer::Snapshot(Weights weights) const {
  model::Model out = model_;
  out.activations.clear();
  const auto value_of = [&](size_t i) {
    return weights == Weights::kAverage ? averages_->values()[i] : all_[i].value->detach();
  };
  try {
    size_t at = 0;
    for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
      Outputs values;
      for (size_t i = 0; i < layer->parameters().size(); ++i) values.push_back(value_of(at++));
      LBW_ASSIGN_OR_RETURN(quant::QuantizedTensor codes, layer->Packed(values));
      auto& place = out.constants.find(layer->name())->second;
      codes.bias = std::get<quant::QuantizedTensor>(place).bias;
      place = std::move(codes);
    }
    for (; at < all_.size(); ++at) {
      const std::string& name = all_[at].name;
      LBW_ASSIGN_OR_RETURN(base::Tensor value, engine::CopyFromTorch(value_of(at).cpu()));
      const auto stored = graph_.stored_bias.find(name);
      if (stored == graph_.stored_bias.end()) {
        out.constants.insert_or_assign(name, std::move(value));
        continue;
      }
      auto& codes = std::get<quant::QuantizedTensor>(out.constants.find(stored->second)->second);
      const absl::Span<const float> rows = value.as<float>();
      codes.bias.assign(rows.begin(), rows.end());
    }
    for (const auto& [name, tensor] : plain_->running()) {
      LBW_ASSIGN_OR_RETURN(base::Tensor value, engine::CopyFromTorch(tensor.cpu()));
      out.constants.insert_or_assign(name, std::move(value));
    }
  } catch (...) {
    return engine::CurrentTorchError("taking the model");
  }
  return out;
}

absl::StatusOr<Tensors> TorchTrainer::State() const {
  Tensors state;
  try {
    for (size_t i = 0; i < all_.size(); ++i) {
      LBW_RETURN_IF_ERROR(Save(KeyOf("param", all_[i]), *all_[i].value, state));
      if (options_.ema > 0) {
        LBW_RETURN_IF_ERROR(Save(KeyOf("ema", all_[i]), averages_->values()[i], state));
      }
      if (all_[i].unit != nullptr && all_[i].unit->defined()) {
        LBW_RETURN_IF_ERROR(Save(KeyOf("unit", all_[i]), *all_[i].unit, state));
      }
    }
    for (const auto& [name, tensor] : plain_->running()) {
      LBW_RETURN_IF_ERROR(Save(base::StrCat("buffer.", name), tensor, state));
    }
  } catch (...) {
    return engine::CurrentTorchError("taking the state");
  }
  LBW_ASSIGN_OR_RETURN(Tensors optimizer, optimizer_->State());
  Put("opt.", std::move(optimizer), state);
  for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
    LBW_ASSIGN_OR_RETURN(Tensors own, layer->State());
    Put(base::StrCat("layer.", layer->name(), "/"), std::move(own), state);
  }
  return state;
}

absl::Status TorchTrainer::Restore(const Tensors& state, int64_t step) {
  LBW_CHECK(step >= 0 && step <= total_);
  const c10::AutoGradMode no_graphs(false);
  try {
    for (size_t i = 0; i < all_.size(); ++i) {
      LBW_RETURN_IF_ERROR(Load(state, KeyOf("param", all_[i]), *all_[i].value));
      if (options_.ema > 0) {
        LBW_RETURN_IF_ERROR(Load(state, KeyOf("ema", all_[i]), averages_->value(i)));
      }
      if (all_[i].unit != nullptr && all_[i].unit->defined()) {
        LBW_RETURN_IF_ERROR(Load(state, KeyOf("unit", all_[i]), *all_[i].unit));
      }
    }
    for (auto& [name, tensor] : plain_->running()) {
      LBW_RETURN_IF_ERROR(Load(state, base::StrCat("buffer.", name), tensor));
    }
    LBW_RETURN_IF_ERROR(optimizer_->Restore(Part(state, "opt.")));
    for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
      LBW_RETURN_IF_ERROR(layer->Restore(Part(state, base::StrCat("layer.", layer->name(), "/"))));
    }
    step_ = step;
    codes_are_fixed_ = step_ > codes_end_;
    for (const std::unique_ptr<LowBitLayer>& layer : layers_) {
      if (!codes_are_fixed_) break;
      layer->FixCodes();
      optimizer_->Freeze(layer->name(), ParameterKind::kWeight);
    }
  } catch (...) {
    return engine::CurrentTorchError("restoring the state");
  }
  return absl::OkStatus();
}

}  // namespace lbw::train
