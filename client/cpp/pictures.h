// How many pictures become calls of bounded size, and what their annotated files are called. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_PICTURES_H_
#define LBW_CLIENT_PICTURES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lbw/v1/detection.pb.h"

namespace lbw::client {

struct CallLimits {
  size_t max_pictures = 64;
  // Of encoded bytes; leaves room below the server's message limit of 48 MiB.
  uint64_t max_bytes = uint64_t{40} << 20;
};

// [begin, end) of the pictures that travel in one call.
struct PictureRange {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const PictureRange&) const = default;
};

// Covers all pictures in order. A picture larger than max_bytes is a range of its own.
std::vector<PictureRange> PlanCalls(absl::Span<const uint64_t> picture_bytes,
                                    const CallLimits& limits);

// The base names with `extension` (".jpg") instead of their own; where two are the same the later
// ones get "-2", "-3" ... so that no picture overwrites another.
std::vector<std::string> AnnotatedNames(absl::Span<const std::string> paths,
                                        const std::string& extension);

// Appends the results of one call to those before it. model_version is the first call's; queue_us
// is the sum.
void AppendResponse(v1::DetectResponse&& part, v1::DetectResponse& whole);

}  // namespace lbw::client

#endif  // LBW_CLIENT_PICTURES_H_
