#include "tensorfile/packed.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "tensorfile/header_json.h"
#include "tensorfile/packed_metadata.h"

namespace lbw::tensorfile {
namespace {

using quant::Granularity;
using quant::QuantizedTensor;
using quant::Scheme;

constexpr std::string_view kExponentSuffix = ".lbw_exponent";
constexpr std::string_view kScaleSuffix = ".lbw_scale";
constexpr std::string_view kBiasSuffix = ".lbw_bias";
constexpr std::array kSuffixes = {kExponentSuffix, kScaleSuffix, kBiasSuffix};

base::Error BadFile(std::string_view name, const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                     base::StrCat("tensor ", Quoted(name), ": ", message));
}
base::Error BadArgument(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

std::string Suffixed(std::string_view name, std::string_view suffix) {
  return base::StrCat(name, suffix);
}

bool IsFormatKey(std::string_view key) {
  return key == kFormatKey || key.substr(0, kTensorKeyPrefix.size()) == kTensorKeyPrefix;
}

// The entries that make up one quantized tensor.
struct Parts {
  const TensorEntry* codes = nullptr;
  const TensorEntry* exponent = nullptr;
  const TensorEntry* scale = nullptr;
  const TensorEntry* bias = nullptr;
  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const TensorEntry* part : {codes, exponent, scale, bias})
      sum += part == nullptr ? 0 : part->bytes;
    return sum;
  }
};
Parts FindParts(const SafetensorsFile& file, std::string_view name) {
  return {.codes = file.Find(name),
          .exponent = file.Find(Suffixed(name, kExponentSuffix)),
          .scale = file.Find(Suffixed(name, kScaleSuffix)),
          .bias = file.Find(Suffixed(name, kBiasSuffix))};
}

absl::Status CheckPart(const TensorEntry& part, base::DType dtype, const base::Shape& shape) {
  if (part.dtype == dtype && part.shape == shape) return absl::OkStatus();
  return BadFile(
      part.name,
      base::StrCat("must be ", base::Name(dtype), " ", base::ShapeToString(shape), ": is ",
                   base::Name(part.dtype), " ", base::ShapeToString(part.shape)));
}

// The parts against what the metadata says; sizes only.
absl::Status CheckParts(std::string_view name, const Parts& parts, const PackedMetadata& metadata) {
  const quant::TensorOptions& options = metadata.options;
  const quant::RowLayout layout =
      quant::MakeRowLayout(metadata.shape, options.axis, options.groups);
  const base::Shape per_row = {layout.rows};
  const base::Shape by_granularity = {options.granularity == Granularity::kTensor ? 1
                                                                                  : layout.rows};
  if (parts.codes == nullptr) return BadFile(name, "its metadata is there, its codes are not");
  if (parts.bias != nullptr)
    LBW_RETURN_IF_ERROR(CheckPart(*parts.bias, base::DType::kF32, per_row));
  if (options.scheme == Scheme::kUniform) {
    if (parts.exponent != nullptr) return BadFile(name, "an 8-bit uniform tensor has no exponents");
    if (parts.scale == nullptr) return BadFile(name, "an 8-bit uniform tensor needs a scale");
    LBW_RETURN_IF_ERROR(CheckPart(*parts.codes, base::DType::kI8, metadata.shape));
    return CheckPart(*parts.scale, base::DType::kF32, by_granularity);
  }
  const int64_t row_bytes = quant::RowBytes(layout.row_elements, options.bits);
  LBW_RETURN_IF_ERROR(CheckPart(*parts.codes, base::DType::kU8, {layout.rows, row_bytes}));
  if (parts.exponent == nullptr) return BadFile(name, "its exponents are missing");
  LBW_RETURN_IF_ERROR(CheckPart(*parts.exponent, base::DType::kI16, by_granularity));
  if (parts.scale == nullptr || parts.scale->shape == base::Shape{1}) {
    return parts.scale == nullptr ? absl::OkStatus()
                                  : CheckPart(*parts.scale, base::DType::kF32, {1});
  }
  return CheckPart(*parts.scale, base::DType::kF32, per_row);
}

// The name before a reserved suffix, or empty.
std::string_view OwnerOf(std::string_view name) {
  for (const std::string_view suffix : kSuffixes) {
    if (name.size() >= suffix.size() && name.substr(name.size() - suffix.size()) == suffix) {
      return name.substr(0, name.size() - suffix.size());
    }
  }
  return {};
}

template <typename T>
absl::Status ReadInto(const SafetensorsFile& file, const TensorEntry* entry, std::vector<T>& out) {
  if (entry == nullptr) return absl::OkStatus();
  out.resize(entry->bytes / sizeof(T));
  return file.ReadBytes(*entry, {reinterpret_cast<std::byte*>(out.data()), entry->bytes});
}

