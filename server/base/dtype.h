// Element types of tensors, named as safetensors names them.
#ifndef LBW_BASE_DTYPE_H_
#define LBW_BASE_DTYPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lbw::base {

// Append-only: the values are not stored, the names are.
enum class DType : uint8_t {
  kBool,
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kU64,
  kI64,
  kF16,
  kBF16,
  kF32,
  kF64
};

// Bytes of one element: 1, 2, 4 or 8.
constexpr size_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kBool:
    case DType::kU8:
    case DType::kI8:
      return 1;
    case DType::kU16:
    case DType::kI16:
    case DType::kF16:
    case DType::kBF16:
      return 2;
    case DType::kU32:
    case DType::kI32:
    case DType::kF32:
      return 4;
    case DType::kU64:
    case DType::kI64:
    case DType::kF64:
      return 8;
  }
  return 0;
}

constexpr bool IsFloating(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 ||
         dtype == DType::kF64;
}

// "F32", "BF16", "I64", "BOOL", ...
std::string_view Name(DType dtype);
// The inverse of Name; nullopt for any other text.
std::optional<DType> DTypeFromName(std::string_view name);

}  // namespace lbw::base

#endif  // LBW_BASE_DTYPE_H_
