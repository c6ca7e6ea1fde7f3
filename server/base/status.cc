#include "base/status.h"

#include <cstdio>
#include <cstdlib>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"

namespace lbw::base {
namespace {

constexpr std::string_view kPayloadUrl = "lbw.base.Error";

// The payload is a row of records: one byte of tag, four bytes of length (little-endian), the
// bytes. A metadata key is followed by its value. It never leaves the process, so it needs no
// version; a payload that does not parse counts as none.
enum Tag : char { kReasonTag = 1, kFieldTag, kRetryTag, kKeyTag, kValueTag };

void AppendRecord(std::string& out, Tag tag, std::string_view bytes) {
  const auto length = static_cast<uint32_t>(bytes.size());
  out.push_back(tag);
  for (unsigned shift = 0; shift < 32; shift += 8) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(length >> shift)));
  }
  out.append(bytes.data(), length);
}

struct Record {
  char tag = 0;
  std::string_view bytes;
};

std::optional<Record> TakeRecord(std::string_view& in) {
  constexpr size_t kHeaderBytes = 5;
  if (in.size() < kHeaderBytes) return std::nullopt;
  uint32_t length = 0;
  for (unsigned i = 0; i < 4; ++i) {
    length |= uint32_t{static_cast<unsigned char>(in[1 + i])} << (8 * i);
  }
  if (in.size() - kHeaderBytes < length) return std::nullopt;
  const Record record{in[0], in.substr(kHeaderBytes, length)};
  in.remove_prefix(kHeaderBytes + length);
  return record;
}

void AddRecords(absl::Status& status, std::string_view records) {
  absl::Cord payload = status.GetPayload(Absl(kPayloadUrl)).value_or(absl::Cord());
  payload.Append(Absl(records));
  status.SetPayload(Absl(kPayloadUrl), std::move(payload));
}

// False when the record makes no sense where it stands.
bool Apply(const Record& record, std::string_view& rest, ErrorDetails& details) {
  switch (record.tag) {
    case kReasonTag:
      details.reason = std::string(record.bytes);
      return true;
    case kFieldTag:
      details.fields.emplace_back(record.bytes);
      return true;
    case kRetryTag: {
      int64_t delay_ms = 0;
      if (!absl::SimpleAtoi(Absl(record.bytes), &delay_ms)) return false;
      details.retry_after_ms = delay_ms;
      return true;
    }
    case kKeyTag: {
      const std::optional<Record> value = TakeRecord(rest);
      if (!value || value->tag != kValueTag) return false;
      details.metadata.emplace_back(record.bytes, value->bytes);
      return true;
    }
    default:
      return false;
  }
}

}  // namespace

Error::Error(absl::StatusCode code, Reason reason, std::string_view message)
    : status_(code, Absl(message)) {
  LBW_CHECK(code != absl::StatusCode::kOk);
  std::string records;
  AppendRecord(records, kReasonTag, reason.text);
  AddRecords(status_, records);
}

Error& Error::Field(std::string_view path) & {
  std::string records;
  AppendRecord(records, kFieldTag, path);
  AddRecords(status_, records);
  return *this;
}

Error&& Error::Field(std::string_view path) && {
  Field(path);  // an lvalue here
  return std::move(*this);
}

Error&& Error::RetryAfterMs(int64_t delay_ms) && {
  std::string records;
  AppendRecord(records, kRetryTag, StrCat(delay_ms));
  AddRecords(status_, records);
  return std::move(*this);
}

Error&& Error::Metadata(std::string_view key, std::string_view value) && {
  std::string records;
  AppendRecord(records, kKeyTag, key);
  AppendRecord(records, kValueTag, value);
  AddRecords(status_, records);
  return std::move(*this);
}

ErrorDetails GetErrorDetails(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(Absl(kPayloadUrl));
  if (!payload) return {};
  const std::string bytes(*payload);
  std::string_view rest = bytes;
  ErrorDetails details;
  while (!rest.empty()) {
    const std::optional<Record> record = TakeRecord(rest);
    if (!record || !Apply(*record, rest, details)) return {};
  }
  return details;
}

absl::Status WithContext(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  absl::Status result(status.code(), StrCat(context, ": ", status.message()));
  status.ForEachPayload([&result](absl::string_view url, const absl::Cord& payload) {
    result.SetPayload(url, payload);
  });
  return result;
}

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::fflush(stderr);
  std::abort();
}

}  // namespace lbw::base
