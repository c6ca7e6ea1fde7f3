#include "model/spec_sections.h"

#include <set>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "detect/decoder.h"

namespace lbw::model {
namespace {

using detect::BoxSpec;
using detect::HeadSpec;
using detect::InputSpec;
using detect::PriorLevel;
using detect::Role;
using detect::ValueSlice;

constexpr int64_t kMaxSide = 16'384;
constexpr int64_t kMaxInputPixels = 40'000'000;
constexpr size_t kMaxClasses = 10'000;
constexpr size_t kMaxValues = 64;
constexpr size_t kMaxLevels = 64;
constexpr size_t kMaxBoxesACell = 256;
constexpr int64_t kMaxAnchors = 1'000'000;
constexpr int64_t kMaxChannels = int64_t{1} << 24;
constexpr float kMaxMagnitude = 1e6F;
constexpr float kSmallest = 1e-12F;

// LBW_SET(spec.x, map, "x", Number(0, 1)): reads the key where it is there.
#define LBW_SET(target, map, key, read)           \
  if (const SpecNode* found_ = (map).Find(key)) { \
    LBW_ASSIGN_OR_RETURN(target, found_->read);   \
  }                                               \
  static_assert(true, "")

absl::Status ParseSize(const SpecNode& node, InputSpec& input) {
  LBW_ASSIGN_OR_RETURN(const std::vector<SpecNode> sides, node.List(2, 2));
  LBW_ASSIGN_OR_RETURN(input.height, sides[0].Int(1, kMaxSide));
  LBW_ASSIGN_OR_RETURN(input.width, sides[1].Int(1, kMaxSide));
  if (input.height * input.width <= kMaxInputPixels) return absl::OkStatus();
  return node.Expected(base::StrCat("at most ", kMaxInputPixels, " pixels"));
}

absl::Status ParseResize(const SpecNode& node, InputSpec& input) {
  if (node.is_scalar()) {
    LBW_ASSIGN_OR_RETURN(input.resize, node.OneOf(kResizes));
    if (input.resize != detect::Resize::kShortestSide) return absl::OkStatus();
    return node.Expected("shortest_side with its {min, max}");
  }
  LBW_ASSIGN_OR_RETURN(const SpecMap map, SpecMap::Open(node, {"letterbox", "shortest_side"}));
  if (map.size() != 1) return node.Expected("one of letterbox, shortest_side");
  if (const SpecNode* letterbox = map.Find("letterbox")) {
    input.resize = detect::Resize::kLetterbox;
    LBW_ASSIGN_OR_RETURN(const SpecMap options, SpecMap::Open(*letterbox, {"pad"}));
    LBW_SET(input.pad_value, options, "pad", Number(0, 255));
    return absl::OkStatus();
  }
  input.resize = detect::Resize::kShortestSide;
  LBW_ASSIGN_OR_RETURN(const SpecMap options,
                       SpecMap::Open(*map.Find("shortest_side"), {"min", "max", "pad"}));
  LBW_ASSIGN_OR_RETURN(const SpecNode least, options.Get("min"));
  LBW_ASSIGN_OR_RETURN(input.shortest_side_min, least.Int(1, kMaxSide));
  LBW_ASSIGN_OR_RETURN(const SpecNode most, options.Get("max"));
  LBW_ASSIGN_OR_RETURN(input.shortest_side_max, most.Int(input.shortest_side_min, kMaxSide));
  LBW_SET(input.pad_value, options, "pad", Number(0, 255));
  return absl::OkStatus();
}

// One number for every channel, or one a channel.
absl::Status ParseChannels(const SpecNode& node, int64_t channels, std::array<float, 3>& out) {
  if (node.is_scalar()) {
    LBW_ASSIGN_OR_RETURN(const float value, node.Number(-kMaxMagnitude, kMaxMagnitude));
    out.fill(value);
    return absl::OkStatus();
  }
  if (!node.is_list()) return node.Expected("one number or one a channel");
  const auto count = static_cast<size_t>(channels);
  LBW_ASSIGN_OR_RETURN(const std::vector<SpecNode> items, node.List(count, count));
  for (size_t i = 0; i < out.size(); ++i) {
    LBW_ASSIGN_OR_RETURN(out[i], items[i % count].Number(-kMaxMagnitude, kMaxMagnitude));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<InputSpec> ParseInput(const SpecNode& node, const InputSpec& defaults) {
  LBW_ASSIGN_OR_RETURN(const SpecMap map, SpecMap::Open(node, {"size", "resize", "interpolation",
                                                               "color", "mean", "scale"}));
  InputSpec input = defaults;
  if (map.Find("size") != nullptr || defaults.height == 0) {
    LBW_ASSIGN_OR_RETURN(const SpecNode size, map.Get("size"));
    LBW_RETURN_IF_ERROR(ParseSize(size, input));
  }
  if (const SpecNode* resize = map.Find("resize")) {
    LBW_RETURN_IF_ERROR(ParseResize(*resize, input));
  }
  LBW_SET(input.interpolation, map, "interpolation", OneOf(kInterpolations));
  LBW_SET(input.color, map, "color", OneOf(kColors));
  if (const SpecNode* mean = map.Find("mean")) {
    LBW_RETURN_IF_ERROR(ParseChannels(*mean, input.channels(), input.mean));
  }
  if (const SpecNode* scale = map.Find("scale")) {
    LBW_RETURN_IF_ERROR(ParseChannels(*scale, input.channels(), input.scale));
    for (const float value : input.scale) {
      if (value == 0) return scale->Expected("numbers other than 0");
    }
  }
  return input;
}

absl::StatusOr<std::vector<std::string>> ParseClasses(const SpecNode& node) {
  LBW_ASSIGN_OR_RETURN(const std::vector<SpecNode> items, node.List(1, kMaxClasses));
  std::vector<std::string> classes;
  std::set<std::string> seen;
  for (const SpecNode& item : items) {
    LBW_ASSIGN_OR_RETURN(std::string name, item.Text());
    if (!seen.insert(name).second) return item.Expected("a name that no other class has");
    classes.push_back(std::move(name));
  }
  return classes;
}

namespace {

absl::StatusOr<ValueSlice> ParseSlice(const SpecNode& node) {
  ValueSlice slice;
  if (node.is_scalar()) {
    LBW_ASSIGN_OR_RETURN(slice.value, node.Text());
    return slice;
  }
  LBW_ASSIGN_OR_RETURN(const SpecMap map, SpecMap::Open(node, {"value", "channels"}));
  LBW_ASSIGN_OR_RETURN(const SpecNode value, map.Get("value"));
  LBW_ASSIGN_OR_RETURN(slice.value, value.Text());
  if (const SpecNode* channels = map.Find("channels")) {
    LBW_ASSIGN_OR_RETURN(const std::vector<SpecNode> ends, channels->List(2, 2));
    LBW_ASSIGN_OR_RETURN(slice.channel_begin, ends[0].Int(0, kMaxChannels));
    LBW_ASSIGN_OR_RETURN(slice.channel_end, ends[1].Int(*slice.channel_begin + 1, kMaxChannels));
  }
  return slice;
}

absl::StatusOr<std::vector<ValueSlice>> ParseSlices(const SpecNode& node) {
  std::vector<ValueSlice> slices;
  if (!node.is_list()) {
    LBW_ASSIGN_OR_RETURN(ValueSlice slice, ParseSlice(node));
    slices.push_back(std::move(slice));
    return slices;
  }
  LBW_ASSIGN_OR_RETURN(const std::vector<SpecNode> items, node.List(1, kMaxValues));
  for (const SpecNode& item : items) {
    LBW_ASSIGN_OR_RETURN(ValueSlice slice, ParseSlice(item));
    slices.push_back(std::move(slice));
  }
  return slices;
}

// A value, a list of them, or {values, activation, logits}.
absl::StatusOr<Role> ParseRole(const SpecNode& node) {
  Role role;
  const bool whole = node.is_map() && SpecMap::Open(node, {"value", "channels"}).ok();
  if (!node.is_map() || whole) {
    LBW_ASSIGN_OR_RETURN(role.values, ParseSlices(node));
    return role;
  }
  LBW_ASSIGN_OR_RETURN(const SpecMap map, SpecMap::Open(node, {"values", "activation", "logits"}));
  LBW_ASSIGN_OR_RETURN(const SpecNode values, map.Get("values"));
  LBW_ASSIGN_OR_RETURN(role.values, ParseSlices(values));
  LBW_SET(role.activation, map, "activation", OneOf(kActivations));
  if (const SpecNode* logits = map.Find("logits")) {
    LBW_ASSIGN_OR_RETURN(role.logits, ParseSlices(*logits));
  }
  return role;
}

absl::StatusOr<PriorLevel> ParseLevel(const SpecNode& node) {
  LBW_ASSIGN_OR_RETURN(const SpecMap map, SpecMap::Open(node, {"cells", "wh", "step_px", "clip"}));
  PriorLevel level;
  LBW_ASSIGN_OR_RETURN(const SpecNode cells, map.Get("cells"));
  LBW_ASSIGN_OR_RETURN(const std::vector<SpecNode> counts, cells.List(2, 2));
  LBW_ASSIGN_OR_RETURN(level.rows, counts[0].Int(1, kMaxSide));
  LBW_ASSIGN_OR_RETURN(level.cols, counts[1].Int(1, kMaxSide));
  LBW_ASSIGN_OR_RETURN(const SpecNode wh, map.Get("wh"));
  LBW_ASSIGN_OR_RETURN(const std::vector<SpecNode> boxes, wh.List(1, kMaxBoxesACell));
  for (const SpecNode& box : boxes) {
    LBW_ASSIGN_OR_RETURN(const std::vector<SpecNode> sides, box.List(2, 2));
    std::array<float, 2> size{};
    LBW_ASSIGN_OR_RETURN(size[0], sides[0].Number(kSmallest, 16));
    LBW_ASSIGN_OR_RETURN(size[1], sides[1].Number(kSmallest, 16));
    level.wh.push_back(size);
  }
  LBW_SET(level.step_px, map, "step_px", Number(kSmallest, static_cast<float>(kMaxSide)));
  LBW_SET(level.clip, map, "clip", Bool());
  return level;
}

absl::Status ParsePriors(const SpecNode& node, BoxSpec& box) {
  if (node.is_map()) {
    LBW_ASSIGN_OR_RETURN(const SpecMap map, SpecMap::Open(node, {"tensor"}));
    LBW_ASSIGN_OR_RETURN(const SpecNode tensor, map.Get("tensor"));
    LBW_ASSIGN_OR_RETURN(box.prior_tensor, tensor.Text());
    return absl::OkStatus();
  }
  LBW_ASSIGN_OR_RETURN(const std::vector<SpecNode> levels, node.List(0, kMaxLevels));
  int64_t anchors = 0;
  for (const SpecNode& item : levels) {
    LBW_ASSIGN_OR_RETURN(PriorLevel level, ParseLevel(item));
    // Each factor is bounded above: no overflow.
    anchors += level.rows * level.cols * static_cast<int64_t>(level.wh.size());
    if (anchors > kMaxAnchors) {
      return node.Expected(base::StrCat("at most ", kMaxAnchors, " anchors in all"));
    }
    box.priors.push_back(std::move(level));
  }
  return absl::OkStatus();
}

absl::StatusOr<BoxSpec> ParseBoxes(const SpecNode& node) {
  LBW_ASSIGN_OR_RETURN(const SpecMap map,
                       SpecMap::Open(node, {"encoding", "units", "variances", "priors"}));
  BoxSpec box;
  LBW_SET(box.encoding, map, "encoding", OneOf(kEncodings));
  LBW_SET(box.units, map, "units", OneOf(kUnits));
  // Caffe's 0.1 and 0.2 are at home with center_size only.
  if (box.encoding != detect::BoxEncoding::kCenterSize) box.variances = {1, 1};
  if (const SpecNode* variances = map.Find("variances")) {
    LBW_ASSIGN_OR_RETURN(const std::vector<SpecNode> two, variances->List(2, 2));
    LBW_ASSIGN_OR_RETURN(box.variances[0], two[0].Number(kSmallest, kMaxMagnitude));
    LBW_ASSIGN_OR_RETURN(box.variances[1], two[1].Number(kSmallest, kMaxMagnitude));
  }
  if (const SpecNode* priors = map.Find("priors")) {
    LBW_RETURN_IF_ERROR(ParsePriors(*priors, box));
  }
  return box;
}

}  // namespace

absl::Status ParseNms(const SpecNode& node, detect::NmsSpec& nms) {
  LBW_ASSIGN_OR_RETURN(const SpecMap map,
                       SpecMap::Open(node, {"iou", "per_class", "score", "keep"}));
  LBW_SET(nms.iou, map, "iou", Number(0, 1));
  LBW_SET(nms.per_class, map, "per_class", Bool());
  LBW_SET(nms.score, map, "score", Number(0, 1));
  LBW_SET(nms.keep, map, "keep", Int(1, 1000));
  return absl::OkStatus();
}

absl::StatusOr<HeadSpec> ParseHead(const SpecNode& node) {
  LBW_ASSIGN_OR_RETURN(const SpecMap map,
                       SpecMap::Open(node, {"kind", "outputs", "boxes", "score", "nms"}));
  HeadSpec head;
  LBW_ASSIGN_OR_RETURN(const SpecNode kind, map.Get("kind"));
  std::string known;
  for (const std::string_view name : detect::DecoderKinds()) {
    if (kind.is_scalar() && kind.Text().ok() && *kind.Text() == name) head.kind = name;
    base::StrAppend(&known, known.empty() ? "" : " | ", name);
  }
  if (head.kind.empty()) return kind.Expected(known);

  const bool boxes = head.kind != "logits";
  for (const std::string_view key : {"boxes", "nms"}) {
    const SpecNode* found = map.Find(key);
    if (!boxes && found != nullptr) return found->Expected("nothing here with head kind logits");
  }
  LBW_ASSIGN_OR_RETURN(const SpecNode outputs, map.Get("outputs"));
  LBW_ASSIGN_OR_RETURN(const SpecMap roles, boxes ? SpecMap::Open(outputs, {"boxes", "scores"})
                                                  : SpecMap::Open(outputs, {"scores"}));
  LBW_ASSIGN_OR_RETURN(const SpecNode scores, roles.Get("scores"));
  LBW_ASSIGN_OR_RETURN(head.scores, ParseRole(scores));
  if (boxes) {
    LBW_ASSIGN_OR_RETURN(const SpecNode role, roles.Get("boxes"));
    LBW_ASSIGN_OR_RETURN(head.boxes, ParseRole(role));
    LBW_ASSIGN_OR_RETURN(const SpecNode box, map.Get("boxes"));
    LBW_ASSIGN_OR_RETURN(head.box, ParseBoxes(box));
  }
  if (const SpecNode* score = map.Find("score")) {
    LBW_ASSIGN_OR_RETURN(const SpecMap options,
                         SpecMap::Open(*score, {"activation", "background"}));
    LBW_SET(head.score_activation, options, "activation", OneOf(kActivations));
    LBW_SET(head.background, options, "background", OneOf(kBackgrounds));
  }
  if (const SpecNode* nms = map.Find("nms")) {
    LBW_RETURN_IF_ERROR(ParseNms(*nms, head.nms));
  }
  return head;
}

#undef LBW_SET

}  // namespace lbw::model
