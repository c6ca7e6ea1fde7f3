#include "train/named_tensors.h"

#include <ATen/core/Tensor.h>

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/torch_bridge.h"

namespace lbw::train {
namespace {

absl::Status Lacks(const std::string& key) {
  return base::Error(absl::StatusCode::kDataLoss, base::reason::kDataLoss,
                     base::StrCat("the checkpoint's ", key, " is missing or of another shape"));
}

}  // namespace

std::string KeyOf(std::string_view what, const Parameter& parameter) {
  constexpr std::string_view kKinds[] = {"weight", "bias", "scale"};
  return base::StrCat(what, ".", kKinds[static_cast<size_t>(parameter.kind)], ".", parameter.name);
}

absl::Status Save(const std::string& key, const at::Tensor& tensor, NamedTensors& tensors) {
  LBW_ASSIGN_OR_RETURN(base::Tensor saved, engine::CopyFromTorch(tensor.detach().cpu()));
  tensors.insert_or_assign(key, std::move(saved));
  return absl::OkStatus();
}

absl::Status Load(const NamedTensors& tensors, const std::string& key, at::Tensor& into) {
  const auto found = tensors.find(key);
  if (found == tensors.end()) return Lacks(key);
  LBW_ASSIGN_OR_RETURN(const at::Tensor value, engine::BorrowTensor(found->second.view()));
  if (value.sizes() != into.sizes() || value.scalar_type() != into.scalar_type()) return Lacks(key);
  into.copy_(value);
  return absl::OkStatus();
}

NamedTensors Part(const NamedTensors& tensors, const std::string& prefix) {
  NamedTensors part;
  for (auto it = tensors.lower_bound(prefix); it != tensors.end(); ++it) {
    if (it->first.compare(0, prefix.size(), prefix) != 0) break;
    part.emplace(it->first.substr(prefix.size()), it->second);
  }
  return part;
}

void Put(const std::string& prefix, NamedTensors part, NamedTensors& tensors) {
  for (auto& [name, tensor] : part) tensors.insert_or_assign(prefix + name, std::move(tensor));
}

}  // namespace lbw::train
