// PNG files out of what cairo has drawn.
#ifndef LBW_CLIENT_PNG_H_
#define LBW_CLIENT_PNG_H_

#include <cairo/cairo.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace lbw::client {

// The surface as a PNG file's bytes. what: "plot", for the message. drawn: how drawing went.
// Errors: kInternal - cairo fails, or has failed.
absl::StatusOr<std::string> EncodePng(cairo_surface_t* surface, std::string_view what,
                                      cairo_status_t drawn = CAIRO_STATUS_SUCCESS);

}  // namespace lbw::client

#endif  // LBW_CLIENT_PNG_H_
