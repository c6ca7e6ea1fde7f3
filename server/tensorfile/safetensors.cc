#include "tensorfile/safetensors.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "base/status.h"
#include "base/strings.h"
#include "tensorfile/header_json.h"

namespace lbw::tensorfile {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxWrittenHeader = 100'000'000;

base::Error BadFile(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile, message);
}
base::Error BadArgument(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

uint64_t LoadLittleEndian(absl::Span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    value |= static_cast<uint64_t>(std::to_integer<uint8_t>(bytes[i])) << (8 * i);
  }
  return value;
}

absl::StatusOr<std::string> ReadHeaderText(const base::RandomAccessReader& reader,
                                           const ReadLimits& limits) {
  if (reader.size() < kLengthBytes) {
    return BadFile(
        base::StrCat("not a safetensors file: ", reader.size(), " bytes, at least 8 expected"));
  }
  std::array<std::byte, kLengthBytes> prefix;
  LBW_RETURN_IF_ERROR(reader.ReadAt(0, absl::MakeSpan(prefix)));
  const uint64_t length = LoadLittleEndian(prefix);
  if (length > limits.max_header_bytes) {
    return BadFile(
        base::StrCat("header may have at most ", limits.max_header_bytes, " bytes: ", length));
  }
  if (length > reader.size() - kLengthBytes) {
    return BadFile(base::StrCat("header of ", length, " bytes is longer than the file of ",
                                reader.size(), " bytes"));
  }
  std::string text(length, '\0');
  LBW_RETURN_IF_ERROR(reader.ReadAt(
      kLengthBytes, absl::MakeSpan(reinterpret_cast<std::byte*>(text.data()), text.size())));
  return text;
}

// Bytes that the shape asks for; nullopt on overflow. A zero dimension makes it 0 whatever the
// others are.
std::optional<uint64_t> BytesOf(const base::Shape& shape, base::DType dtype) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::optional<uint64_t> bytes = base::SizeOf(dtype);
  for (const int64_t dimension : shape) {
    bytes = base::CheckedMul(*bytes, static_cast<uint64_t>(dimension));
    if (!bytes) return std::nullopt;
  }
  return bytes;
}

absl::Status CheckTensor(const HeaderTensor& tensor, const ReadLimits& limits) {
  const std::optional<uint64_t> bytes = BytesOf(tensor.shape, tensor.dtype);
  if (!bytes) {
    return BadFile(base::StrCat("tensor ", Quoted(tensor.name), ": the product of shape ",
                                base::ShapeToString(tensor.shape), " overflows"));
  }
  const auto stored = static_cast<uint64_t>(tensor.end - tensor.begin);
  if (*bytes != stored) {
    return BadFile(base::StrCat("tensor ", Quoted(tensor.name), ": shape ",
                                base::ShapeToString(tensor.shape), " of ", base::Name(tensor.dtype),
                                " needs ", *bytes, " bytes, data_offsets have ", stored));
  }
  if (const auto count = base::CheckedElementCount(tensor.shape, limits.max_tensor_elements);
      !count.ok()) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
        base::StrCat("tensor ", Quoted(tensor.name), ": ", std::string(count.status().message())));
  }
  return absl::OkStatus();
}

