// Codes of a row, one byte each, packed little-endian: element i at bits [i*bits, (i+1)*bits),
// padding bits zero.
//
// codes      each below 2^bits; bits in 1..8.
// packed     RowBytes(codes.size(), bits) bytes; does not overlap codes.
// Threads:   pure.
#ifndef LBW_QUANT_PACKING_H_
#define LBW_QUANT_PACKING_H_

#include <cstdint>

#include "absl/types/span.h"

namespace lbw::quant {

// ceil(row_elements * bits / 8). row_elements in 0 .. 2^59.
constexpr int64_t RowBytes(int64_t row_elements, int bits) {
  return row_elements / 8 * bits + (row_elements % 8 * bits + 7) / 8;
}

void PackRow(absl::Span<const uint8_t> codes, int bits, absl::Span<uint8_t> packed);
void UnpackRow(absl::Span<const uint8_t> packed, int bits, absl::Span<uint8_t> codes);

// True when the bits behind the last of `elements` codes are zero.
bool PaddingIsZero(absl::Span<const uint8_t> packed, int bits, int64_t elements);

}  // namespace lbw::quant

#endif  // LBW_QUANT_PACKING_H_