template <typename T>
absl::Span<const std::byte> BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)};
}

// An entry of the file to write.
struct Piece {
  base::DType dtype = base::DType::kF32;
  base::Shape shape;
  absl::Span<const std::byte> bytes;
};
using Pieces = std::map<std::string, Piece>;

void AddQuantized(const std::string& name, const QuantizedTensor& tensor, Pieces& pieces) {
  const quant::TensorOptions& options = tensor.options;
  const quant::RowLayout layout = quant::MakeRowLayout(tensor.shape, options.axis, options.groups);
  if (options.scheme == Scheme::kUniform) {
    pieces[name] = {base::DType::kI8, tensor.shape, BytesOf(tensor.codes)};
  } else {
    const int64_t row_bytes = quant::RowBytes(layout.row_elements, options.bits);
    pieces[name] = {base::DType::kU8, {layout.rows, row_bytes}, BytesOf(tensor.codes)};
    pieces[Suffixed(name, kExponentSuffix)] = {base::DType::kI16,
                                               {static_cast<int64_t>(tensor.exponents.size())},
                                               BytesOf(tensor.exponents)};
  }
  // An 8-bit uniform tensor always has its scale, even one without rows.
  if (!tensor.scales.empty() || options.scheme == Scheme::kUniform) {
    pieces[Suffixed(name, kScaleSuffix)] = {
        base::DType::kF32, {static_cast<int64_t>(tensor.scales.size())}, BytesOf(tensor.scales)};
  }
  if (!tensor.bias.empty()) {
    pieces[Suffixed(name, kBiasSuffix)] = {
        base::DType::kF32, {static_cast<int64_t>(tensor.bias.size())}, BytesOf(tensor.bias)};
  }
}

absl::Status WritePieces(base::ByteSink& sink, const Pieces& pieces,
                         const std::map<std::string, std::string>& metadata) {
  std::vector<SafetensorsWriter::Declared> declared;
  declared.reserve(pieces.size());
  for (const auto& [name, piece] : pieces) declared.push_back({name, piece.dtype, piece.shape});
  LBW_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                       SafetensorsWriter::Start(sink, std::move(declared), metadata));
  for (const auto& [name, piece] : pieces) LBW_RETURN_IF_ERROR(writer.Append(name, piece.bytes));
  return writer.Finish();
}

// Checks the format's own keys; true for a packed file.
absl::StatusOr<bool> CheckFormat(const std::map<std::string, std::string>& metadata) {
  const auto format = metadata.find(std::string(kFormatKey));
  if (format != metadata.end()) {
    if (format->second == kFormatVersion) return true;
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
        base::StrCat("lbw.format must be ", kFormatVersion, ": ", Quoted(format->second)));
  }
  const auto stray = std::find_if(metadata.begin(), metadata.end(),
                                  [](const auto& entry) { return IsFormatKey(entry.first); });
  if (stray == metadata.end()) return false;
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                     base::StrCat("metadata ", Quoted(stray->first), " without lbw.format"));
}

// The logical tensor that an entry of a packed file stands for, where it stands for one by itself.
absl::StatusOr<LogicalTensor> MakeLogical(const SafetensorsFile& file, const TensorEntry& entry,
                                          const ReadLimits& limits) {
  const auto described = file.metadata().find(base::StrCat(kTensorKeyPrefix, entry.name));
  if (described == file.metadata().end()) {
    return LogicalTensor{.name = entry.name,
                         .quantized = false,
                         .dtype = entry.dtype,
                         .shape = entry.shape,
                         .stored_bytes = entry.bytes,
                         .options = {}};
  }
  absl::StatusOr<PackedMetadata> metadata = PackedMetadataFromJson(described->second, limits);
  if (!metadata.ok()) {
    return base::WithContext(metadata.status(),
                             base::StrCat("metadata of tensor ", Quoted(entry.name)));
  }
  const Parts parts = FindParts(file, entry.name);
  LBW_RETURN_IF_ERROR(CheckParts(entry.name, parts, *metadata));
  return LogicalTensor{.name = entry.name,
                       .quantized = true,
                       .dtype = metadata->source_dtype,
                       .shape = metadata->shape,
                       .stored_bytes = parts.bytes(),
                       .options = metadata->options};
}

}  // namespace

bool HasReservedSuffix(std::string_view name) {
  return std::any_of(kSuffixes.begin(), kSuffixes.end(), [&](std::string_view suffix) {
    return name.size() >= suffix.size() && name.substr(name.size() - suffix.size()) == suffix;
  });
}

