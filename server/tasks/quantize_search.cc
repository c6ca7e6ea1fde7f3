#include "tasks/quantize_search.h"

#include <algorithm>
#include <set>

#include "base/status.h"
#include "base/strings.h"
#include "quant/width_plan.h"

namespace lbw::tasks {
namespace {

constexpr char kExactProjection[] = "exact projection, bias corrected";
constexpr uint64_t kBudgetParts = 16;  // between the fewest and the most bytes

std::string KeyOf(const std::vector<int>& bits) {
  std::string key = "widths ";
  for (const int one : bits) base::StrAppend(&key, one);
  return key;
}

// Calibrates and, where asked, measures; what an earlier attempt of the job found is taken over.
enum class Measuring : uint8_t { kNo, kYes };
absl::StatusOr<Attempt> Try(QuantizeBench& bench, Attempt attempt, const Trial& trial,
                            Measuring measuring) {
  const std::string place = base::StrCat("attempt ", trial.key);
  Json& finished = bench.state().finished;
  if (const auto known = finished.find(place); known != finished.end()) {
    bench.steps().Begin(bench.UnitsOfTrial());
    LBW_ASSIGN_OR_RETURN(const auto error, NumberOf(*known, "output_error"));
    attempt.output_error = error.value_or(0);
    if (measuring == Measuring::kNo) return attempt;
    bench.steps().Begin(bench.UnitsOfMeasuring(1));
    LBW_ASSIGN_OR_RETURN(attempt.measured, bench.KnownFigures(trial.key));
    return attempt;
  }
  LBW_RETURN_IF_ERROR(bench.Calibrate(trial));
  attempt.output_error = bench.network().output_error;
  if (measuring == Measuring::kYes) {
    LBW_ASSIGN_OR_RETURN(
        std::vector<Measured> figures,
        bench.MeasureAll(base::StrCat("measure ", trial.name), {bench.Standing(trial)}));
    attempt.measured = std::move(figures.back());
  }
  finished[place] = {{"output_error", attempt.output_error}};
  LBW_RETURN_IF_ERROR(bench.Keep());
  return attempt;
}

absl::StatusOr<Attempt> PlanAt(const std::vector<FreeLayer>& free, uint64_t budget) {
  LBW_ASSIGN_OR_RETURN(const quant::WidthPlan plan, quant::PlanWidths(PlanLayers(free), budget));
  Attempt attempt;
  attempt.bits = plan.bits;
  attempt.bytes = plan.bytes;
  attempt.predicted = plan.error;
  attempt.key = KeyOf(plan.bits);
  const bool uniform = std::set<int>(plan.bits.begin(), plan.bits.end()).size() == 1;
  attempt.name =
      uniform ? base::StrCat("uniform ", plan.bits[0]) : base::StrCat("plan ", plan.bytes, " B");
  return attempt;
}

absl::Status FindSensitivity(QuantizeBench& bench, std::vector<FreeLayer>& free) {
  Json& known = bench.state().finished["sensitivity"];
  SensitivitySteps steps;
  if (known.is_object()) {
    LBW_ASSIGN_OR_RETURN(const uint64_t done, UnsignedOf(known, "done"));
    LBW_RETURN_IF_ERROR(ReadErrors(known["layers"], free));
    steps.before = std::min<size_t>(done, free.size());
  }
  bench.steps().Begin(static_cast<int64_t>(bench.layers().size()));
  if (steps.before == free.size()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<LayerWalk> walk,
                       bench.Walk(Trial::Codes::kCalibrated));
  steps.threads = bench.Threads();
  steps.keep_going = [&bench] { return bench.Obey(); };
  steps.solved = [&](size_t done) {
    known = {{"done", base::StrCat(done)}, {"layers", ToJson(free)}};
    bench.steps().Reach(static_cast<int64_t>(done));
    bench.Report("sensitivity", {{"layer", static_cast<double>(done)}});
    return bench.Keep();
  };
  LBW_RETURN_IF_ERROR(MeasureSensitivity(*walk, bench.model(), bench.Choices(), steps, free));
  bench.seconds().forward += walk->seconds().forward;
  bench.seconds().gram += walk->seconds().gram;
  return absl::OkStatus();
}

Trial TrialOf(const QuantizeBench& bench, const WidthOutcome& outcome, const Attempt& attempt) {
  return {attempt.key, attempt.name, WithWidths(bench.Choices(), outcome.free, attempt.bits)};
}

// The plan, and the widest uniform width that fits beside it: the better one, as measured, stays.
absl::Status FindWithinBudget(QuantizeBench& bench, WidthOutcome& outcome) {
  outcome.budget_bytes = bench.spec().widths->budget_bytes;
  LBW_ASSIGN_OR_RETURN(Attempt plan, PlanAt(outcome.free, outcome.budget_bytes));
  std::vector<Attempt> wanted;
  for (const int bits : bench.spec().widths->bits) {
    Attempt uniform = UniformAttempt(outcome.free, bits);
    if (uniform.bits.size() == outcome.free.size() && uniform.bytes <= outcome.budget_bytes) {
      wanted = {std::move(uniform)};
    }
  }
  if (!wanted.empty() && wanted[0].key == plan.key) wanted.clear();
  wanted.push_back(std::move(plan));
  // What settles it is the error; values are there to be looked at.
  const Measuring measuring = bench.measures_labels() ? Measuring::kYes : Measuring::kNo;
  for (Attempt& attempt : wanted) {
    const Trial trial = TrialOf(bench, outcome, attempt);
    LBW_ASSIGN_OR_RETURN(Attempt tried, Try(bench, std::move(attempt), trial, measuring));
    outcome.attempts.push_back(std::move(tried));
  }
  // The last of equals: the plan.
  const auto best = std::min_element(
      outcome.attempts.rbegin(), outcome.attempts.rend(),
      [](const Attempt& a, const Attempt& b) { return a.output_error < b.output_error; });
  outcome.chosen = best->key;
  outcome.verdict = base::StrCat(best->bytes, " bytes of the ", outcome.budget_bytes, " allowed");
  if (best->key != outcome.attempts.back().key) {
    outcome.verdict += "; the uniform width did better than the plan";
  }
  outcome.reached = best->bytes <= outcome.budget_bytes;
  return bench.Settle(TrialOf(bench, outcome, *best));
}

struct ByteRange {
  uint64_t least = 0;
  uint64_t most = 0;
};
ByteRange RangeOf(const std::vector<FreeLayer>& free) {
  ByteRange range;
  for (const FreeLayer& layer : free) {
    const auto [low, high] = std::minmax_element(
        layer.widths.begin(), layer.widths.end(),
        [](const quant::WidthChoice& a, const quant::WidthChoice& b) { return a.bytes < b.bytes; });
    range.least += low->bytes;
    range.most += high->bytes;
  }
  return range;
}

// The fewest bytes whose measured drop is allowed: a search by halves over the plans' budgets,
// which takes the drop to fall as bytes grow.
absl::Status FindWithinDrop(QuantizeBench& bench, WidthOutcome& outcome) {
  const double limit = *bench.spec().widths->max_drop;
  if (!bench.measures_labels()) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                       "max_drop needs pictures with labels to measure on");
  }
  const ByteRange range = RangeOf(outcome.free);
  const auto measure = [&](Attempt attempt) -> absl::StatusOr<Attempt> {
    const Trial trial = TrialOf(bench, outcome, attempt);
    LBW_ASSIGN_OR_RETURN(Attempt tried, Try(bench, std::move(attempt), trial, Measuring::kYes));
    const auto same = [&](const Attempt& one) { return one.key == tried.key; };
    if (std::none_of(outcome.attempts.begin(), outcome.attempts.end(), same)) {
      outcome.attempts.push_back(tried);
    }
    return tried;
  };
  uint64_t low = 0;
  uint64_t high = kBudgetParts;
  std::optional<Attempt> good;
  for (int i = 0; i < kMostDropAttempts && low <= high; ++i) {
    const uint64_t middle = (low + high) / 2;
    const uint64_t more = (range.most - range.least) / kBudgetParts * middle;
    LBW_ASSIGN_OR_RETURN(Attempt plan, PlanAt(outcome.free, range.least + more));
    LBW_ASSIGN_OR_RETURN(Attempt tried, measure(std::move(plan)));
    if (tried.measured->drop.value_or(1) <= limit) {
      good = std::move(tried);
      if (middle == 0) break;
      high = middle - 1;
    } else {
      low = middle + 1;
    }
  }
  if (!good.has_value()) {
    LBW_ASSIGN_OR_RETURN(Attempt widest, PlanAt(outcome.free, range.most));
    LBW_ASSIGN_OR_RETURN(good, measure(std::move(widest)));
  }
  outcome.chosen = good->key;
  outcome.verdict = DropVerdict(*good->measured, limit);
  outcome.reached = good->measured->drop.has_value() && *good->measured->drop <= limit;
  return bench.Settle(TrialOf(bench, outcome, *good));
}

}  // namespace

