// The orientation tag of EXIF metadata.
//
// Source: CIPA DC-008 (Exif 2.32), sections 4.5.2 and 4.6.2 (a TIFF 6.0 structure); tag 0x0112.
// Threads: pure.
#ifndef LBW_DETECT_IMAGE_EXIF_H_
#define LBW_DETECT_IMAGE_EXIF_H_

#include <cstddef>

#include "absl/types/span.h"

namespace lbw::detect {

// tiff: from the byte order mark on ("II*\0" or "MM\0*"). 1..8; 1 (upright) where the metadata are
// broken or say nothing: a picture is not refused for them.
int ExifOrientation(absl::Span<const std::byte> tiff);

}  // namespace lbw::detect

#endif  // LBW_DETECT_IMAGE_EXIF_H_
