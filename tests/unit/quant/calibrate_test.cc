#include "quant/calibrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "base/status.h"
#include "quant/calibrate_rows.h"
#include "quant/projection.h"

namespace lbw::quant {
namespace {

using ::testing::HasSubstr;

struct Layer {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<float> weights;
  Gram gram;
  std::vector<double> power;
};

// A layer with correlated inputs; the quantized inputs are the float ones with some error.
Layer MakeLayer(int64_t rows, int64_t columns, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Layer layer;
  layer.rows = rows;
  layer.columns = columns;
  layer.weights.resize(static_cast<size_t>(rows * columns));
  for (float& w : layer.weights) w = 0.1F * normal(generator);
  constexpr int64_t kSamples = 1024;
  std::vector<float> floating(static_cast<size_t>(kSamples * columns));
  std::vector<float> quantized(floating.size());
  for (int64_t t = 0; t < kSamples; ++t) {
    const float common = normal(generator);
    for (int64_t j = 0; j < columns; ++j) {
      const auto at = static_cast<size_t>(t * columns + j);
      floating[at] = std::max(0.0F, common + 0.7F * normal(generator) + 0.3F);
      quantized[at] = floating[at] * 1.1F + 0.05F * normal(generator);
    }
  }
  GramSums sums(columns);
  sums.Add(quantized, floating, 2);
  layer.gram = sums.Finish();
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<double> outputs;
    for (int64_t t = 0; t < kSamples; ++t) {
      double y = 0;
      for (int64_t j = 0; j < columns; ++j) {
        y += static_cast<double>(layer.weights[static_cast<size_t>(r * columns + j)]) *
             static_cast<double>(floating[static_cast<size_t>(t * columns + j)]);
      }
      outputs.push_back(y);
    }
    const double mean = std::accumulate(outputs.begin(), outputs.end(), 0.0) / kSamples;
    double power = 0;
    for (const double y : outputs) power += (y - mean) * (y - mean) / kSamples;
    layer.power.push_back(power);
  }
  return layer;
}

double Total(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

float ValueOf(const CalibratedRows& rows, size_t row, uint8_t code, int bits) {
  const float scale = rows.scales.empty() ? 1.0F : rows.scales[row];
  return scale * DecodeValue(code, bits, rows.exponents[row]);
}

class CalibrateBits : public ::testing::TestWithParam<int> {};

// The solver's error is never above that of nearest codes by more than the damping can explain, and
// well below it in sum; every code is valid.
TEST_P(CalibrateBits, OutputsComeCloserThanNearestCodes) {
  const Layer layer = MakeLayer(24, 48, 11);
  CalibrateOptions options;
  options.bits = GetParam();
  const auto rows = CalibrateRows(layer.weights, layer.gram, layer.power, options);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->plain, Plain::kNo);
  EXPECT_LT(Total(rows->error), 0.6 * Total(rows->nearest_error));
  EXPECT_LT(Total(rows->error), Total(rows->output_power));
  for (const uint8_t code : rows->codes) {
    ASSERT_TRUE(IsValidCode(code, options.bits, MagnitudeCount(options.bits, options.code_book)));
  }
}

INSTANTIATE_TEST_SUITE_P(Bits, CalibrateBits, ::testing::Values(2, 3, 4, 5, 6));

// The errors that are told are those of the outputs themselves, bias change included.
TEST(CalibrateRows, TellsTheOutputsError) {
  constexpr int64_t kColumns = 6;
  constexpr int64_t kSamples = 512;
  std::mt19937 generator(3);
  std::normal_distribution<float> normal(0.4F, 1.0F);
  std::vector<float> floating(kSamples * kColumns);
  std::vector<float> quantized(floating.size());
  for (size_t i = 0; i < floating.size(); ++i) {
    floating[i] = normal(generator);
    quantized[i] = floating[i] + 0.2F * normal(generator);
  }
  GramSums sums(kColumns);
  sums.Add(quantized, floating, 1);
  const std::vector<float> weights = {0.3F, -0.7F, 0.2F, 0.9F, -0.1F, 0.05F};
  std::vector<double> y(kSamples, 0.0);
  double mean = 0;
  for (size_t t = 0; t < kSamples; ++t) {
    for (size_t j = 0; j < kColumns; ++j) {
      y[t] += static_cast<double>(weights[j]) * static_cast<double>(floating[t * kColumns + j]);
    }
    mean += y[t] / kSamples;
  }
  double power = 0;
  for (const double value : y) power += (value - mean) * (value - mean) / kSamples;
  const std::vector<double> powers = {power};
  CalibrateOptions options;
  options.bits = 3;
  const auto rows = CalibrateRows(weights, sums.Finish(), powers, options);
  ASSERT_TRUE(rows.ok()) << rows.status();
  double error = 0;
  double offset = 0;
  for (size_t t = 0; t < kSamples; ++t) {
    double q = rows->bias_change[0];
    for (size_t j = 0; j < kColumns; ++j) {
      q += static_cast<double>(ValueOf(*rows, 0, rows->codes[j], 3)) *
           static_cast<double>(quantized[t * kColumns + j]);
    }
    error += (y[t] - q) * (y[t] - q) / kSamples;
    offset += (y[t] - q) / kSamples;
  }
  EXPECT_NEAR(rows->error[0], error, 1e-5);
  EXPECT_NEAR(offset, 0.0, 1e-5);  // the bias change takes the mean error out
}

// Two columns that are the same input: one weight may carry both, which nearest rounding cannot
// see.
TEST(CalibrateRows, IsOptimalForSmallLayers) {
  std::mt19937 generator(5);
  std::normal_distribution<float> normal;
  int better = 0;
  for (int trial = 0; trial < 40; ++trial) {
    const Layer layer = MakeLayer(1, 3, 100 + static_cast<unsigned>(trial));
    CalibrateOptions options;
    options.bits = 2;
    options.damping = 1e-6;
    const auto rows = CalibrateRows(layer.weights, layer.gram, layer.power, options);
    ASSERT_TRUE(rows.ok()) << rows.status();
    // Brute force over codes and a wide range of exponents.
    double least = std::numeric_limits<double>::infinity();
    for (int s = -8; s <= 2; ++s) {
      for (int code = 0; code < 27; ++code) {
        std::vector<double> q = {static_cast<double>(code % 3 - 1),
                                 static_cast<double>(code / 3 % 3 - 1),
                                 static_cast<double>(code / 9 - 1)};
        double error = layer.power[0];
        for (size_t i = 0; i < 3; ++i) {
          q[i] *= std::exp2(s);
        }
        for (size_t i = 0; i < 3; ++i) {
          for (size_t j = 0; j < 3; ++j) {
            error += q[i] * layer.gram.h[i * 3 + j] * q[j] -
                     2 * static_cast<double>(layer.weights[i]) * layer.gram.g[i * 3 + j] * q[j];
          }
        }
        least = std::min(least, error);
      }
    }
    EXPECT_GE(rows->error[0], least - 1e-6);
    if (rows->error[0] <= least * 1.02 + 1e-9) ++better;
  }
  EXPECT_GE(better, 30);  // coordinate descent may end in a local minimum
}

// (Q - Wt) H (Q - Wt)' of one row.
double ErrorAbout(const std::vector<double>& q, absl::Span<const float> target,
                  const std::vector<double>& h) {
  const size_t n = q.size();
  double error = 0;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      error += (q[i] - static_cast<double>(target[i])) * h[i * n + j] *
               (q[j] - static_cast<double>(target[j]));
    }
  }
  return error;
}

