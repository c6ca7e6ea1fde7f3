#include "support/npy.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/io.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::testing {
namespace {

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(base::StrCat("npy: ", what));
}

// The text between `key` and the next of `ends`, blanks removed; empty where there is none.
std::string_view Between(std::string_view text, std::string_view key, std::string_view ends) {
  const size_t at = text.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + key.size());
  return rest.substr(0, rest.find_first_of(ends));
}

std::optional<base::DType> DTypeOf(std::string_view descr) {
  if (descr == "<f4") return base::DType::kF32;
  if (descr == "<f8") return base::DType::kF64;
  if (descr == "<i4") return base::DType::kI32;
  if (descr == "<i8") return base::DType::kI64;
  if (descr == "|u1") return base::DType::kU8;
  return std::nullopt;
}

}  // namespace

absl::StatusOr<base::Tensor> ParseNpy(std::string_view bytes) {
  if (bytes.size() < 12 || bytes.substr(0, 6) != std::string_view("\x93NUMPY", 6)) {
    return Bad("no magic");
  }
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const bool wide = byte(6) >= 2;
  size_t length = byte(8) | static_cast<size_t>(byte(9)) << 8;
  if (wide) length |= static_cast<size_t>(byte(10)) << 16 | static_cast<size_t>(byte(11)) << 24;
  const size_t start = wide ? 12 : 10;
  if (length > bytes.size() - start) return Bad("header cut short");
  const std::string_view header = bytes.substr(start, length);
  if (header.find("'fortran_order': False") == std::string_view::npos) return Bad("Fortran order");
  const auto dtype = DTypeOf(Between(header, "'descr': '", "'"));
  if (!dtype.has_value()) return Bad("type");
  base::Shape shape;
  for (const absl::string_view part :
       absl::StrSplit(base::Absl(Between(header, "'shape': (", ")")), ',')) {
    const absl::string_view text = absl::StripAsciiWhitespace(part);
    if (text.empty()) continue;
    int64_t size = 0;
    if (!absl::SimpleAtoi(text, &size)) return Bad("shape");
    shape.push_back(size);
  }
  const std::string_view data = bytes.substr(start + length);
  LBW_ASSIGN_OR_RETURN(const int64_t count, base::CheckedElementCount(shape, int64_t{1} << 31));
  if (data.size() != static_cast<size_t>(count) * base::SizeOf(*dtype)) return Bad("data size");
  base::Tensor tensor(*dtype, std::move(shape));
  if (!data.empty()) std::memcpy(tensor.mutable_bytes().data(), data.data(), data.size());
  return tensor;
}

absl::StatusOr<base::Tensor> ReadNpy(const std::string& path) {
  LBW_ASSIGN_OR_RETURN(const auto reader, base::OpenFileReader(path));
  LBW_ASSIGN_OR_RETURN(const std::string bytes, base::ReadAll(*reader, uint64_t{1} << 32));
  return ParseNpy(bytes);
}

}  // namespace lbw::testing
