// Encoded pictures made by hand, for what an encoder does not write: palettes, EXIF, broken chunks.
#ifndef LBW_TESTS_UNIT_DETECT_IMAGE_PICTURES_H_
#define LBW_TESTS_UNIT_DETECT_IMAGE_PICTURES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "detect/image/image.h"

namespace lbw::detect {

inline std::string BigEndian32(uint32_t value) {
  std::string bytes(4, '\0');
  for (int i = 0; i < 4; ++i)
    bytes[static_cast<size_t>(i)] = static_cast<char>(value >> (24 - 8 * i));
  return bytes;
}

inline std::string PngChunk(std::string_view type, std::string_view data) {
  std::string body = std::string(type) + std::string(data);
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : body) {
    crc ^= static_cast<uint8_t>(c);
    for (int k = 0; k < 8; ++k) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
  }
  return BigEndian32(static_cast<uint32_t>(data.size())) + body + BigEndian32(~crc);
}

// rows: filter byte and samples of each row, below 64 KiB: one stored block of zlib's.
inline std::string PngData(std::string_view rows) {
  uint32_t a = 1;
  uint32_t b = 0;
  for (const char c : rows) {
    a = (a + static_cast<uint8_t>(c)) % 65521;
    b = (b + a) % 65521;
  }
  const auto length = static_cast<uint32_t>(rows.size());
  std::string block = {'\x78',
                       '\x01',
                       '\x01',
                       static_cast<char>(length),
                       static_cast<char>(length >> 8),
                       static_cast<char>(~length),
                       static_cast<char>(~length >> 8)};
  return block + std::string(rows) + BigEndian32(b << 16 | a);
}

// ancillary: chunks between IHDR and IDAT. color_type and depth as in the PNG specification.
struct PngParts {
  uint32_t width = 0;
  uint32_t height = 0;
  uint8_t depth = 8;
  uint8_t color_type = 2;
  std::string ancillary;
  std::string rows;
};
inline std::string MakePng(const PngParts& parts) {
  std::string header = BigEndian32(parts.width) + BigEndian32(parts.height);
  header += {static_cast<char>(parts.depth), static_cast<char>(parts.color_type), 0, 0, 0};
  return "\x89PNG\r\n\x1a\n" + PngChunk("IHDR", header) + parts.ancillary +
         PngChunk("IDAT", PngData(parts.rows)) + PngChunk("IEND", "");
}

// A TIFF directory with the orientation behind another tag.
inline std::string OrientationTiff(int orientation, bool big_endian) {
  const auto number = [&](uint32_t value, size_t bytes) {
    std::string text;
    for (size_t i = 0; i < bytes; ++i) {
      const size_t shift = 8 * (big_endian ? bytes - 1 - i : i);
      text += static_cast<char>(value >> shift);
    }
    return text;
  };
  std::string tiff = std::string(big_endian ? "MM" : "II") + number(42, 2) + number(8, 4);
  tiff += number(2, 2);
  tiff += number(0x010F, 2) + number(2, 2) + number(4, 4) + "abc" + '\0';
  tiff += number(0x0112, 2) + number(3, 2) + number(1, 4) +
          number(static_cast<uint32_t>(orientation), 2) + number(0, 2);
  return tiff + number(0, 4);
}

inline std::string WithExif(std::string_view jpeg, std::string_view tiff) {
  const auto length = static_cast<uint32_t>(tiff.size() + 8);
  std::string segment = "\xFF\xE1";
  segment += static_cast<char>(length >> 8);
  segment += static_cast<char>(length);
  segment += std::string("Exif\0\0", 6) + std::string(tiff);
  return std::string(jpeg.substr(0, 2)) + segment + std::string(jpeg.substr(2));
}

// Smooth and different in every corner and channel, so that JPEG keeps it and a turn shows.
inline Image Gradient(int64_t width, int64_t height) {
  Image image;
  image.width = width;
  image.height = height;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      image.rgb.push_back(static_cast<uint8_t>(255 * x / width));
      image.rgb.push_back(static_cast<uint8_t>(255 * y / height));
      image.rgb.push_back(static_cast<uint8_t>(255 * (x + 2 * y) / (width + 2 * height)));
    }
  }
  return image;
}

inline const uint8_t* PixelAt(const Image& image, int64_t x, int64_t y) {
  return &image.rgb[static_cast<size_t>((y * image.width + x) * 3)];
}

}  // namespace lbw::detect

#endif  // LBW_TESTS_UNIT_DETECT_IMAGE_PICTURES_H_
