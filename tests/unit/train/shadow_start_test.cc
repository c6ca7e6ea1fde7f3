#include "train/shadow_start.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/status.h"
#include "quant/grid.h"
#include "train/row_codes.h"
#include "unit/train/layer_starts.h"

namespace lbw::train {
namespace {

using quant::CodeBook;
using testing::MakeRealStart;
using testing::MakeStart;
using testing::StartShape;

std::vector<uint8_t> PackedOf(const Shadow& shadow, const LayerStart& start) {
  const RowGrids grids{.row_elements = shadow.layout.row_elements,
                       .bits = start.codes.options.bits,
                       .magnitudes = shadow.magnitudes,
                       .exponents = shadow.exponents,
                       .scaled = shadow.scaled};
  return PackRows(RowCodes(shadow.values, grids), shadow.layout.row_elements, grids.bits);
}

// Whatever calibration's target is: near, of the other sign, beyond every boundary, or so small
// that shares of boundaries round.
void ExpectCodesKept(LayerStart start) {
  const std::vector<float> near = start.target;
  const auto expect = [&](const std::string& what) {
    const auto shadow = StartShadow(start, LowBitOptions{});
    ASSERT_TRUE(shadow.ok()) << shadow.status();
    EXPECT_EQ(PackedOf(*shadow, start), start.codes.codes) << what;
  };
  expect("near");
  for (const float factor : {-1.0F, 0.0F, 1e-30F, 1e30F, -3.0F, 1.5F, 0.75F}) {
    for (size_t i = 0; i < near.size(); ++i) start.target[i] = near[i] * factor;
    expect("times " + std::to_string(factor));
  }
  std::fill(start.target.begin(), start.target.end(), std::numeric_limits<float>::max());
  expect("largest");
  start.target = quant::Dequantize(start.codes);
  expect("the values themselves");
  for (const int exponent : {-149, -148, -147, -140, -126, -120, 120, 127}) {
    std::fill(start.codes.exponents.begin(), start.codes.exponents.end(),
              static_cast<int16_t>(exponent));
    if (!start.codes.scales.empty() && exponent == 127) continue;  // beyond float32
    // Codes whose magnitude is no float32 are not chosen by a projection.
    const int magnitudes =
        quant::MagnitudeCount(start.codes.options.bits, start.codes.options.code_book);
    if (exponent - magnitudes + 1 < quant::kMinExponent) continue;
    expect("exponent " + std::to_string(exponent));
  }
}

TEST(StartShadow, KeepsEveryCodeOfEveryBook) {
  for (int bits = 2; bits <= 6; ++bits) {
    for (const CodeBook book : {CodeBook::kPaper, CodeBook::kFull}) {
      SCOPED_TRACE(std::to_string(bits) + " bits " + std::string(quant::Name(book)));
      ExpectCodesKept(MakeStart(bits, book, StartShape{}, 3));
    }
  }
}

TEST(StartShadow, KeepsEveryCodeOfARealScale) { ExpectCodesKept(MakeRealStart(StartShape{}, 4)); }

TEST(StartShadow, KeepsRowsThatAreNoStretches) {
  ExpectCodesKept(MakeStart(4, CodeBook::kFull, {.shape = {4, 3, 2, 2}, .axis = 1}, 5));
  ExpectCodesKept(
      MakeStart(3, CodeBook::kFull, {.shape = {6, 2, 3, 3}, .axis = 1, .groups = 3}, 6));
}

// bits 3, full: magnitudes 1, 1/2, 1/4.
TEST(StartShadow, StandsJustInsideTheCell) {
  LayerStart start;
  start.name = "w";
  start.codes.shape = {1, 8};
  start.codes.options.bits = 3;
  start.codes.exponents = {0};
  const std::vector<uint8_t> codes = {0, 0, 3, 3, 2, 2, 1, 4 | 1};
  start.codes.codes = PackRows(codes, 8, 3);
  start.target = {0.1F, -9, 0.2F, 0, 0.2F, 9, 7, -0.2F};
  const auto shadow = StartShadow(start, LowBitOptions{});
  ASSERT_TRUE(shadow.ok()) << shadow.status();
  const std::vector<double> expected = {0.1,          -0.48 * 0.25, 0.2, 1.02 * 0.125,
                                        1.02 * 0.375, 1.47 * 0.5,   7,   -1.02 * 0.75};
  double sum = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(shadow->values[i], expected[i], 1e-6) << i;
    sum += expected[i] * expected[i];
  }
  EXPECT_NEAR(shadow->units[0], std::sqrt(sum / 8), 1e-5);
}

TEST(StartShadow, OfARealScaleStandsJustInsideTheCell) {
  LayerStart start;
  start.name = "w";
  start.codes.shape = {1, 5};
  start.codes.options.bits = 2;
  start.codes.options.code_book = CodeBook::kPaper;
  start.codes.exponents = {1};
  start.codes.scales = {1.5F};  // v = 3
  start.codes.codes = PackRows(std::vector<uint8_t>{0, 0, 1, 3, 1}, 5, 2);
  start.target = {1.0F, 9, 0.1F, -9, 1.6F};
  const auto shadow = StartShadow(start, LowBitOptions{});
  ASSERT_TRUE(shadow.ok()) << shadow.status();
  EXPECT_EQ(shadow->scaled, std::vector<float>{3.0F});
  const std::vector<double> expected = {1, 0.48 * 3, 0.52 * 3, -9, 1.6};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(shadow->values[i], expected[i], 1e-6) << i;
  }
}