Attempt UniformAttempt(const std::vector<FreeLayer>& free, int bits) {
  Attempt attempt;
  attempt.name = base::StrCat("uniform ", bits);
  for (const FreeLayer& layer : free) {
    for (const quant::WidthChoice& width : layer.widths) {
      if (width.bits != bits) continue;
      attempt.bits.push_back(bits);
      attempt.bytes += width.bytes;
      attempt.predicted += width.error;
    }
  }
  attempt.key = KeyOf(attempt.bits);
  return attempt;
}

std::optional<double> PredictValue(std::vector<std::pair<double, double>> known, double error) {
  std::sort(known.begin(), known.end());
  if (known.empty() || !(known.back().first > 0) || known.front().first > 0) return std::nullopt;
  auto right = std::find_if(known.begin(), known.end(), [&](const std::pair<double, double>& one) {
    return one.first >= error;
  });
  if (right != known.end() && right->first == error) return right->second;
  const bool beyond = right == known.end();
  if (beyond) --right;
  const auto left = beyond ? known.begin() : std::prev(right);
  const double part = (error - left->first) / (right->first - left->first);
  return std::max(0.0, left->second + part * (right->second - left->second));
}

std::string DropVerdict(const Measured& measured, double limit) {
  if (!measured.drop.has_value()) return "the drop could not be measured: no label counts";
  const bool reached = *measured.drop <= limit;
  std::string text =
      base::StrCat("the drop is ", *measured.drop, reached ? ", within " : ", above ", limit);
  if (measured.drop_low && measured.drop_high) {
    text += base::StrCat("; with 95 % confidence it lies between ", *measured.drop_low, " and ",
                         *measured.drop_high);
    if (reached && *measured.drop_high > limit) {
      text += base::StrCat(": ", measured.pictures, " pictures cannot prove ", limit);
    }
  }
  return text;
}

