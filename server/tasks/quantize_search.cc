#include "tasks/quantize_search.h"

#include <algorithm>
#include <set>

#include "base/status.h"
#include "base/strings.h"
#include "quant/width_plan.h"

namespace lbw::tasks {
namespace {

constexpr int kMostAttempts = 5;       // of the search for the fewest bytes
constexpr uint64_t kBudgetParts = 16;  // between the fewest and the most bytes

Json AttemptJson(const Attempt& attempt) {
  Json json;
  json["output_error"] = attempt.output_error;
  if (attempt.measured.has_value()) json["measured"] = ToJson(*attempt.measured);
  return json;
}

// Calibrates and, where asked, measures; what an earlier attempt of the job found is taken over.
enum class Measuring : uint8_t { kNo, kYes };
absl::StatusOr<Attempt> Try(QuantizeBench& bench, Attempt attempt, const ChoiceOptions& options,
                            Measuring measuring) {
  const std::string place = base::StrCat("attempt ", attempt.key);
  Json& finished = bench.state().finished;
  if (const auto known = finished.find(place); known != finished.end()) {
    LBW_ASSIGN_OR_RETURN(const auto error, NumberOf(*known, "output_error"));
    attempt.output_error = error.value_or(0);
    if (const auto it = known->find("measured"); it != known->end()) {
      LBW_ASSIGN_OR_RETURN(attempt.measured, MeasuredFromJson(*it));
    }
    return attempt;
  }
  LBW_RETURN_IF_ERROR(bench.Calibrate(attempt.key, options));
  attempt.output_error = bench.network().output_error;
  if (measuring == Measuring::kYes) {
    LBW_ASSIGN_OR_RETURN(attempt.measured, bench.MeasureStanding(attempt.key));
  }
  finished[place] = AttemptJson(attempt);
  LBW_RETURN_IF_ERROR(bench.Keep());
  return attempt;
}

absl::StatusOr<Attempt> PlanAt(const std::vector<FreeLayer>& free, uint64_t budget) {
  LBW_ASSIGN_OR_RETURN(const quant::WidthPlan plan, quant::PlanWidths(PlanLayers(free), budget));
  Attempt attempt;
  attempt.bits = plan.bits;
  attempt.bytes = plan.bytes;
  attempt.predicted = plan.error;
  const bool uniform = std::set<int>(plan.bits.begin(), plan.bits.end()).size() == 1;
  attempt.key =
      uniform ? base::StrCat("uniform ", plan.bits[0]) : base::StrCat("plan ", plan.bytes, " B");
  return attempt;
}

absl::Status FindSensitivity(QuantizeBench& bench, std::vector<FreeLayer>& free) {
  Json& finished = bench.state().finished;
  if (const auto known = finished.find("sensitivity"); known != finished.end()) {
    return ReadErrors(*known, free);
  }
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<LayerWalk> walk, bench.Walk());
  const int64_t before = bench.state().step;
  LBW_RETURN_IF_ERROR(MeasureSensitivity(*walk, bench.model(), bench.Choices(), bench.Threads(),
                                         free, [&](size_t done) {
                                           bench.state().step = before + static_cast<int64_t>(done);
                                           bench.Report("sensitivity");
                                           return bench.Obey();
                                         }));
  bench.seconds().forward += walk->seconds().forward;
  bench.seconds().gram += walk->seconds().gram;
  finished["sensitivity"] = ToJson(free);
  return bench.Keep();
}

ChoiceOptions OptionsOf(const QuantizeBench& bench, const WidthOutcome& outcome,
                        const Attempt& attempt) {
  return WithWidths(bench.Choices(), outcome.free, attempt.bits);
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
  for (Attempt& attempt : wanted) {
    const ChoiceOptions options = OptionsOf(bench, outcome, attempt);
    LBW_ASSIGN_OR_RETURN(Attempt tried, Try(bench, std::move(attempt), options, Measuring::kNo));
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
  return bench.Settle(best->key, OptionsOf(bench, outcome, *best));
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
  if (bench.measure() == nullptr || !bench.measure()->labelled()) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                       "max_drop needs pictures with labels to measure on");
  }
  const ByteRange range = RangeOf(outcome.free);
  const auto measure = [&](Attempt attempt) -> absl::StatusOr<Attempt> {
    const ChoiceOptions options = OptionsOf(bench, outcome, attempt);
    LBW_ASSIGN_OR_RETURN(Attempt tried, Try(bench, std::move(attempt), options, Measuring::kYes));
    const auto same = [&](const Attempt& one) { return one.key == tried.key; };
    if (std::none_of(outcome.attempts.begin(), outcome.attempts.end(), same)) {
      outcome.attempts.push_back(tried);
    }
    return tried;
  };
  uint64_t low = 0;
  uint64_t high = kBudgetParts;
  std::optional<Attempt> good;
  for (int i = 0; i < kMostAttempts && low <= high; ++i) {
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
  return bench.Settle(good->key, OptionsOf(bench, outcome, *good));
}

}  // namespace

Attempt UniformAttempt(const std::vector<FreeLayer>& free, int bits) {
  Attempt attempt;
  attempt.key = base::StrCat("uniform ", bits);
  for (const FreeLayer& layer : free) {
    for (const quant::WidthChoice& width : layer.widths) {
      if (width.bits != bits) continue;
      attempt.bits.push_back(bits);
      attempt.bytes += width.bytes;
      attempt.predicted += width.error;
    }
  }
  return attempt;
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
  return outcome;
}

// Detection tests at every ratio, as the paper chooses its free parameter.
absl::StatusOr<MuOutcome> SearchMu(QuantizeBench& bench) {
  MuOutcome outcome;
  const auto at = [&](double ratio) {
    ChoiceOptions options = bench.Choices();
    options.quantize.tensor.mu_ratio = ratio;
    return options;
  };
  double best = -1;
  for (const double ratio : bench.spec().mu->ratios) {
    Attempt attempt;
    attempt.key = base::StrCat("mu ", ratio);
    LBW_ASSIGN_OR_RETURN(const Attempt tried,
                         Try(bench, std::move(attempt), at(ratio), Measuring::kYes));
    outcome.points.emplace_back(ratio, *tried.measured);
    const double score = tried.measured->value.value_or(tried.measured->agreement.value_or(0));
    if (score > best) {
      best = score;
      outcome.ratio = ratio;
    }
  }
  LBW_RETURN_IF_ERROR(bench.Settle(base::StrCat("mu ", outcome.ratio), at(outcome.ratio)));
  return outcome;
}

}  // namespace lbw::tasks
