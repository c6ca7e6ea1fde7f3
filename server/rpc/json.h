// Messages as the JSON that rows keep: protojson with proto field names.
//
// Threads: pure.
#ifndef LBW_RPC_JSON_H_
#define LBW_RPC_JSON_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace lbw::rpc {

// What is set, and nothing else.
std::string ToJson(const google::protobuf::Message& message);
// Zero values too: equal messages of one build are equal texts, whoever filled them in.
std::string ToCanonicalJson(const google::protobuf::Message& message);

// Merges stored text into the message. It is our own, so nothing is refused: fields and enum values
// of a newer server are skipped; text that does not parse is logged and leaves the message as it
// was.
void MergeJson(std::string_view text, google::protobuf::Message* out);

// A client that is newer than this server asks for what it does not know; answering as if it had
// not asked would be a lie. path: where the message stands in the request ("spec").
// Errors: kInvalidArgument, BAD_ARGUMENT - the path and the numbers of the unknown fields, at any
// depth.
absl::Status RefuseUnknownFields(const google::protobuf::Message& message, std::string_view path);

}  // namespace lbw::rpc

#endif  // LBW_RPC_JSON_H_
