// Between this code's tensors and LibTorch's, and from its exceptions to Status. Internal to the
// room; free of torch's headers.
#ifndef LBW_ENGINE_TORCH_TORCH_BRIDGE_H_
#define LBW_ENGINE_TORCH_TORCH_BRIDGE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tensor.h"

namespace at {
class Tensor;
}  // namespace at

namespace lbw::engine {

// Borrows the bytes: they must outlive every use of the result.
// Errors: kInvalidArgument - a type that torch does not have (U16, U32, U64).
absl::StatusOr<at::Tensor> BorrowTensor(const base::TensorView& view);
// [N, C, H, W] whose bytes lie in the order N, H, W, C. Same errors.
absl::StatusOr<at::Tensor> BorrowChannelsLast(const base::TensorView& view);
// device: torch's word for where the copy lives. Same errors.
absl::StatusOr<at::Tensor> CopyToTorch(const base::TensorView& view,
                                       const std::string& device = "cpu");
// Any strides and device. Errors: kInternal - a type that base does not have.
absl::StatusOr<base::Tensor> CopyFromTorch(const at::Tensor& tensor);

// Threads that one operation may use when called from this thread. LibTorch of Debian starts with
// one.
void UseThreads(int threads);

// To be called in a catch (...) block around torch: the one place where its exceptions become
// Status. where: what was being done ("node conv1 (Conv)").
// Returns kResourceExhausted, OUT_OF_ROOM - no memory; kInternal, INTERNAL - anything else.
absl::Status CurrentTorchError(std::string_view where);

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_TORCH_BRIDGE_H_
