// What differs between LibTorch 1.13 (Debian 12) and 2.x, and how spans become torch's. Internal to
// the room.
#ifndef LBW_ENGINE_TORCH_TORCH_VERSION_H_
#define LBW_ENGINE_TORCH_TORCH_VERSION_H_

#include <c10/util/ArrayRef.h>
#include <torch/version.h>

#include <cstdint>

#include "absl/types/span.h"

namespace lbw::engine {

// Per-operator headers (ATen/ops/...) and InferenceMode as they are used here. Optional arguments
// changed from c10::optional to std::optional in 2.6: pass values, never an optional of either
// kind.
static_assert(TORCH_VERSION_MAJOR >= 2 || (TORCH_VERSION_MAJOR == 1 && TORCH_VERSION_MINOR >= 13),
              "LibTorch 1.13 or newer");

inline c10::IntArrayRef Ints(absl::Span<const int64_t> values) {
  return c10::IntArrayRef(values.data(), values.size());
}

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_TORCH_VERSION_H_
