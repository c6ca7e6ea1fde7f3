#include "quant/width_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/status.h"

namespace lbw::quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

WidthLayer Layer(std::string name, std::vector<WidthChoice> choices) {
  return {std::move(name), std::move(choices)};
}

// Sizes of layers as networks have them, errors that fall about fourfold a bit, with noise that may
// make them rise.
std::vector<WidthLayer> RandomLayers(std::mt19937& random, size_t count, double noise) {
  std::uniform_real_distribution<double> unit(0, 1);
  std::vector<WidthLayer> layers;
  for (size_t l = 0; l < count; ++l) {
    WidthLayer layer{"layer" + std::to_string(l), {}};
    const double weights = std::exp2(4 + 10 * unit(random));
    const double height = std::exp2(-8 * unit(random));
    for (int bits = 2; bits <= 6; ++bits) {
      const double error = height * std::exp2(-2.0 * bits) * std::exp2(noise * unit(random));
      layer.choices.push_back({bits, static_cast<uint64_t>(weights * bits / 8) + 4, error});
    }
    std::shuffle(layer.choices.begin(), layer.choices.end(), random);
    layers.push_back(std::move(layer));
  }
  return layers;
}

WidthPoint Extreme(const std::vector<WidthLayer>& layers, bool most) {
  return UniformWidth(layers, most ? 6 : 2).value().value();
}

struct Settled {
  std::vector<std::vector<WidthChoice>> layers;
};

// Errors made nonincreasing by the definition: min over later ends of max over earlier starts.
Settled SettleByDefinition(const std::vector<WidthLayer>& layers) {
  Settled settled;
  for (const WidthLayer& layer : layers) {
    std::vector<WidthChoice> choices = layer.choices;
    std::sort(choices.begin(), choices.end(), [](auto& a, auto& b) { return a.bits < b.bits; });
    const std::vector<WidthChoice> raw = choices;
    for (size_t i = 0; i < raw.size(); ++i) {
      double best = std::numeric_limits<double>::infinity();
      for (size_t from = 0; from <= i; ++from) {
        double most = 0;
        double sum = 0;
        for (size_t to = from; to < raw.size(); ++to) {
          sum += raw[to].error;
          if (to >= i) most = std::max(most, sum / static_cast<double>(to - from + 1));
        }
        best = std::min(best, most);
      }
      choices[i].error = best;
    }
    settled.layers.push_back(choices);
  }
  return settled;
}

// The least error of all assignments, of equal ones the fewest bytes.
WidthPoint Exhaustive(const Settled& settled, uint64_t budget) {
  WidthPoint best{0, std::numeric_limits<double>::infinity()};
  std::vector<size_t> at(settled.layers.size(), 0);
  while (true) {
    WidthPoint sum;
    for (size_t l = 0; l < at.size(); ++l) {
      sum.bytes += settled.layers[l][at[l]].bytes;
      sum.error += settled.layers[l][at[l]].error;
    }
    const bool better =
        sum.error < best.error || (sum.error == best.error && sum.bytes < best.bytes);
    if (sum.bytes <= budget && better) best = sum;
    size_t l = 0;
    while (l < at.size() && ++at[l] == settled.layers[l].size()) at[l++] = 0;
    if (l == at.size()) return best;
  }
}

TEST(PlanWidths, EqualsTheExhaustiveSearch) {
  std::mt19937 random(7);
  for (int round = 0; round < 120; ++round) {
    const auto layers = RandomLayers(random, 1 + static_cast<size_t>(round) % 6, round % 3 * 2.0);
    const Settled settled = SettleByDefinition(layers);
    const uint64_t least = Extreme(layers, false).bytes;
    const uint64_t most = Extreme(layers, true).bytes;
    for (uint64_t part = 0; part <= 8; ++part) {
      const uint64_t budget = least + (most - least) * part / 8;
      const auto plan = PlanWidths(layers, budget);
      ASSERT_TRUE(plan.ok()) << plan.status();
      const WidthPoint best = Exhaustive(settled, budget);
      EXPECT_TRUE(plan->exact);
      ASSERT_LE(plan->bytes, budget);
      ASSERT_NEAR(plan->error, best.error, 1e-12 * best.error) << "round " << round;
      ASSERT_EQ(plan->bytes, best.bytes) << "round " << round << " budget " << budget;
      ASSERT_EQ(plan->bits.size(), layers.size());
      WidthPoint sum;
      for (size_t l = 0; l < layers.size(); ++l) {
        for (const WidthChoice& choice : settled.layers[l]) {
          if (choice.bits == plan->bits[l])
            sum = {sum.bytes + choice.bytes, sum.error + choice.error};
        }
      }
      EXPECT_EQ(sum.bytes, plan->bytes);
      EXPECT_NEAR(sum.error, plan->error, 1e-12 * sum.error);
    }
  }
}

