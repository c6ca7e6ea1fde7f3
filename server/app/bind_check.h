// Tells why a server could not listen, before it tries: the libraries that listen do not say.
#ifndef LBW_APP_BIND_CHECK_H_
#define LBW_APP_BIND_CHECK_H_

#include <string_view>

#include "absl/status/status.h"
#include "config/values.h"

namespace lbw::app {

// key: the configuration key that holds the address, for the message.
// Errors: kFailedPrecondition, IN_USE - somebody listens there; kInvalidArgument, BAD_ARGUMENT - no
// such host, or not an address of this machine; kInternal - anything else.
absl::Status CheckBindable(const config::Address& address, std::string_view key);

}  // namespace lbw::app

#endif  // LBW_APP_BIND_CHECK_H_
