#include "rpc/quantize_job_spec.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/convert.h"
#include "rpc/json.h"
#include "rpc/spec_parts.h"
#include "tasks/calibration_pictures.h"
#include "tasks/tasks.h"
#include "tasks/weight_plan.h"

namespace lbw::rpc {
namespace {

constexpr std::string_view kPath = "spec.quantize";
constexpr uint32_t kPictures = 64;
constexpr uint32_t kMaxPictures = 4'096;
constexpr uint32_t kPositions = 400;
constexpr uint32_t kMaxPositions = 100'000;
constexpr double kDamping = 0.01;
constexpr uint32_t kSweeps = 3;
constexpr uint32_t kMaxSweeps = 100;
constexpr uint32_t kMaxThreads = 1'024;
constexpr double kMaxRatio = 16;
constexpr int kMaxRatios = 32;
constexpr double kRatios[] = {0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1.25};
constexpr uint32_t kTwoBits = quant::kMinBits;

std::string At(std::string_view field) { return base::StrCat(kPath, ".", field); }

absl::Status BadOptions(std::string_view message, std::string_view field) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions, message)
      .Field(field);
}

absl::Status CheckSearches(const v1::QuantizeSpec& asked) {
  if (asked.has_mu() && asked.has_widths()) {
    return BadArgument("mu and widths exclude each other: one network is searched for at a time",
                       At("mu"));
  }
  if (asked.has_mu() && asked.options().scheme() != v1::SCHEME_THRESHOLD) {
    return BadArgument("mu is searched for the threshold scheme only: set options.scheme to it",
                       At("mu"));
  }
  if (asked.has_mu() && asked.options().has_mu_ratio()) {
    return BadArgument("options.mu_ratio must be left out where mu is searched",
                       At("options.mu_ratio"));
  }
  if (asked.has_widths() && asked.options().scheme() == v1::SCHEME_UNIFORM) {
    return BadOptions("widths are searched on a grid: options.scheme is uniform",
                      At("options.scheme"));
  }
  const bool by_measuring = asked.has_mu() || asked.widths().has_max_drop();
  if (by_measuring && asked.measure().skip()) {
    return BadArgument(
        base::StrCat("measure.skip must be false: ", asked.has_mu() ? "mu" : "widths.max_drop",
                     " decides by measuring"),
        At("measure.skip"));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::QuantizationOptions> FillInScheme(const v1::QuantizeSpec& asked) {
  v1::QuantizationOptions options = asked.options();
  if (options.bits() == 0 && !asked.has_widths()) {
    return BadOptions(
        "bits is required where widths are not searched: 2..6, or 8 with the uniform "
        "scheme",
        At("options.bits"));
  }
  if (options.code_book() == v1::CODE_BOOK_UNSPECIFIED) options.set_code_book(v1::CODE_BOOK_FULL);
  if (options.granularity() == v1::GRANULARITY_UNSPECIFIED) {
    options.set_granularity(v1::GRANULARITY_CHANNEL);
  }
  if (options.scheme() == v1::SCHEME_UNSPECIFIED) options.set_scheme(v1::SCHEME_EXACT);
  const bool fixed_mu = options.scheme() == v1::SCHEME_THRESHOLD && !asked.has_mu();
  if (fixed_mu && !options.has_mu_ratio()) options.set_mu_ratio(quant::TensorOptions{}.mu_ratio);
  return options;
}

// As values; bits where they are searched: any that fit.
absl::StatusOr<model::QuantizeOptions> ToValues(const v1::QuantizationOptions& options) {
  v1::QuantizationOptions whole = options;
  if (whole.bits() == 0) whole.set_bits(quant::kMaxBits);
  const std::string path = At("options");
  absl::StatusOr<model::QuantizeOptions> values = FromProto(whole, path);
  if (!values.ok()) return BelowPath(values.status(), path);
  return values;
}

absl::StatusOr<v1::WidthSearch> FillInWidths(const v1::QuantizeSpec& asked) {
  v1::WidthSearch widths = asked.widths();
  if (widths.budget_bytes() > 0 && widths.has_max_drop()) {
    return BadArgument("budget_bytes and max_drop exclude each other", At("widths"));
  }
  if (widths.budget_bytes() == 0 && !widths.has_max_drop()) {
    return BadArgument("widths needs budget_bytes (above 0) or max_drop", At("widths"));
  }
  const double drop = widths.max_drop();
  if (widths.has_max_drop() && !(std::isfinite(drop) && drop >= 0 && drop <= 1)) {
    return BadArgument(base::StrCat("max_drop must be 0..1: max_drop=", drop),
                       At("widths.max_drop"));
  }
  const bool threshold = asked.options().scheme() == v1::SCHEME_THRESHOLD;
  std::set<uint32_t> bits(asked.widths().bits().begin(), asked.widths().bits().end());
  if (bits.empty()) {
    bits = {3, 4, 5, 6};
    if (!threshold) bits.insert(kTwoBits);
  }
  for (const uint32_t one : bits) {
    LBW_RETURN_IF_ERROR(CheckCount(one, quant::kMinBits, quant::kMaxBits, At("widths.bits")));
  }
  if (threshold && bits.count(kTwoBits) > 0) {
    return BadArgument("widths.bits must be 3..6 with the threshold scheme: bits=2",
                       At("widths.bits"));
  }
  widths.mutable_bits()->Assign(bits.begin(), bits.end());
  return widths;
}

absl::StatusOr<v1::MuSearch> FillInMu(const v1::MuSearch& asked) {
  if (asked.ratios_size() > kMaxRatios) {
    return BadArgument(
        base::StrCat("too many ratios: count=", asked.ratios_size(), " limit=", kMaxRatios),
        At("mu.ratios"));
  }
  for (const double ratio : asked.ratios()) {
    if (std::isfinite(ratio) && ratio > 0 && ratio <= kMaxRatio) continue;
    return BadArgument(base::StrCat("a ratio must be above 0 and at most 16: ratio=", ratio),
                       At("mu.ratios"));
  }
  std::set<double> ratios(asked.ratios().begin(), asked.ratios().end());
  if (ratios.empty()) ratios.insert(std::begin(kRatios), std::end(kRatios));
  v1::MuSearch mu;
  mu.mutable_ratios()->Assign(ratios.begin(), ratios.end());
  return mu;
}

// Whether a layer may get 2 bits: spec's options and widths are filled in.
bool MayBeTwoBits(const v1::QuantizeSpec& spec) {
  const auto& rules = spec.options().rules();
  if (std::any_of(rules.begin(), rules.end(),
                  [](const v1::LayerRule& rule) { return rule.bits() == kTwoBits; })) {
    return true;
  }
  if (!spec.has_widths()) return spec.options().bits() == kTwoBits;
  const auto& bits = spec.widths().bits();
  return std::find(bits.begin(), bits.end(), kTwoBits) != bits.end();
}

absl::StatusOr<v1::ScaleKind> ChooseScale(v1::ScaleKind asked, const v1::QuantizeSpec& spec) {
  switch (asked) {
    case v1::SCALE_KIND_UNSPECIFIED:
      return MayBeTwoBits(spec) ? v1::SCALE_KIND_REAL : v1::SCALE_KIND_POW2;
    case v1::SCALE_KIND_POW2:
      return asked;
    case v1::SCALE_KIND_REAL:
      if (MayBeTwoBits(spec)) return asked;
      return BadArgument(
          base::StrCat("a real scale needs 2 bits: options.bits=", spec.options().bits()),
          At("calibration.scale"));
    default:
      return BadArgument(base::StrCat("unknown kind of scale: scale=", static_cast<int>(asked)),
                         At("calibration.scale"));
  }
}

absl::StatusOr<v1::CalibrationOptions> FillInCalibration(const v1::CalibrationOptions& asked,
                                                         const v1::QuantizeSpec& spec,
                                                         const QuantizeFacts& facts) {
  v1::CalibrationOptions calibration = asked;
  calibration.set_dataset(facts.dataset.name());
  if (asked.split().empty() && FindSplit(facts.dataset, "train") != nullptr) {
    calibration.set_split("train");
  }
  const std::string split = At("calibration.split");
  LBW_RETURN_IF_ERROR(CheckSplit(facts.dataset, calibration.split(), split));
  LBW_RETURN_IF_ERROR(RequirePictures(facts.dataset, calibration.split(), split));
  if (asked.count() == 0) calibration.set_count(kPictures);
  LBW_RETURN_IF_ERROR(CheckCount(calibration.count(), 1, kMaxPictures, At("calibration.count")));
  const uint64_t pictures =
      std::min<uint64_t>(calibration.count(), PicturesIn(facts.dataset, calibration.split()));
  if (const absl::Status fits = tasks::CheckPictureBytes(pictures, facts.outline.spec.input);
      !fits.ok()) {
    return BadArgument(base::Std(fits.message()), At("calibration.count"));
  }
  if (asked.positions() == 0) calibration.set_positions(kPositions);
  LBW_RETURN_IF_ERROR(
      CheckCount(calibration.positions(), 1, kMaxPositions, At("calibration.positions")));
  if (!asked.has_damping()) calibration.set_damping(kDamping);
  const double damping = calibration.damping();
  if (!(std::isfinite(damping) && damping > 0 && damping <= 1)) {
    return BadArgument(base::StrCat("damping must be above 0 and at most 1: damping=", damping),
                       At("calibration.damping"));
  }
  if (asked.sweeps() == 0) calibration.set_sweeps(kSweeps);
  LBW_RETURN_IF_ERROR(CheckCount(calibration.sweeps(), 1, kMaxSweeps, At("calibration.sweeps")));
  LBW_RETURN_IF_ERROR(CheckCount(asked.threads(), 0, kMaxThreads, At("calibration.threads")));
  LBW_ASSIGN_OR_RETURN(const v1::ScaleKind scale, ChooseScale(asked.scale(), spec));
  calibration.set_scale(scale);
  return calibration;
}

// Everything but "": then what was not calibrated on is.
std::string MeasuredSplit(const std::string& asked, const v1::Dataset& dataset) {
  if (!asked.empty()) return asked;
  for (const char* usual : {"val", "test"}) {
    if (FindSplit(dataset, usual) != nullptr) return usual;
  }
  return "";
}

absl::StatusOr<v1::MeasureOptions> FillInMeasure(const v1::QuantizeSpec& asked,
                                                 const QuantizeFacts& facts) {
  v1::MeasureOptions measure;
  measure.set_skip(!facts.measure.has_value());
  if (measure.skip()) return measure;
  const v1::Dataset& dataset = *facts.measure;
  const v1::EvaluateOptions& options = asked.measure().options();
  LBW_RETURN_IF_ERROR(RefusePictureCounts(options, At("measure.options")));
  LBW_RETURN_IF_ERROR(CheckTask(facts.version, dataset, At("measure.dataset")));
  measure.set_dataset(dataset.name());
  measure.set_split(MeasuredSplit(asked.measure().split(), dataset));
  LBW_RETURN_IF_ERROR(CheckSplit(dataset, measure.split(), At("measure.split")));
  LBW_RETURN_IF_ERROR(RequirePictures(dataset, measure.split(), At("measure.split")));
  if (asked.widths().has_max_drop() && !HasLabels(facts.version, dataset, measure.split())) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                       base::StrCat("max_drop needs labels: ", dataset.name(), " split \"",
                                    measure.split(), "\" has none for this head"))
        .Field(At("widths.max_drop"));
  }
  measure.set_max_pictures(asked.measure().max_pictures());
  const int threads = asked.calibration().threads() > 0
                          ? static_cast<int>(asked.calibration().threads())
                          : facts.threads;
  LBW_ASSIGN_OR_RETURN(
      *measure.mutable_options(),
      FillInOptions(options, {&facts.outline.spec.head.nms, dataset.pixel_rule(), threads},
                    At("measure.options")));
  return measure;
}

