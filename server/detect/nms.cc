#include "detect/nms.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/container/flat_hash_map.h"

namespace lbw::detect {
namespace {

// Indices of the candidates that may be kept, best first.
std::vector<size_t> Order(absl::Span<const Detection> candidates, const NmsOptions& options) {
  std::vector<size_t> order;
  order.reserve(candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i) {
    // False for NaN.
    if (candidates[i].score > options.score_threshold) order.push_back(i);
  }
  const auto better = [&](size_t a, size_t b) {
    const Detection& da = candidates[a];
    const Detection& db = candidates[b];
    if (da.score != db.score) return da.score > db.score;
    if (da.class_index != db.class_index) return da.class_index < db.class_index;
    return a < b;
  };
  const auto limit = static_cast<size_t>(std::max<int64_t>(options.max_candidates, 0));
  if (order.size() > limit) {
    std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(limit), order.end(),
                     better);
    order.resize(limit);
  }
  std::sort(order.begin(), order.end(), better);
  return order;
}

bool IsSuppressed(const BoxXyxyPx& box, absl::Span<const BoxXyxyPx> kept, float iou_threshold) {
  for (const BoxXyxyPx& other : kept) {
    if (Iou(other, box) > iou_threshold) return true;
  }
  return false;
}

}  // namespace

std::vector<Detection> Nms(absl::Span<const Detection> candidates, const NmsOptions& options) {
  const auto limit = static_cast<size_t>(std::max<int64_t>(options.max_detections, 0));
  std::vector<Detection> kept;
  // Kept boxes by class; all under 0 where classes suppress each other.
  absl::flat_hash_map<int32_t, std::vector<BoxXyxyPx>> boxes;
  for (const size_t index : Order(candidates, options)) {
    if (kept.size() >= limit) break;
    const Detection& candidate = candidates[index];
    std::vector<BoxXyxyPx>& rivals = boxes[options.per_class ? candidate.class_index : 0];
    if (IsSuppressed(candidate.box, rivals, options.iou_threshold)) continue;
    rivals.push_back(candidate.box);
    kept.push_back(candidate);
  }
  return kept;
}

}  // namespace lbw::detect
