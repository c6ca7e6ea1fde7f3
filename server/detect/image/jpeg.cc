// JPEG through libjpeg itself and not through OpenCV, which fills what is missing with grey and
// only prints a warning.
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>
// clang-format off
#include <jpeglib.h>  // needs FILE and size_t from above
#include <jerror.h>
// clang-format on

#include "base/status.h"
#include "detect/image/codec.h"
#include "detect/image/exif.h"

namespace lbw::detect {
namespace {

// A progressive file may ask for any number of passes over the whole picture.
constexpr int kMaxScans = 500;
constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr unsigned kExifMaxBytes = 0xFFFF;

// libjpeg's state and what it complained about. libjpeg reports through callbacks and leaves by
// longjmp, so no function between setjmp and the callbacks may own anything.
struct Session {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape{};
  bool cut_short = false;
  bool too_many_scans = false;
  char message[JMSG_LENGTH_MAX] = {};

  Session() = default;
  ~Session() { jpeg_destroy_decompress(&info); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
};

Session& SessionOf(j_common_ptr info) { return *static_cast<Session*>(info->client_data); }

void OnError(j_common_ptr info) {
  Session& session = SessionOf(info);
  (*info->err->format_message)(info, session.message);
  std::longjmp(session.escape, 1);
}

void OnMessage(j_common_ptr info, int level) {
  if (level >= 0) return;  // a trace
  // Other warnings (stray bytes between segments, odd metadata) leave a whole picture.
  const int code = info->err->msg_code;
  if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
      code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC) {
    SessionOf(info).cut_short = true;
  }
}

void OnProgress(j_common_ptr info) {
  const auto* decompress = reinterpret_cast<j_decompress_ptr>(info);
  if (decompress->input_scan_number <= kMaxScans) return;
  SessionOf(info).too_many_scans = true;
  std::longjmp(SessionOf(info).escape, 1);
}

void OnOutput(j_common_ptr) {}

// The four colour channels of print; Adobe's files hold them inverted.
void CmykToRgb(const uint8_t* cmyk, size_t pixels, bool inverted, uint8_t* rgb) {
  const int flip = inverted ? 0 : 255;
  for (size_t i = 0; i < pixels; ++i) {
    const int k = flip ^ cmyk[4 * i + 3];
    for (size_t c = 0; c < 3; ++c) {
      rgb[3 * i + c] = static_cast<uint8_t>(((flip ^ cmyk[4 * i + c]) * k + 127) / 255);
    }
  }
}

// false: libjpeg gave up; session.message says why.
bool ReadHeader(Session& session, absl::Span<const std::byte> encoded) {
  if (setjmp(session.escape) != 0) return false;
  jpeg_create_decompress(&session.info);
  session.info.client_data = &session;
  session.info.progress = &session.progress;
  jpeg_mem_src(&session.info, reinterpret_cast<const unsigned char*>(encoded.data()),
               encoded.size());
  jpeg_save_markers(&session.info, kExifMarker, kExifMaxBytes);
  jpeg_read_header(&session.info, TRUE);
  const bool cmyk = session.info.num_components == 4;
  session.info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  return true;
}

// rgb: room for the picture; row: room for a row of it with 4 channels, used for CMYK.
bool ReadPixels(Session& session, uint8_t* rgb, uint8_t* row) {
  if (setjmp(session.escape) != 0) return false;
  jpeg_decompress_struct& info = session.info;
  jpeg_start_decompress(&info);
  const size_t width = info.output_width;
  while (info.output_scanline < info.output_height) {
    uint8_t* out = rgb + size_t{info.output_scanline} * width * 3;
    uint8_t* target = info.out_color_space == JCS_CMYK ? row : out;
    if (jpeg_read_scanlines(&info, &target, 1) != 1) return false;
    if (target == row) CmykToRgb(row, width, info.saw_Adobe_marker != 0, out);
    // The rest would only be grey.
    if (session.cut_short) return true;
  }
  jpeg_finish_decompress(&info);  // reads on to the end marker
  return true;
}

absl::Status Broken(const Session& session) {
  if (session.cut_short) return BadImage("JPEG is cut short or damaged: its data end early");
  if (session.too_many_scans) {
    return BadImage(base::StrCat("JPEG has more passes than ", kMaxScans));
  }
  return BadImage(base::StrCat("JPEG is broken: ", std::string(session.message)));
}

int OrientationOf(const jpeg_decompress_struct& info) {
  constexpr std::string_view kExif("Exif\0\0", 6);
  for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr;
       marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (marker->marker != kExifMarker || data.substr(0, kExif.size()) != kExif) continue;
    return ExifOrientation(
        absl::MakeConstSpan(reinterpret_cast<const std::byte*>(data.data()) + kExif.size(),
                            data.size() - kExif.size()));
  }
  return 1;
}

}  // namespace

bool IsJpeg(absl::Span<const std::byte> encoded) {
  return encoded.size() >= 3 && encoded[0] == std::byte{0xFF} && encoded[1] == std::byte{0xD8} &&
         encoded[2] == std::byte{0xFF};
}

absl::StatusOr<StoredImage> DecodeJpeg(absl::Span<const std::byte> encoded,
                                       const ImageLimits& limits) {
  const auto session = std::make_unique<Session>();
  session->info.err = jpeg_std_error(&session->errors);
  session->errors.error_exit = &OnError;
  session->errors.emit_message = &OnMessage;
  session->errors.output_message = &OnOutput;
  session->progress.progress_monitor = &OnProgress;
  // Set again by create, but an error inside it must find its way.
  session->info.client_data = session.get();
  if (!ReadHeader(*session, encoded)) return Broken(*session);

  const int64_t width = session->info.image_width;
  const int64_t height = session->info.image_height;
  LBW_RETURN_IF_ERROR(CheckSize(width, height, limits));
  StoredImage stored;
  stored.orientation = OrientationOf(session->info);
  stored.image.width = width;
  stored.image.height = height;
  stored.image.rgb.resize(static_cast<size_t>(width * height * 3));
  std::vector<uint8_t> row(static_cast<size_t>(width * 4));
  if (!ReadPixels(*session, stored.image.rgb.data(), row.data()) || session->cut_short) {
    return Broken(*session);
  }
  return stored;
}

}  // namespace lbw::detect
