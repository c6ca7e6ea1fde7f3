#include "base/tensor.h"

#include <bit>
#include <cmath>
#include <limits>
#include <new>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/checked.h"
#include "base/status.h"

namespace lbw::base {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are little-endian in memory and on disk");

constexpr std::align_val_t kAlignment{64};

std::byte* Allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  return static_cast<std::byte*>(::operator new(bytes, kAlignment));
}

size_t CheckedBytes(DType dtype, const Shape& shape) {
  const auto limit = static_cast<int64_t>(std::numeric_limits<int64_t>::max() / SizeOf(dtype));
  const absl::StatusOr<int64_t> elements = CheckedElementCount(shape, limit);
  LBW_CHECK(elements.ok());
  return static_cast<size_t>(*elements) * SizeOf(dtype);
}

Error BadShape(absl::Span<const int64_t> shape, std::string_view what) {
  return Error(absl::StatusCode::kInvalidArgument, reason::kBadArgument,
               StrCat(what, ": shape=", ShapeToString(shape)));
}

template <typename T>
T Load(absl::Span<const std::byte> bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T, typename Widen>
std::vector<float> Convert(const TensorView& tensor, Widen widen) {
  std::vector<float> out(static_cast<size_t>(tensor.elements()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = widen(Load<T>(tensor.bytes, i));
  return out;
}

absl::StatusOr<std::vector<float>> NarrowF64(const TensorView& tensor) {
  // Half-way between float32's largest value and 2^128: from here on rounding to nearest gives
  // infinity.
  constexpr double kFirstBeyond = 0x1.ffffffp127;
  std::vector<float> out(static_cast<size_t>(tensor.elements()));
  for (size_t i = 0; i < out.size(); ++i) {
    const double value = Load<double>(tensor.bytes, i);
    if (std::isfinite(value) && std::fabs(value) >= kFirstBeyond) {
      return Error(absl::StatusCode::kInvalidArgument, reason::kBadArgument,
                   StrCat("element ", i, " is beyond float32's range: ", value));
    }
    out[i] = static_cast<float>(value);
  }
  return out;
}

}  // namespace

absl::StatusOr<int64_t> CheckedElementCount(absl::Span<const int64_t> shape, int64_t max_elements) {
  int64_t product = 1;
  bool empty = false;
  for (const int64_t dimension : shape) {
    if (dimension < 0) return BadShape(shape, "dimensions must not be negative");
    if (dimension == 0) {
      empty = true;
      continue;
    }
    const std::optional<int64_t> next = CheckedMul(product, dimension);
    if (!next || *next > max_elements) {
      return BadShape(shape, StrCat("a tensor may have at most ", max_elements, " elements"));
    }
    product = *next;
  }
  if (empty) return 0;
  if (product > max_elements) {
    return BadShape(shape, StrCat("a tensor may have at most ", max_elements, " elements"));
  }
  return product;
}

std::string ShapeToString(absl::Span<const int64_t> shape) {
  return StrCat("[", absl::StrJoin(shape, ", "), "]");
}

Tensor::Tensor(DType dtype, Shape shape)
    : dtype_(dtype), shape_(std::move(shape)), size_bytes_(CheckedBytes(dtype_, shape_)) {
  data_ = Allocate(size_bytes_);
  if (size_bytes_ != 0) std::memset(data_, 0, size_bytes_);
}

Tensor::Tensor(const TensorView& view)
    : dtype_(view.dtype), shape_(view.shape), size_bytes_(CheckedBytes(view.dtype, view.shape)) {
  LBW_CHECK(view.bytes.size() == size_bytes_);
  data_ = Allocate(size_bytes_);
  if (size_bytes_ != 0) std::memcpy(data_, view.bytes.data(), size_bytes_);
}

Tensor Tensor::FromF32(Shape shape, absl::Span<const float> values) {
  return Tensor(TensorView{
      DType::kF32,
      std::move(shape),
      {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float)}});
}

Tensor Tensor::FromI64(Shape shape, absl::Span<const int64_t> values) {
  return Tensor(TensorView{
      DType::kI64,
      std::move(shape),
      {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(int64_t)}});
}

Tensor::Tensor(const Tensor& other) : Tensor(other.view()) {}

Tensor& Tensor::operator=(const Tensor& other) {
  if (this != &other) *this = Tensor(other);
  return *this;
}

Tensor::Tensor(Tensor&& other) noexcept
    : dtype_(other.dtype_),
      shape_(std::exchange(other.shape_, Shape{0})),
      data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

Tensor& Tensor::operator=(Tensor&& other) noexcept {
  std::swap(dtype_, other.dtype_);
  std::swap(shape_, other.shape_);
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

Tensor::~Tensor() {
  if (data_ != nullptr) ::operator delete(data_, kAlignment);
}

void Tensor::CheckElementSize(size_t size) const { LBW_CHECK(size == SizeOf(dtype_)); }

absl::StatusOr<std::vector<float>> ToF32(const TensorView& tensor) {
  switch (tensor.dtype) {
    case DType::kF16:
      return Convert<uint16_t>(tensor, F16ToF32);
    case DType::kBF16:
      return Convert<uint16_t>(tensor, BF16ToF32);
    case DType::kF32:
      return Convert<float>(tensor, [](float value) { return value; });
    case DType::kF64:
      return NarrowF64(tensor);
    default:
      return Error(
          absl::StatusCode::kInvalidArgument, reason::kBadArgument,
          StrCat("expected a floating type (F16, BF16, F32, F64): dtype=", Name(tensor.dtype)));
  }
}

float F16ToF32(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24, exact in float32
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

float BF16ToF32(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

uint16_t F32ToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {  // NaN: quiet, the payload's upper bits stay
    return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  }
  if (magnitude >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7c00u);  // from 2^16 on
  uint32_t dropped_bits = 13;
  uint32_t source = magnitude - 0x38000000u;  // exponent rebased from 127 to 15
  if (magnitude < 0x38800000u) {              // below 2^-14: subnormal in units of 2^-24
    const uint32_t exponent = magnitude >> 23;
    if (exponent < 102) return static_cast<uint16_t>(sign);  // below half of the smallest
    dropped_bits = 126 - exponent;
    source = (magnitude & 0x7fffffu) | 0x800000u;
  }
  uint32_t result = source >> dropped_bits;
  const uint32_t remainder = source & ((1u << dropped_bits) - 1u);
  const uint32_t half = 1u << (dropped_bits - 1);
  if (remainder > half || (remainder == half && (result & 1u) != 0))
    ++result;  // may carry into infinity, as it should
  return static_cast<uint16_t>(sign | result);
}

uint16_t F32ToBF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace lbw::base