// The same sweeps from the nearest codes of the target, by plain loops.
double SweptFromNearest(absl::Span<const float> target, const std::vector<double>& h, int bits) {
  const size_t n = target.size();
  const int magnitudes = MagnitudeCount(bits, CodeBook::kFull);
  Histogram histogram;
  histogram.Add(target);
  const int s0 = ExactExponent(histogram, magnitudes);
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return h[a * (n + 1)] > h[b * (n + 1)]; });
  double least = std::numeric_limits<double>::infinity();
  for (int s = s0 - 1; s <= s0 + 1; ++s) {
    const auto nearest = [&](double u) {
      return static_cast<double>(NearestValue(static_cast<float>(u), magnitudes, s));
    };
    std::vector<double> q;
    for (const float w : target) q.push_back(nearest(static_cast<double>(w)));
    for (int sweep = 0; sweep < 3; ++sweep) {
      for (const size_t j : order) {
        double residual = 0;
        for (size_t i = 0; i < n; ++i) {
          residual += (static_cast<double>(target[i]) - q[i]) * h[i * n + j];
        }
        q[j] = nearest(q[j] + residual / h[j * (n + 1)]);
      }
    }
    least = std::min(least, ErrorAbout(q, target, h));
  }
  return least;
}

// Inputs that go together: a start that lets later columns repair earlier ones ends lower.
TEST(CalibrateRows, TheNearestPlaneIsABetterStartThanTheNearestCodes) {
  for (const int bits : {2, 3, 4}) {
    SCOPED_TRACE(bits);
    const Layer layer = MakeLayer(48, 64, 77);
    CalibrateOptions options;
    options.bits = bits;
    options.keep_target = true;
    const auto rows = CalibrateRows(layer.weights, layer.gram, layer.power, options);
    ASSERT_TRUE(rows.ok()) << rows.status();
    std::vector<double> h = layer.gram.h;
    double trace = 0;
    for (size_t j = 0; j < 64; ++j) trace += h[65 * j];
    for (size_t j = 0; j < 64; ++j) h[65 * j] += options.damping * trace / 64;
    double ours = 0;
    double swept = 0;
    for (size_t r = 0; r < 48; ++r) {
      const auto target = absl::MakeConstSpan(rows->target).subspan(64 * r, 64);
      std::vector<double> q;
      for (size_t j = 0; j < 64; ++j) {
        q.push_back(static_cast<double>(ValueOf(*rows, r, rows->codes[64 * r + j], bits)));
      }
      ours += ErrorAbout(q, target, h);
      swept += SweptFromNearest(target, h, bits);
    }
    EXPECT_LT(ours, 0.97 * swept);
  }
}

