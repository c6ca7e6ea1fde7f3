// SSD: W. Liu et al., "SSD: Single Shot MultiBox Detector", arXiv 1512.02325 (2015), section 2.
#include <cmath>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "detect/heads.h"
#include "detect/nms.h"
#include "detect/role_reader.h"
#include "detect/scores.h"

namespace lbw::detect {
namespace {

using absl::StatusCode;

constexpr int64_t kBoxNumbers = 4;

std::vector<BoxCxcywhNorm> PriorsOf(const DecoderContext& context) {
  if (!context.priors) return MakePriors(context.head.box.priors, context.input);
  const absl::Span<const float> numbers = context.priors->as<float>();
  std::vector<BoxCxcywhNorm> priors;
  for (size_t i = 0; i + 3 < numbers.size(); i += 4) {
    priors.push_back({numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]});
  }
  return priors;
}

bool IsFinite(const BoxXyxyPx& box) {
  return std::isfinite(box.x_min) && std::isfinite(box.y_min) && std::isfinite(box.x_max) &&
         std::isfinite(box.y_max);
}

class SsdDecoder final : public Decoder {
 public:
  explicit SsdDecoder(const DecoderContext& context)
      : head_(context.head),
        width_(static_cast<float>(context.input.width)),
        height_(static_cast<float>(context.input.height)),
        priors_(PriorsOf(context)),
        rule_(EffectiveActivation(head_), head_.background, context.classes),
        boxes_("head.outputs.boxes", head_.boxes, kBoxNumbers, inputs_),
        scores_("head.outputs.scores", head_.scores, rule_.channels(), inputs_) {}

  const std::vector<std::string>& inputs() const override { return inputs_; }

  absl::Status CheckShapes(absl::Span<const base::Shape> shapes) const override {
    LBW_ASSIGN_OR_RETURN(const int64_t box_rows, boxes_.CountRows(shapes));
    LBW_ASSIGN_OR_RETURN(const int64_t score_rows, scores_.CountRows(shapes));
    return CheckRows(box_rows, score_rows);
  }

  absl::StatusOr<Decoded> Decode(absl::Span<const base::Tensor> outputs, int64_t index,
                                 const DecodeOptions& options) const override {
    LBW_ASSIGN_OR_RETURN(const ResolvedOptions resolved,
                         ResolveOptions(options, head_.nms, rule_.classes()));
    std::vector<float> box_storage;
    std::vector<float> score_storage;
    LBW_ASSIGN_OR_RETURN(const absl::Span<const float> boxes,
                         boxes_.Read(outputs, index, box_storage));
    LBW_ASSIGN_OR_RETURN(const absl::Span<const float> scores,
                         scores_.Read(outputs, index, score_storage));
    const auto channels = static_cast<size_t>(rule_.channels());
    const size_t rows = scores.size() / channels;
    LBW_RETURN_IF_ERROR(
        CheckRows(static_cast<int64_t>(boxes.size()) / kBoxNumbers, static_cast<int64_t>(rows)));

    std::vector<Detection> candidates;
    std::vector<ClassScore> classes;
    for (size_t row = 0; row < rows; ++row) {
      classes.clear();
      const absl::Span<const float> row_scores = scores.subspan(row * channels, channels);
      if (resolved.nms.per_class) {
        rule_.Above(row_scores, resolved.nms.score_threshold, classes);
      } else {
        rule_.BestAbove(row_scores, resolved.nms.score_threshold, classes);
      }
      if (classes.empty()) continue;
      const BoxXyxyPx box = DecodeBox(boxes.subspan(row * kBoxNumbers, kBoxNumbers), row);
      if (!IsFinite(box)) continue;
      for (const ClassScore& found : classes) {
        if (resolved.Wants(found.class_index)) {
          candidates.push_back({box, found.class_index, found.score});
        }
      }
    }
    Decoded decoded;
    decoded.detections = Nms(candidates, resolved.nms);
    return decoded;
  }

 private:
  absl::Status CheckRows(int64_t box_rows, int64_t score_rows) const {
    if (box_rows != score_rows) {
      return base::Error(
          StatusCode::kInvalidArgument, base::reason::kBadGraph,
          base::StrCat("head.outputs: boxes has ", box_rows, " anchors, scores has ", score_rows));
    }
    if (!priors_.empty() && static_cast<int64_t>(priors_.size()) != box_rows) {
      return base::Error(StatusCode::kInvalidArgument, base::reason::kBadGraph,
                         base::StrCat("head.boxes.priors gives ", priors_.size(),
                                      " anchors, head.outputs.boxes has ", box_rows));
    }
    return absl::OkStatus();
  }