// Whether the options fit every weight of the model, and the budget can be kept.
absl::Status CheckWeights(const v1::QuantizeSpec& spec, const QuantizeFacts& facts) {
  LBW_ASSIGN_OR_RETURN(const model::QuantizeOptions options, ToValues(spec.options()));
  tasks::WidthChoice choice;
  for (const uint32_t bits : spec.widths().bits()) choice.bits.push_back(static_cast<int>(bits));
  if (spec.calibration().scale() == v1::SCALE_KIND_REAL) choice.scale = quant::ScaleKind::kReal;
  const absl::StatusOr<tasks::WeightPlan> plan = tasks::PlanWeights(facts.outline, options, choice);
  if (!plan.ok()) return BelowPath(plan.status(), At("options"));
  if (!spec.has_widths()) return absl::OkStatus();
  if (plan->chosen == 0) {
    return BadArgument("no width is left to choose: a rule names the bits of every layer",
                       At("widths"));
  }
  const uint64_t budget = spec.widths().budget_bytes();
  if (budget == 0 || budget >= plan->least_bytes) return absl::OkStatus();
  return BadArgument(base::StrCat("budget_bytes is below the smallest size of the ", plan->chosen,
                                  " layers that widths are chosen for: budget_bytes=", budget,
                                  " least=", plan->least_bytes),
                     At("widths.budget_bytes"));
}

}  // namespace

