#include "quant/layer_rules.h"

#include <algorithm>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::quant {
namespace {

constexpr std::string_view kFirst = "@first";
constexpr std::string_view kOutputs = "@outputs";
constexpr std::string_view kDepthwise = "@depthwise";
constexpr size_t kBroken = std::string_view::npos;

// One element of a glob that stands for exactly one character.
struct OneStep {
  size_t next = kBroken;  // where the pattern goes on; kBroken: the glob is broken
  bool matches = false;
};

// pattern[at] == '['. Ranges such as [0-9] are known; ']' right after '[' or '[!' is an ordinary
// character.
OneStep StepClass(std::string_view pattern, size_t at, char character) {
  ++at;
  const bool inverted = at < pattern.size() && pattern[at] == '!';
  if (inverted) ++at;
  bool found = false;
  for (bool first = true; at < pattern.size(); first = false) {
    if (pattern[at] == ']' && !first) return {at + 1, found != inverted};
    const auto take = [&]() -> char {
      if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
      return pattern[at++];
    };
    const char low = take();
    char high = low;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      ++at;
      high = take();
    }
    found = found || (low <= character && character <= high);
  }
  return {};
}

// pattern[at] is not '*'.
OneStep Step(std::string_view pattern, size_t at, char character) {
  if (pattern[at] == '?') return {at + 1, true};
  if (pattern[at] == '[') return StepClass(pattern, at, character);
  if (pattern[at] == '\\') {
    if (at + 1 == pattern.size()) return {};
    return {at + 2, pattern[at + 1] == character};
  }
  return {at + 1, pattern[at] == character};
}

bool IsBrokenGlob(std::string_view pattern) {
  for (size_t at = 0; at < pattern.size();) {
    at = pattern[at] == '*' ? at + 1 : Step(pattern, at, 'x').next;
    if (at == kBroken) return true;
  }
  return false;
}

bool IsSelector(std::string_view match) { return !match.empty() && match[0] == '@'; }

bool RuleMatches(const LayerRule& rule, const RuleTarget& target) {
  if (rule.match == kFirst) return target.first;
  if (rule.match == kOutputs) return target.output;
  if (rule.match == kDepthwise) return target.depthwise;
  return GlobMatches(rule.match, target.name) ||
         (!target.node.empty() && GlobMatches(rule.match, target.node));
}

absl::Status BadRule(size_t index, std::string_view field, const std::string& message) {
  const std::string path = base::StrCat("rules[", index, "].", field);
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions,
                     base::StrCat(path, ": ", message))
      .Field(path);
}

absl::Status ValidateMatch(size_t index, const std::string& match) {
  if (match.empty()) return BadRule(index, "match", "must not be empty");
  if (IsSelector(match)) {
    if (match == kFirst || match == kOutputs || match == kDepthwise) return absl::OkStatus();
    return BadRule(index, "match",
                   base::StrCat("unknown selector (", kFirst, ", ", kOutputs, ", ", kDepthwise,
                                "; a name that starts with @ is written \\@): ", match));
  }
  if (IsBrokenGlob(match)) {
    return BadRule(index, "match", base::StrCat("an open [ or a \\ at the end: ", match));
  }
  return absl::OkStatus();
}

absl::Status ValidateBits(size_t index, const LayerRule& rule) {
  const int bits = rule.bits.value_or(rule.scheme == Scheme::kUniform ? kUniformBits : 4);
  const bool grid_bits = bits >= kMinBits && bits <= kMaxBits;
  if (!grid_bits && bits != kUniformBits) {
    return BadRule(index, "bits",
                   base::StrCat("must be ", kMinBits, "..", kMaxBits, ", or ", kUniformBits,
                                " with scheme uniform: ", bits));
  }
  if (!rule.scheme) return absl::OkStatus();
  if ((*rule.scheme == Scheme::kUniform) == grid_bits) {
    return BadRule(index, "bits",
                   base::StrCat("does not go with scheme ", Name(*rule.scheme), ": ", bits));
  }
  if (*rule.scheme == Scheme::kThreshold && bits == kMinBits) {
    return BadRule(index, "scheme", "threshold needs bits 3..6: bits=2");
  }
  return absl::OkStatus();
}

