#include "engine/torch/device.h"

#include <c10/core/Device.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <torch/cuda.h>

#include <array>
#include <optional>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/torch_version.h"

namespace lbw::engine {
namespace {

constexpr std::string_view kCuda = "cuda";
constexpr int kMostDigits = 3;  // of a device's number

// Whether torch's part for CUDA is linked: it registers itself, with or without a device.
bool HasCudaBuild() { return c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA); }

int CudaDevices() {
  if (!HasCudaBuild()) return 0;
  try {
    return static_cast<int>(torch::cuda::device_count());
  } catch (...) {
    return 0;  // a driver that does not fit
  }
}

// N of "cuda" (0) and "cuda:N"; nullopt for anything else.
std::optional<int> CudaIndex(std::string_view word) {
  if (word.substr(0, kCuda.size()) != kCuda) return std::nullopt;
  word.remove_prefix(kCuda.size());
  if (word.empty()) return 0;
  if (word[0] != ':' || word.size() < 2 || word.size() > 1 + kMostDigits) return std::nullopt;
  int index = 0;
  for (const char digit : word.substr(1)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    index = 10 * index + (digit - '0');
  }
  return index;
}

// What torch does not tell of a device, asked of the driver: by name, so that nothing is linked
// where there is none.
class Driver {
 public:
  Driver() : library_(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL)) {
    const auto init = Find<int(unsigned)>("cuInit");
    ready_ = init != nullptr && init(0) == 0;
  }
  ~Driver() {
    if (library_ != nullptr) dlclose(library_);
  }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Empty where it cannot be told.
  std::string NameOf(int index) const {
    const auto name = Find<int(char*, int, int)>("cuDeviceGetName");
    const std::optional<int> device = Device(index);
    std::array<char, 256> text = {};
    if (name == nullptr || !device.has_value()) return "";
    if (name(text.data(), static_cast<int>(text.size()) - 1, *device) != 0) return "";
    return text.data();
  }

  // The first number of the compute capability; 0 where it cannot be told.
  int Generation(int index) const {
    constexpr int kComputeCapabilityMajor = 75;  // CU_DEVICE_ATTRIBUTE_...
    const auto attribute = Find<int(int*, int, int)>("cuDeviceGetAttribute");
    const std::optional<int> device = Device(index);
    int value = 0;
    if (attribute == nullptr || !device.has_value()) return 0;
    return attribute(&value, kComputeCapabilityMajor, *device) == 0 ? value : 0;
  }

 private:
  template <typename Function>
  Function* Find(const char* name) const {
    if (library_ == nullptr) return nullptr;
    return reinterpret_cast<Function*>(dlsym(library_, name));
  }

  std::optional<int> Device(int index) const {
    const auto get = Find<int(int*, int)>("cuDeviceGet");
    int device = 0;
    if (!ready_ || get == nullptr || get(&device, index) != 0) return std::nullopt;
    return device;
  }

  void* const library_;
  bool ready_ = false;
};

// By oneDNN's names, the widest that this machine has.
std::string_view CpuIsa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("amx-bf16") != 0) return "avx512_core_amx";
  if (__builtin_cpu_supports("avx512bf16") != 0) return "avx512_core_bf16";
  if (__builtin_cpu_supports("avx512vnni") != 0) return "avx512_core_vnni";
  if (__builtin_cpu_supports("avx512bw") != 0) return "avx512_core";
  if (__builtin_cpu_supports("avx2") != 0) return "avx2";
  return "sse41";
#elif defined(__aarch64__)
  return "asimd";
#else
  return "generic";
#endif
}

}  // namespace

absl::StatusOr<std::string> ResolveDevice(std::string_view asked) {
  if (asked == "cpu") return std::string(asked);
  if (asked == "auto") return std::string(CudaDevices() > 0 ? "cuda:0" : "cpu");
  const std::optional<int> index = CudaIndex(asked);
  if (!index.has_value()) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
        base::StrCat("device must be auto, cpu, cuda or cuda:N: device=\"", asked, "\""));
  }
  if (!HasCudaBuild()) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kNoCudaBuild,
                       base::StrCat("device ", asked, ": this program is built without CUDA"));
  }
  const int count = CudaDevices();
  if (*index >= count) {
    return base::Error(
        absl::StatusCode::kFailedPrecondition, base::reason::kNoCudaDevice,
        base::StrCat("device ", asked, ": this machine has ", count, " CUDA devices"));
  }
  return base::StrCat(kCuda, ":", *index);
}

std::string DescribeDevice(const std::string& device) {
  const std::optional<int> index = CudaIndex(device);
  const std::string what = index.has_value() ? Driver().NameOf(*index) : std::string(CpuIsa());
  return what.empty() ? device : base::StrCat(device, ", ", what);
}

bool HasBf16(const std::string& device) {
  constexpr int kAmpere = 8;
  if (const std::optional<int> index = CudaIndex(device); index.has_value()) {
    return Driver().Generation(*index) >= kAmpere;
  }
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0 || __builtin_cpu_supports("amx-bf16") != 0;
#else
  return false;
#endif
}

void Synchronize(const std::string& device) {
  const std::optional<int> index = CudaIndex(device);
  if (index.has_value()) torch::cuda::synchronize(*index);
}

struct AutocastScope::Saved {
  c10::DeviceType device;
  AutocastState state;
  bool cache;
};

AutocastScope::AutocastScope(const std::string& device, bool enabled) {
  if (!enabled) return;
  const auto type = CudaIndex(device).has_value() ? c10::DeviceType::CUDA : c10::DeviceType::CPU;
  const AutocastState before = GetAutocast(type);
  if (before.enabled) return;
  saved_ = std::make_unique<Saved>(Saved{type, before, at::autocast::is_autocast_cache_enabled()});
  at::autocast::increment_nesting();
  SetAutocast(type, {true, c10::ScalarType::BFloat16});
  // The cache would keep the narrow copy of a weight that is overwritten between two runs.
  at::autocast::set_autocast_cache_enabled(false);
}

AutocastScope::~AutocastScope() {
  if (saved_ == nullptr) return;
  at::autocast::set_autocast_cache_enabled(saved_->cache);
  SetAutocast(saved_->device, saved_->state);
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}

}  // namespace lbw::engine
