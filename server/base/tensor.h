// Dense row-major tensors of any element type: a view that borrows its bytes, and a tensor that
// owns them.
//
// Everywhere in this code "tensor" means row-major, contiguous, little-endian, without padding.
// Threads: values; a const object may be read by any number of threads.
#ifndef LBW_BASE_TENSOR_H_
#define LBW_BASE_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/dtype.h"

namespace lbw::base {

using Shape = std::vector<int64_t>;

// Product of the dimensions, 1 for a scalar.
// Errors: kInvalidArgument - a negative dimension, or a product above max_elements (names shape and
// limit).
absl::StatusOr<int64_t> CheckedElementCount(absl::Span<const int64_t> shape, int64_t max_elements);

// "[64, 3, 3, 3]"
std::string ShapeToString(absl::Span<const int64_t> shape);

// Borrows its bytes. Invariant: bytes.size() == elements * SizeOf(dtype), alignment not guaranteed.
struct TensorView {
  DType dtype = DType::kF32;
  Shape shape;
  absl::Span<const std::byte> bytes;

  int64_t elements() const { return static_cast<int64_t>(bytes.size() / SizeOf(dtype)); }
};

// Owns its bytes; storage is aligned to 64 bytes. Movable and copyable (a copy copies the bytes).
class Tensor {
 public:
  Tensor() = default;
  // Zero-filled. shape must have a checked element count (CheckedElementCount); a broken one
  // aborts.
  Tensor(DType dtype, Shape shape);
  // Copies the view.
  explicit Tensor(const TensorView& view);
  static Tensor FromF32(Shape shape, absl::Span<const float> values);
  static Tensor FromI64(Shape shape, absl::Span<const int64_t> values);

  Tensor(const Tensor& other);
  Tensor& operator=(const Tensor& other);
  Tensor(Tensor&& other) noexcept;
  Tensor& operator=(Tensor&& other) noexcept;
  ~Tensor();

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t elements() const { return static_cast<int64_t>(size_bytes_ / SizeOf(dtype_)); }
  size_t size_bytes() const { return size_bytes_; }
  absl::Span<const std::byte> bytes() const { return {data_, size_bytes_}; }
  absl::Span<std::byte> mutable_bytes() { return {data_, size_bytes_}; }
  TensorView view() const { return TensorView{dtype_, shape_, bytes()}; }

  // The elements as T; aborts when sizeof(T) differs from the element size.
  template <typename T>
  absl::Span<const T> as() const {
    CheckElementSize(sizeof(T));
    return {reinterpret_cast<const T*>(data_), static_cast<size_t>(elements())};
  }
  template <typename T>
  absl::Span<T> mutable_as() {
    CheckElementSize(sizeof(T));
    return {reinterpret_cast<T*>(data_), static_cast<size_t>(elements())};
  }

 private:
  void CheckElementSize(size_t size) const;

  DType dtype_ = DType::kF32;
  Shape shape_ = {0};
  std::byte* data_ = nullptr;
  size_t size_bytes_ = 0;
};

// Widens f16, bf16 and f32 exactly to f32; rounds f64 to nearest.
// Errors: kInvalidArgument - not a floating type; a finite f64 beyond float32's range (names its
// index).
absl::StatusOr<std::vector<float>> ToF32(const TensorView& tensor);

// One element each; round to nearest even on the way down.
float F16ToF32(uint16_t bits);
float BF16ToF32(uint16_t bits);
uint16_t F32ToF16(float value);
uint16_t F32ToBF16(float value);

}  // namespace lbw::base

#endif  // LBW_BASE_TENSOR_H_
