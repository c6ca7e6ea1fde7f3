#include "engine/torch/torch_bridge.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/Exception.h>

#include <cstring>
#include <new>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/torch_version.h"

namespace lbw::engine {
namespace {

std::optional<at::ScalarType> ToTorch(base::DType dtype) {
  switch (dtype) {
    case base::DType::kBool:
      return at::kBool;
    case base::DType::kU8:
      return at::kByte;
    case base::DType::kI8:
      return at::kChar;
    case base::DType::kI16:
      return at::kShort;
    case base::DType::kI32:
      return at::kInt;
    case base::DType::kI64:
      return at::kLong;
    case base::DType::kF16:
      return at::kHalf;
    case base::DType::kBF16:
      return at::kBFloat16;
    case base::DType::kF32:
      return at::kFloat;
    case base::DType::kF64:
      return at::kDouble;
    default:
      return std::nullopt;
  }
}

std::optional<base::DType> FromTorch(at::ScalarType type) {
  for (const base::DType dtype :
       {base::DType::kF32, base::DType::kI64, base::DType::kI32, base::DType::kBool,
        base::DType::kU8, base::DType::kI8, base::DType::kI16, base::DType::kF16,
        base::DType::kBF16, base::DType::kF64}) {
    if (ToTorch(dtype) == type) return dtype;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<at::Tensor> BorrowTensor(const base::TensorView& view) {
  const std::optional<at::ScalarType> type = ToTorch(view.dtype);
  if (!type.has_value()) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedOperator,
        base::StrCat("the torch executor has no tensors of type ", base::Name(view.dtype)));
  }
  // torch takes void*, but nothing writes through a tensor that is only read.
  return at::from_blob(const_cast<std::byte*>(view.bytes.data()), Ints(view.shape),
                       at::TensorOptions().dtype(*type));
}

absl::StatusOr<at::Tensor> BorrowChannelsLast(const base::TensorView& view) {
  LBW_ASSIGN_OR_RETURN(const at::Tensor plain, BorrowTensor(view));
  const int64_t channels = view.shape[1];
  const int64_t height = view.shape[2];
  const int64_t width = view.shape[3];
  return plain.as_strided(plain.sizes(),
                          {channels * height * width, 1, width * channels, channels});
}

absl::StatusOr<at::Tensor> CopyToTorch(const base::TensorView& view, const std::string& device) {
  LBW_ASSIGN_OR_RETURN(const at::Tensor borrowed, BorrowTensor(view));
  const at::Device place(device);
  return place.is_cpu() ? borrowed.clone() : borrowed.to(place);
}

absl::StatusOr<base::Tensor> CopyFromTorch(const at::Tensor& tensor) {
  const std::optional<base::DType> dtype = FromTorch(tensor.scalar_type());
  if (!dtype.has_value()) {
    return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                       "torch returned a tensor of an unknown type");
  }
  const at::Tensor dense = tensor.to(at::kCPU).contiguous();
  base::Tensor out(*dtype, base::Shape(dense.sizes().begin(), dense.sizes().end()));
  if (out.size_bytes() != 0) {
    std::memcpy(out.mutable_bytes().data(), dense.data_ptr(), out.size_bytes());
  }
  return out;
}

void UseThreads(int threads) {
  // OpenMP keeps the number for each calling thread.
  thread_local int in_force = 0;
  if (in_force == threads) return;
  at::set_num_threads(threads);
  in_force = threads;
}

absl::Status CurrentTorchError(std::string_view where) {
  const auto no_memory = [&] {
    return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                       base::StrCat(where, ": out of memory"));
  };
  std::string what = "unknown exception";
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return no_memory();
  } catch (const c10::Error& error) {
    what = error.what_without_backtrace();
    // torch's allocators report a failed allocation as any other error.
    for (const std::string_view sign : {"allocate memory", "CUDA out of memory"}) {
      if (what.find(sign) != std::string::npos) return no_memory();
    }
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                     base::StrCat(where, ": ", what));
}

}  // namespace lbw::engine
