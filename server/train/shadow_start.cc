#include "train/shadow_start.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "base/status.h"
#include "base/strings.h"
#include "quant/packing.h"
#include "quant/projection.h"
#include "quant/rows.h"
#include "quant/value_table.h"

namespace lbw::train {
namespace {

// How far inside its cell a weight begins. Source: ours.
constexpr double kZeroShare = 0.48;   // of the least magnitude; the boundary is at .5
constexpr double kLowerShare = 1.02;  // of the cell's lower boundary
constexpr double kUpperShare = 1.47;  // of the magnitude; the boundary is at 1.5
constexpr double kRealLower = 0.52;   // of v; the boundary is at .5

absl::Status Untrainable(const LayerStart& start, std::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions,
                     base::StrCat("tensor ", start.name, ": ", what));
}

absl::Status CheckCodes(const LayerStart& start) {
  const quant::QuantizedTensor& codes = start.codes;
  if (codes.options.scheme == quant::Scheme::kUniform) {
    return Untrainable(start, "8-bit uniform codes are not trained; scheme must be exact");
  }
  if (codes.options.granularity != quant::Granularity::kChannel) {
    return Untrainable(start, "codes are trained with granularity channel: granularity=tensor");
  }
  if (const absl::Status valid = quant::Validate(codes); !valid.ok()) {
    return base::WithContext(valid, base::StrCat("tensor ", start.name));
  }
  if (!codes.scales.empty() && codes.options.bits != quant::kMinBits) {
    return Untrainable(
        start, base::StrCat("real scales are trained at 2 bits alone: bits=", codes.options.bits));
  }
  return absl::OkStatus();
}

absl::Status CheckSizes(const LayerStart& start, const quant::RowLayout& layout) {
  if (layout.row_elements == 0 || layout.rows == 0) {
    return Untrainable(start, "a tensor without elements has nothing to train");
  }
  const int64_t elements = layout.rows * layout.row_elements;
  if (static_cast<int64_t>(start.target.size()) != elements) {
    return Untrainable(
        start, base::StrCat("the target must have ", elements, " elements: ", start.target.size()));
  }
  if (!start.dead.empty() && static_cast<int64_t>(start.dead.size()) != layout.rows) {
    return Untrainable(start, base::StrCat("dead rows must be told of ", layout.rows,
                                           " rows: ", start.dead.size()));
  }
  if (const int64_t bad = quant::FirstNonFinite(start.target); bad >= 0) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kNonFinite,
        base::StrCat("tensor ", start.name, ": element ", bad, " of the target is not finite"));
  }
  return absl::OkStatus();
}

absl::Status ReadScales(const LayerStart& start, Shadow& shadow) {
  const std::vector<float>& scales = start.codes.scales;
  if (scales.empty()) return absl::OkStatus();
  for (size_t row = 0; row < shadow.exponents.size(); ++row) {
    // As quant::ValueTable multiplies.
    const float v = scales[scales.size() == 1 ? 0 : row] * quant::PowerOfTwo(shadow.exponents[row]);
    if (!(v > 0)) {
      return Untrainable(start, base::StrCat("the real scale of row ", row, " must be above 0"));
    }
    shadow.scaled.push_back(v);
  }
  return absl::OkStatus();
}

double InsideCell(double target, double q, double least, double greatest) {
  if (q == 0) return std::clamp(target, -kZeroShare * least, kZeroShare * least);
  const double magnitude = std::fabs(q);
  const double lower = kLowerShare * (magnitude == least ? 0.5 * least : 0.75 * magnitude);
  const double upper =
      magnitude == greatest ? std::numeric_limits<float>::max() : kUpperShare * magnitude;
  const double inside = std::clamp(q < 0 ? -target : target, lower, upper);
  return q < 0 ? -inside : inside;
}

double InsideCellOf(double target, double q, double v) {
  if (q == 0) return std::clamp(target, -kZeroShare * v, kZeroShare * v);
  const double inside = std::max(q < 0 ? -target : target, kRealLower * v);
  return q < 0 ? -inside : inside;
}