// Where no column can repair another, each is rounded alone.
TEST(CalibrateRows, ColumnsThatGoTogetherInNothingAreRoundedAlone) {
  Layer layer = MakeLayer(8, 24, 79);
  for (size_t i = 0; i < 24; ++i) {
    for (size_t j = 0; j < 24; ++j) {
      const double own = 1 + static_cast<double>((7 * j) % 24);
      layer.gram.h[24 * i + j] = layer.gram.g[24 * i + j] = i == j ? own : 0;
    }
  }
  CalibrateOptions options;
  options.bits = 3;
  const auto rows = CalibrateRows(layer.weights, layer.gram, {}, options);
  ASSERT_TRUE(rows.ok()) << rows.status();
  for (size_t i = 0; i < layer.weights.size(); ++i) {
    const float nearest =
        NearestValue(layer.weights[i], MagnitudeCount(3, CodeBook::kFull), rows->exponents[i / 24]);
    EXPECT_EQ(ValueOf(*rows, i / 24, rows->codes[i], 3), nearest) << i;
  }
}

TEST(CalibrateRows, ThreadsAndIsaChangeNoBit) {
  const Layer layer = MakeLayer(21, 70, 17);
  CalibrateOptions options;
  options.bits = 3;
  const auto one = CalibrateRows(layer.weights, layer.gram, layer.power, options);
  options.max_threads = 4;
  options.isa = Isa::kScalar;
  const auto other = CalibrateRows(layer.weights, layer.gram, layer.power, options);
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_EQ(one->codes, other->codes);
  EXPECT_EQ(one->exponents, other->exponents);
  EXPECT_EQ(one->bias_change, other->bias_change);
  EXPECT_EQ(one->error, other->error);
}

TEST(CalibrateRows, ARealScaleGainsAtTwoBits) {
  const Layer layer = MakeLayer(32, 40, 23);
  CalibrateOptions options;
  options.bits = 2;
  const auto power = CalibrateRows(layer.weights, layer.gram, layer.power, options);
  options.scale = ScaleKind::kReal;
  const auto real = CalibrateRows(layer.weights, layer.gram, layer.power, options);
  ASSERT_TRUE(power.ok() && real.ok());
  EXPECT_LT(Total(real->error), Total(power->error));
  for (const float scale : real->scales) {
    EXPECT_GE(scale, 1.0F);
    EXPECT_LT(scale, 2.0F);
  }
}

