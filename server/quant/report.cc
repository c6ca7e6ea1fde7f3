#include "quant/report.h"

#include <algorithm>
#include <cmath>

namespace lbw::quant {
namespace {

std::optional<double> SqnrDb(double sum_w2, double sum_error2) {
  const double db = 10 * std::log10(sum_w2 / sum_error2);
  if (!std::isfinite(db)) return std::nullopt;
  return db;
}

double Ratio(double numerator, int64_t count) {
  return count > 0 ? numerator / static_cast<double>(count) : 0;
}

}  // namespace

void ReportBuilder::AddRow(const RowSums& row) {
  sums_.rows += 1;
  sums_.elements += row.elements();
  sums_.zeros += row.zeros();
  sums_.sum_w2 += row.w2();
  sums_.sum_error2 += row.error2();
  sum_q2_ += row.q2();
  sum_wq_ += row.wq();
  if (!row.dead()) return;
  sums_.dead_rows += 1;
  sums_.dead_elements += row.elements();
  sums_.dead_zeros += row.zeros();
  sums_.dead_sum_w2 += row.w2();
  sums_.dead_sum_error2 += row.error2();
}

TensorReport ReportBuilder::Finish(const QuantizedTensor& tensor,
                                   const TensorOptions& called) const {
  TensorReport report = sums_;
  report.shape = tensor.shape;
  report.source_dtype = tensor.source_dtype;
  report.quantized = true;
  report.options = called;
  report.options.code_book = tensor.options.code_book;
  if (!tensor.exponents.empty()) {
    const auto [least, largest] =
        std::minmax_element(tensor.exponents.begin(), tensor.exponents.end());
    report.exponent_min = *least;
    report.exponent_max = *largest;
  }
  report.zero_fraction = Ratio(static_cast<double>(report.zeros), report.elements);
  report.mse = Ratio(report.sum_error2, report.elements);
  report.sqnr_db = SqnrDb(report.sum_w2, report.sum_error2);
  // Each root by itself: the product of the sums may leave float64's range.
  const double norms = std::sqrt(report.sum_w2) * std::sqrt(sum_q2_);
  const double cosine = sum_wq_ / norms;
  if (norms > 0 && std::isfinite(cosine)) report.cosine = std::clamp(cosine, -1.0, 1.0);
  report.bytes_before = static_cast<uint64_t>(report.elements) * base::SizeOf(report.source_dtype);
  report.bytes_after = StoredBytes(tensor);
  return report;
}

uint64_t StoredBytes(const QuantizedTensor& tensor) {
  return tensor.codes.size() + tensor.exponents.size() * sizeof(int16_t) +
         (tensor.scales.size() + tensor.bias.size()) * sizeof(float);
}

TensorReport ReportUnquantized(const base::TensorView& tensor) {
  TensorReport report;
  report.shape = tensor.shape;
  report.source_dtype = tensor.dtype;
  report.elements = tensor.elements();
  report.bytes_before = tensor.bytes.size();
  report.bytes_after = tensor.bytes.size();
  return report;
}

ReportTotals SumReports(absl::Span<const TensorReport> reports) {
  ReportTotals totals;
  TensorReport all;
  for (const TensorReport& report : reports) {
    totals.tensors += 1;
    totals.bytes_before += report.bytes_before;
    totals.bytes_after += report.bytes_after;
    if (!report.quantized) continue;
    totals.tensors_quantized += 1;
    totals.weights_quantized += report.elements;
    totals.dead_rows += report.dead_rows;
    all.zeros += report.zeros;
    all.sum_w2 += report.sum_w2;
    all.sum_error2 += report.sum_error2;
    all.dead_elements += report.dead_elements;
    all.dead_zeros += report.dead_zeros;
    all.dead_sum_w2 += report.dead_sum_w2;
    all.dead_sum_error2 += report.dead_sum_error2;
  }
  const int64_t live = totals.weights_quantized - all.dead_elements;
  const double live_w2 = std::max(0.0, all.sum_w2 - all.dead_sum_w2);
  const double live_error2 = std::max(0.0, all.sum_error2 - all.dead_sum_error2);
  totals.zero_fraction = Ratio(static_cast<double>(all.zeros), totals.weights_quantized);
  totals.mse = Ratio(all.sum_error2, totals.weights_quantized);
  totals.sqnr_db = SqnrDb(all.sum_w2, all.sum_error2);
  totals.zero_fraction_live = Ratio(static_cast<double>(all.zeros - all.dead_zeros), live);
  totals.mse_live = Ratio(live_error2, live);
  totals.sqnr_db_live = SqnrDb(live_w2, live_error2);
  return totals;
}

}  // namespace lbw::quant
