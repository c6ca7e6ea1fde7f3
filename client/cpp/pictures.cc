#include "client/cpp/pictures.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <set>
#include <utility>

#include "base/strings.h"

namespace lbw::client {

std::vector<PictureRange> PlanCalls(absl::Span<const uint64_t> picture_bytes,
                                    const CallLimits& limits) {
  std::vector<PictureRange> calls;
  uint64_t bytes = 0;
  for (size_t i = 0; i < picture_bytes.size(); ++i) {
    const bool fits =
        !calls.empty() && calls.back().end - calls.back().begin < limits.max_pictures &&
        picture_bytes[i] <= limits.max_bytes && bytes <= limits.max_bytes - picture_bytes[i];
    if (!fits) {
      calls.push_back({i, i});
      bytes = 0;
    }
    calls.back().end = i + 1;
    // Saturates: nothing joins a picture over the limit.
    bytes = picture_bytes[i] > limits.max_bytes ? limits.max_bytes + 1 : bytes + picture_bytes[i];
  }
  return calls;
}

std::vector<std::string> AnnotatedNames(absl::Span<const std::string> paths,
                                        const std::string& extension) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const std::string& path : paths) {
    const std::string stem = std::filesystem::path(path).stem().string();
    std::string name = stem + extension;
    for (int i = 2; !taken.insert(name).second; ++i) name = base::StrCat(stem, "-", i, extension);
    names.push_back(std::move(name));
  }
  return names;
}

void AppendResponse(v1::DetectResponse&& part, v1::DetectResponse& whole) {
  if (whole.model_version().empty()) whole.set_model_version(part.model_version());
  const uint64_t queue_us = uint64_t{whole.queue_us()} + part.queue_us();
  whole.set_queue_us(
      static_cast<uint32_t>(std::min<uint64_t>(queue_us, std::numeric_limits<uint32_t>::max())));
  for (v1::DetectResult& result : *part.mutable_results()) {
    *whole.add_results() = std::move(result);
  }
}

}  // namespace lbw::client