TEST(StartShadow, IsTheTargetWhereItIsTold) {
  const LayerStart start = MakeStart(4, CodeBook::kFull, StartShape{}, 7);
  LowBitOptions options;
  options.start_in_cell = false;
  const auto shadow = StartShadow(start, options);
  ASSERT_TRUE(shadow.ok());
  EXPECT_EQ(shadow->values, start.target);
}

TEST(StartShadow, GivesDeadRowsNoUnit) {
  LayerStart start = MakeStart(4, CodeBook::kFull, StartShape{}, 8);
  start.dead = {0, 1, 0, 0, 0, 1};
  const auto shadow = StartShadow(start, LowBitOptions{});
  ASSERT_TRUE(shadow.ok());
  EXPECT_EQ(shadow->dead_rows, (std::vector<int64_t>{1, 5}));
  for (size_t row = 0; row < 6; ++row) EXPECT_EQ(shadow->units[row] == 0, start.dead[row] != 0);
}

TEST(StartShadow, RefusesWhatCannotBeTrained) {
  const auto reason = [](const LayerStart& start) {
    const auto shadow = StartShadow(start, LowBitOptions{});
    EXPECT_EQ(shadow.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(shadow.status().message().find("conv.weight"), absl::string_view::npos);
    return base::GetErrorDetails(shadow.status()).reason;
  };
  const LayerStart good = MakeStart(4, CodeBook::kFull, StartShape{}, 9);
  LayerStart start = good;
  start.codes.options.scheme = quant::Scheme::kUniform;
  EXPECT_EQ(reason(start), "BAD_OPTIONS");
  start = good;
  start.codes.options.granularity = quant::Granularity::kTensor;
  EXPECT_EQ(reason(start), "BAD_OPTIONS");
  start = good;
  start.codes.scales.assign(6, 1.0F);
  EXPECT_EQ(reason(start), "BAD_OPTIONS");
  start = good;
  start.target.pop_back();
  EXPECT_EQ(reason(start), "BAD_OPTIONS");
  start = good;
  start.dead = {1};
  EXPECT_EQ(reason(start), "BAD_OPTIONS");
  start = good;
  start.target[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(reason(start), "NON_FINITE");
  start = good;
  start.codes.codes.pop_back();
  EXPECT_EQ(reason(start), "BAD_FILE");
  start = MakeRealStart(StartShape{}, 9);
  start.codes.scales[2] = -1;
  EXPECT_EQ(reason(start), "BAD_OPTIONS");
}

}  // namespace
}  // namespace lbw::train