  // x: the four numbers of one anchor.
  BoxXyxyPx DecodeBox(absl::Span<const float> x, size_t row) const {
    const bool pixel = head_.box.units == BoxUnits::kPixel;
    // Of lengths among the four numbers; priors are always relative.
    const float unit_x = pixel ? 1.0F : width_;
    const float unit_y = pixel ? 1.0F : height_;
    if (priors_.empty()) {
      const BoxXyxyPx raw{x[0] * unit_x, x[1] * unit_y, x[2] * unit_x, x[3] * unit_y};
      if (head_.box.encoding == BoxEncoding::kCorners) return raw;
      return {raw.x_min - raw.x_max / 2, raw.y_min - raw.y_max / 2, raw.x_min + raw.x_max / 2,
              raw.y_min + raw.y_max / 2};
    }
    const BoxCxcywhNorm& prior = priors_[row];
    const float v0 = head_.box.variances[0];
    const float v1 = head_.box.variances[1];
    const float prior_x = prior.cx * width_;
    const float prior_y = prior.cy * height_;
    const float prior_w = prior.w * width_;
    const float prior_h = prior.h * height_;
    switch (head_.box.encoding) {
      case BoxEncoding::kCenterSize: {
        const float cx = prior_x + x[0] * v0 * prior_w;
        const float cy = prior_y + x[1] * v0 * prior_h;
        const float w = prior_w * std::exp(x[2] * v1);
        const float h = prior_h * std::exp(x[3] * v1);
        return {cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2};
      }
      case BoxEncoding::kCorners:
        return {
            prior_x - prior_w / 2 + x[0] * v0 * unit_x, prior_y - prior_h / 2 + x[1] * v0 * unit_y,
            prior_x + prior_w / 2 + x[2] * v1 * unit_x, prior_y + prior_h / 2 + x[3] * v1 * unit_y};
      case BoxEncoding::kLtrb:
        return {prior_x - x[0] * v0 * unit_x, prior_y - x[1] * v0 * unit_y,
                prior_x + x[2] * v1 * unit_x, prior_y + x[3] * v1 * unit_y};
    }
    return {};
  }

  const HeadSpec head_;
  const float width_;
  const float height_;
  const std::vector<BoxCxcywhNorm> priors_;
  std::vector<std::string> inputs_;
  const ScoreRule rule_;
  const RoleReader boxes_;
  const RoleReader scores_;
};

absl::Status CheckPriors(const DecoderContext& context) {
  const BoxSpec& box = context.head.box;
  if (!box.prior_tensor.empty() && !box.priors.empty()) {
    return BadSpec("head.boxes.priors: levels and a tensor exclude each other");
  }
  if (!box.prior_tensor.empty() && !context.priors) {
    return BadSpec(
        base::StrCat("head.boxes.priors: no constant tensor ", box.prior_tensor, " in the graph"));
  }
  if (context.priors) {
    const base::Shape& shape = context.priors->shape();
    if (context.priors->dtype() != base::DType::kF32 || shape.size() != 2 ||
        shape[1] != kBoxNumbers || shape[0] < 1) {
      return BadSpec(base::StrCat("head.boxes.priors: tensor ", box.prior_tensor, " has shape ",
                                  base::ShapeToString(shape), "; expected [anchors, 4] F32"));
    }
    for (const float x : context.priors->as<float>()) {
      if (!std::isfinite(x)) return BadSpec("head.boxes.priors: a number is not finite");
    }
  }
  for (const PriorLevel& level : box.priors) {
    if (level.rows < 1 || level.cols < 1 || level.wh.empty()) {
      return BadSpec("head.boxes.priors: a level needs cells of at least [1, 1] and one wh");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Decoder>> NewSsdDecoder(const DecoderContext& context) {
  LBW_RETURN_IF_ERROR(CheckRole("head.outputs.boxes", context.head.boxes));
  LBW_RETURN_IF_ERROR(CheckRole("head.outputs.scores", context.head.scores));
  // Lengths have no activation: one that is asked for would be left out in silence.
  if (context.head.boxes.activation.value_or(Activation::kNone) != Activation::kNone) {
    return BadSpec("head.outputs.boxes.activation: only scores have an activation; leave it out");
  }
  LBW_RETURN_IF_ERROR(CheckPriors(context));
  const BoxSpec& box = context.head.box;
  const bool has_priors = context.priors.has_value() || !box.priors.empty();
  if (!has_priors && box.encoding == BoxEncoding::kLtrb) {
    return BadSpec("head.boxes.priors is missing: encoding ltrb counts from the priors' centres");
  }
  if (has_priors && box.encoding == BoxEncoding::kCenterSize && box.units == BoxUnits::kPixel) {
    return BadSpec("head.boxes.units: pixel means nothing with priors and encoding center_size");
  }
  for (const float v : box.variances) {
    if (!std::isfinite(v) || v <= 0) {
      return BadSpec(base::StrCat("head.boxes.variances must be above 0: ", v));
    }
  }
  return std::make_unique<SsdDecoder>(context);
}

}  // namespace lbw::detect
