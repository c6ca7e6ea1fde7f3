#include "tools/quant_oracle/check_packed.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "base/status.h"
#include "base/strings.h"
#include "tensorfile/packed.h"
#include "tools/quant_oracle/brute_force.h"
#include "tools/quant_oracle/originals.h"

namespace lbw::oracle {
namespace {

using quant::CodeBook;
using quant::Granularity;
using quant::QuantizedTensor;

constexpr double kTolerance = 1e-12;

std::string Kind(const QuantizedTensor& tensor) {
  const bool uniform = tensor.options.scheme == quant::Scheme::kUniform;
  return base::StrCat(tensor.options.bits, " ",
                      uniform ? "uniform" : quant::Name(tensor.options.code_book), " ",
                      quant::Name(tensor.options.granularity));
}

// n from the definition of the books.
int Magnitudes(const QuantizedTensor& tensor) {
  int n = 1;
  for (int bit = 2; bit < tensor.options.bits; ++bit) n *= 2;
  return tensor.options.code_book == CodeBook::kPaper ? n : 2 * n - 1;
}

std::string CheckExpected(const QuantizedTensor& tensor, const CheckOptions& options) {
  if (options.bits && *options.bits != tensor.options.bits)
    return base::StrCat("not ", *options.bits, " bits");
  const bool one_book = tensor.options.bits == 2;
  if (options.code_book && !one_book && *options.code_book != tensor.options.code_book) {
    return base::StrCat("not book ", quant::Name(*options.code_book));
  }
  if (options.granularity && *options.granularity != tensor.options.granularity) {
    return base::StrCat("not per ", quant::Name(*options.granularity));
  }
  return "";
}

// One row, or the whole tensor, against its optimum.
void CheckStretch(const std::vector<float>& weights, const Optimum& best, double error,
                  int exponent, const CheckOptions& options, TensorCheck& check) {
  check.exponents += 1;
  check.error += error;
  check.optimum += best.error;
  const auto fail = [&](const std::string& text) {
    if (check.failure.empty())
      check.failure = base::StrCat("row ", check.exponents - 1, ": ", text);
  };
  if (error < best.error * (1 - kTolerance))
    fail(base::StrCat("error ", error, " below the optimum ", best.error));
  if (options.threshold) return;
  if (error > best.error * (1 + kTolerance))
    fail(base::StrCat("error ", error, " above the optimum ", best.error));
  const bool zeros = std::all_of(weights.begin(), weights.end(), [](float w) { return w == 0; });
  if (!zeros && best.runner_up <= best.error * (1 + kTolerance)) {
    check.ambiguous += 1;
  } else if (exponent != best.exponent) {
    fail(base::StrCat("exponent ", exponent, " instead of ", best.exponent));
  }
}

void CheckGrid(const std::vector<float>& values, const QuantizedTensor& tensor,
               const CheckOptions& options, TensorCheck& check) {
  check.failure = CheckExpected(tensor, options);
  if (!tensor.scales.empty()) {
    check.failure = "has a real scale: not plain projection";
    return;
  }
  const int bits = tensor.options.bits;
  const auto rows = SplitRows(values, tensor.shape, tensor.options.axis, tensor.options.groups);
  const bool per_tensor = tensor.options.granularity == Granularity::kTensor;
  double whole_error = 0;
  size_t at = 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    const size_t row_bytes = (rows[r].size() * static_cast<size_t>(bits) + 7) / 8;
    const auto packed = absl::MakeConstSpan(tensor.codes).subspan(at, row_bytes);
    at += row_bytes;
    const int exponent = tensor.exponents[per_tensor ? 0 : r];
    const double error = ErrorOfCodes(rows[r], packed, bits, exponent);
    whole_error += error;
    if (!per_tensor) {
      CheckStretch(rows[r], BruteForce(rows[r], Magnitudes(tensor)), error, exponent, options,
                   check);
    }
  }
  if (per_tensor) {
    CheckStretch(values, BruteForce(values, Magnitudes(tensor)), whole_error, tensor.exponents[0],
                 options, check);
  }
}

void CheckUniform(const std::vector<float>& values, const QuantizedTensor& tensor,
                  TensorCheck& check) {
  std::vector<float> codes(tensor.codes.size());
  std::transform(tensor.codes.begin(), tensor.codes.end(), codes.begin(),
                 [](uint8_t code) { return static_cast<float>(static_cast<int8_t>(code)); });
  const auto rows = SplitRows(values, tensor.shape, tensor.options.axis, tensor.options.groups);
  const auto code_rows = SplitRows(codes, tensor.shape, tensor.options.axis, tensor.options.groups);
  check.exponents = static_cast<int64_t>(tensor.scales.size());
  for (size_t r = 0; r < rows.size(); ++r) {
    const double scale = tensor.scales[tensor.scales.size() == 1 ? 0 : r];
    double half_step = scale / 2;
    // Below the least scale weights may vanish.
    half_step = std::max(half_step * (1 + 1e-5), 0x1p-149);
    for (size_t i = 0; i < rows[r].size(); ++i) {
      const double distance =
          std::fabs(static_cast<double>(rows[r][i]) - scale * static_cast<double>(code_rows[r][i]));
      check.error += distance * distance;
      if (distance <= half_step || !check.failure.empty()) continue;
      check.failure = base::StrCat("row ", r, ", element ", i, ": off by more than half a step");
    }
  }
  check.optimum = check.error;
}

TensorCheck CheckOne(const base::Tensor& original, const tensorfile::AnyTensor& packed,
                     const CheckOptions& options) {
  TensorCheck check;
  if (const auto* plain = std::get_if<base::Tensor>(&packed)) {
    check.kind = std::string(base::Name(plain->dtype()));
    const bool same = plain->dtype() == original.dtype() && plain->shape() == original.shape() &&
                      plain->bytes() == original.bytes();
    if (!same) check.failure = "float tensor changed";
    return check;
  }
  const auto& tensor = std::get<QuantizedTensor>(packed);
  check.kind = Kind(tensor);
  const absl::StatusOr<std::vector<float>> values = base::ToF32(original.view());
  if (!values.ok() || original.shape() != tensor.shape || original.dtype() != tensor.source_dtype) {
    check.failure = "type or shape differs from the original";
  } else if (tensor.options.scheme == quant::Scheme::kUniform) {
    CheckUniform(*values, tensor, check);
  } else {
    CheckGrid(*values, tensor, options, check);
  }
  return check;
}

}  // namespace

