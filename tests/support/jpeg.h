// JPEG of one colour, of kinds that our encoder does not write. For tests that link libjpeg.
#ifndef LBW_TESTS_SUPPORT_JPEG_H_
#define LBW_TESTS_SUPPORT_JPEG_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>
// clang-format off
#include <jpeglib.h>  // needs FILE and size_t from above
// clang-format on

namespace lbw::testing {

struct JpegKind {
  J_COLOR_SPACE space = JCS_RGB;
  int channels = 3;
  bool adobe = false;
  bool progressive = false;
  unsigned restart_interval = 0;  // blocks
  unsigned width = 16;            // pixels
  unsigned height = 16;
};

// color: a sample of 0..255 for each of kind.channels.
inline std::string MakeJpeg(const JpegKind& kind, const std::vector<uint8_t>& color) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &data, &size);
  info.image_width = kind.width;
  info.image_height = kind.height;
  info.input_components = kind.channels;
  info.in_color_space = kind.space;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 98, TRUE);
  info.write_Adobe_marker = kind.adobe ? TRUE : FALSE;
  info.restart_interval = kind.restart_interval;
  if (kind.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<uint8_t> row;
  for (unsigned x = 0; x < kind.width; ++x) row.insert(row.end(), color.begin(), color.end());
  while (info.next_scanline < kind.height) {
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string bytes(reinterpret_cast<char*>(data), size);
  std::free(data);
  return bytes;
}

}  // namespace lbw::testing

#endif  // LBW_TESTS_SUPPORT_JPEG_H_
