#include "tasks/quantize_spec.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

constexpr int64_t kMany = 1'000'000'000;
constexpr double kMostRatio = 16;
constexpr size_t kMostRatios = 32;

base::Error Wrong(base::Reason reason, std::string_view message, std::string_view field) {
  base::Error error(absl::StatusCode::kInvalidArgument, reason, message);
  error.Field(field);
  return error;
}

base::Error BadArgument(std::string_view message, std::string_view field) {
  return Wrong(base::reason::kBadArgument, message, field);
}

absl::StatusOr<Json> ListOf(const Json& json, const std::string& key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return Json(Json::array());
  if (found->is_array()) return *found;
  return BadArgument(base::StrCat(key, " must be a list: got ", Dump(*found).substr(0, 100)), key);
}

bool Has(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && !found->is_null();
}

struct Bounds {
  int64_t least;
  int64_t most;
};
absl::StatusOr<int64_t> Bounded(const Json& json, const std::string& key, const Bounds& bounds) {
  LBW_ASSIGN_OR_RETURN(const int64_t value, IntegerOf(json, key));
  if (value >= bounds.least && value <= bounds.most) return value;
  return BadArgument(
      base::StrCat(key, " must be ", bounds.least, "..", bounds.most, ": ", key, "=", value), key);
}

// What the API calls a value; UNSPECIFIED is left out.
template <typename T>
struct Word {
  std::string_view name;
  std::optional<T> value;
};
constexpr Word<quant::CodeBook> kCodeBooks[] = {{"CODE_BOOK_UNSPECIFIED", std::nullopt},
                                                {"CODE_BOOK_PAPER", quant::CodeBook::kPaper},
                                                {"CODE_BOOK_FULL", quant::CodeBook::kFull}};
constexpr Word<quant::Granularity> kGranularities[] = {
    {"GRANULARITY_UNSPECIFIED", std::nullopt},
    {"GRANULARITY_TENSOR", quant::Granularity::kTensor},
    {"GRANULARITY_CHANNEL", quant::Granularity::kChannel}};
constexpr Word<quant::Scheme> kSchemes[] = {{"SCHEME_UNSPECIFIED", std::nullopt},
                                            {"SCHEME_EXACT", quant::Scheme::kExact},
                                            {"SCHEME_THRESHOLD", quant::Scheme::kThreshold},
                                            {"SCHEME_UNIFORM", quant::Scheme::kUniform}};

template <typename T, size_t kCount>
absl::StatusOr<std::optional<T>> WordOf(const Json& json, const std::string& key,
                                        const Word<T> (&words)[kCount]) {
  LBW_ASSIGN_OR_RETURN(const std::string name, TextOf(json, key));
  if (name.empty()) return std::optional<T>();
  for (const Word<T>& word : words) {
    if (word.name == name) return word.value;
  }
  return BadArgument(base::StrCat(key, " is none that this program knows: ", key, "=", name), key);
}

absl::StatusOr<quant::LayerRule> ParseRule(const Json& json) {
  quant::LayerRule rule;
  LBW_ASSIGN_OR_RETURN(rule.match, TextOf(json, "match"));
  LBW_ASSIGN_OR_RETURN(const std::optional<bool> keep, SwitchOf(json, "keep_float"));
  rule.keep_float = keep.value_or(false);
  const auto number = [&](const char* key) -> absl::StatusOr<std::optional<int>> {
    if (!Has(json, key)) return std::optional<int>();
    LBW_ASSIGN_OR_RETURN(const int64_t value, Bounded(json, key, {0, 1000}));
    return std::optional<int>(static_cast<int>(value));
  };
  LBW_ASSIGN_OR_RETURN(rule.bits, number("bits"));
  LBW_ASSIGN_OR_RETURN(rule.axis, number("axis"));
  LBW_ASSIGN_OR_RETURN(rule.code_book, WordOf(json, "code_book", kCodeBooks));
  LBW_ASSIGN_OR_RETURN(rule.granularity, WordOf(json, "granularity", kGranularities));
  LBW_ASSIGN_OR_RETURN(rule.scheme, WordOf(json, "scheme", kSchemes));
  LBW_ASSIGN_OR_RETURN(rule.mu_ratio, NumberOf(json, "mu_ratio"));
  return rule;
}

absl::Status CheckBits(const quant::TensorOptions& options) {
  const bool uniform = options.scheme == quant::Scheme::kUniform;
  const bool fits = uniform ? options.bits == quant::kUniformBits
                            : options.bits >= quant::kMinBits && options.bits <= quant::kMaxBits;
  if (fits || options.bits == 0) return absl::OkStatus();
  return Wrong(base::reason::kBadOptions,
               base::StrCat("bits must be 2..6, or 8 with the uniform scheme: bits=", options.bits),
               "options.bits");
}

