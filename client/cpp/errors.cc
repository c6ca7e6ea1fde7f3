#include "client/cpp/errors.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/format.h"
#include "google/rpc/error_details.pb.h"

namespace lbw::client {
namespace {

constexpr char kPayload[] = "type.googleapis.com/google.rpc.Status";

void ReadDetail(const google::protobuf::Any& any, CallDetails& details) {
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad_request;
  google::rpc::RetryInfo retry;
  if (any.UnpackTo(&info)) {
    details.reason = info.reason();
    details.metadata.assign(info.metadata().begin(), info.metadata().end());
    std::sort(details.metadata.begin(), details.metadata.end());
  } else if (any.UnpackTo(&bad_request)) {
    for (const auto& violation : bad_request.field_violations()) {
      details.violations.push_back({violation.field(), violation.description()});
    }
  } else if (any.UnpackTo(&retry)) {
    details.retry_after = absl::Seconds(retry.retry_delay().seconds()) +
                          absl::Nanoseconds(retry.retry_delay().nanos());
  }
}

absl::Status WithPayload(int code, const std::string& message, const std::string& details) {
  // gRPC's codes are abseil's; a number outside is UNKNOWN, as gRPC's guide has it.
  const bool is_known = code > 0 && code <= 16;
  absl::Status status(is_known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown,
                      message);
  if (!details.empty()) status.SetPayload(kPayload, absl::Cord(details));
  return status;
}

bool HasText(const absl::Status& status, const char* part) {
  return absl::StrContains(status.message(), part);
}

// What gRPC itself says where a connection breaks in the middle of a call.
bool IsBrokenConnection(const absl::Status& status) {
  if (status.code() != absl::StatusCode::kInternal && status.code() != absl::StatusCode::kUnknown) {
    return false;
  }
  return HasText(status, "RST_STREAM") || HasText(status, "Stream removed") ||
         HasText(status, "Connection reset") || HasText(status, "Broken pipe") ||
         HasText(status, "Socket closed");
}

void AddHints(const absl::Status& status, const CallDetails& details, std::string_view server,
              std::vector<std::string>& lines) {
  const absl::StatusCode code = status.code();
  if (code == absl::StatusCode::kUnavailable && details.reason.empty()) {
    lines.push_back(
        base::StrCat("is lbw-server running at ", server, "? start it with: lbw-server serve"));
    lines.push_back("another address: --server HOST:PORT or LBW_SERVER");
  } else if (details.reason == base::reason::kModelNotLoaded.text) {
    lines.push_back("the server loads models only when told to; see its --load option");
  } else if (code == absl::StatusCode::kUnauthenticated) {
    lines.push_back("give the server's token with --token-file FILE");
  } else if (code == absl::StatusCode::kDeadlineExceeded) {
    lines.push_back("give it longer with --timeout SECONDS");
  } else if (code == absl::StatusCode::kUnimplemented && details.reason.empty()) {
    lines.push_back(
        base::StrCat("the server at ", server, " does not know this call; is it another version?"));
  }
}

}  // namespace

std::string CallDetails::Get(std::string_view key) const {
  for (const auto& entry : metadata) {
    if (entry.first == key) return entry.second;
  }
  return "";
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return WithPayload(status.error_code(), status.error_message(), status.error_details());
}

absl::Status FromRpcStatus(const google::rpc::Status& status) {
  if (status.code() == 0) return absl::OkStatus();
  return WithPayload(status.code(), status.message(), status.SerializeAsString());
}

CallDetails GetCallDetails(const absl::Status& status) {
  CallDetails details;
  if (const auto payload = status.GetPayload(kPayload); payload.has_value()) {
    google::rpc::Status rpc_status;
    if (rpc_status.ParseFromString(std::string(*payload))) {
      for (const auto& any : rpc_status.details()) ReadDetail(any, details);
    }
    return details;
  }
  base::ErrorDetails local = base::GetErrorDetails(status);
  details.reason = std::move(local.reason);
  details.metadata = std::move(local.metadata);
  for (std::string& field : local.fields) details.violations.push_back({std::move(field), ""});
  if (local.retry_after_ms) details.retry_after = absl::Milliseconds(*local.retry_after_ms);
  return details;
}

bool IsPassing(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return GetCallDetails(status).reason != base::reason::kModelNotLoaded.text;
    case absl::StatusCode::kResourceExhausted:
      return GetCallDetails(status).retry_after.has_value();
    default:
      return IsBrokenConnection(status);
  }
}

std::string RenderError(const absl::Status& status, std::string_view server) {
  const CallDetails details = GetCallDetails(status);
  std::vector<std::string> lines;
  for (const FieldViolation& violation : details.violations) {
    // A description that only repeats the message says nothing new.
    const bool is_new =
        !violation.description.empty() && violation.description != base::Std(status.message());
    lines.push_back(is_new ? base::StrCat("field ", violation.field, ": ", violation.description)
                           : base::StrCat("field ", violation.field));
  }
  if (details.retry_after) {
    lines.push_back(base::StrCat("try again in ", HumanDuration(*details.retry_after)));
  }
  AddHints(status, details, server, lines);
  std::string text = base::StrCat(absl::StatusCodeToString(status.code()), ": ",
                                  Printable(base::Std(status.message())), "\n");
  for (const std::string& line : lines) base::StrAppend(&text, "  ", Printable(line), "\n");
  return text;
}

}  // namespace lbw::client
