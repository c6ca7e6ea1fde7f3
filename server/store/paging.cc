#include "store/paging.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "base/strings.h"

namespace lbw::store {

int PageLimit(int page_size) {
  constexpr int kDefaultPage = 100;
  constexpr int kLargestPage = 1000;
  return page_size <= 0 ? kDefaultPage : std::min(page_size, kLargestPage);
}

bool PageRoom::Takes(size_t bytes) {
  if (!empty_ && bytes > left_) return false;
  empty_ = false;
  left_ -= std::min(left_, bytes);
  return true;
}

base::Error BadPageToken() {
  base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                    "page_token must be one that an earlier page answered");
  error.Field("page_token");
  return error;
}

std::string PageTokenBehind(absl::Time create_time, std::string_view id) {
  return base::StrCat(absl::ToUnixMicros(create_time), ".", id);
}

absl::StatusOr<TimePlace> ParsePageToken(std::string_view token) {
  constexpr size_t kLongestToken = 128;
  TimePlace place;
  if (token.empty()) return place;
  const size_t dot = token.find('.');
  if (token.size() > kLongestToken || dot == std::string_view::npos || dot + 1 == token.size() ||
      !absl::SimpleAtoi(base::Absl(token.substr(0, dot)), &place.create_us)) {
    return BadPageToken();
  }
  place.id = std::string(token.substr(dot + 1));
  return place;
}

}  // namespace lbw::store