absl::StatusOr<std::vector<TensorCheck>> CheckPacked(const base::RandomAccessReader& original,
                                                     const base::RandomAccessReader& packed,
                                                     const CheckOptions& options) {
  LBW_ASSIGN_OR_RETURN(const Originals originals, ReadOriginals(original));
  LBW_ASSIGN_OR_RETURN(const auto packed_file, tensorfile::PackedFile::Open(packed));
  std::vector<TensorCheck> checks;
  for (const tensorfile::LogicalTensor& logical : packed_file.tensors()) {
    const auto found = originals.tensors.find(logical.name);
    TensorCheck check;
    if (found == originals.tensors.end()) {
      // A graph's own constants may get names that no initializer has; weights may not.
      check.kind = std::string(base::Name(logical.dtype));
      if (!originals.is_graph || logical.quantized) check.failure = "not in the original";
    } else {
      LBW_ASSIGN_OR_RETURN(const tensorfile::AnyTensor after, packed_file.Read(logical));
      check = CheckOne(found->second, after, options);
    }
    check.name = logical.name;
    checks.push_back(std::move(check));
  }
  for (const auto& [name, tensor] : originals.tensors) {
    // Initializers that no node reads are dropped.
    if (originals.is_graph || packed_file.Find(name) != nullptr) continue;
    checks.push_back({.name = name, .failure = "missing in the packed file"});
  }
  return checks;
}

}  // namespace lbw::oracle
