// MeasureRows and AssembleTensor of quant/calibrate.h.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "quant/calibrate.h"
#include "quant/grid.h"
#include "random_weights.h"

namespace lbw::quant {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSamples = 512;

// Inputs of a layer in both networks, [kSamples, columns].
struct Samples {
  int64_t columns = 0;
  std::vector<float> floating;
  std::vector<float> quantized;
};

Samples MakeSamples(int64_t columns, uint64_t seed) {
  base::Random random(seed);
  Samples samples;
  samples.columns = columns;
  for (int64_t t = 0; t < kSamples; ++t) {
    const float common = random.Bell();
    for (int64_t j = 0; j < columns; ++j) {
      const float x = std::max(0.0F, common + 0.7F * random.Bell() + 0.3F);
      samples.floating.push_back(x);
      samples.quantized.push_back(1.1F * x + 0.05F * random.Bell());
    }
  }
  return samples;
}

Gram GramOf(const Samples& samples) {
  GramSums sums(samples.columns);
  sums.Add(samples.quantized, samples.floating, 1);
  return sums.Finish();
}

double Output(const float* weights, const std::vector<float>& inputs, size_t t, int64_t columns) {
  double y = 0;
  for (size_t j = 0; j < static_cast<size_t>(columns); ++j) {
    y += static_cast<double>(weights[j]) *
         static_cast<double>(inputs[t * static_cast<size_t>(columns) + j]);
  }
  return y;
}

// Mean square of the float outputs about their mean, a row.
std::vector<double> PowerOf(const std::vector<float>& weights, const Samples& samples) {
  std::vector<double> power;
  for (size_t row = 0; row < weights.size(); row += static_cast<size_t>(samples.columns)) {
    double mean = 0;
    double square = 0;
    for (size_t t = 0; t < kSamples; ++t) {
      const double y = Output(&weights[row], samples.floating, t, samples.columns);
      mean += y / kSamples;
      square += y * y / kSamples;
    }
    power.push_back(square - mean * mean);
  }
  return power;
}

std::vector<float> ValuesOf(const CalibratedRows& rows, int bits) {
  std::vector<float> values;
  const size_t columns = rows.codes.size() / rows.exponents.size();
  for (size_t i = 0; i < rows.codes.size(); ++i) {
    const size_t r = i / columns;
    const float scale = rows.scales.empty() ? 1.0F : rows.scales[r];
    values.push_back(scale * DecodeValue(rows.codes[i], bits, rows.exponents[r]));
  }
  return values;
}

TEST(MeasureRows, SaysOfCalibratedCodesWhatCalibrationSays) {
  const Samples samples = MakeSamples(37, 1);
  const Gram gram = GramOf(samples);
  const std::vector<float> weights = testing::NormalWeights(11 * 37, 2, 0.1F);
  const std::vector<double> power = PowerOf(weights, samples);
  for (const int bits : {2, 3, 4, 6}) {
    for (const ScaleKind scale : {ScaleKind::kPowerOfTwo, ScaleKind::kReal}) {
      if (scale == ScaleKind::kReal && bits != 2) continue;
      for (const bool told : {true, false}) {
        CalibrateOptions options;
        options.bits = bits;
        options.scale = scale;
        const absl::Span<const double> powers =
            told ? absl::MakeConstSpan(power) : absl::Span<const double>();
        const auto rows = CalibrateRows(weights, gram, powers, options);
        ASSERT_TRUE(rows.ok()) << rows.status();
        const RowErrors errors = MeasureRows(weights, ValuesOf(*rows, bits), gram, powers);
        ASSERT_EQ(errors.error.size(), 11U);
        ASSERT_EQ(errors.bias_change.size(), 11U);
        for (size_t r = 0; r < 11; ++r) {
          // Sums in another order: float64 rounding of the parts, which are of the power's size.
          EXPECT_NEAR(errors.error[r], rows->error[r], 1e-12 * (1 + power[r])) << "bits=" << bits;
          EXPECT_NEAR(errors.bias_change[r], rows->bias_change[r], 1e-12) << "bits=" << bits;
        }
      }
    }
  }
}

TEST(MeasureRows, SaysOfNearestCodesWhatCalibrationSays) {
  const Samples samples = MakeSamples(20, 3);
  const Gram gram = GramOf(samples);
  const std::vector<float> weights = testing::NormalWeights(6 * 20, 4, 0.1F);
  const std::vector<double> power = PowerOf(weights, samples);
  CalibrateOptions options;
  options.bits = 3;
  const auto rows = CalibrateRows(weights, gram, power, options);
  const auto nearest = QuantizeTensor(base::Tensor::FromF32({6, 20}, weights).view(), {.bits = 3});
  ASSERT_TRUE(rows.ok() && nearest.ok());
  const RowErrors errors = MeasureRows(weights, Dequantize(nearest->tensor), gram, power);
  for (size_t r = 0; r < 6; ++r) {
    EXPECT_NEAR(errors.error[r], rows->nearest_error[r], 1e-12 * (1 + power[r]));
  }
}

// Against the outputs themselves, for any values at all.
TEST(MeasureRows, IsTheMeanSquareOfTheOutputsDifference) {
  const Samples samples = MakeSamples(9, 5);
  const std::vector<float> weights = testing::NormalWeights(4 * 9, 6);
  std::vector<float> values = testing::NormalWeights(4 * 9, 7);
  std::copy(weights.begin() + 9, weights.begin() + 18, values.begin() + 9);  // row 1: as it was
  std::fill(values.begin() + 18, values.begin() + 27, 0.0F);                 // row 2: nothing
  const std::vector<double> power = PowerOf(weights, samples);
  const RowErrors errors = MeasureRows(weights, values, GramOf(samples), power);
  for (size_t r = 0; r < 4; ++r) {
    double error = 0;
    double offset = 0;
    for (size_t t = 0; t < kSamples; ++t) {
      const double difference = Output(&weights[r * 9], samples.floating, t, 9) -
                                Output(&values[r * 9], samples.quantized, t, 9) -
                                errors.bias_change[r];
      error += difference * difference / kSamples;
      offset += difference / kSamples;
    }
    EXPECT_NEAR(errors.error[r], error, 1e-4 * (1 + power[r])) << r;  // Gram sums are float32
    EXPECT_NEAR(offset, 0, 1e-5) << r;
  }
  EXPECT_NEAR(errors.error[2], power[2], 1e-12);  // of a row of zeros the power is left
}

// The float network's own inputs and weights: nothing is lost, and no rounding makes it negative.
TEST(MeasureRows, OfUnchangedRowsIsZeroAndNeverNegative) {
  Samples samples = MakeSamples(12, 8);
  samples.quantized = samples.floating;
  const Gram gram = GramOf(samples);
  const std::vector<float> weights = testing::NormalWeights(50 * 12, 9);
  const RowErrors errors = MeasureRows(weights, weights, gram, PowerOf(weights, samples));
  for (size_t r = 0; r < 50; ++r) {
    EXPECT_GE(errors.error[r], 0);
    EXPECT_NEAR(errors.error[r], 0, 1e-4);
    EXPECT_NEAR(errors.bias_change[r], 0, 1e-9);
  }
  const RowErrors none = MeasureRows(weights, weights, GramSums(12).Finish(), {});
  EXPECT_EQ(none.error, std::vector<double>(50, 0.0));
  EXPECT_EQ(none.bias_change, std::vector<double>(50, 0.0));
}

struct Form {
  const char* name;
  base::Shape shape;
  int axis;
  int groups;
  int bits;
  CodeBook book;
  bool scales;
};

void PrintTo(const Form& form, std::ostream* out) { *out << form.name; }

// Codes, exponents and scales at random, a group each.
std::vector<CalibratedRows> RandomGroups(const Form& form, const RowLayout& layout) {
  base::Random random(17);
  const int magnitudes = MagnitudeCount(form.bits, form.book);
  std::vector<CalibratedRows> groups(static_cast<size_t>(form.groups));
  for (CalibratedRows& group : groups) {
    for (int64_t r = 0; r < layout.rows / form.groups; ++r) {
      group.exponents.push_back(static_cast<int16_t>(static_cast<int>(random.Below(9)) - 6));
      if (form.scales) group.scales.push_back(random.Between(1, 2));
      for (int64_t j = 0; j < layout.row_elements; ++j) {
        const auto m = static_cast<int>(random.Below(static_cast<size_t>(magnitudes) + 1));
        const bool negative = m != 0 && random.Chance(0.5F);
        group.codes.push_back(static_cast<uint8_t>(m | (negative ? 1 << (form.bits - 1) : 0)));
      }
    }
  }
  return groups;
}

class AssembledForms : public ::testing::TestWithParam<Form> {};

TEST_P(AssembledForms, ComeBackThroughDequantize) {
  const Form& form = GetParam();
  TensorOptions options;
  options.bits = form.bits;
  options.code_book = form.book;
  options.axis = form.axis;
  options.groups = form.groups;
  const RowLayout layout = MakeRowLayout(form.shape, form.axis, form.groups);
  const std::vector<CalibratedRows> groups = RandomGroups(form, layout);
  const auto tensor = AssembleTensor(groups, form.shape, options, base::DType::kF16);
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_TRUE(Validate(*tensor).ok()) << Validate(*tensor);
  EXPECT_EQ(tensor->shape, form.shape);
  EXPECT_EQ(tensor->source_dtype, base::DType::kF16);
  EXPECT_EQ(tensor->options, StoredOptions(options));
  EXPECT_EQ(tensor->scales.empty(), !form.scales);
  EXPECT_TRUE(tensor->bias.empty());

  const std::vector<float> values = Dequantize(*tensor);
  const int64_t rows_a_group = layout.rows / form.groups;
  for (int64_t row = 0; row < layout.rows; ++row) {
    const CalibratedRows& group = groups[static_cast<size_t>(row / rows_a_group)];
    const auto r = static_cast<size_t>(row % rows_a_group);
    const float scale = form.scales ? group.scales[r] : 1.0F;
    for (int64_t j = 0; j < layout.row_elements; ++j) {
      const uint8_t code =
          group.codes[r * static_cast<size_t>(layout.row_elements) + static_cast<size_t>(j)];
      ASSERT_EQ(values[static_cast<size_t>(layout.Offset(row, j))],
                scale * DecodeValue(code, form.bits, group.exponents[r]))
          << "row=" << row << " element=" << j;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, AssembledForms,
    ::testing::Values(Form{"Axis0", {5, 3, 3}, 0, 1, 4, CodeBook::kFull, false},
                      Form{"Axis0Paper", {5, 7}, 0, 1, 5, CodeBook::kPaper, false},
                      Form{"Axis0RealScales", {6, 2, 3, 3}, 0, 1, 2, CodeBook::kPaper, true},
                      Form{"Axis0TwoBitsFull", {3, 5}, 0, 1, 2, CodeBook::kFull, false},
                      Form{"Axis1", {4, 5, 3, 3}, 1, 1, 3, CodeBook::kFull, false},
                      Form{"Axis1RealScales", {7, 19}, 1, 1, 2, CodeBook::kPaper, true},
                      Form{"LastAxis", {3, 3, 4, 20}, 3, 1, 6, CodeBook::kFull, false},
                      Form{"Groups", {6, 4, 3, 3}, 1, 3, 3, CodeBook::kFull, false},
                      Form{"GroupsRealScales", {4, 3, 2, 2}, 1, 2, 2, CodeBook::kPaper, true},
                      Form{"DepthwiseGroups", {4, 1, 3, 3}, 1, 4, 4, CodeBook::kFull, false},
                      Form{"OneRow", {9}, 0, 1, 3, CodeBook::kFull, false}),
    [](const auto& form) { return std::string(form.param.name); });

// Projecting each row by itself and putting the rows together is projecting the tensor.
TEST(AssembleTensor, OfPlainRowsIsTheProjectionOfTheTensor) {
  const base::Shape shape = {6, 5, 3, 3};
  TensorOptions options;
  options.bits = 3;
  options.axis = 1;
  options.groups = 2;
  const std::vector<float> weights = testing::NormalWeights(6 * 5 * 9, 31);
  const base::Tensor tensor = base::Tensor::FromF32(shape, weights);
  const RowLayout layout = MakeRowLayout(shape, options.axis, options.groups);
  std::vector<CalibratedRows> groups;
  for (int64_t g = 0; g < 2; ++g) {
    std::vector<float> rows;
    for (int64_t r = g * 5; r < g * 5 + 5; ++r) {
      for (int64_t j = 0; j < layout.row_elements; ++j) {
        rows.push_back(weights[static_cast<size_t>(layout.Offset(r, j))]);
      }
    }
    CalibrateOptions calibrate;
    calibrate.bits = 3;
    auto made = CalibrateRows(rows, GramSums(layout.row_elements).Finish(), {}, calibrate);
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_EQ(made->plain, Plain::kNoSignal);
    groups.push_back(*std::move(made));
  }
  const auto assembled = AssembleTensor(groups, shape, options, base::DType::kF32);
  const auto projected = QuantizeTensor(tensor.view(), options);
  ASSERT_TRUE(assembled.ok() && projected.ok()) << assembled.status() << projected.status();
  EXPECT_EQ(*assembled, projected->tensor);
}

// What calibration makes, real scales and tiny weights included, is a valid tensor.
TEST(AssembleTensor, OfCalibratedRowsIsValid) {
  const Samples samples = MakeSamples(18, 33);
  std::vector<float> weights = testing::NormalWeights(8 * 18, 34, 0.1F);
  std::fill(weights.begin(), weights.begin() + 18, 0.0F);
  for (size_t i = 18; i < 36; ++i) weights[i] *= 1e-38F;
  for (size_t i = 36; i < 54; ++i) weights[i] *= 1e38F;
  for (const ScaleKind scale : {ScaleKind::kPowerOfTwo, ScaleKind::kReal}) {
    CalibrateOptions calibrate;
    calibrate.bits = 2;
    calibrate.scale = scale;
    const auto rows = CalibrateRows(weights, GramOf(samples), {}, calibrate);
    ASSERT_TRUE(rows.ok()) << rows.status();
    TensorOptions options;
    options.bits = 2;
    const auto tensor =
        AssembleTensor(absl::MakeConstSpan(&*rows, 1), {8, 2, 3, 3}, options, base::DType::kF32);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_TRUE(Validate(*tensor).ok()) << Validate(*tensor);
    EXPECT_EQ(Dequantize(*tensor), ValuesOf(*rows, 2));
  }
}

TEST(AssembleTensor, RefusesWhatDoesNotFit) {
  const Form form{"", {4, 6}, 0, 1, 4, CodeBook::kFull, false};
  const std::vector<CalibratedRows> good = RandomGroups(form, MakeRowLayout(form.shape, 0, 1));
  const auto message = [&](const std::vector<CalibratedRows>& groups, const base::Shape& shape,
                           const TensorOptions& options, absl::StatusCode code) {
    const absl::Status status = AssembleTensor(groups, shape, options, base::DType::kF32).status();
    EXPECT_EQ(status.code(), code) << status;
    return std::string(status.message());
  };
  const TensorOptions options;
  constexpr auto kInternal = absl::StatusCode::kInternal;
  EXPECT_THAT(message(good, {4, 5}, options, kInternal), HasSubstr("rows of 5 elements"));
  EXPECT_THAT(message(good, {5, 6}, options, kInternal), HasSubstr("of 5 rows from 4"));
  EXPECT_THAT(message({}, {4, 6}, options, kInternal), HasSubstr("of 4 rows from 0"));
  std::vector<CalibratedRows> bad = good;
  bad[0].codes.pop_back();
  EXPECT_THAT(message(bad, {4, 6}, options, kInternal), HasSubstr("23 codes in 4 rows"));
  bad = good;
  bad[0].scales = {1, 1, 1};
  message(bad, {4, 6}, options, kInternal);
  TensorOptions other;
  other.granularity = Granularity::kTensor;
  EXPECT_THAT(message(good, {4, 6}, other, kInternal), HasSubstr("granularity=tensor"));
  other = {};
  other.scheme = Scheme::kUniform;
  other.bits = 8;
  EXPECT_THAT(message(good, {4, 6}, other, kInternal), HasSubstr("scheme=uniform"));
  other = {};
  other.axis = 2;
  EXPECT_THAT(message(good, {4, 6}, other, absl::StatusCode::kInvalidArgument), HasSubstr("axis"));
}

}  // namespace
}  // namespace lbw::quant
