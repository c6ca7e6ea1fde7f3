#include "quant/width_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::quant {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 50;
// Sums of products of errors and bytes stay finite.
constexpr double kMaxError = 1e200;
// Share of the numbers that a bound is made of: what their rounding may amount to.
constexpr double kRounding = 1e-9;

using Layers = std::vector<std::vector<WidthChoice>>;

base::Error Bad(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions, message);
}

// Choices by rising bits, their errors nonincreasing.
absl::StatusOr<std::vector<WidthChoice>> Settle(const WidthLayer& layer) {
  std::vector<WidthChoice> choices = layer.choices;
  if (choices.empty()) return Bad(base::StrCat("no widths to choose from: layer=", layer.name));
  if (choices.size() > kMaxWidthChoices) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("at most ", kMaxWidthChoices, " widths a layer: layer=",
                                    layer.name, " widths=", choices.size()));
  }
  std::sort(choices.begin(), choices.end(),
            [](const WidthChoice& a, const WidthChoice& b) { return a.bits < b.bits; });
  std::vector<double> errors;
  for (size_t i = 0; i < choices.size(); ++i) {
    const WidthChoice& choice = choices[i];
    const auto bad = [&](std::string_view what) {
      return Bad(base::StrCat(what, ": layer=", layer.name, " bits=", choice.bits,
                              " bytes=", choice.bytes, " error=", choice.error));
    };
    if (i > 0 && choices[i - 1].bits == choice.bits) return bad("a width stands twice");
    if (!(choice.error >= 0 && choice.error <= kMaxError)) {
      return bad("an error must be in 0..1e200");
    }
    if (choice.bytes > kMaxBytes) return bad("bytes must be at most 2^50");
    errors.push_back(choice.error);
  }
  errors = Nonincreasing(std::move(errors));
  for (size_t i = 0; i < choices.size(); ++i) choices[i].error = errors[i];
  return choices;
}

absl::StatusOr<Layers> SettleAll(absl::Span<const WidthLayer> layers) {
  if (layers.size() > kMaxWidthLayers) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
        base::StrCat("at most ", kMaxWidthLayers, " layers: layers=", layers.size()));
  }
  Layers settled;
  for (const WidthLayer& layer : layers) {
    LBW_ASSIGN_OR_RETURN(std::vector<WidthChoice> choices, Settle(layer));
    settled.push_back(std::move(choices));
  }
  return settled;
}

// Only choices that nothing beats: bytes rising, errors falling. Of equal ones the fewest bits.
std::vector<WidthChoice> Undominated(std::vector<WidthChoice> choices) {
  std::stable_sort(choices.begin(), choices.end(), [](const WidthChoice& a, const WidthChoice& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.error < b.error;
  });
  std::vector<WidthChoice> kept;
  for (const WidthChoice& choice : choices) {
    if (kept.empty() || choice.error < kept.back().error) kept.push_back(choice);
  }
  return kept;
}

double Slope(const WidthChoice& from, const WidthChoice& to) {
  return (from.error - to.error) / static_cast<double>(to.bytes - from.bytes);
}

// Indices of the choices on the lower convex hull: slopes fall strictly.
std::vector<size_t> Hull(const std::vector<WidthChoice>& choices) {
  std::vector<size_t> hull;
  for (size_t i = 0; i < choices.size(); ++i) {
    while (hull.size() > 1) {
      const WidthChoice& before = choices[hull[hull.size() - 2]];
      const WidthChoice& last = choices[hull.back()];
      if (Slope(before, last) > Slope(last, choices[i])) break;
      hull.pop_back();
    }
    hull.push_back(i);
  }
  return hull;
}

class Planner {
 public:
  Planner(const Layers& settled, uint64_t budget) : settled_(settled), budget_(budget) {
    for (const auto& choices : settled) layers_.push_back(Undominated(choices));
    for (const auto& choices : layers_) least_ += choices.front().bytes;
  }

  uint64_t least() const { return least_; }

  WidthPlan Run() {
    StartGreedily();
    TryUniform();
    BoundRest();
    const bool exact = Improve();
    WidthPlan plan;
    for (size_t l = 0; l < layers_.size(); ++l) plan.bits.push_back(best_[l].bits);
    plan.bytes = best_sum_.bytes;
    plan.error = best_sum_.error;
    plan.exact = exact;
    const double bound = rest_.front() - multiplier_ * static_cast<double>(budget_);
    plan.lower_bound = exact ? plan.error : std::clamp(bound, 0.0, plan.error);
    return plan;
  }

 private:
  struct Step {
    size_t layer, to;  // index of the choice that it leads to
    double slope;
    uint64_t bytes;
  };
  // The first layers' choices, summed up.
  struct Partial {
    uint64_t bytes;
    double error;
    uint32_t parent;  // among the partial plans of one layer less
    uint32_t choice;
  };

