// Quantizes one tensor onto the grid and reports what that did: the one entry that files, models
// and jobs call.
//
// Math:      minimise ||W - Q||^2 over s in Z and Q in G(s, n)^N, exactly, per tensor or per row
//            (quant/projection.h); or the thresholds of the paper with mu = mu_ratio * max|w|, then
//            s* = floor(log2(4B / 3A)) (quant/threshold.h).
// Rows:      `axis` is the dimension of the output channels, `groups` the number of groups where a
//            group's channels share that dimension's indices; a row is (group, index along axis),
//            in that order, its elements in the tensor's own order with axis (and the group) taken
//            out. A tensor with fewer than two dimensions is one row.
// Threads:   every function is pure and may be called concurrently.
#ifndef LBW_QUANT_QUANTIZE_H_
#define LBW_QUANT_QUANTIZE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/tensor.h"
#include "quant/grid.h"
#include "quant/packing.h"

namespace lbw::quant {

struct TensorOptions {
  int bits = 4;  // 2..6; 8 with kUniform
  CodeBook code_book = CodeBook::kFull;
  Granularity granularity = Granularity::kChannel;
  Scheme scheme = Scheme::kExact;
  double mu_ratio = 0.75;  // kThreshold: mu / max|w|, in (0, 16]
  int axis = 0;            // in 0 .. rank-1 (0 for rank 0)
  int groups = 1;  // divides the dimension that holds the groups: dimension 0 where axis != 0
  bool operator==(const TensorOptions&) const = default;
};

// Elements of a tensor that can be quantized.
inline constexpr int64_t kMaxElements = int64_t{1} << 31;
// Rows of a tensor without elements: their number is not bounded by the elements, so it has a limit
// of its own.
inline constexpr int64_t kMaxEmptyRows = 65536;

// Errors: kInvalidArgument, BAD_OPTIONS - names the option, its value and the limit (kThreshold
// needs bits >= 3; groups other than 1 need an axis other than 0). kInvalidArgument, LIMIT_EXCEEDED
// - more than kMaxElements or kMaxEmptyRows.
absl::Status ValidateOptions(const TensorOptions& options, absl::Span<const int64_t> shape);

// How the elements of a tensor fall into rows. row_elements is the same for every row, 0 in a
// tensor without elements.
struct RowLayout {
  int64_t rows = 1;
  int64_t row_elements = 0;
  // Element j of row r stands at Offset(r, j) of the row-major tensor.
  int64_t Offset(int64_t row, int64_t j) const;

