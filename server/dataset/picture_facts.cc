#include "dataset/picture_facts.h"

#include <cstddef>

#include "base/io.h"
#include "detect/image/exif.h"

namespace lbw::dataset {
namespace {

uint32_t Byte(std::string_view text, size_t at) {
  return at < text.size() ? static_cast<uint8_t>(text[at]) : 0U;
}
int64_t Big16(std::string_view text, size_t at) {
  return static_cast<int64_t>(Byte(text, at) << 8 | Byte(text, at + 1));
}
int64_t Big32(std::string_view text, size_t at) {
  return Big16(text, at) << 16 | Big16(text, at + 2);
}

// PNG, W3C Recommendation (2003), section 11.2.2: IHDR follows the signature. The orientation may
// stand in any chunk.
PictureFacts LookAtPng(std::string_view png) {
  PictureFacts facts;
  facts.kind = PictureFacts::Kind::kPng;
  facts.stored_width = Big32(png, 16);
  facts.stored_height = Big32(png, 20);
  facts.sixteen_bit = Byte(png, 24) == 16;
  const uint32_t color = Byte(png, 25);
  facts.grey = color == 0 || color == 4;
  facts.alpha = color == 4 || color == 6;
  facts.palette = color == 3;
  constexpr size_t kAround = 12;  // length, type, CRC
  for (size_t at = 8; at + kAround <= png.size();) {
    const auto length = static_cast<size_t>(Big32(png, at));
    const std::string_view type = png.substr(at + 4, 4);
    if (type == "eXIf") {
      facts.orientation = detect::ExifOrientation(base::AsBytes(png.substr(at + 8, length)));
    }
    if (type == "IEND" || length > png.size() - at - kAround) break;
    at += length + kAround;
  }
  return facts;
}

bool IsFrame(uint32_t marker) {  // SOF0..SOF15 without DHT, JPG and DAC
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

// ITU-T T.81 (1992), annex B: segments up to the frame header.
PictureFacts LookAtJpeg(std::string_view jpeg) {
  PictureFacts facts;
  facts.kind = PictureFacts::Kind::kJpeg;
  bool has_exif = false;
  size_t at = 2;
  while (at + 4 <= jpeg.size()) {
    if (Byte(jpeg, at) != 0xFF) break;
    const uint32_t marker = Byte(jpeg, at + 1);
    if (marker == 0xFF) {
      ++at;
      continue;
    }
    const auto length = static_cast<size_t>(Big16(jpeg, at + 2));
    const std::string_view body = jpeg.substr(at + 4, length < 2 ? 0 : length - 2);
    constexpr std::string_view kExif("Exif\0\0", 6);
    if (marker == 0xE1 && body.substr(0, kExif.size()) == kExif) {
      if (!has_exif)  // the first counts, as for the decoder
        facts.orientation = detect::ExifOrientation(base::AsBytes(body.substr(kExif.size())));
      has_exif = true;
    }
    if (IsFrame(marker)) {
      facts.stored_height = Big16(body, 1);
      facts.stored_width = Big16(body, 3);
      facts.grey = Byte(body, 5) == 1;
      facts.cmyk = Byte(body, 5) == 4;
      break;
    }
    if (marker == 0xDA || length < 2) break;
    at += 2 + length;
  }
  return facts;
}

}  // namespace

PictureFacts LookAtPicture(std::string_view encoded) {
  if (encoded.substr(0, 8) == std::string_view("\x89PNG\r\n\x1a\n", 8)) return LookAtPng(encoded);
  if (encoded.substr(0, 3) == "\xFF\xD8\xFF") return LookAtJpeg(encoded);
  return {};
}

}  // namespace lbw::dataset
