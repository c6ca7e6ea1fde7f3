#include "train/matching.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/status.h"

namespace lbw::train {
namespace {

using detect::BoxCxcywhNorm;
using detect::BoxEncoding;

// Anchors whose overlap with a box is bounded at once: a fixed count, so that compilers use
// vectors.
constexpr size_t kBlock = 16;
// Keeps the bound's rounding from deciding.
constexpr float kSafely = 0.999F;
constexpr size_t kNone = std::numeric_limits<size_t>::max();

struct Corners {
  float x_min = 0;
  float y_min = 0;
  float x_max = 0;
  float y_max = 0;
  float area = 0;
};

Corners CornersOf(const BoxCxcywhNorm& box) {
  // Written so that NaN answers no area.
  const bool has_area = box.w > 0 && box.h > 0;
  return {box.cx - box.w / 2, box.cy - box.h / 2, box.cx + box.w / 2, box.cy + box.h / 2,
          has_area ? box.w * box.h : 0.0F};
}

// Of two intervals, 0 where they do not meet. Values only, no branches: the loop around it becomes
// vectors.
float PositiveOverlap(float a_min, float a_max, float b_min, float b_max) {
  const float low = a_min > b_min ? a_min : b_min;
  const float high = a_max < b_max ? a_max : b_max;
  const float length = high - low;
  return length > 0 ? length : 0.0F;
}

// Priors as columns, filled up with boxes without area to whole blocks.
class PriorColumns {
 public:
  explicit PriorColumns(absl::Span<const BoxCxcywhNorm> priors)
      : blocks_((priors.size() + kBlock - 1) / kBlock) {
    for (size_t i = 0; i < priors.size(); ++i) {
      const Corners corners = CornersOf(priors[i]);
      Block& block = blocks_[i / kBlock];
      block.x_min[i % kBlock] = corners.x_min;
      block.y_min[i % kBlock] = corners.y_min;
      block.x_max[i % kBlock] = corners.x_max;
      block.y_max[i % kBlock] = corners.y_max;
      block.area[i % kBlock] = corners.area;
    }
  }

  size_t blocks() const { return blocks_.size(); }

  // Whether an anchor of the block may overlap the box by `least`; inter / (a + b - inter) >= least
  // without a division.
  bool MayReach(size_t index, const Corners& box, float least) const {
    const Block& block = blocks_[index];
    std::array<int32_t, kBlock> reached;
    for (size_t i = 0; i < kBlock; ++i) {
      const float width = PositiveOverlap(block.x_min[i], block.x_max[i], box.x_min, box.x_max);
      const float height = PositiveOverlap(block.y_min[i], block.y_max[i], box.y_min, box.y_max);
      const float inner = width * height * (1 + least);
      const float outer = (block.area[i] + box.area) * (least * kSafely);
      reached[i] = static_cast<int32_t>(inner > 0) & static_cast<int32_t>(inner >= outer);
    }
    int32_t found = 0;
    for (size_t i = 0; i < kBlock; ++i) found |= reached[i];
    return found != 0;
  }

  // Intersection over union; 0 where either has no area.
  float Iou(size_t anchor, const Corners& box) const {
    const Block& block = blocks_[anchor / kBlock];
    const size_t i = anchor % kBlock;
    const float width = std::min(block.x_max[i], box.x_max) - std::max(block.x_min[i], box.x_min);
    const float height = std::min(block.y_max[i], box.y_max) - std::max(block.y_min[i], box.y_min);
    if (!(width > 0) || !(height > 0) || !(block.area[i] > 0) || !(box.area > 0)) return 0;
    const float inner = width * height;
    const float outer = block.area[i] + box.area - inner;
    return outer > 0 ? std::min(inner / outer, 1.0F) : 0.0F;
  }

