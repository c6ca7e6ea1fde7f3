#include "client/cpp/calibration_flags.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"

namespace lbw::client {
namespace {

constexpr uint32_t kMaxImages = 4'096;
constexpr uint32_t kMaxPositions = 100'000;
constexpr size_t kMaxRatios = 32;
constexpr double kMaxRatio = 16.0;
constexpr uint32_t kMinWidth = 2;
constexpr uint32_t kMaxWidth = 6;

absl::Status BadArgument(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

absl::Status BadOptions(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions, message);
}

// The factor of what stands behind a number of bytes; 0 where it is none.
double UnitOf(std::string_view text) {
  const std::string unit = absl::AsciiStrToLower(base::Absl(text));
  if (unit.empty() || unit == "b") return 1.0;
  const std::string rest = unit.substr(1);
  if (!rest.empty() && rest != "b" && rest != "ib") return 0.0;
  switch (unit.front()) {
    case 'k':
      return 1024.0;
    case 'm':
      return 1024.0 * 1024.0;
    case 'g':
      return 1024.0 * 1024.0 * 1024.0;
    default:
      return 0.0;
  }
}

absl::Status CheckRange(uint32_t value, uint32_t most, std::string_view option) {
  if (value >= 1 && value <= most) return absl::OkStatus();
  return BadArgument(base::StrCat(option, " must be 1..", most, ": ", value));
}

absl::StatusOr<v1::ScaleKind> ParseScale(const std::string& text) {
  if (text.empty()) return v1::SCALE_KIND_UNSPECIFIED;
  if (text == "pow2") return v1::SCALE_KIND_POW2;
  if (text == "real") return v1::SCALE_KIND_REAL;
  return BadArgument(base::StrCat("--scale must be pow2 or real: '", Printable(text), "'"));
}

absl::Status SetCalibration(const CalibrationFlags& flags, v1::CalibrationOptions& out) {
  out.set_split(flags.split);
  out.set_seed(flags.seed);
  out.set_threads(flags.threads);
  if (flags.images) {
    LBW_RETURN_IF_ERROR(CheckRange(*flags.images, kMaxImages, "--images"));
    out.set_count(*flags.images);
  }
  if (flags.positions) {
    LBW_RETURN_IF_ERROR(CheckRange(*flags.positions, kMaxPositions, "--positions"));
    out.set_positions(*flags.positions);
  }
  LBW_ASSIGN_OR_RETURN(const v1::ScaleKind scale, ParseScale(flags.scale));
  out.set_scale(scale);
  return absl::OkStatus();
}

absl::Status SetWidths(const CalibrationFlags& flags, v1::QuantizeSpec& spec) {
  if (!flags.searches_widths()) {
    if (flags.widths.empty()) return absl::OkStatus();
    return BadArgument("--widths says what to choose from; it needs --budget-bytes or --max-drop");
  }
  if (!flags.budget.empty() && flags.max_drop) {
    return BadArgument(base::StrCat("--budget-bytes ", Printable(flags.budget), " and --max-drop ",
                                    *flags.max_drop, " exclude each other"));
  }
  v1::WidthSearch& widths = *spec.mutable_widths();
  if (flags.max_drop) {
    const double drop = *flags.max_drop;
    if (!(drop >= 0.0 && drop <= 1.0)) {
      return BadArgument(
          base::StrCat("--max-drop is a fraction of 0..1, as in 0.005 for half a point: ", drop));
    }
    if (flags.no_measure) {
      return BadArgument("--max-drop decides by measuring; it does not go with --no-measure");
    }
    widths.set_max_drop(drop);
  } else {
    LBW_ASSIGN_OR_RETURN(const uint64_t budget, ParseBytes(flags.budget, "--budget-bytes"));
    widths.set_budget_bytes(budget);
  }
  for (const uint32_t bits : flags.widths) {
    if (bits < kMinWidth || bits > kMaxWidth) {
      return BadArgument(base::StrCat("--widths are 2..6, as in 2,3,4: ", bits));
    }
    widths.add_bits(bits);
  }
  return absl::OkStatus();
}

absl::Status SetMu(const CalibrationFlags& flags, v1::QuantizeSpec& spec) {
  if (flags.mu.empty()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const MuArgument mu, ParseMu(flags.mu));
  if (spec.options().scheme() != v1::SCHEME_THRESHOLD) {
    return BadOptions("--mu belongs to --scheme threshold");
  }
  if (mu.ratios.size() == 1) {
    spec.mutable_options()->set_mu_ratio(mu.ratios.front());
    return absl::OkStatus();
  }
  if (flags.no_measure) {
    return BadArgument(base::StrCat("--mu ", Printable(flags.mu),
                                    " is chosen by measuring; it does not go with --no-measure"));
  }
  if (spec.has_widths()) {
    return BadArgument(base::StrCat("--mu ", Printable(flags.mu),
                                    " and a search of widths exclude each other; give one ratio"));
  }
  v1::MuSearch& search = *spec.mutable_mu();
  for (const double ratio : mu.ratios) search.add_ratios(ratio);
  return absl::OkStatus();
}

absl::Status SetMeasure(const CalibrationFlags& flags, v1::MeasureOptions& out) {
  if (flags.no_measure && (!flags.measure.empty() || flags.measure_pictures > 0)) {
    return BadArgument("--no-measure does not go with --measure and --measure-pictures");
  }
  out.set_skip(flags.no_measure);
  out.set_max_pictures(flags.measure_pictures);
  if (flags.measure.empty()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const MeasureArgument measure, ParseMeasure(flags.measure));
  out.set_dataset(measure.dataset);
  out.set_split(measure.split);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> ParseBytes(std::string_view text, std::string_view what) {
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const double unit = UnitOf(text.substr(digits));
  double number = 0.0;
  const bool is_number =
      digits > 0 && unit > 0.0 && absl::SimpleAtod(base::Absl(text.substr(0, digits)), &number);
  const double bytes = std::floor(number * unit);
  if (is_number && bytes >= 1.0 && bytes < 0x1p63) return static_cast<uint64_t>(bytes);
  return BadArgument(base::StrCat(what, " is a number of bytes, as in 65536, 64k or 1.5M: '",
                                  Printable(text), "'"));
}

absl::StatusOr<MuArgument> ParseMu(std::string_view text) {
  MuArgument mu;
  if (text == "auto") {
    mu.is_auto = true;
    return mu;
  }
  for (const absl::string_view part : absl::StrSplit(base::Absl(text), ',')) {
    double ratio = 0.0;
    if (!absl::SimpleAtod(part, &ratio) || !(ratio > 0.0 && ratio <= kMaxRatio)) {
      return BadOptions(base::StrCat(
          "--mu is auto, or ratios of max|w| above 0 and at most 16, as in 0.5,0.75: '",
          Printable(base::Std(part)), "'"));
    }
    mu.ratios.push_back(ratio);
  }
  if (mu.ratios.size() <= kMaxRatios) return mu;
  return BadOptions(base::StrCat("--mu takes at most ", kMaxRatios, " ratios: ", mu.ratios.size()));
}

absl::StatusOr<MeasureArgument> ParseMeasure(std::string_view text) {
  MeasureArgument measure;
  const size_t colon = text.rfind(':');
  LBW_ASSIGN_OR_RETURN(measure.dataset, ParseDatasetArgument(text.substr(0, colon)));
  if (colon == std::string_view::npos) return measure;
  measure.split = std::string(text.substr(colon + 1));
  if (!measure.split.empty()) return measure;
  return BadArgument(
      base::StrCat("--measure is DATASET or DATASET:SPLIT: '", Printable(text), "'"));
}

absl::StatusOr<v1::QuantizeSpec> BuildQuantizeSpec(const CalibrationFlags& flags,
                                                   QuantizeFlags grid) {
  v1::QuantizeSpec spec;
  LBW_RETURN_IF_ERROR(SetWidths(flags, spec));
  grid.chooses_bits = spec.has_widths();
  grid.mu.reset();
  LBW_ASSIGN_OR_RETURN(*spec.mutable_options(), BuildOptions(grid));
  LBW_RETURN_IF_ERROR(SetMu(flags, spec));
  LBW_RETURN_IF_ERROR(SetCalibration(flags, *spec.mutable_calibration()));
  LBW_RETURN_IF_ERROR(SetMeasure(flags, *spec.mutable_measure()));
  return spec;
}

}  // namespace lbw::client
