// A message of the API out of a file that a person wrote: YAML or JSON with the proto's field
// names. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_MESSAGE_FILE_H_
#define LBW_CLIENT_MESSAGE_FILE_H_

#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace lbw::client {

// Sets what the text says; what it leaves out stays as it is in `message`. A null is left out.
// Values of enums are the proto's (RATE_SCHEDULE_COSINE) or their last words in either case
// (cosine). A list may be a single value. source: the file's name, for messages.
// Errors: kInvalidArgument, BAD_SPEC - not YAML, over 1 MiB, an unknown or repeated key, a value of
// another type or out of its type's range; the message names source, line and key, and says what is
// allowed. `message` is then half filled.
absl::Status ReadMessage(std::string_view text, std::string_view source,
                         google::protobuf::Message& message);

}  // namespace lbw::client

#endif  // LBW_CLIENT_MESSAGE_FILE_H_
