// The server's errors: gRPC status -> absl::Status that keeps its details, and -> text that a
// person can act on. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_ERRORS_H_
#define LBW_CLIENT_ERRORS_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace lbw::client {

struct FieldViolation {
  std::string field;        // proto path
  std::string description;  // may be empty
};

// The google.rpc details that a client can act on.
struct CallDetails {
  std::string reason;  // google.rpc.ErrorInfo.reason; empty: none
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<FieldViolation> violations;
  std::optional<absl::Duration> retry_after;

  // The metadata's value, or "".
  std::string Get(std::string_view key) const;
};

// Code and message stay; serialized details ride along as a payload.
absl::Status FromGrpc(const grpc::Status& status);
absl::Status FromRpcStatus(const google::rpc::Status& status);
// Everything empty where the status came from nowhere else or its details do not parse. Reads what
// FromGrpc attached and what base::Error attached.
CallDetails GetCallDetails(const absl::Status& status);

// A cause that passes by itself, so that the same call may be sent again: the server is away or
// draining, the connection broke, or it asked to come back later. Not: a model that nobody loads.
bool IsPassing(const absl::Status& status);

// "CODE: message", then what to do about it, each on a line of its own that starts with two spaces.
// server: the address in use, for hints. Ends in a newline.
std::string RenderError(const absl::Status& status, std::string_view server);

}  // namespace lbw::client

#endif  // LBW_CLIENT_ERRORS_H_
