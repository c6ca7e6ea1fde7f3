// Messages of the API as JSON, the way `--json` and the REST gateway print them. Pure.
#ifndef LBW_CLIENT_JSON_H_
#define LBW_CLIENT_JSON_H_

#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace lbw::client {

// protojson with the proto's field names and zero values printed, indented, a newline at the end.
// Fields with presence (optional, messages, oneofs) that are not set are left out; 64-bit integers
// are strings, bytes base64.
// Errors: kInternal - a message that JSON cannot hold.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);
// The same on one line: what a stream of messages is printed as.
absl::StatusOr<std::string> ToJsonLine(const google::protobuf::Message& message);

}  // namespace lbw::client

#endif  // LBW_CLIENT_JSON_H_
