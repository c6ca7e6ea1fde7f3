#include <algorithm>
#include <limits>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "detect/heads.h"
#include "detect/role_reader.h"
#include "detect/scores.h"

namespace lbw::detect {
namespace {

class LogitsDecoder final : public Decoder {
 public:
  explicit LogitsDecoder(const DecoderContext& context)
      : head_(context.head),
        rule_(EffectiveActivation(head_), head_.background, context.classes),
        scores_("head.outputs.scores", head_.scores, rule_.channels(), inputs_) {}

  const std::vector<std::string>& inputs() const override { return inputs_; }

  absl::Status CheckShapes(absl::Span<const base::Shape> shapes) const override {
    LBW_ASSIGN_OR_RETURN(const int64_t rows, scores_.CountRows(shapes));
    if (rows == 1) return absl::OkStatus();
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
                       base::StrCat("head.outputs.scores: value ", inputs_[0], " has shape ",
                                    base::ShapeToString(shapes[0]), "; expected [N, ",
                                    rule_.channels(), "]: one score a class"));
  }

  absl::StatusOr<Decoded> Decode(absl::Span<const base::Tensor> outputs, int64_t index,
                                 const DecodeOptions& options) const override {
    LBW_ASSIGN_OR_RETURN(const ResolvedOptions resolved,
                         ResolveOptions(options, head_.nms, rule_.classes()));
    std::vector<float> storage;
    LBW_ASSIGN_OR_RETURN(const absl::Span<const float> row, scores_.Read(outputs, index, storage));
    if (row.size() != static_cast<size_t>(rule_.channels())) {
      return CheckShapes({outputs[0].shape()});
    }
    // Without a wish every class that is a number takes part, also a raw score below zero.
    const float threshold =
        options.score_threshold.value_or(-std::numeric_limits<float>::infinity());
    Decoded decoded;
    rule_.Above(row, threshold, decoded.classes);
    auto& classes = decoded.classes;
    classes.erase(
        std::remove_if(classes.begin(), classes.end(),
                       [&](const ClassScore& c) { return !resolved.Wants(c.class_index); }),
        classes.end());
    std::stable_sort(classes.begin(), classes.end(),
                     [](const ClassScore& a, const ClassScore& b) { return a.score > b.score; });
    if (static_cast<int64_t>(classes.size()) > resolved.top_k) {
      classes.resize(static_cast<size_t>(resolved.top_k));
    }
    return decoded;
  }

 private:
  const HeadSpec head_;
  std::vector<std::string> inputs_;
  const ScoreRule rule_;
  const RoleReader scores_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Decoder>> NewLogitsDecoder(const DecoderContext& context) {
  LBW_RETURN_IF_ERROR(CheckRole("head.outputs.scores", context.head.scores));
  if (context.head.scores.values.size() != 1) {
    return BadSpec("head.outputs.scores: head kind logits reads one value");
  }
  return std::make_unique<LogitsDecoder>(context);
}

}  // namespace lbw::detect
