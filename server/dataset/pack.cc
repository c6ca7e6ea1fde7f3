#include "dataset/pack.h"

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "base/digest.h"
#include "base/status.h"
#include "dataset/pack_index.h"
#include "dataset/text.h"

namespace lbw::dataset {
namespace {

constexpr std::string_view kMagic = "LBWPACK1";
constexpr uint64_t kHeaderBytes = 24;
constexpr uint64_t kAlignment = 64;
constexpr size_t kCopyBytes = size_t{1} << 20;

absl::Status Bad(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                     base::StrCat("not a pack: ", message));
}

void AppendU64(uint64_t value, std::string& out) {
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(value >> shift & 0xFF);
}

uint64_t U64At(std::string_view bytes, size_t offset) {
  uint64_t value = 0;
  for (size_t i = 8; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[offset + i]);
  return value;
}

absl::StatusOr<std::string> ReadBytes(const base::RandomAccessReader& reader, uint64_t offset,
                                      uint64_t count) {
  std::string bytes(static_cast<size_t>(count), '\0');
  LBW_RETURN_IF_ERROR(reader.ReadAt(
      offset, absl::MakeSpan(reinterpret_cast<std::byte*>(bytes.data()), bytes.size())));
  return bytes;
}

// Where a pack goes to, a piece at a time.
struct Out {
  base::ByteSink& sink;
  Ticker& ticker;
  std::string buffer;
};

absl::Status Append(std::string_view bytes, Out& out) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kCopyBytes);
    LBW_RETURN_IF_ERROR(out.ticker.Bytes(piece.size()));
    LBW_RETURN_IF_ERROR(out.sink.Append(base::AsBytes(piece)));
    bytes.remove_prefix(piece.size());
  }
  return absl::OkStatus();
}

absl::Status Copy(const base::RandomAccessReader& from, const Picture& picture, Out& out) {
  uint64_t offset = picture.offset;
  uint64_t left = picture.size_bytes;
  while (left > 0) {
    const auto count = static_cast<size_t>(std::min<uint64_t>(left, kCopyBytes));
    out.buffer.resize(count);
    LBW_RETURN_IF_ERROR(from.ReadAt(
        offset, absl::MakeSpan(reinterpret_cast<std::byte*>(out.buffer.data()), count)));
    LBW_RETURN_IF_ERROR(Append(out.buffer, out));
    offset += count;
    left -= count;
  }
  return absl::OkStatus();
}

// Where the pictures begin, after the header was believed as far as the file's size allows.
absl::StatusOr<uint64_t> IndexBytes(std::string_view header, uint64_t file_bytes) {
  if (header.substr(0, kMagic.size()) != kMagic) return Bad("it does not begin with LBWPACK1");
  const uint64_t index_bytes = U64At(header, 8);
  if (index_bytes > kMaxIndexBytes + kAlignment) {
    return Bad(base::StrCat("its index is larger than the limit: bytes=", index_bytes,
                            " limit=", kMaxIndexBytes));
  }
  if (index_bytes > file_bytes - kHeaderBytes) {
    return Bad(
        base::StrCat("cut short: the index has ", index_bytes, " bytes, the file ", file_bytes));
  }
  if ((kHeaderBytes + index_bytes) % kAlignment != 0) {
    return Bad(base::StrCat("its index is not padded to ", kAlignment, " bytes"));
  }
  return index_bytes;
}

// Makes offsets the file's. The pictures must fill the file exactly.
absl::Status Place(uint64_t start, uint64_t file_bytes, Dataset& dataset) {
  uint64_t end = start;
  for (Picture& picture : dataset.pictures) {
    const auto next = base::CheckedAdd(end, picture.size_bytes);
    if (!next || *next > file_bytes) {
      return Bad(base::StrCat("cut short: picture '", Shown(picture.name), "' of ",
                              picture.size_bytes, " bytes ends behind the file's ", file_bytes));
    }
    picture.offset = end;
    end = *next;
  }
  if (end == file_bytes) return absl::OkStatus();
  return Bad(base::StrCat(file_bytes - end, " bytes stand behind the last picture"));
}

}  // namespace

