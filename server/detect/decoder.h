// Turns a graph's outputs into boxes or classes: one decoder a head kind, in a registry by name.
//
// Threads: a decoder is immutable; Decode may be called concurrently.
#ifndef LBW_DETECT_DECODER_H_
#define LBW_DETECT_DECODER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/tensor.h"
#include "detect/box.h"
#include "detect/spec.h"

namespace lbw::detect {

// A call's wishes; what is left out comes from the spec. Classifiers read score_threshold (only
// where it is given), classes and top_k.
struct DecodeOptions {
  std::optional<float> score_threshold;   // in [0, 1]
  std::optional<float> iou_threshold;     // in [0, 1]
  std::optional<int64_t> max_detections;  // 1..1000
  std::optional<bool> per_class;
  // Wanted class indices; empty: all. Others are left out before suppression, so that they hide
  // nothing; with per_class false a box's class is the best of all classes, wanted or not.
  std::vector<int32_t> classes;
  int64_t top_k = 5;  // classifiers; 1..1000, more than there are classes means all
};

struct ClassScore {
  int32_t class_index = 0;
  float score = 0;
  bool operator==(const ClassScore&) const = default;
};

// One picture's result, boxes in pixels of the network's input.
struct Decoded {
  std::vector<Detection> detections;  // best first
  std::vector<ClassScore> classes;    // classifiers, best first
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  // The values that Decode reads, in its order, each once: what an executor must fetch.
  virtual const std::vector<std::string>& inputs() const = 0;
  // outputs: one tensor [N, ...] an entry of inputs(). Decodes picture `index` of the batch.
  // A score that is NaN, and a box with a coordinate that is not finite, are dropped.
  // Errors: kInvalidArgument - BAD_GRAPH (a shape or type that contradicts the spec; names value,
  // shape and expectation), BAD_ARGUMENT (an option out of range, index outside the batch).
  virtual absl::StatusOr<Decoded> Decode(absl::Span<const base::Tensor> outputs, int64_t index,
                                         const DecodeOptions& options) const = 0;
  // Checks shapes [N or -1, ...] of inputs() against the spec before anything runs.
  virtual absl::Status CheckShapes(absl::Span<const base::Shape> shapes) const = 0;
};

struct DecoderContext {
  HeadSpec head;
  InputSpec input;
  int64_t classes = 0;
  std::optional<base::Tensor>
      priors;  // [anchors, 4] f32 centre-size relative, where the spec names a tensor
};

// ssd     boxes [N, anchors, 4] and scores [N, anchors, classes + background]; also flat
//         [N, anchors * k], or as a convolution leaves them, [N, boxes a cell * k, rows, cols];
//         several values (one a level) follow each other along the anchors.
// logits  scores [N, classes + background], trailing dimensions of 1 allowed; one value.
// Errors: kInvalidArgument, BAD_SPEC - unknown kind (lists those known), a role that is missing,
//         priors that are missing or malformed, numbers that make no sense.
absl::StatusOr<std::unique_ptr<Decoder>> NewDecoder(const DecoderContext& context);
// Names of the kinds that NewDecoder knows.
std::vector<std::string_view> DecoderKinds();

// The anchors of an ssd head, in the order of its outputs.
std::vector<BoxCxcywhNorm> MakePriors(absl::Span<const PriorLevel> levels, const InputSpec& input);

// Where the picture lies inside the network's input: x_input = x_picture * scale_x + offset_x.
struct Placement {
  float scale_x = 1;
  float scale_y = 1;
  float offset_x = 0;
  float offset_y = 0;
  int64_t picture_width = 0;
  int64_t picture_height = 0;
  // Whole pixels of the input that the picture fills, from the offset on.
  int64_t resized_width = 0;
  int64_t resized_height = 0;
};
// stretch: fills the input. letterbox: keeps the aspect ratio, centred. shortest_side: keeps the
// aspect ratio, the shorter side becomes min unless the longer one would exceed max or the picture
// the input; at the top left. Picture sizes are at least 1.
Placement PlacePicture(const InputSpec& input, int64_t picture_width, int64_t picture_height);
// From the input's pixels to the picture's, clipped to the picture.
BoxXyxyPx ToPicture(const BoxXyxyPx& box, const Placement& placement);

}  // namespace lbw::detect

#endif  // LBW_DETECT_DECODER_H_