absl::StatusOr<std::optional<WidthsAsked>> ParseWidths(const Json& spec) {
  if (!Has(spec, "widths")) return std::optional<WidthsAsked>();
  LBW_ASSIGN_OR_RETURN(const Json json, ObjectOf(spec, "widths"));
  WidthsAsked asked;
  LBW_ASSIGN_OR_RETURN(asked.budget_bytes, UnsignedOf(json, "budget_bytes"));
  LBW_ASSIGN_OR_RETURN(asked.max_drop, NumberOf(json, "max_drop"));
  if ((asked.budget_bytes > 0) == asked.max_drop.has_value()) {
    return BadArgument("widths must say either budget_bytes or max_drop", "widths");
  }
  if (asked.max_drop.has_value() && (*asked.max_drop < 0 || *asked.max_drop > 1)) {
    return BadArgument(base::StrCat("max_drop must be 0..1: max_drop=", *asked.max_drop),
                       "widths.max_drop");
  }
  LBW_ASSIGN_OR_RETURN(const Json bits, ListOf(json, "bits"));
  for (const Json& one : bits) {
    const int64_t width = one.is_number_integer() ? one.get<int64_t>() : 0;
    if (width < quant::kMinBits || width > quant::kMaxBits) {
      return BadArgument(base::StrCat("widths.bits must be 2..6: got ", Dump(one).substr(0, 100)),
                         "widths.bits");
    }
    asked.bits.push_back(static_cast<int>(width));
  }
  if (asked.bits.empty()) asked.bits = {2, 3, 4, 5, 6};
  std::sort(asked.bits.begin(), asked.bits.end());
  asked.bits.erase(std::unique(asked.bits.begin(), asked.bits.end()), asked.bits.end());
  return std::optional(std::move(asked));
}

absl::StatusOr<std::optional<MuAsked>> ParseMu(const Json& spec) {
  if (!Has(spec, "mu")) return std::optional<MuAsked>();
  LBW_ASSIGN_OR_RETURN(const Json json, ObjectOf(spec, "mu"));
  LBW_ASSIGN_OR_RETURN(const Json ratios, ListOf(json, "ratios"));
  MuAsked asked;
  for (const Json& one : ratios) {
    const double ratio = one.is_number() ? one.get<double>() : 0;
    if (!(ratio > 0) || ratio > kMostRatio) {
      return BadArgument(
          base::StrCat("mu.ratios must be above 0 and at most 16: got ", Dump(one).substr(0, 100)),
          "mu.ratios");
    }
    asked.ratios.push_back(ratio);
  }
  if (asked.ratios.empty() || asked.ratios.size() > kMostRatios) {
    return BadArgument(base::StrCat("mu.ratios must be 1..32 numbers: count=", asked.ratios.size()),
                       "mu.ratios");
  }
  std::sort(asked.ratios.begin(), asked.ratios.end());
  asked.ratios.erase(std::unique(asked.ratios.begin(), asked.ratios.end()), asked.ratios.end());
  return std::optional(std::move(asked));
}

absl::StatusOr<MeasureAsked> ParseMeasure(const Json& spec) {
  LBW_ASSIGN_OR_RETURN(const Json json, ObjectOf(spec, "measure"));
  MeasureAsked asked;
  LBW_ASSIGN_OR_RETURN(const std::optional<bool> skip, SwitchOf(json, "skip"));
  asked.skip = skip.value_or(false);
  asked.options_json = Json::object();
  if (asked.skip) return asked;
  LBW_ASSIGN_OR_RETURN(const std::string dataset, TextOf(json, "dataset"));
  LBW_ASSIGN_OR_RETURN(asked.dataset, base::ParseDatasetName(dataset, "measure.dataset"));
  LBW_ASSIGN_OR_RETURN(asked.split, TextOf(json, "split"));
  LBW_ASSIGN_OR_RETURN(asked.max_pictures, Bounded(json, "max_pictures", {0, kMany}));
  LBW_ASSIGN_OR_RETURN(asked.options_json, ObjectOf(json, "options"));
  LBW_ASSIGN_OR_RETURN(asked.options, ParseEvaluateOptions(asked.options_json));
  return asked;
}