// What is on no hull: 3 bits of the first layer are best where 4 do not fit.
TEST(PlanWidths, FindsWhatTheHullLeavesOut) {
  const std::vector<WidthLayer> layers = {
      Layer("a", {{2, 10, 8.0}, {3, 20, 7.0}, {4, 30, 0.0}}),
      Layer("b", {{2, 10, 1.0}, {3, 20, 0.5}}),
  };
  const auto plan = PlanWidths(layers, 35);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->bits, ElementsAre(3, 2));
  EXPECT_EQ(plan->bytes, 30U);
  EXPECT_DOUBLE_EQ(plan->error, 8.0);
  EXPECT_THAT(PlanWidths(layers, 40)->bits, ElementsAre(4, 2));
  EXPECT_THAT(PlanWidths(layers, 1000)->bits, ElementsAre(4, 3));
}

TEST(PlanWidths, TakesTheFewestBytesOfEqualErrors) {
  const std::vector<WidthLayer> layers = {
      Layer("dead", {{6, 60, 0.0}, {4, 40, 0.0}, {2, 20, 0.0}}),
      Layer("noisy", {{2, 20, 1.0}, {3, 30, 2.0}}),  // both 1.5 once they may not rise
  };
  const auto plan = PlanWidths(layers, 1000);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->bits, ElementsAre(2, 2));
  EXPECT_EQ(plan->bytes, 40U);
  EXPECT_DOUBLE_EQ(plan->error, 1.5);
}

// Of the size of a ResNet-110, over the budgets from 2 to 6 bits.
TEST(PlanWidths, LargeNetworksAreNeverWorseThanUniformAndFallWithTheBudget) {
  std::mt19937 random(11);
  for (const double noise : {0.0, 3.0}) {
    const auto layers = RandomLayers(random, 110, noise);
    std::vector<uint64_t> budgets;
    for (int bits = 2; bits <= 6; ++bits) {
      const WidthPoint uniform = UniformWidth(layers, bits).value().value();
      const auto plan = PlanWidths(layers, uniform.bytes);
      ASSERT_TRUE(plan.ok()) << plan.status();
      EXPECT_LE(plan->bytes, uniform.bytes);
      EXPECT_LE(plan->error, uniform.error) << bits;
      if (bits > 2 && bits < 6) {
        EXPECT_LT(plan->error, 0.9 * uniform.error) << bits;
      }
      EXPECT_GE(plan->error, plan->lower_bound);
      EXPECT_LE(plan->error, plan->lower_bound * 1.001);
      budgets.push_back(uniform.bytes);
      budgets.push_back(uniform.bytes + uniform.bytes / 50);
    }
    const auto curve = WidthCurve(layers, budgets);
    ASSERT_TRUE(curve.ok()) << curve.status();
    ASSERT_EQ(curve->size(), budgets.size());
    for (size_t i = 0; i < budgets.size(); ++i) {
      EXPECT_LE((*curve)[i].bytes, budgets[i]);
      if (i > 0) {
        EXPECT_LE((*curve)[i].error, (*curve)[i - 1].error);
      }
      EXPECT_EQ((*curve)[i].error, PlanWidths(layers, budgets[i])->error);
    }
  }
}

