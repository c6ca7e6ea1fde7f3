// What lists that answer in pages share. Threads: pure.
#ifndef LBW_STORE_PAGING_H_
#define LBW_STORE_PAGING_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/status.h"

namespace lbw::store {

// page_size as asked: at most 1000, 100 where it is not positive.
int PageLimit(int page_size);

// What the rows of one page may hold together, so that a list never reads more, whatever its rows
// are: a row is read after the other until one does not fit, and the page ends before it.
class PageRoom {
 public:
  explicit PageRoom(size_t most_bytes) : left_(most_bytes) {}
  // False: it does not fit behind those before it. The first always fits.
  bool Takes(size_t bytes);

 private:
  size_t left_;
  bool empty_ = true;
};
inline constexpr size_t kMostPageBytes = size_t{16} << 20;

// kInvalidArgument, BAD_ARGUMENT, field "page_token".
base::Error BadPageToken();

// Where a page of a list begins that shows the newest first, and of those of one time the highest
// id: behind this place. The default is before everything.
struct TimePlace {
  int64_t create_us = std::numeric_limits<int64_t>::max();
  std::string id;
};
// The token of the page behind a page's last row.
std::string PageTokenBehind(absl::Time create_time, std::string_view id);
// Errors: BadPageToken where the token is neither empty nor one of PageTokenBehind.
absl::StatusOr<TimePlace> ParsePageToken(std::string_view token);

}  // namespace lbw::store

#endif  // LBW_STORE_PAGING_H_