// row: the target on the way in, the shadow on the way out.
void PullRow(const Shadow& shadow, size_t index, absl::Span<const uint8_t> codes, int bits,
             absl::Span<float> row) {
  const int exponent = shadow.exponents[index];
  const bool real = !shadow.scaled.empty();
  const float v = real ? shadow.scaled[index] : 0.0F;
  const double greatest = quant::PowerOfTwo(exponent);
  const double least = quant::PowerOfTwo(exponent - shadow.magnitudes + 1);
  const quant::ValueTable values(bits, exponent);
  for (size_t j = 0; j < row.size(); ++j) {
    const double target = row[j];
    const double q = values[codes[j]];
    row[j] = static_cast<float>(real ? InsideCellOf(target, q, v)
                                     : InsideCell(target, q, least, greatest));
  }
  // Among denormals a share of a boundary may round onto it: there the value itself is inside.
  std::vector<uint8_t> nearest(row.size());
  if (real) {
    TernaryCodes(row, v, bits, absl::MakeSpan(nearest));
  } else {
    quant::NearestCodes(row, bits, shadow.magnitudes, exponent, absl::MakeSpan(nearest));
  }
  for (size_t j = 0; j < row.size(); ++j) {
    if (nearest[j] == codes[j]) continue;
    const float q = values[codes[j]];
    row[j] = real && q != 0 ? std::copysign(v, q) : q;
  }
}

float RootMeanSquare(absl::Span<const float> row) {
  double sum = 0;
  for (const float w : row) sum += static_cast<double>(w) * static_cast<double>(w);
  return static_cast<float>(std::sqrt(sum / static_cast<double>(row.size())));
}

}  // namespace

float TernaryThreshold(float v) {
  return std::max(0.5F * v, std::numeric_limits<float>::denorm_min());
}

void TernaryCodes(absl::Span<const float> row, float v, int bits, absl::Span<uint8_t> codes) {
  const float threshold = TernaryThreshold(v);
  for (size_t j = 0; j < row.size(); ++j) {
    const int sign = row[j] < 0 ? 1 << (bits - 1) : 0;
    codes[j] = static_cast<uint8_t>(std::fabs(row[j]) >= threshold ? sign | 1 : 0);
  }
}

absl::StatusOr<Shadow> StartShadow(const LayerStart& start, const LowBitOptions& options) {
  LBW_RETURN_IF_ERROR(CheckCodes(start));
  const quant::TensorOptions& stored = start.codes.options;
  Shadow shadow;
  shadow.layout = quant::MakeRowLayout(start.codes.shape, stored.axis, stored.groups);
  LBW_RETURN_IF_ERROR(CheckSizes(start, shadow.layout));
  shadow.magnitudes = quant::MagnitudeCount(stored.bits, stored.code_book);
  shadow.exponents = start.codes.exponents;
  LBW_RETURN_IF_ERROR(ReadScales(start, shadow));
  const auto length = static_cast<size_t>(shadow.layout.row_elements);
  const auto row_bytes =
      static_cast<size_t>(quant::RowBytes(shadow.layout.row_elements, stored.bits));
  shadow.values.resize(start.target.size());
  quant::RowReader reader(shadow.layout, start.target);
  std::vector<uint8_t> codes(length);
  for (int64_t index = 0; index < shadow.layout.rows; ++index) {
    const auto at = static_cast<size_t>(index);
    const absl::Span<const float> target = reader.Row(index);
    const absl::Span<float> row = absl::MakeSpan(shadow.values).subspan(at * length, length);
    std::copy(target.begin(), target.end(), row.begin());
    quant::UnpackRow(absl::MakeConstSpan(start.codes.codes).subspan(at * row_bytes, row_bytes),
                     stored.bits, absl::MakeSpan(codes));
    if (options.start_in_cell) PullRow(shadow, at, codes, stored.bits, row);
    const bool dead = !start.dead.empty() && start.dead[at] != 0;
    if (dead) shadow.dead_rows.push_back(index);
    shadow.units.push_back(dead ? 0.0F : RootMeanSquare(row));
  }
  return shadow;
}

}  // namespace lbw::train
