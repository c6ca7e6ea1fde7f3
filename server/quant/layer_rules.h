// Layer rules: which tensors are quantized, and how. An ordered list; the first match decides.
//
// Threads: pure functions.
#ifndef LBW_QUANT_LAYER_RULES_H_
#define LBW_QUANT_LAYER_RULES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quant/quantize.h"

namespace lbw::quant {

struct LayerRule {
  // A glob ("*", "?", "[abc]", "[a-z]", "[!abc]", "\" escapes) tried on the tensor's name, then on
  // its node's name; or a selector: "@first", "@outputs", "@depthwise".
  std::string match = {};
  bool keep_float = false;
  // What is left out comes from the call.
  std::optional<int> bits = {};
  std::optional<CodeBook> code_book = {};
  std::optional<Granularity> granularity = {};
  std::optional<Scheme> scheme = {};
  std::optional<double> mu_ratio = {};
  std::optional<int> axis = {};
};

// What rules can see of a tensor. Without a graph, `node` is empty and the selectors' flags are
// false but `first` (the first quantizable tensor in the file's order).
struct RuleTarget {
  std::string name = {};
  std::string node = {};
  bool first = false;   // read by the first layer with weights
  bool output = false;  // read by a layer whose output a head role reads, or (without a spec) that
                        // feeds a graph output
  bool depthwise = false;  // groups == input channels
};

// The decision for one tensor.
struct LayerDecision {
  int rule_index = -1;  // -1: no rule matched
  bool quantize = true;
  TensorOptions options;
};

// Errors: kInvalidArgument, BAD_OPTIONS - a rule without match, an unknown selector, a broken glob,
// keep_float beside other fields, a value out of range; names rules[i].field.
absl::Status ValidateRules(absl::Span<const LayerRule> rules);

// call: the call's own options (axis and groups as the tensor's node wants them). rules must be
// valid.
LayerDecision Decide(absl::Span<const LayerRule> rules, const RuleTarget& target,
                     const TensorOptions& call);

// True when the whole of text matches; see LayerRule::match.
bool GlobMatches(std::string_view pattern, std::string_view text);

}  // namespace lbw::quant

#endif  // LBW_QUANT_LAYER_RULES_H_
