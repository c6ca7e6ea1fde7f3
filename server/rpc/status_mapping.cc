#include "rpc/status_mapping.h"

#include <algorithm>
#include <array>

#include "base/reason.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "google/rpc/error_details.pb.h"

namespace lbw::rpc {
namespace {

// Trailers carry the message twice: percent-encoded (up to 3 bytes each) and in the details (4/3).
// gRPC's clients drop a call whose trailers exceed 8 KiB and tell RESOURCE_EXHAUSTED instead of
// what was said.
constexpr size_t kMaxMessageBytes = 1024;
constexpr size_t kMaxFields = 4;
constexpr size_t kMaxMetadata = 4;
constexpr size_t kMaxPartBytes = 96;  // a field, its description, a key, a value

std::string_view DefaultReason(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
      return base::reason::kBadArgument.text;
    case absl::StatusCode::kNotFound:
      return base::reason::kNotFound.text;
    case absl::StatusCode::kAlreadyExists:
      return base::reason::kAlreadyExists.text;
    case absl::StatusCode::kCancelled:
      return base::reason::kCancelled.text;
    case absl::StatusCode::kDeadlineExceeded:
      return base::reason::kDeadline.text;
    case absl::StatusCode::kResourceExhausted:
      return base::reason::kOutOfRoom.text;
    case absl::StatusCode::kUnavailable:
      return base::reason::kDraining.text;
    case absl::StatusCode::kDataLoss:
      return base::reason::kDataLoss.text;
    case absl::StatusCode::kUnimplemented:
      return base::reason::kUnimplemented.text;
    default:
      return base::reason::kInternal.text;
  }
}

// At most `most` bytes and a mark; a character of UTF-8 is not cut in two, since a protobuf string
// with half of one is refused by other languages.
std::string Shorten(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  return base::StrCat(base::CutUtf8(text, most), " ...");
}

}  // namespace

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status result;
  result.set_code(static_cast<int>(status.code()));
  if (status.ok()) return result;
  const std::string message = Shorten(base::Std(status.message()), kMaxMessageBytes);
  result.set_message(message);
  const base::ErrorDetails details = base::GetErrorDetails(status);
  google::rpc::ErrorInfo info;
  info.set_domain(std::string(kErrorDomain));
  info.set_reason(details.reason.empty() ? std::string(DefaultReason(status.code()))
                                         : details.reason);
  for (size_t i = 0; i < std::min(details.metadata.size(), kMaxMetadata); ++i) {
    const auto& [key, value] = details.metadata[i];
    (*info.mutable_metadata())[Shorten(key, kMaxPartBytes)] = Shorten(value, kMaxPartBytes);
  }
  result.add_details()->PackFrom(info);
  if (!details.fields.empty()) {
    google::rpc::BadRequest bad;
    for (size_t i = 0; i < std::min(details.fields.size(), kMaxFields); ++i) {
      auto* violation = bad.add_field_violations();
      violation->set_field(Shorten(details.fields[i], kMaxPartBytes));
      violation->set_description(Shorten(message, kMaxPartBytes));
    }
    result.add_details()->PackFrom(bad);
  }
  if (details.retry_after_ms.has_value()) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(*details.retry_after_ms / 1000);
    retry.mutable_retry_delay()->set_nanos(
        static_cast<int32_t>(*details.retry_after_ms % 1000 * 1'000'000));
    result.add_details()->PackFrom(retry);
  }
  return result;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status full = ToRpcStatus(status);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), full.message(),
                      full.SerializeAsString());
}

std::string_view CodeName(grpc::StatusCode code) {
  static constexpr std::array<std::string_view, 17> kNames = {"OK",
                                                              "CANCELLED",
                                                              "UNKNOWN",
                                                              "INVALID_ARGUMENT",
                                                              "DEADLINE_EXCEEDED",
                                                              "NOT_FOUND",
                                                              "ALREADY_EXISTS",
                                                              "PERMISSION_DENIED",
                                                              "RESOURCE_EXHAUSTED",
                                                              "FAILED_PRECONDITION",
                                                              "ABORTED",
                                                              "OUT_OF_RANGE",
                                                              "UNIMPLEMENTED",
                                                              "INTERNAL",
                                                              "UNAVAILABLE",
                                                              "DATA_LOSS",
                                                              "UNAUTHENTICATED"};
  const auto index = static_cast<size_t>(code);
  return index < kNames.size() ? kNames[index] : "UNKNOWN";
}

}  // namespace lbw::rpc