absl::Status WritePack(const Dataset& dataset, const base::RandomAccessReader& pictures,
                       base::ByteSink& sink, const Tick& tick) {
  Ticker ticker(tick);
  LBW_ASSIGN_OR_RETURN(std::string index, EncodeIndex(dataset, ticker));
  const uint64_t unpadded = kHeaderBytes + index.size();
  index.append(static_cast<size_t>(base::CeilDiv(unpadded, kAlignment) * kAlignment - unpadded),
               ' ');
  std::string header(kMagic);
  AppendU64(index.size(), header);
  AppendU64(base::Crc32c(base::AsBytes(index)), header);
  Out out{sink, ticker, {}};
  LBW_RETURN_IF_ERROR(Append(header, out));
  LBW_RETURN_IF_ERROR(Append(index, out));
  for (const Picture& picture : dataset.pictures) {
    if (const absl::Status status = Copy(pictures, picture, out); !status.ok()) {
      LBW_RETURN_IF_ERROR(ticker.status());
      return base::WithContext(status, base::StrCat("picture '", Shown(picture.name), "'"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Pack> Pack::Open(std::shared_ptr<const base::RandomAccessReader> reader) {
  const uint64_t file_bytes = reader->size();
  if (file_bytes < kHeaderBytes) {
    return Bad(base::StrCat("cut short: the file has ", file_bytes, " bytes"));
  }
  LBW_ASSIGN_OR_RETURN(const std::string header, ReadBytes(*reader, 0, kHeaderBytes));
  LBW_ASSIGN_OR_RETURN(const uint64_t index_bytes, IndexBytes(header, file_bytes));
  LBW_ASSIGN_OR_RETURN(const std::string index, ReadBytes(*reader, kHeaderBytes, index_bytes));
  if (U64At(header, 16) != base::Crc32c(base::AsBytes(index))) {
    return Bad("the checksum of its index is wrong");
  }
  LBW_ASSIGN_OR_RETURN(Dataset dataset, DecodeIndex(index));
  LBW_RETURN_IF_ERROR(Place(kHeaderBytes + index_bytes, file_bytes, dataset));
  return Pack(std::move(reader), std::move(dataset));
}

absl::StatusOr<std::string> Pack::ReadPicture(size_t index) const {
  LBW_CHECK(index < dataset_.pictures.size());
  const Picture& picture = dataset_.pictures[index];
  return ReadBytes(*reader_, picture.offset, picture.size_bytes);
}

absl::StatusOr<std::vector<size_t>> Pack::PicturesOf(std::string_view split) const {
  std::vector<size_t> result;
  if (split.empty()) {
    result.resize(dataset_.pictures.size());
    for (size_t i = 0; i < result.size(); ++i) result[i] = i;
    return result;
  }
  const auto found = std::find(dataset_.splits.begin(), dataset_.splits.end(), split);
  if (found == dataset_.splits.end()) {
    std::string known;
    for (const std::string& name : dataset_.splits) {
      base::StrAppend(&known, known.empty() ? "" : ", ", Shown(name));
    }
    return base::Error(
               absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
               base::StrCat("the dataset has no split '", Shown(split), "': it has ", known))
        .Field("split");
  }
  const auto wanted = static_cast<int32_t>(found - dataset_.splits.begin());
  for (size_t i = 0; i < dataset_.pictures.size(); ++i) {
    const std::vector<int32_t>& splits = dataset_.pictures[i].splits;
    if (std::binary_search(splits.begin(), splits.end(), wanted)) result.push_back(i);
  }
  return result;
}

std::string Pack::DefaultSplit() const {
  for (const char* name : {"val", "test"}) {
    if (std::find(dataset_.splits.begin(), dataset_.splits.end(), name) != dataset_.splits.end()) {
      return name;
    }
  }
  return "";
}

}  // namespace lbw::dataset
