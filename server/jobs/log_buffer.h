// What a job's process wrote to its stdout and stderr, until it is recorded: bounded, and made
// UTF-8. Pure.
#ifndef LBW_JOBS_LOG_BUFFER_H_
#define LBW_JOBS_LOG_BUFFER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace lbw::jobs {

class LogBuffer {
 public:
  // Of the bytes that wait. More is left out of the middle: the beginning and the newest stay.
  static constexpr size_t kMostBytes = size_t{128} << 10;

  void Append(std::string_view bytes);
  bool empty() const { return head_.empty() && tail_.empty(); }
  // Everything that waits as UTF-8 without NUL: other bytes become U+FFFD, and a line tells how
  // many were left out. A character that is cut at the end waits for the rest of it.
  std::string Take();
  // The same with nothing left to wait.
  std::string TakeAll();

 private:
  std::string head_;
  std::string tail_;
  uint64_t dropped_ = 0;
};

// text as UTF-8 without NUL: bytes that are none become U+FFFD.
std::string CleanUtf8(std::string_view text);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_LOG_BUFFER_H_