// Subset sums in disguise: error and bytes trade one to one, so that bounds cut nothing away.
TEST(PlanWidths, WhereListsAreCutThePlanStaysWithinAStep) {
  std::mt19937 random(3);
  std::vector<WidthLayer> layers;
  uint64_t all = 0;
  for (int l = 0; l < 60; ++l) {
    const uint64_t more = 1'000'000'000 + random() % 1'000'000'000;
    layers.push_back(Layer("l", {{2, 0, static_cast<double>(more)}, {3, more, 0.0}}));
    all += more;
  }
  const auto plan = PlanWidths(layers, all / 2);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_LE(plan->bytes, all / 2);
  EXPECT_FALSE(plan->exact);
  EXPECT_LE(plan->error - plan->lower_bound, 2e9);
  EXPECT_NEAR(plan->lower_bound, static_cast<double>(all - all / 2),
              1e-6 * static_cast<double>(all));
  const auto again = PlanWidths(layers, all / 2);
  EXPECT_EQ(again->bits, plan->bits);
}

TEST(PlanWidths, NothingToChoose) {
  const auto none = PlanWidths({}, 0);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->bytes, 0U);
  EXPECT_TRUE(none->bits.empty());
  const std::vector<WidthLayer> one = {Layer("a", {{4, 12, 0.25}})};
  EXPECT_THAT(PlanWidths(one, 12)->bits, ElementsAre(4));
  EXPECT_EQ(UniformWidth(one, 3).value(), std::nullopt);
}

TEST(PlanWidths, SaysWhatIsWrong) {
  const std::vector<WidthLayer> layers = {Layer("a", {{2, 10, 1.0}, {3, 15, 0.5}}),
                                          Layer("b", {{2, 7, 1.0}})};
  ASSERT_TRUE(PlanWidths(layers, 17).ok());
  const auto small = PlanWidths(layers, 16);
  EXPECT_EQ(small.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(small.status().message()), HasSubstr("budget_bytes=16 least=17"));
  EXPECT_EQ(base::GetErrorDetails(small.status()).reason, "BAD_OPTIONS");
  EXPECT_THAT(base::GetErrorDetails(small.status()).fields, ElementsAre("budget_bytes"));
  EXPECT_FALSE(WidthCurve(layers, std::vector<uint64_t>{100, 16}).ok());

  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const WidthLayer& bad :
       {Layer("bad", {}), Layer("bad", {{2, 1, 1.0}, {2, 2, 0.5}}), Layer("bad", {{2, 1, nan}}),
        Layer("bad", {{2, 1, -1.0}}), Layer("bad", {{2, 1, 1e201}}),
        Layer("bad", {{2, (uint64_t{1} << 50) + 1, 1.0}})}) {
    const auto plan = PlanWidths(std::vector<WidthLayer>{layers[0], bad}, 1000);
    EXPECT_EQ(base::GetErrorDetails(plan.status()).reason, "BAD_OPTIONS");
    EXPECT_THAT(std::string(plan.status().message()), HasSubstr("layer=bad"));
  }
  WidthLayer wide{"wide", {}};
  for (int bits = 0; bits <= static_cast<int>(kMaxWidthChoices); ++bits) {
    wide.choices.push_back({bits, 1, 1.0});
  }
  EXPECT_EQ(base::GetErrorDetails(PlanWidths(std::vector<WidthLayer>{wide}, 1).status()).reason,
            "LIMIT_EXCEEDED");
  wide.choices.pop_back();
  EXPECT_TRUE(PlanWidths(std::vector<WidthLayer>{wide}, 1).ok());
  const std::vector<WidthLayer> many(kMaxWidthLayers + 1, layers[1]);
  EXPECT_EQ(base::GetErrorDetails(PlanWidths(many, 1'000'000).status()).reason, "LIMIT_EXCEEDED");
  EXPECT_TRUE(
      PlanWidths(absl::MakeConstSpan(many).first(kMaxWidthLayers), 7 * kMaxWidthLayers).ok());
}

TEST(Nonincreasing, PoolsWhatRises) {
  EXPECT_THAT(Nonincreasing({}), ElementsAre());
  EXPECT_THAT(Nonincreasing({3, 2, 1}), ElementsAre(3, 2, 1));
  EXPECT_THAT(Nonincreasing({1, 3, 2}), ElementsAre(2, 2, 2));
  EXPECT_THAT(Nonincreasing({5, 1, 3, 0}), ElementsAre(5, 2, 2, 0));
  EXPECT_THAT(Nonincreasing({4, 1, 2, 6}), ElementsAre(4, 3, 3, 3));
}

}  // namespace
}  // namespace lbw::quant
