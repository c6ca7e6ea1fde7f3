// The values that an int8 executor rounds to 8 bits, and with which codes: the rounding points of a
// graph, chosen once here for every executor; none rounds anywhere else.
//
// A low-bit layer (a weight of FindWeights that is held as codes) reads 8-bit activations. Where
// they are made depends on what lies between the computation and the layer:
//   MaxPool, GlobalMaxPool, nearest Resize and Upsample, Reshape, Flatten, Squeeze, Unsqueeze,
//   Transpose, Slice, Split, Gather, Expand, Identity, Dropout, Cast between floating types, Pad
//   whose padding is 0 or a repetition
//                 the same codes in other places: rounding is monotone and 0 has an exact code. The
//                 point lies before them, and their outputs have its range.
//   Concat        joins codes only where its inputs share one range: every input is a point (or is
//                 traced further), all of one group. Concats that share an input share their group.
//                 A Concat with a constant among its inputs is computed as other operators are.
//   the picture   is a point, is_input: an 8-bit picture is codes already.
//   a constant    is none.
//   all others    (layers, activations, Add, Mul, AveragePool, linear Resize, BatchNormalization)
//                 compute from values to values; their output is the point. What stands between a
//                 layer and its point (its BatchNormalization, an Add, a Relu) is not rounded.
// Values of the head are never points: `heads`, what they are rearranged from (back through the
// moves above, Concat, Sigmoid and Softmax to the logits), and everything that is computed from
// those. A layer that reads one reads it in f32, and so does a Concat: boxes and scores that share
// one int8 range destroy the scores.
// Math: real = scale * (code - zero_point); codes 0..255, or -128..127 where signed.
// Threads: pure.
#ifndef LBW_GRAPH_ROUNDING_POINTS_H_
#define LBW_GRAPH_ROUNDING_POINTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "graph/graph.h"

namespace lbw::graph {

struct ActivationRange {
  bool is_signed = false;
  float scale = 1;         // finite, above 0
  int32_t zero_point = 0;  // one of the codes
  std::string method;      // "picture": the 8-bit input itself; "max": from extremes. 1..64 bytes

  int32_t least_code() const { return is_signed ? -128 : 0; }
  int32_t greatest_code() const { return is_signed ? 127 : 255; }
  bool operator==(const ActivationRange&) const = default;
};

// By value of the graph: its keys are the points where an int8 executor rounds.
using Activations = std::map<std::string, ActivationRange, std::less<>>;

struct RoundingPoint {
  std::string value;
  int group = 0;          // points of equal group share one range; 0, 1, ... by first appearance
  bool is_input = false;  // the picture
  bool operator==(const RoundingPoint&) const = default;
};

// In graph order: inputs first, then as nodes produce them. graph must be valid (Validate).
// constants: low-bit weights as codes; a graph whose weights are all float has no points.
// heads: values that head roles read and their logits; the graph's outputs when empty.
// Cost: O(nodes + edges).
std::vector<RoundingPoint> FindRoundingPoints(const Graph& graph, const Constants& constants,
                                              const std::vector<std::string>& heads);

// Extremes of a value over the pictures that were looked at.
struct Extremes {
  float low = 0;
  float high = 0;
};

// The codes for values between the extremes, method "max". 0 always has an exact code.
//   low >= 0     unsigned, zero point 0, scale = high / 255
//   else         signed, zero point 0, scale = max(|low|, high) / 127; but unsigned with scale =
//                (max(high, 0) - low) / 255 and the zero point nearest to -low / scale where that
//                is more than 1.5 times finer
// Extremes that are all zero, not finite, in the wrong order, or too small for a normal f32 scale:
// unsigned, scale 1.
ActivationRange ChooseRange(Extremes extremes);

// The codes of a picture x = (pixel - mean) * scale, pixel 0..255, one number or one a channel.
// Where all channels have one positive scale and one mean that is a whole number in 0..255: the
// pixels themselves, method "picture"; else ChooseRange of what a picture can hold.
// mean, scale: of equal length, at least 1.
ActivationRange PictureRange(absl::Span<const float> mean, absl::Span<const float> scale);

// A range for every point: ChooseRange of its group's extremes; `picture` for an input that shares
// its group with nothing. extremes: of every point but inputs.
// Errors: kInvalidArgument, BAD_ARGUMENT - a point without extremes.
absl::StatusOr<Activations> ChooseActivations(
    const std::vector<RoundingPoint>& points,
    const std::map<std::string, Extremes, std::less<>>& extremes, const ActivationRange& picture);

// The key is not empty, and its range is one.
// Errors: kInvalidArgument, BAD_ARGUMENT - names the key.
absl::Status CheckRange(const std::string& key, const ActivationRange& range);
// Every key is an input of the graph or the output of a node, every range is one.
// Errors: kInvalidArgument, BAD_ARGUMENT - names the key.
absl::Status CheckActivations(const Activations& activations, const Graph& graph);

// {"value": {"signed": false, "scale": 0.5, "zero_point": 0, "method": "max"}, ...}, keys sorted;
// scales read back to the same bits. Ranges must be as CheckActivations wants them.
std::string ActivationsToJson(const Activations& activations);
// Strict: a member that is missing or not known, a key that stands twice, a range that is none are
// errors. Errors: kInvalidArgument, BAD_FILE - names the key.
absl::StatusOr<Activations> ActivationsFromJson(std::string_view json);

}  // namespace lbw::graph

#endif  // LBW_GRAPH_ROUNDING_POINTS_H_