absl::Status ValidateRule(size_t index, const LayerRule& rule) {
  LBW_RETURN_IF_ERROR(ValidateMatch(index, rule.match));
  if (rule.keep_float) {
    if (rule.bits || rule.code_book || rule.granularity || rule.scheme || rule.mu_ratio ||
        rule.axis) {
      return BadRule(index, "keep_float", "a tensor that stays float takes no other field");
    }
    return absl::OkStatus();
  }
  LBW_RETURN_IF_ERROR(ValidateBits(index, rule));
  if (rule.mu_ratio && (!(*rule.mu_ratio > 0) || *rule.mu_ratio > 16)) {
    return BadRule(index, "mu_ratio",
                   base::StrCat("must be above 0 and at most 16: ", *rule.mu_ratio));
  }
  if (rule.axis && *rule.axis < 0) {
    return BadRule(index, "axis", base::StrCat("must not be negative: ", *rule.axis));
  }
  return absl::OkStatus();
}

TensorOptions Apply(const LayerRule& rule, const TensorOptions& call) {
  TensorOptions options = call;
  options.bits = rule.bits.value_or(call.bits);
  options.code_book = rule.code_book.value_or(call.code_book);
  options.granularity = rule.granularity.value_or(call.granularity);
  options.scheme = rule.scheme.value_or(call.scheme);
  options.mu_ratio = rule.mu_ratio.value_or(call.mu_ratio);
  // 8 bits exist only as uniform and 2..6 only as a grid, so each implies the other.
  if (rule.bits && !rule.scheme) {
    if (*rule.bits == kUniformBits) options.scheme = Scheme::kUniform;
    if (*rule.bits != kUniformBits && call.scheme == Scheme::kUniform)
      options.scheme = Scheme::kExact;
  }
  if (rule.scheme && !rule.bits) {
    if (*rule.scheme == Scheme::kUniform) options.bits = kUniformBits;
    if (*rule.scheme != Scheme::kUniform && call.bits == kUniformBits)
      options.bits = TensorOptions{}.bits;
  }
  // The groups belong to the node's own axis.
  if (rule.axis && *rule.axis != call.axis) {
    options.axis = *rule.axis;
    options.groups = 1;
  }
  return options;
}

}  // namespace

absl::Status ValidateRules(absl::Span<const LayerRule> rules) {
  for (size_t i = 0; i < rules.size(); ++i) LBW_RETURN_IF_ERROR(ValidateRule(i, rules[i]));
  return absl::OkStatus();
}

LayerDecision Decide(absl::Span<const LayerRule> rules, const RuleTarget& target,
                     const TensorOptions& call) {
  const auto rule = std::find_if(rules.begin(), rules.end(),
                                 [&](const LayerRule& r) { return RuleMatches(r, target); });
  if (rule == rules.end()) return {.options = call};
  LayerDecision decision;
  decision.rule_index = static_cast<int>(rule - rules.begin());
  decision.quantize = !rule->keep_float;
  decision.options = rule->keep_float ? call : Apply(*rule, call);
  return decision;
}

// On a mismatch only the last '*' is tried again, one character further on: O(pattern * text).
bool GlobMatches(std::string_view pattern, std::string_view text) {
  size_t at = 0;
  size_t star = kBroken;
  size_t star_text = 0;
  for (size_t i = 0; i < text.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      star_text = i;
      continue;
    }
    const OneStep step = at < pattern.size() ? Step(pattern, at, text[i]) : OneStep{at, false};
    if (step.next == kBroken) return false;
    if (step.matches) {
      at = step.next;
      ++i;
    } else if (star != kBroken) {
      at = star + 1;
      i = ++star_text;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

}  // namespace lbw::quant
