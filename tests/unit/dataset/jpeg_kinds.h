// JPEG of colour spaces that our encoder does not write.
#ifndef LBW_TESTS_UNIT_DATASET_JPEG_KINDS_H_
#define LBW_TESTS_UNIT_DATASET_JPEG_KINDS_H_

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>
// jpeglib.h wants FILE.
#include <jpeglib.h>

namespace lbw::dataset {

// 40 x 30 pixels, every sample 90.
inline std::string OneColorJpeg(J_COLOR_SPACE space, int channels) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &data, &size);
  info.image_width = 40;
  info.image_height = 30;
  info.input_components = channels;
  info.in_color_space = space;
  jpeg_set_defaults(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<unsigned char> row(40 * static_cast<size_t>(channels), 90);
  while (info.next_scanline < 30) {
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string bytes(reinterpret_cast<char*>(data), size);
  std::free(data);
  return bytes;
}

}  // namespace lbw::dataset

#endif  // LBW_TESTS_UNIT_DATASET_JPEG_KINDS_H_
