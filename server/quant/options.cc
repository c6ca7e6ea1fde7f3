#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "base/strings.h"
#include "quant/quantize.h"

namespace lbw::quant {
namespace {

absl::Status BadOption(std::string_view option, const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions, message)
      .Field(base::StrCat("options.", option));
}

absl::Status ValidateGridOptions(const TensorOptions& options) {
  if (options.scheme == Scheme::kUniform) {
    if (options.bits == kUniformBits) return absl::OkStatus();
    return BadOption("bits", base::StrCat("bits must be ", kUniformBits,
                                          " with scheme uniform: bits=", options.bits));
  }
  if (options.bits < kMinBits || options.bits > kMaxBits) {
    return BadOption("bits",
                     base::StrCat("bits must be ", kMinBits, "..", kMaxBits, " with scheme ",
                                  Name(options.scheme), ": bits=", options.bits));
  }
  if (options.scheme != Scheme::kThreshold) return absl::OkStatus();
  if (options.bits == kMinBits) {
    return BadOption(
        "scheme", "scheme threshold needs bits 3..6: bits=2 (its exact optimum is scheme exact)");
  }
  if (!(options.mu_ratio > 0) || options.mu_ratio > 16) {
    return BadOption("mu_ratio", base::StrCat("mu_ratio must be above 0 and at most 16: mu_ratio=",
                                              options.mu_ratio));
  }
  return absl::OkStatus();
}

absl::Status ValidateAxis(const TensorOptions& options, absl::Span<const int64_t> shape) {
  const int rank = static_cast<int>(std::min<size_t>(shape.size(), 1 << 20));
  if (options.axis < 0 || options.axis >= std::max(rank, 1)) {
    return BadOption("axis",
                     base::StrCat("axis must be in 0..", std::max(rank, 1) - 1, " for shape ",
                                  base::ShapeToString(shape), ": axis=", options.axis));
  }
  if (options.groups == 1) return absl::OkStatus();
  if (options.groups < 1 || options.axis == 0) {
    return BadOption("groups",
                     base::StrCat("groups must be 1 with axis 0 and at least 1 else: groups=",
                                  options.groups, " axis=", options.axis));
  }
  if (shape[0] % options.groups != 0 || shape[0] == 0) {
    return BadOption("groups",
                     base::StrCat("groups must divide dimension 0 of shape ",
                                  base::ShapeToString(shape), ": groups=", options.groups));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateOptions(const TensorOptions& options, absl::Span<const int64_t> shape) {
  LBW_RETURN_IF_ERROR(ValidateGridOptions(options));
  LBW_RETURN_IF_ERROR(ValidateAxis(options, shape));
  const absl::StatusOr<int64_t> elements = base::CheckedElementCount(shape, kMaxElements);
  if (!elements.ok()) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::Std(elements.status().message()));
  }
  if (*elements > 0 || shape.size() < 2) return absl::OkStatus();
  const int64_t axis_size = shape[static_cast<size_t>(options.axis)];
  if (axis_size > kMaxEmptyRows / options.groups) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
        base::StrCat("a tensor without elements may have at most ", kMaxEmptyRows,
                     " rows: shape=", base::ShapeToString(shape), " axis=", options.axis));
  }
  return absl::OkStatus();
}

TensorOptions StoredOptions(const TensorOptions& options) {
  TensorOptions stored = options;
  stored.mu_ratio = TensorOptions{}.mu_ratio;
  if (options.scheme == Scheme::kUniform) {
    stored.code_book = CodeBook::kFull;
    return stored;
  }
  stored.scheme = Scheme::kExact;
  if (options.bits == kMinBits) stored.code_book = CodeBook::kPaper;
  return stored;
}

}  // namespace lbw::quant
