#include "tensorfile/packed_writer.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "tensorfile/packed.h"
#include "tensorfile/packed_metadata.h"

namespace lbw::tensorfile {
namespace {

constexpr std::string_view kExponentSuffix = ".lbw_exponent";
constexpr std::string_view kScaleSuffix = ".lbw_scale";

absl::Status BadArgument(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}
absl::Status OutOfOrder(std::string_view message) {
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kInternal, message);
}

// The entries that a declared tensor becomes.
void AddEntries(const PackedWriter::Declared& tensor,
                std::vector<SafetensorsWriter::Declared>& entries) {
  if (!tensor.options) {
    entries.push_back({tensor.name, tensor.dtype, tensor.shape});
    return;
  }
  const quant::TensorOptions& options = *tensor.options;
  const quant::RowLayout layout = quant::MakeRowLayout(tensor.shape, options.axis, options.groups);
  const base::Shape by_granularity = {
      options.granularity == quant::Granularity::kTensor ? 1 : layout.rows};
  if (options.scheme == quant::Scheme::kUniform) {
    entries.push_back({tensor.name, base::DType::kI8, tensor.shape});
    entries.push_back({base::StrCat(tensor.name, kScaleSuffix), base::DType::kF32, by_granularity});
    return;
  }
  entries.push_back({tensor.name,
                     base::DType::kU8,
                     {layout.rows, quant::RowBytes(layout.row_elements, options.bits)}});
  entries.push_back(
      {base::StrCat(tensor.name, kExponentSuffix), base::DType::kI16, by_granularity});
}

absl::Status CheckMetadata(const std::map<std::string, std::string>& metadata) {
  for (const auto& [key, value] : metadata) {
    if (key == kFormatKey || key.substr(0, kTensorKeyPrefix.size()) == kTensorKeyPrefix) {
      return BadArgument(base::StrCat("metadata key belongs to the format: ", key));
    }
  }
  return absl::OkStatus();
}

template <typename T>
std::string BytesOf(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

}  // namespace

absl::StatusOr<PackedWriter> PackedWriter::Start(
    base::ByteSink& sink, std::vector<Declared> tensors,
    const std::map<std::string, std::string>& metadata) {
  LBW_RETURN_IF_ERROR(CheckMetadata(metadata));
  std::map<std::string, std::string> all = metadata;
  std::vector<SafetensorsWriter::Declared> entries;
  for (Declared& tensor : tensors) {
    if (HasReservedSuffix(tensor.name)) {
      return BadArgument(base::StrCat("tensor name has a reserved ending: ", tensor.name));
    }
    if (tensor.options) {
      LBW_RETURN_IF_ERROR(quant::ValidateOptions(*tensor.options, tensor.shape));
      tensor.options = quant::StoredOptions(*tensor.options);
      all[std::string(kFormatKey)] = std::string(kFormatVersion);
      all[base::StrCat(kTensorKeyPrefix, tensor.name)] =
          PackedMetadataToJson({tensor.shape, *tensor.options, tensor.dtype});
    }
    AddEntries(tensor, entries);
  }
  LBW_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                       SafetensorsWriter::Start(sink, std::move(entries), all));
  PackedWriter result(std::move(writer));
  std::sort(tensors.begin(), tensors.end(),
            [](const Declared& a, const Declared& b) { return a.name < b.name; });
  result.order_ = std::move(tensors);
  return result;
}

absl::Status PackedWriter::FlushBefore(std::string_view name) {
  while (!waiting_.empty() && (name.empty() || waiting_.begin()->first < name)) {
    const auto first = waiting_.begin();
    LBW_RETURN_IF_ERROR(writer_.Append(first->first, base::AsBytes(first->second)));
    waiting_.erase(first);
  }
  return absl::OkStatus();
}

absl::Status PackedWriter::CheckNext(std::string_view name, bool quantized) {
  if (next_ >= order_.size() || order_[next_].name != name ||
      order_[next_].options.has_value() != quantized) {
    return OutOfOrder(base::StrCat("not the next tensor as declared: ", name));
  }
  return absl::OkStatus();
}

absl::Status PackedWriter::Append(std::string_view name, absl::Span<const std::byte> bytes) {
  LBW_RETURN_IF_ERROR(CheckNext(name, false));
  LBW_RETURN_IF_ERROR(FlushBefore(name));
  LBW_RETURN_IF_ERROR(writer_.Append(name, bytes));
  ++next_;
  return absl::OkStatus();
}

absl::Status PackedWriter::Append(std::string_view name, const quant::QuantizedTensor& tensor) {
  LBW_RETURN_IF_ERROR(CheckNext(name, true));
  const Declared& declared = order_[next_];
  const bool uniform = declared.options->scheme == quant::Scheme::kUniform;
  if (tensor.options != *declared.options || tensor.shape != declared.shape ||
      tensor.source_dtype != declared.dtype || (!uniform && !tensor.scales.empty()) ||
      !tensor.bias.empty()) {
    return OutOfOrder(base::StrCat("tensor differs from what was declared: ", name));
  }
  LBW_RETURN_IF_ERROR(FlushBefore(name));
  LBW_RETURN_IF_ERROR(writer_.Append(
      name, {reinterpret_cast<const std::byte*>(tensor.codes.data()), tensor.codes.size()}));
  waiting_[base::StrCat(name, uniform ? kScaleSuffix : kExponentSuffix)] =
      uniform ? BytesOf(tensor.scales) : BytesOf(tensor.exponents);
  ++next_;
  return absl::OkStatus();
}

absl::Status PackedWriter::Finish() {
  if (next_ != order_.size()) {
    return OutOfOrder(base::StrCat("tensors are missing: ", order_[next_].name));
  }
  LBW_RETURN_IF_ERROR(FlushBefore({}));
  return writer_.Finish();
}

}  // namespace lbw::tensorfile