// Inputs without signal: nearest codes, and the bias change takes up what the constant inputs make.
TEST(CalibrateRows, InputsThatAreConstantAreProjectedPlainly) {
  const std::vector<float> weights = {0.3F, -0.7F, 0.11F, 0.2F};
  const std::vector<float> samples(512 * 2, 3.0F);
  GramSums sums(2);
  sums.Add(samples, samples, 1);
  CalibrateOptions options;
  options.bits = 2;
  const auto rows = CalibrateRows(weights, sums.Finish(), {}, options);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->plain, Plain::kNoSignal);
  for (size_t r = 0; r < 2; ++r) {
    double change = 0;
    for (size_t j = 0; j < 2; ++j) {
      change += 3.0 * (static_cast<double>(weights[r * 2 + j]) -
                       static_cast<double>(ValueOf(*rows, r, rows->codes[r * 2 + j], 2)));
    }
    EXPECT_NEAR(rows->bias_change[r], change, 1e-6);
  }
  const auto none = CalibrateRows(weights, GramSums(2).Finish(), {}, options);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->plain, Plain::kNoSignal);
  EXPECT_EQ(none->codes, rows->codes);
  EXPECT_EQ(none->bias_change, std::vector<double>(2, 0.0));
}

TEST(CalibrateRows, DeadRowsAndTinyWeightsComeOutRight) {
  Layer layer = MakeLayer(3, 8, 29);
  for (size_t j = 0; j < 8; ++j) {
    layer.weights[j] = 0;
    layer.weights[8 + j] *= 1e-29F;
  }
  CalibrateOptions options;
  const auto rows = CalibrateRows(layer.weights, layer.gram, {}, options);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->dead_rows, 2);
  for (size_t j = 0; j < 8; ++j) {
    EXPECT_EQ(rows->codes[j], 0);
    EXPECT_NEAR(ValueOf(*rows, 1, rows->codes[8 + j], 4), layer.weights[8 + j],
                0.34F * std::fabs(layer.weights[8 + j]) + 1e-31F);
  }
}

// Who knows what follows the layer says which rows are dead; the weights say nothing then.
TEST(CalibrateRows, TheCallerSaysWhichRowsAreDead) {
  Layer layer = MakeLayer(3, 32, 29);
  for (size_t j = 0; j < 32; ++j) layer.weights[64 + j] *= 1e-14F;
  CalibrateOptions options;
  options.bits = 2;
  const auto by_weights = CalibrateRows(layer.weights, layer.gram, {}, options);
  const std::vector<uint8_t> dead = {0, 1, 0};
  options.dead = dead;
  const auto by_caller = CalibrateRows(layer.weights, layer.gram, {}, options);
  ASSERT_TRUE(by_weights.ok() && by_caller.ok());
  EXPECT_EQ(by_weights->dead_rows, 1);
  EXPECT_EQ(by_caller->dead_rows, 1);
  const auto is_nearest = [&](const CalibratedRows& rows, size_t r) {
    const absl::Span<const float> row = absl::MakeConstSpan(layer.weights).subspan(32 * r, 32);
    Histogram histogram;
    histogram.Add(row);
    const int magnitudes = MagnitudeCount(2, CodeBook::kFull);
    const int exponent = ExactExponent(histogram, magnitudes);
    std::vector<uint8_t> codes(32);
    NearestCodes(row, 2, magnitudes, exponent, absl::MakeSpan(codes));
    return rows.exponents[r] == exponent &&
           std::equal(codes.begin(), codes.end(),
                      rows.codes.begin() + static_cast<std::ptrdiff_t>(32 * r));
  };
  EXPECT_FALSE(is_nearest(*by_weights, 1));
  EXPECT_TRUE(is_nearest(*by_caller, 1));
  EXPECT_TRUE(is_nearest(*by_weights, 2));
  EXPECT_FALSE(is_nearest(*by_caller, 2));
}

