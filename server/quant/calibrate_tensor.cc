// From rows to tensors and back: codes of groups as one tensor, and what any values would give.
#include <algorithm>

#include "base/status.h"
#include "base/strings.h"
#include "quant/calibrate.h"
#include "quant/calibrate_rows.h"
#include "quant/packing.h"

namespace lbw::quant {
namespace {

// x A y' for one row each.
double Form(absl::Span<const double> x, const std::vector<double>& a, absl::Span<const double> y) {
  double total = 0;
  const size_t n = x.size();
  for (size_t i = 0; i < n; ++i) {
    if (x[i] == 0) continue;
    double sum = 0;
    for (size_t j = 0; j < n; ++j) sum += a[i * n + j] * y[j];
    total += x[i] * sum;
  }
  return total;
}

// The same where only the diagonal is known: sum of h_j (w_j - q_j)^2.
double Spread(absl::Span<const double> w, absl::Span<const double> q,
              const std::vector<double>& diagonal) {
  double total = 0;
  for (size_t j = 0; j < w.size(); ++j) total += diagonal[j] * (w[j] - q[j]) * (w[j] - q[j]);
  return total;
}

double Dot(absl::Span<const double> x, const std::vector<double>& y) {
  double total = 0;
  for (size_t j = 0; j < x.size(); ++j) total += x[j] * y[j];
  return total;
}

}  // namespace

RowErrors MeasureRows(absl::Span<const float> weights, absl::Span<const float> values,
                      const Gram& gram, absl::Span<const double> output_power) {
  LBW_CHECK(gram.columns > 0 && weights.size() == values.size());
  const auto n = static_cast<size_t>(gram.columns);
  const size_t rows = weights.size() / n;
  LBW_CHECK(output_power.empty() || output_power.size() == rows);
  RowErrors out;
  for (size_t r = 0; r < rows; ++r) {
    const auto first = static_cast<std::ptrdiff_t>(r * n);
    const std::vector<double> w(weights.begin() + first,
                                weights.begin() + first + static_cast<std::ptrdiff_t>(n));
    const std::vector<double> q(values.begin() + first,
                                values.begin() + first + static_cast<std::ptrdiff_t>(n));
    const double power = output_power.empty() ? 0.0 : output_power[r];
    const double error = gram.moments == Moments::kDiagonal
                             ? Spread(w, q, gram.h)
                             : power - 2 * Form(w, gram.g, q) + Form(q, gram.h, q);
    out.error.push_back(TellableError(error));
    out.bias_change.push_back(Dot(w, gram.mean_float) - Dot(q, gram.mean_quantized));
  }
  return out;
}

absl::StatusOr<QuantizedTensor> AssembleTensor(absl::Span<const CalibratedRows> groups,
                                               const base::Shape& shape,
                                               const TensorOptions& options,
                                               base::DType source_dtype) {
  LBW_RETURN_IF_ERROR(ValidateOptions(options, shape));
  if (options.granularity != Granularity::kChannel || options.scheme == Scheme::kUniform) {
    return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                       base::StrCat("calibrated rows have an exponent each: granularity=",
                                    Name(options.granularity), " scheme=", Name(options.scheme)));
  }
  const RowLayout layout = MakeRowLayout(shape, options.axis, options.groups);
  QuantizedTensor tensor;
  tensor.shape = shape;
  tensor.options = StoredOptions(options);
  tensor.source_dtype = source_dtype;
  const auto length = static_cast<size_t>(layout.row_elements);
  const auto row_bytes = static_cast<size_t>(RowBytes(layout.row_elements, options.bits));
  for (const CalibratedRows& group : groups) {
    if (group.codes.size() != group.exponents.size() * length) {
      return base::Error(
          absl::StatusCode::kInternal, base::reason::kInternal,
          base::StrCat("rows of ", length, " elements expected: ", group.codes.size(), " codes in ",
                       group.exponents.size(), " rows"));
    }
    for (size_t r = 0; r < group.exponents.size(); ++r) {
      const size_t at = tensor.codes.size();
      tensor.codes.resize(at + row_bytes);
      PackRow(absl::MakeConstSpan(group.codes).subspan(r * length, length), options.bits,
              absl::MakeSpan(tensor.codes).subspan(at, row_bytes));
    }
    tensor.exponents.insert(tensor.exponents.end(), group.exponents.begin(), group.exponents.end());
    tensor.scales.insert(tensor.scales.end(), group.scales.begin(), group.scales.end());
  }
  const auto rows = static_cast<size_t>(layout.rows);
  if (tensor.exponents.size() != rows || (!tensor.scales.empty() && tensor.scales.size() != rows)) {
    return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                       base::StrCat("a tensor of ", rows, " rows from ", tensor.exponents.size()));
  }
  return tensor;
}

}  // namespace lbw::quant
