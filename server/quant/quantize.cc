#include "quant/quantize.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <memory>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "quant/projection.h"
#include "quant/report.h"
#include "quant/rows.h"
#include "quant/threshold.h"
#include "quant/uniform.h"
#include "quant/value_table.h"

namespace lbw::quant {
namespace {

// The tensor's weights in f32: borrowed where they can be, else a copy.
struct F32Weights {
  std::vector<float> copy;
  absl::Span<const float> values;
};

absl::StatusOr<F32Weights> AsF32(const base::TensorView& tensor) {
  F32Weights weights;
  const auto address = reinterpret_cast<uintptr_t>(tensor.bytes.data());
  if (tensor.dtype == base::DType::kF32 && address % alignof(float) == 0) {
    weights.values = {reinterpret_cast<const float*>(tensor.bytes.data()),
                      static_cast<size_t>(tensor.elements())};
    return weights;
  }
  LBW_ASSIGN_OR_RETURN(weights.copy, base::ToF32(tensor));
  weights.values = weights.copy;
  return weights;
}

absl::Status CheckFinite(absl::Span<const float> weights, absl::Span<const int64_t> shape) {
  const int64_t bad = FirstNonFinite(weights);
  if (bad < 0) return absl::OkStatus();
  const float value = weights[static_cast<size_t>(bad)];
  const std::string_view name = std::isnan(value) ? "NaN" : value > 0 ? "Inf" : "-Inf";
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kNonFinite,
                     base::StrCat("weights must be finite: element ", bad, " of shape ",
                                  base::ShapeToString(shape), " is ", name));
}

// How a stretch of weights is coded.
struct Choice {
  int exponent = 0;
  double mu = 0;  // threshold scheme; 0: every code is zero
};

// Chooses exponents and codes for one row or one tensor after another; keeps the working room
// between them.
class GridCoder {
 public:
  explicit GridCoder(const TensorOptions& options)
      : options_(options), magnitudes_(MagnitudeCount(options.bits, options.code_book)) {}

  Choice Choose(absl::Span<const float> weights) {
    if (options_.scheme == Scheme::kThreshold) return ChooseByThreshold(weights);
    histogram_.Clear();
    histogram_.Add(weights);
    return {.exponent = ExactExponent(histogram_.Bins(bins_), magnitudes_)};
  }

  void Code(absl::Span<const float> weights, const Choice& choice,
            absl::Span<uint8_t> codes) const {
    if (options_.scheme != Scheme::kThreshold) {
      NearestCodes(weights, options_.bits, magnitudes_, choice.exponent, codes);
    } else if (choice.mu > 0) {
      ThresholdPattern(weights, options_.bits, magnitudes_, choice.mu, codes);
    } else {
      std::fill(codes.begin(), codes.end(), uint8_t{0});
    }
  }

 private:
  Choice ChooseByThreshold(absl::Span<const float> weights) const {
    float max_abs = 0;
    for (const float weight : weights) max_abs = std::max(max_abs, std::fabs(weight));
    if (max_abs == 0) return {};
    // Every mu up to the least float gives the same pattern, so one that would vanish may be
    // raised.
    const double mu = std::max(options_.mu_ratio * static_cast<double>(max_abs), DBL_MIN);
    return {.exponent = ThresholdExponent(weights, magnitudes_, mu), .mu = mu};
  }

  const TensorOptions options_;
  const int magnitudes_;
  Histogram histogram_;
  std::array<Histogram::Bin, Histogram::kAllBins> bins_;
};

void QuantizeGrid(absl::Span<const float> weights, const TensorOptions& options,
                  QuantizedTensor& tensor, ReportBuilder& report) {
  const RowLayout layout = MakeRowLayout(tensor.shape, options.axis, options.groups);
  const bool per_tensor = options.granularity == Granularity::kTensor;
  const auto coder = std::make_unique<GridCoder>(options);
  const Choice whole = per_tensor ? coder->Choose(weights) : Choice{};
  if (per_tensor) tensor.exponents = {static_cast<int16_t>(whole.exponent)};

  const size_t row_bytes = static_cast<size_t>(RowBytes(layout.row_elements, options.bits));
  tensor.codes.resize(static_cast<size_t>(layout.rows) * row_bytes);
  std::vector<uint8_t> codes(static_cast<size_t>(layout.row_elements));
  RowReader reader(layout, weights);
  for (int64_t r = 0; r < layout.rows; ++r) {
    const absl::Span<const float> row = reader.Row(r);
    const Choice choice = per_tensor ? whole : coder->Choose(row);
    if (!per_tensor) tensor.exponents.push_back(static_cast<int16_t>(choice.exponent));
    coder->Code(row, choice, absl::MakeSpan(codes));
    PackRow(codes, options.bits,
            absl::MakeSpan(tensor.codes).subspan(static_cast<size_t>(r) * row_bytes, row_bytes));
    const ValueTable values(options.bits, choice.exponent);
    RowSums sums;
    sums.Add(row, [&](size_t i) { return values[codes[i]]; });
    report.AddRow(sums);
  }
}

}  // namespace

absl::StatusOr<QuantizeResult> QuantizeTensor(const base::TensorView& weights,
                                              const TensorOptions& options) {
  LBW_RETURN_IF_ERROR(ValidateOptions(options, weights.shape));
  if (!base::IsFloating(weights.dtype)) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("only F16, BF16, F32 and F64 can be quantized: dtype=",
                                    base::Name(weights.dtype)));
  }
  const auto elements = base::CheckedElementCount(weights.shape, kMaxElements);
  LBW_CHECK(elements.ok() && *elements == weights.elements());
  LBW_ASSIGN_OR_RETURN(const F32Weights f32, AsF32(weights));
  LBW_RETURN_IF_ERROR(CheckFinite(f32.values, weights.shape));

  QuantizeResult result;
  result.tensor.shape = weights.shape;
  result.tensor.options = StoredOptions(options);
  result.tensor.source_dtype = weights.dtype;
  ReportBuilder report;
  if (options.scheme == Scheme::kUniform) {
    QuantizeUniform(f32.values, result.tensor, report);
  } else {
    QuantizeGrid(f32.values, options, result.tensor, report);
  }
  result.report = report.Finish(result.tensor, options);
  return result;
}

absl::StatusOr<TensorReport> ReportTensor(const base::TensorView& weights,
                                          const QuantizedTensor& tensor,
                                          const TensorOptions& called) {
  LBW_ASSIGN_OR_RETURN(const F32Weights f32, AsF32(weights));
  const std::vector<float> values = Dequantize(tensor);
  if (values.size() != f32.values.size()) {
    return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                       base::StrCat("codes of ", values.size(), " elements beside weights of ",
                                    f32.values.size()));
  }
  const RowLayout layout = MakeRowLayout(tensor.shape, tensor.options.axis, tensor.options.groups);
  RowReader weight_rows(layout, f32.values);
  RowReader value_rows(layout, values);
  ReportBuilder report;
  for (int64_t r = 0; r < layout.rows; ++r) {
    const absl::Span<const float> row = value_rows.Row(r);
    RowSums sums;
    sums.Add(weight_rows.Row(r), [&](size_t i) { return row[i]; });
    report.AddRow(sums);
  }
  return report.Finish(tensor, called);
}

}  // namespace lbw::quant
