#include "client/cpp/json.h"

#include "base/status.h"
#include "base/strings.h"
#include "google/protobuf/util/json_util.h"

namespace lbw::client {
namespace {

absl::StatusOr<std::string> Print(const google::protobuf::Message& message,
                                  google::protobuf::util::JsonPrintOptions options) {
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {
    return base::Error(
        absl::StatusCode::kInternal, base::reason::kInternal,
        base::StrCat(message.GetTypeName(), " as JSON: ", std::string(status.message())));
  }
  if (json.empty() || json.back() != '\n') json += '\n';
  return json;
}

}  // namespace

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  return Print(message, options);
}

absl::StatusOr<std::string> ToJsonLine(const google::protobuf::Message& message) {
  return Print(message, {});
}

}  // namespace lbw::client
