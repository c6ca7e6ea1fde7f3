#include <algorithm>
#include <cfloat>
#include <cmath>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "quant/quantize.h"
#include "quant/rows.h"
#include "quant/value_table.h"

namespace lbw::quant {
namespace {

absl::Status Broken(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile, message);
}

// One value stands for all rows, or each row has its own.
template <typename T>
T OfRow(const std::vector<T>& values, int64_t row) {
  return values[values.size() == 1 ? 0 : static_cast<size_t>(row)];
}

RowLayout LayoutOf(const QuantizedTensor& tensor) {
  return MakeRowLayout(tensor.shape, tensor.options.axis, tensor.options.groups);
}

std::vector<float> DequantizeUniform(const QuantizedTensor& tensor) {
  const RowLayout layout = LayoutOf(tensor);
  std::vector<float> values(tensor.codes.size());
  size_t at = 0;
  for (int64_t group = 0; group < layout.groups; ++group) {
    for (int64_t o = 0; o < layout.outer; ++o) {
      for (int64_t index = 0; index < layout.axis_size; ++index) {
        const float scale = OfRow(tensor.scales, group * layout.axis_size + index);
        for (int64_t i = 0; i < layout.inner; ++i, ++at) {
          values[at] = scale * static_cast<float>(static_cast<int8_t>(tensor.codes[at]));
        }
      }
    }
  }
  return values;
}

std::vector<float> DequantizeGrid(const QuantizedTensor& tensor) {
  const RowLayout layout = LayoutOf(tensor);
  const size_t length = static_cast<size_t>(layout.row_elements);
  std::vector<float> values(static_cast<size_t>(layout.rows) * length);
  if (values.empty()) return values;
  const int bits = tensor.options.bits;
  const size_t row_bytes = static_cast<size_t>(RowBytes(layout.row_elements, bits));
  const bool strided = layout.outer != 1;
  std::vector<uint8_t> codes(length);
  std::vector<float> block;
  for (int64_t first = 0; first < layout.rows;) {
    const int64_t count = BlockRowCount(layout, first);
    const size_t first_element = static_cast<size_t>(first) * length;
    if (strided) block.resize(static_cast<size_t>(count) * length);
    const absl::Span<float> out = strided ? absl::MakeSpan(block)
                                          : absl::MakeSpan(values).subspan(
                                                first_element, static_cast<size_t>(count) * length);
    for (int64_t r = 0; r < count; ++r) {
      const size_t row = static_cast<size_t>(first + r);
      UnpackRow(absl::MakeConstSpan(tensor.codes).subspan(row * row_bytes, row_bytes), bits,
                absl::MakeSpan(codes));
      const float scale = tensor.scales.empty() ? 1.0F : OfRow(tensor.scales, first + r);
      const ValueTable table(bits, OfRow(tensor.exponents, first + r), scale);
      for (size_t i = 0; i < length; ++i)
        out[static_cast<size_t>(r) * length + i] = table[codes[i]];
    }
    if (strided) ScatterRows(layout, first, block, absl::MakeSpan(values));
    first += count;
  }
  return values;
}

// Rounds to the type; what rounds beyond its largest finite value becomes that value.
uint16_t SaturatedF16(float value) {
  constexpr float kLargest = 65504;
  return base::F32ToF16(std::clamp(value, -kLargest, kLargest));
}
uint16_t SaturatedBF16(float value) {
  constexpr float kLargest = 0x1.FEp127F;
  return base::F32ToBF16(std::clamp(value, -kLargest, kLargest));
}

template <typename To, typename Convert>
void Fill(const std::vector<float>& values, base::Tensor& tensor, Convert convert) {
  const absl::Span<To> out = tensor.mutable_as<To>();
  std::transform(values.begin(), values.end(), out.begin(), convert);
}

absl::Status CheckCount(std::string_view what, size_t count, int64_t expected) {
  if (static_cast<int64_t>(count) == expected) return absl::OkStatus();
  return Broken(base::StrCat(what, " must have ", expected, " values: got ", count));
}

absl::Status CheckFiniteValues(std::string_view what, const std::vector<float>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return Broken(base::StrCat(what, "[", i, "] is not finite"));
  }
  return absl::OkStatus();
}

// The largest magnitude that scale i multiplies.
double LargestUnderScale(const QuantizedTensor& tensor, size_t i) {
  if (tensor.options.scheme == Scheme::kUniform) return 127;
  if (tensor.scales.size() > 1) return PowerOfTwo(OfRow(tensor.exponents, static_cast<int64_t>(i)));
  const auto largest = std::max_element(tensor.exponents.begin(), tensor.exponents.end());
  return largest == tensor.exponents.end() ? 0 : PowerOfTwo(*largest);
}

