#include "detect/image/exif.h"

#include <cstdint>

namespace lbw::detect {
namespace {

constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kShort = 3;
constexpr size_t kEntryBytes = 12;

// Reads unsigned numbers of either byte order; 0 outside the data.
class TiffReader {
 public:
  TiffReader(absl::Span<const std::byte> data, bool big_endian)
      : data_(data), big_endian_(big_endian) {}

  uint32_t U16(size_t offset) const { return Number(offset, 2); }
  uint32_t U32(size_t offset) const { return Number(offset, 4); }

 private:
  uint32_t Number(size_t offset, size_t bytes) const {
    if (offset > data_.size() || data_.size() - offset < bytes) return 0;
    uint32_t result = 0;
    for (size_t i = 0; i < bytes; ++i) {
      const size_t at = big_endian_ ? offset + i : offset + bytes - 1 - i;
      result = result << 8 | std::to_integer<uint32_t>(data_[at]);
    }
    return result;
  }

  absl::Span<const std::byte> data_;
  bool big_endian_;
};

}  // namespace

int ExifOrientation(absl::Span<const std::byte> tiff) {
  if (tiff.size() < 8) return 1;
  const bool big_endian = tiff[0] == std::byte{'M'};
  if (!big_endian && tiff[0] != std::byte{'I'}) return 1;
  if (tiff[1] != tiff[0]) return 1;
  const TiffReader reader(tiff, big_endian);
  if (reader.U16(2) != 42) return 1;
  const size_t directory = reader.U32(4);
  const uint32_t entries = reader.U16(directory);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (entry + kEntryBytes > tiff.size()) return 1;
    if (reader.U16(entry) != kOrientationTag) continue;
    const uint32_t value = reader.U16(entry + 8);
    const bool valid = reader.U16(entry + 2) == kShort && value >= 1 && value <= 8;
    return valid ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace lbw::detect