// Sorted by offset, the tensors must fill the data without gap or overlap.
absl::Status CheckTiling(std::vector<HeaderTensor>& tensors, uint64_t data_bytes) {
  std::sort(tensors.begin(), tensors.end(), [](const HeaderTensor& a, const HeaderTensor& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  int64_t at = 0;
  for (const HeaderTensor& tensor : tensors) {
    if (tensor.begin != at) {
      return BadFile(
          base::StrCat("tensor ", Quoted(tensor.name),
                       tensor.begin < at ? " overlaps the one before" : " leaves a hole before it",
                       ": data_offsets start at ", tensor.begin, ", expected ", at));
    }
    at = tensor.end;
  }
  if (static_cast<uint64_t>(at) == data_bytes) return absl::OkStatus();
  return BadFile(
      base::StrCat("tensors fill ", at, " bytes, the file has ", data_bytes, " bytes of data"));
}

std::string HeaderEntry(const std::string& name, const SafetensorsWriter::Declared& tensor,
                        uint64_t begin, uint64_t end) {
  std::string shape;
  for (const int64_t dimension : tensor.shape) {
    base::StrAppend(&shape, shape.empty() ? "" : ",", dimension);
  }
  return base::StrCat(name, ":{\"dtype\":\"", base::Name(tensor.dtype), "\",\"shape\":[", shape,
                      "],\"data_offsets\":[", begin, ",", end, "]}");
}

absl::StatusOr<std::string> MetadataEntry(const std::map<std::string, std::string>& metadata) {
  std::string text = "\"__metadata__\":{";
  bool first = true;
  for (const auto& [key, value] : metadata) {
    LBW_ASSIGN_OR_RETURN(const std::string key_json, JsonString(key));
    LBW_ASSIGN_OR_RETURN(const std::string value_json, JsonString(value));
    base::StrAppend(&text, first ? "" : ",", key_json, ":", value_json);
    first = false;
  }
  return text + "}";
}

absl::StatusOr<std::string> HeaderText(const std::vector<SafetensorsWriter::Declared>& tensors,
                                       const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    LBW_ASSIGN_OR_RETURN(const std::string entry, MetadataEntry(metadata));
    text += entry;
  }
  uint64_t offset = 0;
  for (const SafetensorsWriter::Declared& tensor : tensors) {
    LBW_ASSIGN_OR_RETURN(const std::string name, JsonString(tensor.name));
    const bool negative =
        std::any_of(tensor.shape.begin(), tensor.shape.end(), [](int64_t d) { return d < 0; });
    const std::optional<uint64_t> bytes =
        negative ? std::nullopt : BytesOf(tensor.shape, tensor.dtype);
    const std::optional<uint64_t> end = bytes ? base::CheckedAdd(offset, *bytes) : std::nullopt;
    if (!end || *end > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return BadArgument(base::StrCat("tensor ", Quoted(tensor.name), ": shape ",
                                      base::ShapeToString(tensor.shape),
                                      " is negative or too large"));
    }
    base::StrAppend(&text, text.size() == 1 ? "" : ",", HeaderEntry(name, tensor, offset, *end));
    offset = *end;
    if (text.size() > kMaxWrittenHeader) break;
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kMaxWrittenHeader) {
    return BadArgument(base::StrCat("header may have at most ", kMaxWrittenHeader, " bytes"));
  }
  return text;
}

}  // namespace

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const base::RandomAccessReader& reader,
                                                      const ReadLimits& limits) {
  LBW_ASSIGN_OR_RETURN(const std::string text, ReadHeaderText(reader, limits));
  LBW_ASSIGN_OR_RETURN(Header header, ParseHeader(text, limits));
  for (const HeaderTensor& tensor : header.tensors)
    LBW_RETURN_IF_ERROR(CheckTensor(tensor, limits));
  const uint64_t data_start = kLengthBytes + text.size();
  LBW_RETURN_IF_ERROR(CheckTiling(header.tensors, reader.size() - data_start));

  SafetensorsFile file;
  file.reader_ = &reader;
  file.metadata_ = std::move(header.metadata);
  file.tensors_.reserve(header.tensors.size());
  for (HeaderTensor& tensor : header.tensors) {
    file.tensors_.push_back({.name = std::move(tensor.name),
                             .dtype = tensor.dtype,
                             .shape = std::move(tensor.shape),
                             .offset = data_start + static_cast<uint64_t>(tensor.begin),
                             .bytes = static_cast<uint64_t>(tensor.end - tensor.begin)});
  }
  std::sort(file.tensors_.begin(), file.tensors_.end(),
            [](const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(
      file.tensors_.begin(), file.tensors_.end(),
      [](const TensorEntry& a, const TensorEntry& b) { return a.name == b.name; });
  if (twice != file.tensors_.end()) {
    return BadFile(base::StrCat("tensor ", Quoted(twice->name), " stands twice in the header"));
  }
  return file;
}

const TensorEntry* SafetensorsFile::Find(std::string_view name) const {
  const auto at =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const TensorEntry& entry, std::string_view n) { return entry.name < n; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

absl::StatusOr<base::Tensor> SafetensorsFile::Read(const TensorEntry& entry) const {
  base::Tensor tensor(entry.dtype, entry.shape);
  LBW_RETURN_IF_ERROR(ReadBytes(entry, tensor.mutable_bytes()));
  return tensor;
}

absl::Status SafetensorsFile::ReadBytes(const TensorEntry& entry, absl::Span<std::byte> out) const {
  LBW_CHECK(reader_ != nullptr && out.size() == entry.bytes);
  if (out.empty()) return absl::OkStatus();
  const absl::Status status = reader_->ReadAt(entry.offset, out);
  return status.ok() ? status
                     : base::WithContext(status, base::StrCat("tensor ", Quoted(entry.name)));
}

bool LooksLikeSafetensors(absl::Span<const std::byte> first_bytes) {
  if (first_bytes.size() <= kLengthBytes) return false;
  // A length that cannot be is left to Open, which says what is wrong with it.
  if (LoadLittleEndian(first_bytes) < 2) return false;
  for (const std::byte byte : first_bytes.subspan(kLengthBytes)) {
    const char character = static_cast<char>(byte);
    if (character == '{') return true;
    if (character != ' ' && character != '\t' && character != '\r' && character != '\n')
      return false;
  }
  return false;
}

absl::StatusOr<SafetensorsWriter> SafetensorsWriter::Start(
    base::ByteSink& sink, std::vector<Declared> tensors,
    const std::map<std::string, std::string>& metadata) {
  std::sort(tensors.begin(), tensors.end(),
            [](const Declared& a, const Declared& b) { return a.name < b.name; });
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name == "__metadata__")
      return BadArgument("a tensor may not be called __metadata__");
    if (i > 0 && tensors[i].name == tensors[i - 1].name) {
      return BadArgument(base::StrCat("tensor ", Quoted(tensors[i].name), " is given twice"));
    }
  }
  LBW_ASSIGN_OR_RETURN(const std::string text, HeaderText(tensors, metadata));
  std::string prefix(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i)
    prefix[i] = static_cast<char>((text.size() >> (8 * i)) & 0xff);
  LBW_RETURN_IF_ERROR(sink.Append(base::AsBytes(prefix)));
  LBW_RETURN_IF_ERROR(sink.Append(base::AsBytes(text)));
  SafetensorsWriter writer;
  writer.sink_ = &sink;
  writer.order_ = std::move(tensors);
  return writer;
}

absl::Status SafetensorsWriter::Append(std::string_view name, absl::Span<const std::byte> bytes) {
  const auto wrong = [](const std::string& message) -> absl::Status {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kInternal, message);
  };
  if (next_ >= order_.size())
    return wrong(base::StrCat("no tensor is left to write: ", Quoted(name)));
  const Declared& expected = order_[next_];
  if (name != expected.name) {
    return wrong(base::StrCat("next tensor is ", Quoted(expected.name), ": got ", Quoted(name)));
  }
  const std::optional<uint64_t> size = BytesOf(expected.shape, expected.dtype);
  if (bytes.size() != size) {
    return wrong(base::StrCat("tensor ", Quoted(name), " has ", size.value_or(0), " bytes: got ",
                              bytes.size()));
  }
  ++next_;
  return bytes.empty() ? absl::OkStatus() : sink_->Append(bytes);
}

absl::Status SafetensorsWriter::Finish() {
  if (next_ == order_.size()) return absl::OkStatus();
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kInternal,
                     base::StrCat(order_.size() - next_, " tensors are missing, the first is ",
                                  Quoted(order_[next_].name)));
}

}  // namespace lbw::tensorfile
