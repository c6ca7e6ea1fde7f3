// Tensors by name: what a checkpoint holds of a run.
//
// Threads: pure. Save and Load throw what torch throws.
#ifndef LBW_TRAIN_NAMED_TENSORS_H_
#define LBW_TRAIN_NAMED_TENSORS_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/tensor.h"
#include "train/parameter.h"

namespace lbw::train {

using NamedTensors = std::map<std::string, base::Tensor>;

// "WHAT.weight.NAME", "WHAT.bias.NAME", "WHAT.scale.NAME".
std::string KeyOf(std::string_view what, const Parameter& parameter);

// A copy, from any device.
absl::Status Save(const std::string& key, const at::Tensor& tensor, NamedTensors& tensors);
// Writes into the storage of `into`. Errors: kDataLoss - missing, or of another shape or type.
absl::Status Load(const NamedTensors& tensors, const std::string& key, at::Tensor& into);

// Entries whose names begin with the prefix, without it; and the reverse.
NamedTensors Part(const NamedTensors& tensors, const std::string& prefix);
void Put(const std::string& prefix, NamedTensors part, NamedTensors& tensors);

}  // namespace lbw::train

#endif  // LBW_TRAIN_NAMED_TENSORS_H_