 private:
  struct Block {
    std::array<float, kBlock> x_min = {};
    std::array<float, kBlock> y_min = {};
    std::array<float, kBlock> x_max = {};
    std::array<float, kBlock> y_max = {};
    std::array<float, kBlock> area = {};
  };
  std::vector<Block> blocks_;
};

struct Best {
  float iou = 0;
  size_t index = kNone;
};

struct Overlaps {
  std::vector<Best> boxes;    // [anchors]: the box that overlaps it most
  std::vector<Best> anchors;  // [truths]: the anchor that overlaps it most
};

Overlaps FindOverlaps(absl::Span<const BoxCxcywhNorm> priors, absl::Span<const TruthBox> truths,
                      float least) {
  Overlaps overlaps{std::vector<Best>(priors.size()), std::vector<Best>(truths.size())};
  const PriorColumns columns(priors);
  for (size_t g = 0; g < truths.size(); ++g) {
    const Corners box = CornersOf(truths[g].box);
    if (!(box.area > 0)) continue;
    for (size_t block = 0; block < columns.blocks(); ++block) {
      if (!columns.MayReach(block, box, least)) continue;
      const size_t end = std::min(priors.size(), (block + 1) * kBlock);
      for (size_t a = block * kBlock; a < end; ++a) {
        const float iou = columns.Iou(a, box);
        if (iou < least) continue;
        if (iou > overlaps.boxes[a].iou) overlaps.boxes[a] = {iou, g};
        if (iou > overlaps.anchors[g].iou) overlaps.anchors[g] = {iou, a};
      }
    }
  }
  return overlaps;
}

// Which box an anchor is positive for, kNone elsewhere; anchors that are ignored are marked in
// classes.
std::vector<size_t> Assign(const Overlaps& overlaps, absl::Span<const TruthBox> truths,
                           const LossOptions& options, std::vector<int32_t>& classes) {
  std::vector<size_t> owner(overlaps.boxes.size(), kNone);
  for (size_t a = 0; a < owner.size(); ++a) {
    const Best& best = overlaps.boxes[a];
    if (best.index == kNone || best.iou < static_cast<float>(options.ignore_iou)) continue;
    if (best.iou >= static_cast<float>(options.match_iou) && !truths[best.index].difficult) {
      owner[a] = best.index;
    } else {
      classes[a] = kIgnored;
    }
  }
  std::vector<float> forced(owner.size(), 0.0F);
  for (size_t g = 0; g < truths.size(); ++g) {
    const Best& best = overlaps.anchors[g];
    if (best.index == kNone || best.iou < static_cast<float>(options.force_iou)) continue;
    if (truths[g].difficult) {
      classes[best.index] = kIgnored;
    } else if (best.iou > forced[best.index]) {
      forced[best.index] = best.iou;
      owner[best.index] = g;
    }
  }
  return owner;
}

// Four numbers that detect's decoding turns into the box.
std::array<double, 4> Encode(const BoxCxcywhNorm& box, const BoxCxcywhNorm& prior,
                             const detect::BoxSpec& spec, const detect::InputSpec& input) {
  const bool pixel = spec.units == detect::BoxUnits::kPixel;
  const double unit_x = pixel ? static_cast<double>(input.width) : 1;
  const double unit_y = pixel ? static_cast<double>(input.height) : 1;
  const double v0 = spec.variances[0];
  const double v1 = spec.variances[1];
  const double cx = box.cx, cy = box.cy, w = box.w, h = box.h;
  const double px = prior.cx, py = prior.cy, pw = prior.w, ph = prior.h;
  switch (spec.encoding) {
    case BoxEncoding::kCenterSize:
      return {(cx - px) / pw / v0, (cy - py) / ph / v0, std::log(w / pw) / v1,
              std::log(h / ph) / v1};
    case BoxEncoding::kCorners:
      return {(cx - w / 2 - px + pw / 2) * unit_x / v0, (cy - h / 2 - py + ph / 2) * unit_y / v0,
              (cx + w / 2 - px - pw / 2) * unit_x / v1, (cy + h / 2 - py - ph / 2) * unit_y / v1};
    case BoxEncoding::kLtrb:
      return {(px - cx + w / 2) * unit_x / v0, (py - cy + h / 2) * unit_y / v0,
              (cx + w / 2 - px) * unit_x / v1, (cy + h / 2 - py) * unit_y / v1};
  }
  return {};
}

}  // namespace

AnchorTargets MatchAnchors(absl::Span<const BoxCxcywhNorm> priors,
                           absl::Span<const TruthBox> truths, const detect::BoxSpec& spec,
                           const detect::InputSpec& input, const LossOptions& options) {
  AnchorTargets targets;
  targets.classes.assign(priors.size(), kBackground);
  targets.boxes.assign(priors.size() * 4, 0.0F);
  // Nothing below is looked at.
  const double least = std::min({options.match_iou, options.force_iou, options.ignore_iou});
  const Overlaps overlaps = FindOverlaps(priors, truths, static_cast<float>(least));
  const std::vector<size_t> owner = Assign(overlaps, truths, options, targets.classes);
  for (size_t a = 0; a < owner.size(); ++a) {
    if (owner[a] == kNone) continue;
    const TruthBox& truth = truths[owner[a]];
    targets.classes[a] = truth.class_index;
    const std::array<double, 4> numbers = Encode(truth.box, priors[a], spec, input);
    for (size_t i = 0; i < numbers.size(); ++i) {
      targets.boxes[a * numbers.size() + i] = static_cast<float>(numbers[i]);
    }
    ++targets.positives;
  }
  return targets;
}

std::vector<size_t> HardestBackground(absl::Span<const int32_t> classes,
                                      absl::Span<const float> losses, size_t count) {
  LBW_CHECK(classes.size() == losses.size());
  struct Candidate {
    float loss;
    size_t index;
  };
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < classes.size(); ++i) {
    if (classes[i] != kBackground) continue;
    const float loss = std::isnan(losses[i]) ? std::numeric_limits<float>::infinity() : losses[i];
    candidates.push_back({loss, i});
  }
  if (count < candidates.size()) {
    // A total order: the same choice whatever the algorithm.
    std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count),
                     candidates.end(), [](const Candidate& a, const Candidate& b) {
                       return a.loss != b.loss ? a.loss > b.loss : a.index < b.index;
                     });
    candidates.resize(count);
  }
  std::vector<size_t> hardest;
  for (const Candidate& candidate : candidates) hardest.push_back(candidate.index);
  std::sort(hardest.begin(), hardest.end());
  return hardest;
}

}  // namespace lbw::train