TEST(CalibrateRows, RefusesWhatIsOutOfRangeAndNamesIt) {
  const Layer layer = MakeLayer(1, 4, 31);
  const auto refused = [&](const std::function<void(CalibrateOptions&)>& change) {
    CalibrateOptions options;
    change(options);
    return std::string(CalibrateRows(layer.weights, layer.gram, {}, options).status().message());
  };
  EXPECT_THAT(refused([](auto& o) { o.bits = 7; }), HasSubstr("bits must be 2..6: bits=7"));
  EXPECT_THAT(refused([](auto& o) { o.scale = ScaleKind::kReal; }), HasSubstr("scale"));
  EXPECT_THAT(refused([](auto& o) { o.damping = 0; }), HasSubstr("damping"));
  EXPECT_THAT(refused([](auto& o) { o.sweeps = 0; }), HasSubstr("sweeps"));
  std::vector<float> bad = layer.weights;
  bad[2] = std::numeric_limits<float>::quiet_NaN();
  const absl::Status status = CalibrateRows(bad, layer.gram, {}, {}).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("element 2"));
  EXPECT_EQ(base::GetErrorDetails(status).reason, "NON_FINITE");
}

// The same rounding as the projection's.
TEST(NearestValue, AgreesWithTheProjection) {
  std::mt19937 generator(41);
  std::normal_distribution<float> normal;
  for (int i = 0; i < 20'000; ++i) {
    const float u = normal(generator) * std::exp2(static_cast<float>(i % 40 - 20));
    for (const int bits : {2, 3, 4, 6}) {
      const int magnitudes = MagnitudeCount(bits, CodeBook::kFull);
      for (const int s : {-3, 0, 2}) {
        uint8_t code = 0;
        NearestCodes(absl::MakeConstSpan(&u, 1), bits, magnitudes, s, absl::MakeSpan(&code, 1));
        ASSERT_EQ(NearestValue(u, magnitudes, s), DecodeValue(code, bits, s))
            << u << " bits=" << bits << " s=" << s;
      }
    }
  }
}

// The float network's constant and the quantized one's differ: no noise of sums becomes a signal.
TEST(CalibrateRows, ConstantsThatDifferAreConstants) {
  const std::vector<float> weights = {0.3F, -0.7F, 0.11F, 0.2F};
  const std::vector<float> quantized(1'000 * 2, 0.3F);
  const std::vector<float> floating(1'000 * 2, 0.1F);
  GramSums sums(2);
  sums.Add(quantized, floating, 1);
  CalibrateOptions options;
  options.bits = 3;
  const auto rows = CalibrateRows(weights, sums.Finish(), {}, options);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->plain, Plain::kNoSignal);
  for (size_t r = 0; r < 2; ++r) {
    double change = 0;
    for (size_t j = 0; j < 2; ++j) {
      change += static_cast<double>(0.1F) * static_cast<double>(weights[r * 2 + j]) -
                static_cast<double>(0.3F) *
                    static_cast<double>(ValueOf(*rows, r, rows->codes[r * 2 + j], 3));
    }
    EXPECT_NEAR(rows->bias_change[r], change, 1e-9);
    EXPECT_EQ(rows->error[r], 0);
  }
}

// Beside inputs that say something, a constant one keeps its weight.
TEST(CalibrateRows, AConstantInputBesideOthersKeepsItsWeight) {
  std::mt19937 generator(51);
  std::normal_distribution<float> normal;
  std::vector<float> quantized;
  std::vector<float> floating;
  for (int t = 0; t < 800; ++t) {
    const float x = normal(generator);
    quantized.insert(quantized.end(), {0.3F, x, 0.1F});
    floating.insert(floating.end(), {0.1F, x, 0.3F});
  }
  GramSums sums(3);
  sums.Add(quantized, floating, 1);
  const std::vector<float> weights = {0.25F, 0.5F, -0.125F};
  const auto rows = CalibrateRows(weights, sums.Finish(), {}, {});
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->plain, Plain::kNo);
  for (size_t j = 0; j < 3; ++j) EXPECT_EQ(ValueOf(*rows, 0, rows->codes[j], 4), weights[j]);
}

