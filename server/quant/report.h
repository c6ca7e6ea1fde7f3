// Sums of a quantized tensor row by row, and the ratios that a TensorReport makes of them.
//
// Precision: float64 in a fixed order (two interleaved lanes within a row, then row after row):
//            the same on every platform.
// Threads:   values.
#ifndef LBW_QUANT_REPORT_H_
#define LBW_QUANT_REPORT_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "quant/quantize.h"

namespace lbw::quant {

// A row whose |w| are all below this is dead: it flatters every statistic.
inline constexpr float kDeadBelow = 1e-12F;
inline bool IsDeadRow(absl::Span<const float> row) {
  return std::all_of(row.begin(), row.end(), [](float w) { return std::fabs(w) < kDeadBelow; });
}

// Sums over one row of weights w and their quantized values q.
class RowSums {
 public:
  // Adds a stretch of the row; value(i) is q of weights[i]. Stretches of even length may be cut
  // anywhere without a change.
  template <typename Value>
  void Add(absl::Span<const float> weights, const Value& value) {
    // Locals, so that the sums stay in registers.
    Lane even = even_;
    Lane odd = odd_;
    float max_abs = max_abs_;
    int64_t zeros = 0;
    size_t i = 0;
    for (; i + 1 < weights.size(); i += 2) {
      zeros += even.Add(weights[i], value(i)) + odd.Add(weights[i + 1], value(i + 1));
      max_abs = std::max(max_abs, std::max(std::fabs(weights[i]), std::fabs(weights[i + 1])));
    }
    if (i < weights.size()) {
      zeros += even.Add(weights[i], value(i));
      max_abs = std::max(max_abs, std::fabs(weights[i]));
    }
    even_ = even;
    odd_ = odd;
    max_abs_ = max_abs;
    zeros_ += zeros;
    elements_ += static_cast<int64_t>(weights.size());
  }

  double w2() const { return even_.w2 + odd_.w2; }
  double error2() const { return even_.error2 + odd_.error2; }
  double q2() const { return even_.q2 + odd_.q2; }
  double wq() const { return even_.wq + odd_.wq; }
  int64_t zeros() const { return zeros_; }
  int64_t elements() const { return elements_; }
  bool dead() const { return elements_ > 0 && max_abs_ < kDeadBelow; }

 private:
  struct Lane {
    double w2 = 0;
    double error2 = 0;
    double q2 = 0;
    double wq = 0;
    int Add(float w, float q) {
      const double wide_w = w;
      const double wide_q = q;
      const double error = wide_w - wide_q;
      w2 += wide_w * wide_w;
      error2 += error * error;
      q2 += wide_q * wide_q;
      wq += wide_w * wide_q;
      return q == 0 ? 1 : 0;
    }
  };

  Lane even_;
  Lane odd_;
  float max_abs_ = 0;
  int64_t zeros_ = 0;
  int64_t elements_ = 0;
};

// Collects rows in packing order. Call AddRow for each, then Finish once.
class ReportBuilder {
 public:
  void AddRow(const RowSums& row);
  // tensor: the finished codes; called: the options of the call.
  TensorReport Finish(const QuantizedTensor& tensor, const TensorOptions& called) const;

 private:
  TensorReport sums_;
  double sum_q2_ = 0;
  double sum_wq_ = 0;
};

// Bytes of codes, exponents, scales and bias.
uint64_t StoredBytes(const QuantizedTensor& tensor);

}  // namespace lbw::quant

#endif  // LBW_QUANT_REPORT_H_
