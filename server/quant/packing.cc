#include "quant/packing.h"

#include <algorithm>
#include <cstddef>

#include "base/status.h"

namespace lbw::quant {
namespace {

// Eight codes fill exactly `bits` bytes, so a row is whole groups and one short one.
constexpr size_t kGroup = 8;

}  // namespace

void PackRow(absl::Span<const uint8_t> codes, int bits, absl::Span<uint8_t> packed) {
  LBW_CHECK(packed.size() ==
            static_cast<size_t>(RowBytes(static_cast<int64_t>(codes.size()), bits)));
  size_t at = 0;
  for (size_t i = 0; i < codes.size(); i += kGroup) {
    const size_t count = std::min(kGroup, codes.size() - i);
    uint64_t word = 0;
    for (size_t j = 0; j < count; ++j)
      word |= uint64_t{codes[i + j]} << (j * static_cast<size_t>(bits));
    const size_t bytes = std::min(static_cast<size_t>(bits), packed.size() - at);
    for (size_t j = 0; j < bytes; ++j) packed[at + j] = static_cast<uint8_t>(word >> (8 * j));
    at += bytes;
  }
}

void UnpackRow(absl::Span<const uint8_t> packed, int bits, absl::Span<uint8_t> codes) {
  LBW_CHECK(packed.size() ==
            static_cast<size_t>(RowBytes(static_cast<int64_t>(codes.size()), bits)));
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  size_t at = 0;
  for (size_t i = 0; i < codes.size(); i += kGroup) {
    const size_t bytes = std::min(static_cast<size_t>(bits), packed.size() - at);
    uint64_t word = 0;
    for (size_t j = 0; j < bytes; ++j) word |= uint64_t{packed[at + j]} << (8 * j);
    at += bytes;
    const size_t count = std::min(kGroup, codes.size() - i);
    for (size_t j = 0; j < count; ++j) {
      codes[i + j] = static_cast<uint8_t>((word >> (j * static_cast<size_t>(bits))) & mask);
    }
  }
}

bool PaddingIsZero(absl::Span<const uint8_t> packed, int bits, int64_t elements) {
  const int used = static_cast<int>(elements % 8 * bits % 8);
  return used == 0 || packed.empty() || (packed.back() >> used) == 0;
}

}  // namespace lbw::quant