absl::StatusOr<v1::QuantizeSpec> FillIn(const v1::QuantizeSpec& asked, const QuantizeFacts& facts) {
  LBW_RETURN_IF_ERROR(CheckSearches(asked));
  v1::QuantizeSpec spec;
  spec.set_version(base::VersionName(facts.version.model, facts.version.number));
  LBW_ASSIGN_OR_RETURN(*spec.mutable_options(), FillInScheme(asked));
  LBW_RETURN_IF_ERROR(ToValues(spec.options()).status());
  if (asked.has_widths()) {
    LBW_ASSIGN_OR_RETURN(*spec.mutable_widths(), FillInWidths(asked));
  }
  if (asked.has_mu()) {
    LBW_ASSIGN_OR_RETURN(*spec.mutable_mu(), FillInMu(asked.mu()));
  }
  LBW_ASSIGN_OR_RETURN(*spec.mutable_calibration(),
                       FillInCalibration(asked.calibration(), spec, facts));
  LBW_ASSIGN_OR_RETURN(*spec.mutable_measure(), FillInMeasure(asked, facts));
  LBW_RETURN_IF_ERROR(CheckWeights(spec, facts));
  return spec;
}

uint64_t CalibrationPicturesOf(const v1::QuantizeSpec& filled, const QuantizeFacts& facts) {
  return std::min<uint64_t>(filled.calibration().count(),
                            PicturesIn(facts.dataset, filled.calibration().split()));
}

