#include "train/plain_parameters.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/status.h"
#include "engine/torch/torch_bridge.h"

namespace lbw::train {
namespace {

using Kind = engine::TrainableConstant::Kind;

// rms of each row of the output channels, of the whole tensor where a row is zero or rows are no
// dimension.
at::Tensor UnitOf(const at::Tensor& value, const graph::Weight* weight) {
  const at::Tensor square = value.square();
  const at::Tensor whole = square.mean().sqrt().clamp_min(1e-12);
  if (weight == nullptr || weight->groups != 1 || value.dim() < 2) return whole;
  std::vector<int64_t> others;
  for (int64_t d = 0; d < value.dim(); ++d) {
    if (d != weight->axis) others.push_back(d);
  }
  const at::Tensor rows = square.mean(others, /*keepdim=*/true).sqrt();
  return at::where(rows.gt(0), rows, whole);
}

at::Tensor MaskOf(const std::vector<uint8_t>& dead, const at::Tensor& like) {
  std::vector<float> alive;
  for (const uint8_t one : dead) alive.push_back(one != 0 ? 0.0F : 1.0F);
  return at::from_blob(alive.data(), {static_cast<int64_t>(alive.size())})
      .clone()
      .to(like.device());
}

}  // namespace

PlainChoice ChoosePlain(const TrainingGraph& graph, const graph::Constants& constants,
                        const std::vector<LayerStart>& layers) {
  PlainChoice choice;
  choice.weights = layers.empty();
  for (const auto& [name, constant] : graph.constants) {
    const bool fresh = constants.count(name) == 0;
    if (fresh && graph.stored_bias.count(name) == 0) choice.fixed.push_back(name);
  }
  for (const graph::Node& node : graph.graph.nodes) {
    if (node.inputs.size() < 3 || node.inputs[2].empty()) continue;
    for (const LayerStart& layer : layers) {
      if (node.inputs[1] == layer.name && !layer.dead.empty()) {
        choice.dead[node.inputs[2]] = layer.dead;
      }
    }
  }
  return choice;
}

PlainParameters::PlainParameters() = default;
PlainParameters::PlainParameters(PlainParameters&&) noexcept = default;
PlainParameters::~PlainParameters() = default;

absl::StatusOr<PlainParameters> PlainParameters::Make(const engine::Trainable& network,
                                                      const std::vector<graph::Weight>& weights,
                                                      const PlainChoice& choice) {
  std::map<std::string, const graph::Weight*> by_name;
  for (const graph::Weight& weight : weights) by_name[weight.constant] = &weight;
  PlainParameters out;
  const c10::AutoGradMode no_graphs(false);
  for (const engine::TrainableConstant& constant : network.constants()) {
    const bool is_weight = constant.kind == Kind::kWeight;
    if (is_weight && !choice.weights) continue;
    if (std::count(choice.fixed.begin(), choice.fixed.end(), constant.name) != 0) continue;
    LBW_ASSIGN_OR_RETURN(at::Tensor value, network.Initial(constant.name));
    if (constant.kind == Kind::kMean || constant.kind == Kind::kVariance) {
      out.running_.emplace(constant.name, std::move(value));
      continue;
    }
    try {
      Parameter parameter;
      parameter.name = constant.name;
      parameter.kind = is_weight ? ParameterKind::kWeight : ParameterKind::kBias;
      parameter.gradient = std::make_shared<at::Tensor>();
      parameter.unit = std::make_shared<at::Tensor>();
      if (is_weight) *parameter.unit = UnitOf(value, by_name[constant.name]);
      const auto dead = choice.dead.find(constant.name);
      // A bias that all rows share has no rows of its own.
      const bool masked =
          dead != choice.dead.end() && value.numel() == static_cast<int64_t>(dead->second.size());
      out.masks_.push_back(masked ? MaskOf(dead->second, value) : at::Tensor());
      parameter.value = std::make_shared<at::Tensor>(value.requires_grad_(true));
      out.parameters_.push_back(std::move(parameter));
    } catch (...) {
      return engine::CurrentTorchError("preparing parameters");
    }
  }
  return out;
}

void PlainParameters::AddTo(engine::Trainable::Values& values) const {
  for (const Parameter& one : parameters_) values.insert_or_assign(one.name, *one.value);
  for (const auto& [name, tensor] : running_) values.insert_or_assign(name, tensor);
}

void PlainParameters::TakeGradients() {
  const c10::AutoGradMode no_graphs(false);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor gradient = parameters_[i].value->grad();
    parameters_[i].value->mutable_grad() = at::Tensor();
    if (gradient.defined() && masks_[i].defined()) gradient = gradient.mul(masks_[i]);
    *parameters_[i].gradient = std::move(gradient);
  }
}

}  // namespace lbw::train
