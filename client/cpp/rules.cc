#include "client/cpp/rules.h"

#include <yaml-cpp/yaml.h>

#include <array>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/format.h"

namespace lbw::client {
namespace {

constexpr size_t kMaxRulesBytes = 1 << 20;
constexpr std::array kKeys = {"match",       "keep",   "bits", "code_book",
                              "granularity", "scheme", "mu",   "axis"};

base::Error BadOptions(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions, message);
}

template <typename Enum>
using Words = std::vector<std::pair<std::string_view, Enum>>;

const Words<v1::CodeBook>& CodeBooks() {
  static const auto& words =
      *new Words<v1::CodeBook>{{"paper", v1::CODE_BOOK_PAPER}, {"full", v1::CODE_BOOK_FULL}};
  return words;
}
const Words<v1::Granularity>& Granularities() {
  static const auto& words = *new Words<v1::Granularity>{{"tensor", v1::GRANULARITY_TENSOR},
                                                         {"channel", v1::GRANULARITY_CHANNEL}};
  return words;
}
const Words<v1::Scheme>& Schemes() {
  static const auto& words = *new Words<v1::Scheme>{{"exact", v1::SCHEME_EXACT},
                                                    {"threshold", v1::SCHEME_THRESHOLD},
                                                    {"uniform", v1::SCHEME_UNIFORM}};
  return words;
}

template <typename Enum>
absl::StatusOr<Enum> ParseWord(const Words<Enum>& words, std::string_view text,
                               std::string_view what) {
  if (text.empty()) return static_cast<Enum>(0);
  std::vector<std::string> allowed;
  for (const auto& [word, value] : words) {
    if (word == text) return value;
    allowed.emplace_back(word);
  }
  return BadOptions(
      base::StrCat(what, " must be ", absl::StrJoin(allowed, " or "), ": '", Printable(text), "'"));
}

template <typename Enum>
std::string WordOf(const Words<Enum>& words, Enum wanted) {
  for (const auto& [word, value] : words) {
    if (value == wanted) return std::string(word);
  }
  return "";
}

absl::Status CheckBits(uint32_t bits, v1::Scheme scheme, std::string_view what) {
  const bool is_low = bits >= 2 && bits <= 6;
  // A rule that leaves the scheme out takes the call's, so 8 alone is the server's to judge.
  if (is_low || bits == 8) {
    if (is_low && scheme == v1::SCHEME_UNIFORM) {
      return BadOptions(base::StrCat(what, " must be 8 with scheme uniform: ", bits));
    }
    if (bits == 8 && (scheme == v1::SCHEME_EXACT || scheme == v1::SCHEME_THRESHOLD)) {
      return BadOptions(base::StrCat(what, " may be 8 only with scheme uniform"));
    }
    return absl::OkStatus();
  }
  return BadOptions(base::StrCat(what, " must be 2..6, or 8 with scheme uniform: ", bits));
}

absl::Status CheckMu(double mu, std::string_view what) {
  if (mu > 0.0 && mu <= 16.0) return absl::OkStatus();
  return BadOptions(base::StrCat(what, " must be above 0 and at most 16: ", mu));
}

// "RULES.yaml:3: bits"
std::string Place(std::string_view source, const YAML::Mark& mark, std::string_view key) {
  std::string place = base::StrCat(source, ":", mark.line + 1);
  if (!key.empty()) base::StrAppend(&place, ": ", Printable(key));
  return place;
}

template <typename T>
absl::StatusOr<T> Number(const YAML::Node& value, std::string_view what, std::string_view kind) {
  T number{};
  if (value.IsScalar() && YAML::convert<T>::decode(value, number)) return number;
  return BadOptions(base::StrCat(what, " must be ", kind));
}

absl::Status SetField(const std::string& key, const YAML::Node& value, const std::string& what,
                      v1::LayerRule& rule) {
  if (!value.IsScalar()) return BadOptions(base::StrCat(what, " must be a single value"));
  const std::string& text = value.Scalar();
  if (key == "match") {
    if (text.empty()) return BadOptions(base::StrCat(what, " must not be empty"));
    rule.set_match(text);
  } else if (key == "keep") {
    if (text != "float") {
      return BadOptions(base::StrCat(what, " must be float: '", Printable(text), "'"));
    }
    rule.set_keep_float(true);
  } else if (key == "bits") {
    LBW_ASSIGN_OR_RETURN(const auto bits, Number<uint32_t>(value, what, "a whole number"));
    rule.set_bits(bits);
  } else if (key == "mu") {
    LBW_ASSIGN_OR_RETURN(const auto mu, Number<double>(value, what, "a number"));
    LBW_RETURN_IF_ERROR(CheckMu(mu, what));
    rule.set_mu_ratio(mu);
  } else if (key == "axis") {
    LBW_ASSIGN_OR_RETURN(const auto axis, Number<int32_t>(value, what, "a whole number"));
    rule.set_axis(axis);
  } else if (key == "code_book") {
    LBW_ASSIGN_OR_RETURN(const auto word, ParseCodeBook(text, what));
    rule.set_code_book(word);
  } else if (key == "granularity") {
    LBW_ASSIGN_OR_RETURN(const auto word, ParseGranularity(text, what));
    rule.set_granularity(word);
  } else if (key == "scheme") {
    LBW_ASSIGN_OR_RETURN(const auto word, ParseScheme(text, what));
    rule.set_scheme(word);
  } else {
    return BadOptions(
        base::StrCat(what, " is not a key of a rule; the keys are ", absl::StrJoin(kKeys, ", ")));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::LayerRule> ParseRule(const YAML::Node& node, std::string_view source) {
  const std::string here = Place(source, node.Mark(), "");
  if (!node.IsMap()) {
    return BadOptions(base::StrCat(here, ": a rule must be a map such as {match: \"*\", bits: 4}"));
  }
  v1::LayerRule rule;
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "?";
    const std::string what = Place(source, entry.first.Mark(), key);
    if (!seen.insert(key).second) return BadOptions(base::StrCat(what, " is given twice"));
    LBW_RETURN_IF_ERROR(SetField(key, entry.second, what, rule));
  }
  if (rule.match().empty()) return BadOptions(base::StrCat(here, ": a rule needs match"));
  if (rule.keep_float() && seen.size() > 2) {
    return BadOptions(base::StrCat(here, ": keep: float takes no other key beside match"));
  }
  if (rule.has_bits()) {
    LBW_RETURN_IF_ERROR(CheckBits(rule.bits(), rule.scheme(), base::StrCat(here, ": bits")));
  }
  return rule;
}

absl::StatusOr<std::vector<v1::LayerRule>> ParseRuleList(std::string_view yaml,
                                                         std::string_view source) {
  const YAML::Node root = YAML::Load(std::string(yaml));
  if (!root.IsSequence()) {
    return BadOptions(base::StrCat(Place(source, root.Mark(), ""),
                                   ": must be a list of rules, each on a line that starts with -"));
  }
  std::vector<v1::LayerRule> rules;
  for (const YAML::Node& node : root) {
    LBW_ASSIGN_OR_RETURN(v1::LayerRule rule, ParseRule(node, source));
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace

absl::StatusOr<std::vector<v1::LayerRule>> ParseRules(std::string_view yaml,
                                                      std::string_view source) {
  if (yaml.size() > kMaxRulesBytes) {
    return BadOptions(
        base::StrCat(source, ": ", yaml.size(), " bytes of rules, the limit is ", kMaxRulesBytes));
  }
  try {
    return ParseRuleList(yaml, source);
  } catch (const YAML::Exception& error) {
    return BadOptions(
        base::StrCat(Place(source, error.mark, ""), ": is not YAML: ", Printable(error.msg)));
  }
}

std::string DescribeRule(const v1::LayerRule& rule) {
  if (rule.keep_float()) return "keep float";
  std::vector<std::string> parts;
  if (rule.has_bits()) parts.push_back(base::StrCat(rule.bits(), " bits"));
  if (rule.code_book() != 0) parts.push_back(CodeBookWord(rule.code_book()));
  if (rule.granularity() != 0) {
    parts.push_back(base::StrCat("per ", GranularityWord(rule.granularity())));
  }
  if (rule.scheme() != 0) parts.push_back(SchemeWord(rule.scheme()));
  if (rule.has_mu_ratio()) parts.push_back(base::StrCat("mu ", rule.mu_ratio()));
  if (rule.has_axis()) parts.push_back(base::StrCat("axis ", rule.axis()));
  return absl::StrJoin(parts, ", ");
}

absl::StatusOr<v1::CodeBook> ParseCodeBook(std::string_view text, std::string_view what) {
  return ParseWord(CodeBooks(), text, what);
}
absl::StatusOr<v1::Granularity> ParseGranularity(std::string_view text, std::string_view what) {
  return ParseWord(Granularities(), text, what);
}
absl::StatusOr<v1::Scheme> ParseScheme(std::string_view text, std::string_view what) {
  return ParseWord(Schemes(), text, what);
}
std::string CodeBookWord(v1::CodeBook value) { return WordOf(CodeBooks(), value); }
std::string GranularityWord(v1::Granularity value) { return WordOf(Granularities(), value); }
std::string SchemeWord(v1::Scheme value) { return WordOf(Schemes(), value); }

absl::StatusOr<v1::QuantizationOptions> BuildOptions(const QuantizeFlags& flags) {
  v1::QuantizationOptions options;
  LBW_ASSIGN_OR_RETURN(const auto code_book, ParseCodeBook(flags.code_book, "--code-book"));
  LBW_ASSIGN_OR_RETURN(const auto granularity,
                       ParseGranularity(flags.granularity, "--granularity"));
  LBW_ASSIGN_OR_RETURN(const auto scheme, ParseScheme(flags.scheme, "--scheme"));
  if (flags.bits > 0 || !flags.chooses_bits) {
    LBW_RETURN_IF_ERROR(CheckBits(flags.bits, scheme == 0 ? v1::SCHEME_EXACT : scheme, "--bits"));
  }
  options.set_bits(flags.bits);
  options.set_code_book(code_book);
  options.set_granularity(granularity);
  options.set_scheme(scheme);
  if (flags.mu) {
    if (scheme != v1::SCHEME_THRESHOLD) {
      return BadOptions("--mu belongs to --scheme threshold");
    }
    LBW_RETURN_IF_ERROR(CheckMu(*flags.mu, "--mu"));
    options.set_mu_ratio(*flags.mu);
  }
  for (const std::string& glob : flags.keep_float) {
    if (glob.empty()) return BadOptions("--keep-float must not be empty");
    v1::LayerRule& rule = *options.add_rules();
    rule.set_match(glob);
    rule.set_keep_float(true);
  }
  if (!flags.rules_text.empty()) {
    LBW_ASSIGN_OR_RETURN(auto rules, ParseRules(flags.rules_text, flags.rules_file));
    for (v1::LayerRule& rule : rules) *options.add_rules() = std::move(rule);
  }
  return options;
}

}  // namespace lbw::client