  // The tensor as [groups, outer, axis_size, inner]: see rows.cc.
  int64_t groups = 1;
  int64_t outer = 1;
  int64_t axis_size = 1;
  int64_t inner = 0;
};
// Rows are those of packing, whatever the granularity. shape, axis and groups must be valid
// (ValidateOptions).
RowLayout MakeRowLayout(absl::Span<const int64_t> shape, int axis, int groups);

// A tensor as codes. Scheme "lbw": packed codes; scheme "uniform": int8 values.
struct QuantizedTensor {
  base::Shape shape;
  // In their stored form (StoredOptions); axis and groups are those of packing.
  TensorOptions options;
  base::DType source_dtype = base::DType::kF32;
  // lbw: [rows, row_bytes], row_bytes = ceil(row_elements * bits / 8), element i of a row at bits
  // [i*bits, (i+1)*bits) little-endian, padding bits zero. uniform: [elements] int8 in the tensor's
  // own order, -127..127.
  std::vector<uint8_t> codes;
  std::vector<int16_t> exponents;  // lbw: [1] per tensor, [rows] per channel; uniform: empty
  std::vector<float> scales;  // optional real factor: [] or [1] or [rows]; uniform: [1] or [rows],
                              // value = scale * code
  std::vector<float> bias;    // optional: [] or [rows], added to the layer's output
  bool operator==(const QuantizedTensor&) const = default;
};

// What quantization did to a tensor; the fields of LBW.md section 6.
struct TensorReport {
  std::string name;  // left empty here; callers fill name, node and rule_index
  std::string node;
  int rule_index = -1;
  base::Shape shape;
  base::DType source_dtype = base::DType::kF32;
  bool quantized = false;
  TensorOptions options;  // meaningful where quantized
  int64_t rows = 0;
  int64_t elements = 0;
  int exponent_min = 0;
  int exponent_max = 0;
  double zero_fraction = 0;
  double mse = 0;
  std::optional<double> sqnr_db;  // 10 log10(sum w^2 / sum (w-q)^2)
  std::optional<double> cosine;
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
  int64_t dead_rows = 0;  // all |w| < 1e-12
  // Sums behind the ratios, so that totals can be formed.
  double sum_w2 = 0;
  double sum_error2 = 0;
  int64_t zeros = 0;
  int64_t dead_elements = 0;
  int64_t dead_zeros = 0;
  double dead_sum_w2 = 0;
  double dead_sum_error2 = 0;
};

struct QuantizeResult {
  QuantizedTensor tensor;
  TensorReport report;
};

// weights    floating tensor, borrowed. f16 and bf16 widen exactly; f64 is rounded to f32 first.
// Errors:    kInvalidArgument - BAD_OPTIONS; LIMIT_EXCEEDED; NON_FINITE names the first bad index
//            and its value; a type that is not floating; a f64 beyond float32's range (names its
//            index). On error nothing is returned.
// Precision: exact optimum for kExact (ties: the smaller s); bit-identical whatever the platform.
// Cost:      O(N), one thread. Scratch: an f32 copy of the tensor where it is not f32, 16 rows
//            where rows are strided, and 60 KiB.
absl::StatusOr<QuantizeResult> QuantizeTensor(const base::TensorView& weights,
                                              const TensorOptions& options);

// The report of codes that were chosen elsewhere. called: the options of the call. weights and
// tensor are of one shape.
absl::StatusOr<TensorReport> ReportTensor(const base::TensorView& weights,
                                          const QuantizedTensor& tensor,
                                          const TensorOptions& called);

// The report of a tensor that stays as it is.
TensorReport ReportUnquantized(const base::TensorView& tensor);

// The values, in the tensor's own order: [elements] f32. tensor must be valid (Validate).
std::vector<float> Dequantize(const QuantizedTensor& tensor);
// The same in a floating type: rounded to nearest even, exact for every power of two that the type
// holds. What is beyond its largest finite value becomes that value: 60000 in f16 is nearest to
// 2^16, which f16 lacks.
base::Tensor DequantizeAs(const QuantizedTensor& tensor, base::DType dtype);

// What a QuantizedTensor keeps of the options that it was made with. How codes were chosen is not
// stored: for a grid the scheme is kExact, and mu_ratio is at its default. The code book is kPaper
// at 2 bits, where both are one, and kFull for kUniform, which has none.
TensorOptions StoredOptions(const TensorOptions& options);

// Checks every field against the others, every exponent against its bounds and every code against
// its book. Errors: kInvalidArgument, BAD_FILE - names what contradicts what.
absl::Status Validate(const QuantizedTensor& tensor);

// Sums over the quantized tensors of a report; "live" leaves dead rows out.
struct ReportTotals {
  int64_t tensors = 0;
  int64_t tensors_quantized = 0;
  int64_t weights_quantized = 0;
  uint64_t bytes_before = 0;  // of all tensors
  uint64_t bytes_after = 0;
  double zero_fraction = 0;
  double mse = 0;
  std::optional<double> sqnr_db;
  int64_t dead_rows = 0;
  double zero_fraction_live = 0;
  double mse_live = 0;
  std::optional<double> sqnr_db_live;
};
ReportTotals SumReports(absl::Span<const TensorReport> reports);

}  // namespace lbw::quant

#endif  // LBW_QUANT_QUANTIZE_H_