// What parts of a spec ask of each other.
absl::Status CheckTogether(const QuantizeSpec& spec) {
  if (spec.options.tensor.bits == 0 && !spec.widths.has_value()) {
    return Wrong(base::reason::kBadOptions, "options.bits is needed where widths are not searched",
                 "options.bits");
  }
  if (spec.mu.has_value() && spec.widths.has_value()) {
    return BadArgument("mu and widths exclude each other", "mu");
  }
  if (spec.mu.has_value() && spec.options.tensor.scheme != quant::Scheme::kThreshold) {
    return BadArgument("mu needs the threshold scheme", "mu");
  }
  const bool measures =
      spec.mu.has_value() || (spec.widths.has_value() && spec.widths->max_drop.has_value());
  if (measures && spec.measure.skip) {
    return BadArgument("measure.skip must be false where mu or max_drop decide by measuring",
                       "measure.skip");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CalibrationAsked> ParseCalibration(const Json& json) {
  CalibrationAsked asked;
  LBW_ASSIGN_OR_RETURN(const std::string dataset, TextOf(json, "dataset"));
  LBW_ASSIGN_OR_RETURN(asked.dataset, base::ParseDatasetName(dataset, "calibration.dataset"));
  LBW_ASSIGN_OR_RETURN(asked.split, TextOf(json, "split"));
  LBW_ASSIGN_OR_RETURN(asked.count, Bounded(json, "count", {1, 4096}));
  LBW_ASSIGN_OR_RETURN(asked.seed, UnsignedOf(json, "seed"));
  LBW_ASSIGN_OR_RETURN(asked.positions, Bounded(json, "positions", {1, 100'000}));
  LBW_ASSIGN_OR_RETURN(const int64_t sweeps, Bounded(json, "sweeps", {1, 100}));
  asked.sweeps = static_cast<int>(sweeps);
  LBW_ASSIGN_OR_RETURN(const int64_t threads, Bounded(json, "threads", {0, 1024}));
  asked.threads = static_cast<int>(threads);
  LBW_ASSIGN_OR_RETURN(const std::optional<double> damping, NumberOf(json, "damping"));
  asked.damping = damping.value_or(asked.damping);
  if (!(asked.damping > 0) || asked.damping > 1) {
    return BadArgument(
        base::StrCat("damping must be above 0 and at most 1: damping=", asked.damping), "damping");
  }
  LBW_ASSIGN_OR_RETURN(const std::string scale, TextOf(json, "scale"));
  if (scale == "SCALE_KIND_POW2") {
    asked.scale = quant::ScaleKind::kPowerOfTwo;
  } else if (scale != "SCALE_KIND_REAL" && scale != "SCALE_KIND_UNSPECIFIED" && !scale.empty()) {
    return BadArgument(base::StrCat("scale is none that this program knows: scale=", scale),
                       "scale");
  }
  return asked;
}

absl::StatusOr<model::QuantizeOptions> ParseQuantizeOptions(const Json& options_json) {
  model::QuantizeOptions options;
  LBW_ASSIGN_OR_RETURN(const int64_t bits, Bounded(options_json, "bits", {0, 1000}));
  options.tensor.bits = static_cast<int>(bits);
  LBW_ASSIGN_OR_RETURN(const auto book, WordOf(options_json, "code_book", kCodeBooks));
  LBW_ASSIGN_OR_RETURN(const auto granularity, WordOf(options_json, "granularity", kGranularities));
  LBW_ASSIGN_OR_RETURN(const auto scheme, WordOf(options_json, "scheme", kSchemes));
  LBW_ASSIGN_OR_RETURN(const std::optional<double> mu, NumberOf(options_json, "mu_ratio"));
  options.tensor.code_book = book.value_or(options.tensor.code_book);
  options.tensor.granularity = granularity.value_or(options.tensor.granularity);
  options.tensor.scheme = scheme.value_or(options.tensor.scheme);
  options.tensor.mu_ratio = mu.value_or(options.tensor.mu_ratio);
  if (!(options.tensor.mu_ratio > 0) || options.tensor.mu_ratio > kMostRatio) {
    return Wrong(
        base::reason::kBadOptions,
        base::StrCat("mu_ratio must be above 0 and at most 16: mu_ratio=", options.tensor.mu_ratio),
        "options.mu_ratio");
  }
  LBW_RETURN_IF_ERROR(CheckBits(options.tensor));
  LBW_ASSIGN_OR_RETURN(const Json rules, ListOf(options_json, "rules"));
  for (const Json& rule : rules) {
    if (!rule.is_object()) {
      return BadArgument(base::StrCat("a rule must be an object: got ", Dump(rule).substr(0, 100)),
                         "options.rules");
    }
    LBW_ASSIGN_OR_RETURN(quant::LayerRule parsed, ParseRule(rule));
    options.rules.push_back(std::move(parsed));
  }
  LBW_RETURN_IF_ERROR(quant::ValidateRules(options.rules));
  return options;
}

absl::StatusOr<QuantizeSpec> ParseQuantizeSpec(std::string_view spec_json) {
  LBW_ASSIGN_OR_RETURN(const Json json, ParseObject(spec_json, "the spec of a quantization"));
  QuantizeSpec spec;
  LBW_ASSIGN_OR_RETURN(const std::string version, TextOf(json, "version"));
  LBW_ASSIGN_OR_RETURN(spec.version, ParseVersionName(version, "version"));
  LBW_ASSIGN_OR_RETURN(spec.options_json, ObjectOf(json, "options"));
  LBW_ASSIGN_OR_RETURN(spec.options, ParseQuantizeOptions(spec.options_json));
  LBW_ASSIGN_OR_RETURN(const Json calibration, ObjectOf(json, "calibration"));
  LBW_ASSIGN_OR_RETURN(spec.calibration, ParseCalibration(calibration));
  LBW_ASSIGN_OR_RETURN(spec.widths, ParseWidths(json));
  LBW_ASSIGN_OR_RETURN(spec.mu, ParseMu(json));
  LBW_ASSIGN_OR_RETURN(spec.measure, ParseMeasure(json));
  LBW_RETURN_IF_ERROR(CheckTogether(spec));
  return spec;
}

}  // namespace lbw::tasks
