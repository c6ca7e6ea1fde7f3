// The one seam to devices: which there are, which is meant, and what has to be said around work on
// one.
#ifndef LBW_ENGINE_TORCH_DEVICE_H_
#define LBW_ENGINE_TORCH_DEVICE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace lbw::engine {

// asked: "auto" (the first CUDA device, else the CPU), "cpu", "cuda" or "cuda:N". Answers torch's
// word for it: "cpu" or "cuda:N". Errors: kInvalidArgument, BAD_ARGUMENT - no such word;
// kFailedPrecondition, NO_CUDA_BUILD - this program was built without CUDA; NO_CUDA_DEVICE - the
// machine has none, or no N-th (says how many there are).
absl::StatusOr<std::string> ResolveDevice(std::string_view asked);
// For people: "cpu, avx512_core_vnni", "cuda:0, NVIDIA H100".
std::string DescribeDevice(const std::string& device);
// Whether bf16 is computed and not emulated there.
bool HasBf16(const std::string& device);
// Waits for what was started there.
void Synchronize(const std::string& device);

// Operators that gain from it run in bf16 on this thread while it lives. A scope that is nested in
// another of the same device changes nothing.
class AutocastScope {
 public:
  AutocastScope(const std::string& device, bool enabled);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  struct Saved;
  std::unique_ptr<Saved> saved_;
};

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_DEVICE_H_