  static bool Less(const WidthPoint& a, const WidthPoint& b) {
    return a.error != b.error ? a.error < b.error : a.bytes < b.bytes;
  }

  // In the order of the layers, as Improve adds: equal plans then have equal bits.
  static WidthPoint SumUp(const std::vector<WidthChoice>& plan) {
    WidthPoint sum;
    for (const WidthChoice& choice : plan) {
      sum.bytes += choice.bytes;
      sum.error += choice.error;
    }
    return sum;
  }

  std::vector<Step> HullSteps() const {
    std::vector<Step> steps;
    for (size_t l = 0; l < layers_.size(); ++l) {
      const std::vector<size_t> hull = Hull(layers_[l]);
      for (size_t i = 1; i < hull.size(); ++i) {
        const WidthChoice& from = layers_[l][hull[i - 1]];
        const WidthChoice& to = layers_[l][hull[i]];
        steps.push_back({l, hull[i], Slope(from, to), to.bytes - from.bytes});
      }
    }
    // Within a layer slopes fall: a stable order takes its steps one after the other.
    std::stable_sort(steps.begin(), steps.end(),
                     [](const Step& a, const Step& b) { return a.slope > b.slope; });
    return steps;
  }

  void StartGreedily() {
    for (const auto& choices : layers_) best_.push_back(choices.front());
    uint64_t bytes = least_;
    std::vector<bool> stuck(layers_.size(), false);
    for (const Step& step : HullSteps()) {
      if (stuck[step.layer]) continue;
      if (step.bytes > budget_ - bytes) {
        // The first step that does not fit is where the relaxation ends: its slope is the price.
        if (multiplier_ == 0) multiplier_ = step.slope;
        stuck[step.layer] = true;
        continue;
      }
      bytes += step.bytes;
      best_[step.layer] = layers_[step.layer][step.to];
    }
    best_sum_ = SumUp(best_);
  }

  void TryUniform() {
    if (settled_.empty()) return;
    for (const WidthChoice& first : settled_[0]) {
      std::vector<WidthChoice> plan;
      for (const auto& choices : settled_) {
        for (const WidthChoice& choice : choices) {
          if (choice.bits == first.bits) plan.push_back(choice);
        }
      }
      const WidthPoint sum = SumUp(plan);
      if (plan.size() != settled_.size() || sum.bytes > budget_ || !Less(sum, best_sum_)) continue;
      best_ = std::move(plan);
      best_sum_ = sum;
    }
  }

  // rest_[l]: least of error + multiplier * bytes, summed over the layers from l on.
  void BoundRest() {
    rest_.assign(layers_.size() + 1, 0);
    rest_least_.assign(layers_.size() + 1, 0);
    for (size_t l = layers_.size(); l-- > 0;) {
      double least = std::numeric_limits<double>::infinity();
      for (const WidthChoice& choice : layers_[l]) {
        least = std::min(least, choice.error + multiplier_ * static_cast<double>(choice.bytes));
      }
      rest_[l] = rest_[l + 1] + least;
      rest_least_[l] = rest_least_[l + 1] + layers_[l].front().bytes;
    }
    slack_ = kRounding * (best_sum_.error + rest_[0] + multiplier_ * static_cast<double>(budget_));
  }

  // What a partial plan of the layers before l can still come to, at least.
  double BoundOf(const Partial& partial, size_t l) const {
    return partial.error + rest_[l] - multiplier_ * static_cast<double>(budget_ - partial.bytes);
  }

  // Partial plans of one layer more: sorted by bytes, undominated, within budget and bound.
  std::vector<Partial> Extend(const std::vector<Partial>& from, size_t l) const {
    std::vector<Partial> all;
    for (size_t c = 0; c < layers_[l].size(); ++c) {
      const WidthChoice& choice = layers_[l][c];
      for (size_t p = 0; p < from.size(); ++p) {
        const Partial next{from[p].bytes + choice.bytes, from[p].error + choice.error,
                           static_cast<uint32_t>(p), static_cast<uint32_t>(c)};
        if (next.bytes + rest_least_[l + 1] > budget_) break;  // the others have more bytes
        if (BoundOf(next, l + 1) <= best_sum_.error + slack_) all.push_back(next);
      }
    }
    std::stable_sort(all.begin(), all.end(), [](const Partial& a, const Partial& b) {
      return a.bytes != b.bytes ? a.bytes < b.bytes : a.error < b.error;
    });
    std::vector<Partial> kept;
    for (const Partial& partial : all) {
      if (kept.empty() || partial.error < kept.back().error) kept.push_back(partial);
    }
    return kept;
  }