uint64_t MeasuredPicturesOf(const v1::QuantizeSpec& filled, const QuantizeFacts& facts) {
  if (!facts.measure.has_value()) return 0;
  const uint64_t pictures = PicturesIn(*facts.measure, filled.measure().split());
  const uint32_t most = filled.measure().max_pictures();
  return most == 0 ? pictures : std::min<uint64_t>(pictures, most);
}

absl::StatusOr<jobs::JobDraft> DraftOf(const v1::CreateJobRequest& request,
                                       const v1::QuantizeSpec& filled, const QuantizeFacts& facts) {
  LBW_ASSIGN_OR_RETURN(
      jobs::JobDraft draft,
      DraftAround(request, tasks::kQuantize, ToCanonicalJson(filled), At("options.rules")));
  AddOnce(filled.version(), draft.uses);
  AddOnce(facts.version.bundle, draft.artifacts);
  const v1::Dataset* const measure = facts.measure.has_value() ? &*facts.measure : nullptr;
  for (const v1::Dataset* dataset : {&facts.dataset, measure}) {
    if (dataset == nullptr) continue;
    AddOnce(dataset->name(), draft.uses);
    LBW_ASSIGN_OR_RETURN(const std::string pack,
                         base::ParseArtifactName(dataset->pack_artifact(), "pack_artifact"));
    AddOnce(pack, draft.artifacts);
  }
  return draft;
}

}  // namespace lbw::rpc
