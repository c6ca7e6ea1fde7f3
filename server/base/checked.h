// Integer arithmetic that tells of overflow instead of wrapping.
#ifndef LBW_BASE_CHECKED_H_
#define LBW_BASE_CHECKED_H_

#include <concepts>
#include <optional>

namespace lbw::base {

template <std::integral T>
constexpr std::optional<T> CheckedAdd(T a, T b) {
  T result{};
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}

template <std::integral T>
constexpr std::optional<T> CheckedMul(T a, T b) {
  T result{};
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

template <std::integral T>
constexpr T CeilDiv(T a, T b) {
  return static_cast<T>(a / b + (a % b != 0 ? 1 : 0));
}

}  // namespace lbw::base

#endif  // LBW_BASE_CHECKED_H_