  // Keeps the most promising; false where some were dropped.
  bool Thin(std::vector<Partial>& plans, size_t l) const {
    if (plans.size() <= kMaxPartialPlans) return true;
    std::vector<std::pair<double, size_t>> order;
    for (size_t i = 0; i < plans.size(); ++i) order.emplace_back(BoundOf(plans[i], l), i);
    const auto cut = order.begin() + static_cast<std::ptrdiff_t>(kMaxPartialPlans);
    std::nth_element(order.begin(), cut, order.end());
    std::vector<size_t> chosen;
    for (auto it = order.begin(); it != cut; ++it) chosen.push_back(it->second);
    std::sort(chosen.begin(), chosen.end());
    std::vector<Partial> kept;
    for (const size_t i : chosen) kept.push_back(plans[i]);
    plans = std::move(kept);
    return false;
  }

  // True where no better plan can exist than the one that is best afterwards.
  bool Improve() {
    std::vector<std::vector<Partial>> lists = {{{0, 0.0, 0, 0}}};
    bool exact = true;
    for (size_t l = 0; l < layers_.size(); ++l) {
      lists.push_back(Extend(lists.back(), l));
      if (!Thin(lists.back(), l + 1)) exact = false;
    }
    // Undominated and sorted by bytes: the last has the least error.
    if (lists.back().empty()) return exact;
    const Partial* end = &lists.back().back();
    if (!Less({end->bytes, end->error}, best_sum_)) return exact;
    best_sum_ = {end->bytes, end->error};
    for (size_t l = layers_.size(); l-- > 0;) {
      best_[l] = layers_[l][end->choice];
      end = &lists[l][end->parent];
    }
    return exact;
  }

  const Layers& settled_;
  const uint64_t budget_;
  Layers layers_;  // undominated choices
  uint64_t least_ = 0;
  std::vector<WidthChoice> best_;
  WidthPoint best_sum_;
  double multiplier_ = 0;  // error a byte
  std::vector<double> rest_;
  std::vector<uint64_t> rest_least_;  // bytes
  double slack_ = 0;
};

absl::StatusOr<WidthPlan> PlanSettled(const Layers& layers, uint64_t budget) {
  Planner planner(layers, budget);
  if (budget < planner.least()) {
    return Bad(base::StrCat("budget_bytes is below the least that the layers take: budget_bytes=",
                            budget, " least=", planner.least()))
        .Field("budget_bytes");
  }
  return planner.Run();
}

}  // namespace

std::vector<double> Nonincreasing(std::vector<double> errors) {
  struct Block {
    double mean;
    size_t count;
  };
  std::vector<Block> blocks;
  for (const double error : errors) {
    Block block{error, 1};
    while (!blocks.empty() && blocks.back().mean < block.mean) {
      const Block& last = blocks.back();
      const size_t count = last.count + block.count;
      const double share = static_cast<double>(block.count) / static_cast<double>(count);
      block = {last.mean + (block.mean - last.mean) * share, count};
      blocks.pop_back();
    }
    blocks.push_back(block);
  }
  size_t at = 0;
  for (const Block& block : blocks) {
    for (size_t i = 0; i < block.count; ++i) errors[at++] = block.mean;
  }
  return errors;
}

absl::StatusOr<WidthPlan> PlanWidths(absl::Span<const WidthLayer> layers, uint64_t budget_bytes) {
  LBW_ASSIGN_OR_RETURN(const Layers settled, SettleAll(layers));
  return PlanSettled(settled, budget_bytes);
}

absl::StatusOr<std::vector<WidthPoint>> WidthCurve(absl::Span<const WidthLayer> layers,
                                                   absl::Span<const uint64_t> budgets) {
  LBW_ASSIGN_OR_RETURN(const Layers settled, SettleAll(layers));
  std::vector<WidthPoint> curve;
  for (const uint64_t budget : budgets) {
    LBW_ASSIGN_OR_RETURN(const WidthPlan plan, PlanSettled(settled, budget));
    curve.push_back({plan.bytes, plan.error});
  }
  return curve;
}

absl::StatusOr<std::optional<WidthPoint>> UniformWidth(absl::Span<const WidthLayer> layers,
                                                       int bits) {
  LBW_ASSIGN_OR_RETURN(const Layers settled, SettleAll(layers));
  WidthPoint sum;
  for (const auto& choices : settled) {
    const auto found = std::find_if(choices.begin(), choices.end(),
                                    [bits](const WidthChoice& c) { return c.bits == bits; });
    if (found == choices.end()) return std::optional<WidthPoint>();
    sum.bytes += found->bytes;
    sum.error += found->error;
  }
  return std::optional<WidthPoint>(sum);
}

}  // namespace lbw::quant
