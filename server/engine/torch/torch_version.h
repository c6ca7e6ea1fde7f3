// What differs between LibTorch 1.13 (Debian 12) and 2.x, and how spans become torch's. Internal to
// the room.
#ifndef LBW_ENGINE_TORCH_TORCH_VERSION_H_
#define LBW_ENGINE_TORCH_TORCH_VERSION_H_

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>
#include <c10/macros/Export.h>
#include <c10/util/ArrayRef.h>
#include <torch/version.h>

#include <cstdint>

#include "absl/types/span.h"

// Autocast asks by device since 2.4; before, every device had functions of its own.
#define LBW_TORCH_AUTOCAST_BY_DEVICE \
  (TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4))

// As ATen/autocast_mode.h declares them; that header brings all of ATen.
namespace at::autocast {
#if LBW_TORCH_AUTOCAST_BY_DEVICE
TORCH_API bool is_autocast_enabled(c10::DeviceType device_type);
TORCH_API void set_autocast_enabled(c10::DeviceType device_type, bool enabled);
TORCH_API c10::ScalarType get_autocast_dtype(c10::DeviceType device_type);
TORCH_API void set_autocast_dtype(c10::DeviceType device_type, c10::ScalarType dtype);
#else
TORCH_API bool is_enabled();
TORCH_API void set_enabled(bool enabled);
TORCH_API bool is_cpu_enabled();
TORCH_API void set_cpu_enabled(bool enabled);
TORCH_API c10::ScalarType get_autocast_gpu_dtype();
TORCH_API c10::ScalarType get_autocast_cpu_dtype();
TORCH_API void set_autocast_gpu_dtype(c10::ScalarType dtype);
TORCH_API void set_autocast_cpu_dtype(c10::ScalarType dtype);
#endif
TORCH_API void clear_cache();
TORCH_API int increment_nesting();
TORCH_API int decrement_nesting();
TORCH_API bool is_autocast_cache_enabled();
TORCH_API void set_autocast_cache_enabled(bool enabled);
}  // namespace at::autocast

namespace lbw::engine {

// Per-operator headers (ATen/ops/...) and InferenceMode as they are used here. Optional arguments
// changed from c10::optional to std::optional in 2.6: pass values, never an optional of either
// kind.
static_assert(TORCH_VERSION_MAJOR >= 2 || (TORCH_VERSION_MAJOR == 1 && TORCH_VERSION_MINOR >= 13),
              "LibTorch 1.13 or newer");

inline c10::IntArrayRef Ints(absl::Span<const int64_t> values) {
  return c10::IntArrayRef(values.data(), values.size());
}

// Of this thread; device is the CPU or CUDA.
struct AutocastState {
  bool enabled;
  c10::ScalarType dtype;
};

#if LBW_TORCH_AUTOCAST_BY_DEVICE
inline AutocastState GetAutocast(c10::DeviceType device) {
  return {at::autocast::is_autocast_enabled(device), at::autocast::get_autocast_dtype(device)};
}
inline void SetAutocast(c10::DeviceType device, const AutocastState& state) {
  at::autocast::set_autocast_enabled(device, state.enabled);
  at::autocast::set_autocast_dtype(device, state.dtype);
}
#else
inline AutocastState GetAutocast(c10::DeviceType device) {
  if (device == c10::DeviceType::CUDA) {
    return {at::autocast::is_enabled(), at::autocast::get_autocast_gpu_dtype()};
  }
  return {at::autocast::is_cpu_enabled(), at::autocast::get_autocast_cpu_dtype()};
}
inline void SetAutocast(c10::DeviceType device, const AutocastState& state) {
  if (device == c10::DeviceType::CUDA) {
    at::autocast::set_enabled(state.enabled);
    at::autocast::set_autocast_gpu_dtype(state.dtype);
  } else {
    at::autocast::set_cpu_enabled(state.enabled);
    at::autocast::set_autocast_cpu_dtype(state.dtype);
  }
}
#endif

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_TORCH_VERSION_H_
