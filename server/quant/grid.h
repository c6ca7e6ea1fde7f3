// The grid of zero and signed powers of two: G(s, n) = {0} u {+-2^s * 2^-t : t = 0 .. n-1}.
//
// Source:    P. Yin, S. Zhang, Y. Qi, J. Xin, "Quantization and Training of Low Bit-Width
//            Convolutional Neural Networks for Object Detection", arXiv 1612.06052 (2016), for the
//            grid with n = 2^(bits-2); the full book is ours.
#ifndef LBW_QUANT_GRID_H_
#define LBW_QUANT_GRID_H_

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lbw::quant {

enum class CodeBook : uint8_t { kPaper, kFull };
enum class Granularity : uint8_t { kTensor, kChannel };
enum class Scheme : uint8_t { kExact, kThreshold, kUniform };

inline constexpr int kMinBits = 2;
inline constexpr int kMaxBits = 6;
inline constexpr int kUniformBits = 8;
// Bounds of s: checked on every read; projection never leaves them.
inline constexpr int kMinExponent = -149;
inline constexpr int kMaxExponent = 127;

// n, the number of positive magnitudes. kPaper: 2^(bits-2); kFull: 2^(bits-1) - 1. bits in 2..6.
constexpr int MagnitudeCount(int bits, CodeBook book) {
  return book == CodeBook::kPaper ? 1 << (bits - 2) : (1 << (bits - 1)) - 1;
}

// "paper", "full"; "tensor", "channel"; "exact", "threshold", "uniform". The names stand in files
// and reports.
std::string_view Name(CodeBook book);
std::string_view Name(Granularity granularity);
std::string_view Name(Scheme scheme);
std::optional<CodeBook> CodeBookFromName(std::string_view name);
std::optional<Granularity> GranularityFromName(std::string_view name);
std::optional<Scheme> SchemeFromName(std::string_view name);

// 2^exponent for exponent <= 127; 0 below 2^-149, the least denormal.
constexpr float PowerOfTwo(int exponent) {
  if (exponent >= -126) return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
  if (exponent >= -149) return std::bit_cast<float>(uint32_t{1} << (exponent + 149));
  return 0.0F;
}

// Sign-magnitude code of `bits` bits: top bit = sign, low bits-1 bits = m; m = 0 is zero, m >= 1 is
// magnitude 2^(s-m+1). Returns the value; a magnitude below 2^-149 is 0. code must be valid
// (IsValidCode).
constexpr float DecodeValue(uint8_t code, int bits, int exponent) {
  const int m = code & ((1 << (bits - 1)) - 1);
  if (m == 0) return 0.0F;
  const float magnitude = PowerOfTwo(exponent - m + 1);
  return (code >> (bits - 1)) != 0 ? -magnitude : magnitude;
}

// False for "sign = 1, m = 0" and for m > n.
constexpr bool IsValidCode(uint8_t code, int bits, int magnitudes) {
  const int m = code & ((1 << (bits - 1)) - 1);
  if (m == 0) return code == 0;
  return m <= magnitudes;
}

}  // namespace lbw::quant

#endif  // LBW_QUANT_GRID_H_
