#include "client/cpp/png.h"

#include "base/status.h"
#include "base/strings.h"

namespace lbw::client {

absl::StatusOr<std::string> EncodePng(cairo_surface_t* surface, std::string_view what,
                                      cairo_status_t drawn) {
  std::string bytes;
  cairo_status_t status = drawn;
  if (status == CAIRO_STATUS_SUCCESS) {
    const cairo_write_func_t append = [](void* out, const unsigned char* data, unsigned length) {
      static_cast<std::string*>(out)->append(reinterpret_cast<const char*>(data), length);
      return CAIRO_STATUS_SUCCESS;
    };
    status = cairo_surface_write_to_png_stream(surface, append, &bytes);
  }
  if (status == CAIRO_STATUS_SUCCESS) return bytes;
  return base::Error(
      absl::StatusCode::kInternal, base::reason::kInternal,
      base::StrCat("the ", what, " cannot be drawn: ", cairo_status_to_string(status)));
}

}  // namespace lbw::client