namespace {

// Of the chosen network, from all others that were measured. Both sides are sums of the layers' own
// errors, so that what such sums have wrong cancels.
absl::StatusOr<std::optional<double>> PredictChosen(const QuantizeBench& bench,
                                                    const WidthOutcome& outcome) {
  LBW_ASSIGN_OR_RETURN(const std::optional<Measured> floating,
                       bench.KnownFigures(QuantizeBench::kFloatKey));
  std::vector<std::pair<double, double>> known;
  if (floating.has_value() && floating->value) known.emplace_back(0, *floating->value);
  double error = 0;
  for (const Attempt& attempt : outcome.attempts) {
    if (attempt.key == outcome.chosen) {
      error = attempt.predicted;
    } else if (attempt.measured.has_value() && attempt.measured->value) {
      known.emplace_back(attempt.predicted, *attempt.measured->value);
    }
  }
  return PredictValue(std::move(known), error);
}

// The exact projection's grid, whatever scheme was asked for.
ChoiceOptions Exact(ChoiceOptions options) {
  options.quantize.tensor.scheme = quant::Scheme::kExact;
  for (quant::LayerRule& rule : options.quantize.rules) {
    if (rule.scheme == quant::Scheme::kThreshold) rule.scheme = quant::Scheme::kExact;
    rule.mu_ratio.reset();
  }
  return options;
}

}  // namespace

absl::StatusOr<WidthOutcome> SearchWidths(QuantizeBench& bench) {
  WidthOutcome outcome;
  const WidthsAsked& asked = *bench.spec().widths;
  LBW_ASSIGN_OR_RETURN(outcome.free,
                       FindFreeLayers(bench.model(), bench.layers(), bench.Choices(), asked.bits));
  if (outcome.free.empty()) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kNothingToQuantize,
                       "no layer is left whose width could be chosen: the rules name them all");
  }
  // A budget that cannot be kept is told before anything is computed.
  if (!asked.max_drop.has_value()) {
    LBW_RETURN_IF_ERROR(quant::PlanWidths(PlanLayers(outcome.free), asked.budget_bytes).status());
  }
  LBW_RETURN_IF_ERROR(FindSensitivity(bench, outcome.free));
  LBW_RETURN_IF_ERROR(asked.max_drop.has_value() ? FindWithinDrop(bench, outcome)
                                                 : FindWithinBudget(bench, outcome));
  LBW_ASSIGN_OR_RETURN(outcome.predicted_value, PredictChosen(bench, outcome));
  return outcome;
}

// Detection tests at every ratio, as the paper chooses its free parameter.
absl::StatusOr<MuOutcome> SearchMu(QuantizeBench& bench) {
  MuOutcome outcome;
  const auto at = [&](double ratio) {
    Trial trial{base::StrCat("mu ", ratio), base::StrCat("mu ", ratio), bench.Choices()};
    trial.options.quantize.tensor.mu_ratio = ratio;
    return trial;
  };
  const Trial exact{kExactProjection, kExactProjection, Exact(bench.Choices()),
                    Trial::Codes::kProjected};
  LBW_ASSIGN_OR_RETURN(outcome.exact, Try(bench, {}, exact, Measuring::kYes));
  double best = -1;
  for (const double ratio : bench.spec().mu->ratios) {
    LBW_ASSIGN_OR_RETURN(const Attempt tried, Try(bench, {}, at(ratio), Measuring::kYes));
    outcome.points.emplace_back(ratio, *tried.measured);
    const double score = tried.measured->value.value_or(tried.measured->agreement.value_or(0));
    if (score > best) {
      best = score;
      outcome.ratio = ratio;
    }
  }
  LBW_RETURN_IF_ERROR(bench.Settle(at(outcome.ratio)));
  return outcome;
}

}  // namespace lbw::tasks
