// What the lists of this room share.
#ifndef LBW_REGISTRY_PAGING_H_
#define LBW_REGISTRY_PAGING_H_

#include <algorithm>

#include "base/status.h"

namespace lbw::registry {

// page_size as asked: at most 1000, 100 where it is not positive.
inline int PageLimit(int page_size) {
  constexpr int kDefaultPage = 100;
  constexpr int kLargestPage = 1000;
  return page_size <= 0 ? kDefaultPage : std::min(page_size, kLargestPage);
}

// kInvalidArgument, BAD_ARGUMENT, field "page_token".
inline base::Error BadToken() {
  base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                    "page_token must be one that an earlier page answered");
  error.Field("page_token");
  return error;
}

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_PAGING_H_
