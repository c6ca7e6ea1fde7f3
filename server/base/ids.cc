#include "base/ids.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/status.h"

namespace lbw::base {
namespace {

constexpr std::string_view kCrockford = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr size_t kIdLength = 26;

void FillRandom(unsigned char* out, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::getrandom(out + done, size - done, 0);
    if (got < 0 && errno == EINTR) continue;
    LBW_CHECK(got > 0);
    done += static_cast<size_t>(got);
  }
}

bool IsId(std::string_view text) {
  // 26 digits hold 130 bits, an id has 128: the first digit is at most 7.
  return text.size() == kIdLength && text.front() <= '7' &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return kCrockford.find(c) != std::string_view::npos; });
}

// What was given, fit for a message: escaped and not longer than a line.
std::string Quoted(std::string_view given) {
  constexpr size_t kMost = 100;
  if (given.size() <= kMost) return StrCat("\"", absl::CHexEscape(Absl(given)), "\"");
  return StrCat("\"", absl::CHexEscape(Absl(given.substr(0, kMost))), "...\" (", given.size(),
                " bytes)");
}

Error BadName(std::string_view field, std::string_view expected, std::string_view given) {
  Error error(absl::StatusCode::kInvalidArgument, reason::kBadName,
              StrCat(field, " must be ", expected, ": got ", Quoted(given)));
  error.Field(field);
  return error;
}

std::optional<int64_t> ParseVersionNumber(std::string_view text) {
  if (text.empty() || text.front() == '0' || text.size() > 19) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  int64_t number = 0;
  if (!absl::SimpleAtoi(Absl(text), &number)) return std::nullopt;
  return number;
}

}  // namespace

std::string NewId() {
  std::array<unsigned char, 16> bits{};  // big-endian: 6 bytes of milliseconds, 10 random
  const auto now_ms = static_cast<uint64_t>(absl::ToUnixMillis(RealClock().Now()));
  for (unsigned i = 0; i < 6; ++i) bits[i] = static_cast<unsigned char>(now_ms >> (8 * (5 - i)));
  FillRandom(bits.data() + 6, bits.size() - 6);
  std::string id;
  id.reserve(kIdLength);
  unsigned buffer = 0;
  unsigned available = 2;  // two zero bits in front make 130
  for (const unsigned char byte : bits) {
    buffer = (buffer << 8) | byte;
    available += 8;
    while (available >= 5) {
      available -= 5;
      id.push_back(kCrockford[(buffer >> available) & 31u]);
    }
    buffer &= (1u << available) - 1u;
  }
  return id;
}

bool IsValidName(std::string_view name) {
  constexpr size_t kMost = 63;
  if (name.empty() || name.size() > kMost) return false;
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return alphanumeric(name.front()) && std::all_of(name.begin(), name.end(), [&](char c) {
           return alphanumeric(c) || c == '_' || c == '.' || c == '-';
         });
}

absl::StatusOr<ModelRef> ParseModelRef(std::string_view name, std::string_view field) {
  constexpr std::string_view kExpected =
      "\"models/{model}\", \"models/{model}/versions/{n}\" or \"models/{model}/aliases/{alias}\" "
      "with names "
      "[a-z0-9]([a-z0-9_.-]{0,62}) and n from 1";
  constexpr size_t kLongest = 256;
  if (name.size() > kLongest) return BadName(field, kExpected, name);
  const std::vector<std::string> parts = absl::StrSplit(Absl(name), '/');
  const bool shape = parts.size() == 2 || parts.size() == 4;
  if (!shape || parts[0] != "models" || !IsValidName(parts[1]))
    return BadName(field, kExpected, name);
  ModelRef ref;
  ref.model = parts[1];
  if (parts.size() == 2) return ref;
  if (parts[2] == "versions") {
    ref.version = ParseVersionNumber(parts[3]);
    if (ref.version) return ref;
  } else if (parts[2] == "aliases" && IsValidName(parts[3])) {
    ref.alias = parts[3];
    return ref;
  }
  return BadName(field, kExpected, name);
}

absl::StatusOr<std::string> ParseUploadName(std::string_view name, std::string_view field) {
  constexpr std::string_view kPrefix = "uploads/";
  if (name.substr(0, kPrefix.size()) == kPrefix && IsId(name.substr(kPrefix.size()))) {
    return std::string(name.substr(kPrefix.size()));
  }
  return BadName(field, "\"uploads/{id}\" with the id that CreateUpload answered", name);
}

absl::StatusOr<std::string> ParseArtifactName(std::string_view name, std::string_view field) {
  constexpr std::string_view kPrefix = "artifacts/";
  if (name.substr(0, kPrefix.size()) == kPrefix && IsSha256Hex(name.substr(kPrefix.size()))) {
    return std::string(name.substr(kPrefix.size()));
  }
  return BadName(field, "\"artifacts/{sha256}\" with 64 lower-case hexadecimal digits", name);
}

absl::StatusOr<std::string> ParseDatasetName(std::string_view name, std::string_view field) {
  constexpr std::string_view kPrefix = "datasets/";
  if (name.substr(0, kPrefix.size()) == kPrefix && IsValidName(name.substr(kPrefix.size()))) {
    return std::string(name.substr(kPrefix.size()));
  }
  return BadName(field, "\"datasets/{dataset}\" with a name [a-z0-9]([a-z0-9_.-]{0,62})", name);
}

absl::StatusOr<std::string> ParseJobName(std::string_view name, std::string_view field) {
  constexpr std::string_view kPrefix = "jobs/";
  if (name.substr(0, kPrefix.size()) == kPrefix && IsId(name.substr(kPrefix.size()))) {
    return std::string(name.substr(kPrefix.size()));
  }
  return BadName(field, "\"jobs/{id}\" with the id that CreateJob answered", name);
}

absl::StatusOr<std::string> ParseEvaluationName(std::string_view name, std::string_view field) {
  constexpr std::string_view kPrefix = "evaluations/";
  if (name.substr(0, kPrefix.size()) == kPrefix && IsId(name.substr(kPrefix.size()))) {
    return std::string(name.substr(kPrefix.size()));
  }
  return BadName(field, "\"evaluations/{id}\" with the id of the job that made it", name);
}

std::string ModelName(std::string_view model) { return StrCat("models/", model); }
std::string VersionName(std::string_view model, int64_t version) {
  return StrCat("models/", model, "/versions/", version);
}
std::string AliasName(std::string_view model, std::string_view alias) {
  return StrCat("models/", model, "/aliases/", alias);
}
std::string UploadName(std::string_view id) { return StrCat("uploads/", id); }
std::string ArtifactName(std::string_view sha256) { return StrCat("artifacts/", sha256); }
std::string DatasetName(std::string_view dataset) { return StrCat("datasets/", dataset); }
std::string JobName(std::string_view id) { return StrCat("jobs/", id); }
std::string EvaluationName(std::string_view id) { return StrCat("evaluations/", id); }

}  // namespace lbw::base