absl::StatusOr<PackedFile> PackedFile::Open(const base::RandomAccessReader& reader,
                                            const ReadLimits& limits) {
  PackedFile packed;
  LBW_ASSIGN_OR_RETURN(packed.file_, SafetensorsFile::Open(reader, limits));
  const SafetensorsFile& file = packed.file_;
  LBW_ASSIGN_OR_RETURN(packed.is_packed_, CheckFormat(file.metadata()));
  for (const auto& [key, value] : file.metadata()) {
    if (!IsFormatKey(key)) packed.metadata_.emplace(key, value);
    const std::string_view name =
        std::string_view(key).substr(std::min(key.size(), kTensorKeyPrefix.size()));
    if (!packed.is_packed_ || !IsFormatKey(key) || key == kFormatKey) continue;
    if (file.Find(name) == nullptr) {
      return BadFile(name, "its metadata is there, its codes are not");
    }
    if (HasReservedSuffix(name)) {
      return BadFile(name, "a quantized tensor's name may not end in a reserved suffix");
    }
  }
  for (const TensorEntry& entry : file.tensors()) {
    if (packed.is_packed_ && HasReservedSuffix(entry.name)) {
      const std::string_view owner = OwnerOf(entry.name);
      if (file.metadata().count(base::StrCat(kTensorKeyPrefix, owner)) != 0) continue;
      return BadFile(entry.name,
                     base::StrCat("belongs to ", Quoted(owner), ", which is not quantized"));
    }
    LBW_ASSIGN_OR_RETURN(LogicalTensor logical, MakeLogical(file, entry, limits));
    packed.tensors_.push_back(std::move(logical));
  }
  return packed;
}

const LogicalTensor* PackedFile::Find(std::string_view name) const {
  const auto at = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const LogicalTensor& tensor, std::string_view n) { return tensor.name < n; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

absl::StatusOr<AnyTensor> PackedFile::Read(const LogicalTensor& tensor) const {
  if (tensor.quantized) {
    LBW_ASSIGN_OR_RETURN(QuantizedTensor quantized, ReadQuantized(tensor));
    return AnyTensor(std::move(quantized));
  }
  const TensorEntry* entry = file_.Find(tensor.name);
  LBW_CHECK(entry != nullptr);
  LBW_ASSIGN_OR_RETURN(base::Tensor plain, file_.Read(*entry));
  return AnyTensor(std::move(plain));
}

absl::StatusOr<QuantizedTensor> PackedFile::ReadQuantized(const LogicalTensor& tensor) const {
  const Parts parts = FindParts(file_, tensor.name);
  LBW_CHECK(parts.codes != nullptr);
  QuantizedTensor quantized;
  quantized.shape = tensor.shape;
  quantized.options = tensor.options;
  quantized.source_dtype = tensor.dtype;
  LBW_RETURN_IF_ERROR(ReadInto(file_, parts.codes, quantized.codes));
  LBW_RETURN_IF_ERROR(ReadInto(file_, parts.exponent, quantized.exponents));
  LBW_RETURN_IF_ERROR(ReadInto(file_, parts.scale, quantized.scales));
  LBW_RETURN_IF_ERROR(ReadInto(file_, parts.bias, quantized.bias));
  if (const absl::Status status = quant::Validate(quantized); !status.ok()) {
    return base::WithContext(status, base::StrCat("tensor ", Quoted(tensor.name)));
  }
  return quantized;
}

absl::Status WritePacked(base::ByteSink& sink,
                         const std::map<std::string, const AnyTensor*>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::string> all_metadata = metadata;
  for (const auto& [key, value] : metadata) {
    if (IsFormatKey(key))
      return BadArgument(base::StrCat("metadata key is reserved: ", Quoted(key)));
  }
  Pieces pieces;
  for (const auto& [name, tensor] : tensors) {
    if (HasReservedSuffix(name)) {
      return BadArgument(base::StrCat("tensor name ends in a reserved suffix (", kExponentSuffix,
                                      ", ", kScaleSuffix, ", ", kBiasSuffix, "): ", Quoted(name)));
    }
    if (const auto* plain = std::get_if<base::Tensor>(tensor)) {
      pieces[name] = {plain->dtype(), plain->shape(), plain->bytes()};
      continue;
    }
    const auto& quantized = std::get<QuantizedTensor>(*tensor);
    if (const absl::Status status = quant::Validate(quantized); !status.ok()) {
      return base::WithContext(status, base::StrCat("tensor ", Quoted(name)));
    }
    AddQuantized(name, quantized, pieces);
    all_metadata[std::string(kFormatKey)] = kFormatVersion;
    all_metadata[base::StrCat(kTensorKeyPrefix, name)] =
        PackedMetadataToJson({quantized.shape, quantized.options, quantized.source_dtype});
  }
  return WritePieces(sink, pieces, all_metadata);
}

}  // namespace lbw::tensorfile