absl::Status CheckScales(const QuantizedTensor& tensor, const RowLayout& layout) {
  LBW_RETURN_IF_ERROR(CheckFiniteValues("scale", tensor.scales));
  const bool uniform = tensor.options.scheme == Scheme::kUniform;
  const bool per_tensor = tensor.options.granularity == Granularity::kTensor;
  if (uniform) {
    LBW_RETURN_IF_ERROR(CheckCount("scale", tensor.scales.size(), per_tensor ? 1 : layout.rows));
  } else if (!tensor.scales.empty() && tensor.scales.size() != 1) {
    LBW_RETURN_IF_ERROR(CheckCount("scale", tensor.scales.size(), layout.rows));
  }
  for (size_t i = 0; i < tensor.scales.size(); ++i) {
    const double scale = std::fabs(static_cast<double>(tensor.scales[i]));
    if (scale * LargestUnderScale(tensor, i) > FLT_MAX) {
      return Broken(
          base::StrCat("scale[", i, "] makes values beyond float32's range: ", tensor.scales[i]));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckUniformCodes(const QuantizedTensor& tensor) {
  const auto bad = std::find(tensor.codes.begin(), tensor.codes.end(), uint8_t{0x80});
  if (bad == tensor.codes.end()) return absl::OkStatus();
  return Broken(base::StrCat("code ", bad - tensor.codes.begin(), " must be in -127..127: -128"));
}

absl::Status CheckGridCodes(const QuantizedTensor& tensor, const RowLayout& layout) {
  const int bits = tensor.options.bits;
  const int magnitudes = MagnitudeCount(bits, tensor.options.code_book);
  const size_t row_bytes = static_cast<size_t>(RowBytes(layout.row_elements, bits));
  std::vector<uint8_t> codes(static_cast<size_t>(layout.row_elements));
  for (size_t row = 0; row < static_cast<size_t>(layout.rows); ++row) {
    const auto packed = absl::MakeConstSpan(tensor.codes).subspan(row * row_bytes, row_bytes);
    if (!PaddingIsZero(packed, bits, layout.row_elements)) {
      return Broken(base::StrCat("padding bits of row ", row, " must be zero"));
    }
    UnpackRow(packed, bits, absl::MakeSpan(codes));
    const auto bad = std::find_if(codes.begin(), codes.end(), [&](uint8_t code) {
      return !IsValidCode(code, bits, magnitudes);
    });
    if (bad != codes.end()) {
      return Broken(base::StrCat("code ", static_cast<int>(*bad), " of row ", row, ", element ",
                                 bad - codes.begin(), " is not in the ",
                                 Name(tensor.options.code_book), " book of ", bits, " bits"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckExponents(const QuantizedTensor& tensor, const RowLayout& layout) {
  const bool per_tensor = tensor.options.granularity == Granularity::kTensor;
  LBW_RETURN_IF_ERROR(
      CheckCount("exponent", tensor.exponents.size(), per_tensor ? 1 : layout.rows));
  for (size_t i = 0; i < tensor.exponents.size(); ++i) {
    if (tensor.exponents[i] >= kMinExponent && tensor.exponents[i] <= kMaxExponent) continue;
    return Broken(base::StrCat("exponent[", i, "] must be in ", kMinExponent, "..", kMaxExponent,
                               ": ", tensor.exponents[i]));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<float> Dequantize(const QuantizedTensor& tensor) {
  return tensor.options.scheme == Scheme::kUniform ? DequantizeUniform(tensor)
                                                   : DequantizeGrid(tensor);
}

base::Tensor DequantizeAs(const QuantizedTensor& tensor, base::DType dtype) {
  const std::vector<float> values = Dequantize(tensor);
  LBW_CHECK(base::IsFloating(dtype));
  base::Tensor out(dtype, tensor.shape);
  if (dtype == base::DType::kF16) {
    Fill<uint16_t>(values, out, SaturatedF16);
  } else if (dtype == base::DType::kBF16) {
    Fill<uint16_t>(values, out, SaturatedBF16);
  } else if (dtype == base::DType::kF32) {
    Fill<float>(values, out, [](float value) { return value; });
  } else {
    Fill<double>(values, out, [](float value) { return static_cast<double>(value); });
  }
  return out;
}

absl::Status Validate(const QuantizedTensor& tensor) {
  if (const absl::Status options = ValidateOptions(tensor.options, tensor.shape); !options.ok()) {
    return Broken(std::string(options.message()));
  }
  if (tensor.options != StoredOptions(tensor.options)) {
    return Broken("options of a quantized tensor must be in their stored form");
  }
  if (!base::IsFloating(tensor.source_dtype)) {
    return Broken(
        base::StrCat("the source type must be floating: ", base::Name(tensor.source_dtype)));
  }
  const RowLayout layout = LayoutOf(tensor);
  const bool uniform = tensor.options.scheme == Scheme::kUniform;
  const int64_t row_bytes =
      uniform ? layout.row_elements : RowBytes(layout.row_elements, tensor.options.bits);
  if (static_cast<int64_t>(tensor.codes.size()) != layout.rows * row_bytes) {
    return Broken(base::StrCat("codes of ", layout.rows, " rows must have ", row_bytes,
                               " bytes a row: got ", tensor.codes.size(), " bytes"));
  }
  LBW_RETURN_IF_ERROR(CheckFiniteValues("bias", tensor.bias));
  if (!tensor.bias.empty())
    LBW_RETURN_IF_ERROR(CheckCount("bias", tensor.bias.size(), layout.rows));
  if (uniform) {
    LBW_RETURN_IF_ERROR(CheckCount("exponent", tensor.exponents.size(), 0));
    LBW_RETURN_IF_ERROR(CheckScales(tensor, layout));
    return CheckUniformCodes(tensor);
  }
  LBW_RETURN_IF_ERROR(CheckExponents(tensor, layout));
  LBW_RETURN_IF_ERROR(CheckScales(tensor, layout));
  return CheckGridCodes(tensor, layout);
}

}  // namespace lbw::quant