TEST(CalibrateRows, InputsThatAreNotFiniteAreNotCalledConstant) {
  const std::vector<float> weights = {0.3F, -0.7F};
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e25F}) {
    for (const bool first : {true, false}) {
      for (const bool in_float : {true, false}) {
        std::vector<float> quantized(300 * 2, 0.5F);
        for (size_t t = 0; t < 300; ++t) quantized[2 * t] = static_cast<float>(t % 7);
        std::vector<float> floating = quantized;
        (in_float ? floating : quantized)[first ? 0 : 400] = bad;
        GramSums sums(2);
        sums.Add(quantized, floating, 1);
        const auto rows = CalibrateRows(weights, sums.Finish(), {}, {});
        ASSERT_TRUE(rows.ok()) << rows.status();
        // The float network's own large value is finite in products with small ones.
        const bool sane = bad == 1e25F && in_float;
        EXPECT_EQ(rows->plain == Plain::kNotFinite, !sane) << bad << first << in_float;
        EXPECT_NE(rows->plain, Plain::kNoSignal) << bad << first << in_float;
        EXPECT_TRUE(std::isfinite(rows->error[0]));
      }
    }
  }
}

TEST(CalibrateRows, IsAskedWithinTheSolverAndStops) {
  const Layer layer = MakeLayer(40, 70, 61);
  CalibrateOptions options;
  const auto undisturbed = CalibrateRows(layer.weights, layer.gram, layer.power, options);
  int asked = 0;
  options.max_threads = 2;
  options.keep_going = [&] {
    ++asked;
    return absl::OkStatus();
  };
  const auto watched = CalibrateRows(layer.weights, layer.gram, layer.power, options);
  ASSERT_TRUE(undisturbed.ok() && watched.ok());
  EXPECT_EQ(undisturbed->codes, watched->codes);
  EXPECT_EQ(undisturbed->bias_change, watched->bias_change);
  EXPECT_EQ(undisturbed->error, watched->error);
  options.max_threads = 1;
  asked = 0;
  ASSERT_TRUE(CalibrateRows(layer.weights, layer.gram, layer.power, options).ok());
  // Two blocks of columns to factor, down and back; 5 blocks of rows.
  const int all = asked;
  EXPECT_GE(all, 2 * 3 + 5);
  for (int last = 0; last < all; ++last) {
    asked = 0;
    options.keep_going = [&] {
      return asked++ < last ? absl::OkStatus() : absl::CancelledError("enough");
    };
    const auto stopped = CalibrateRows(layer.weights, layer.gram, layer.power, options);
    EXPECT_TRUE(absl::IsCancelled(stopped.status())) << last;
    EXPECT_EQ(asked, last + 1);
  }
}

// Of inputs that go together in nothing, an estimate from variances is the error.
TEST(MeasureRows, EstimatesFromVariancesAlone) {
  std::mt19937 generator(71);
  std::normal_distribution<float> normal(0.5F, 1.0F);
  std::vector<float> samples(20'000 * 4);
  for (float& x : samples) x = normal(generator);
  GramSums whole(4);
  GramSums diagonal(4, BestIsa(), Moments::kDiagonal);
  whole.Add(samples, samples, 1);
  diagonal.Add(samples, samples, 1);
  const std::vector<float> weights = {0.3F, -0.7F, 0.2F, 0.9F};
  const std::vector<float> values = {0.25F, -0.5F, 0.25F, 1.0F};
  double power = 0;
  const Gram gram = whole.Finish();
  for (size_t i = 0; i < 4; ++i) {
    for (size_t j = 0; j < 4; ++j) {
      power +=
          static_cast<double>(weights[i]) * gram.h[i * 4 + j] * static_cast<double>(weights[j]);
    }
  }
  const std::vector<double> powers = {power};
  const RowErrors exact = MeasureRows(weights, values, gram, powers);
  const RowErrors estimate = MeasureRows(weights, values, diagonal.Finish(), powers);
  EXPECT_EQ(estimate.bias_change, exact.bias_change);
  EXPECT_NEAR(estimate.error[0], exact.error[0], 0.05 * exact.error[0]);
}

}  // namespace
}  // namespace lbw::quant
