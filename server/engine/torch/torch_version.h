// What differs between LibTorch 1.13 (Debian 12) and 2.x.
#ifndef LBW_ENGINE_TORCH_TORCH_VERSION_H_
#define LBW_ENGINE_TORCH_TORCH_VERSION_H_

#include <torch/version.h>

#include <cstdint>

#include "absl/types/span.h"
#include "c10/util/ArrayRef.h"

namespace lbw::engine {

// Optional arguments are c10::optional in 1.13 and std::optional since 2.6; this alias names the
// one that the headers at hand take.
template <typename T>
using TorchOptional =
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 6)
    std::optional<T>;
#else
    c10::optional<T>;
#endif

inline c10::IntArrayRef Ints(absl::Span<const int64_t> values) {
  return c10::IntArrayRef(values.data(), values.size());
}

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_TORCH_VERSION_H_
