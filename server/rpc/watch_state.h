// What a watcher of a job has been told, and what it is told next. Pure.
#ifndef LBW_RPC_WATCH_STATE_H_
#define LBW_RPC_WATCH_STATE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "jobs/job.h"
#include "lbw/v1/job.pb.h"
#include "rpc/convert_job.h"

namespace lbw::rpc {

class WatchState {
 public:
  explicit WatchState(uint64_t after_cursor) : after_cursor_(after_cursor) {}

  struct Limits {
    size_t page = 500;                       // events that were asked for
    size_t message_bytes = size_t{1} << 20;  // of a message's events; one always fits
    JobView view;
  };
  struct Step {
    bool send = false;  // the message holds something
    bool more = false;  // events are left that were there already
    bool last = false;  // the job has ended and everything is told
  };
  // job must have been read before events, or the end could be told without what led to it. events:
  // those behind cursor(), at most limits.page. is_due: the watcher has heard nothing for long.
  Step Next(const jobs::Job& job, absl::Span<const jobs::Event> events, bool is_due,
            const Limits& limits, v1::WatchJobResponse* out);

  // Errors: kOutOfRange, BAD_ARGUMENT, field "after_cursor" - the job has no such cursor yet.
  absl::Status CheckCursor(const jobs::Job& job) const;
  // There is something to tell that was not told.
  bool HasNews(const jobs::Job& job) const;
  int64_t cursor() const { return static_cast<int64_t>(after_cursor_); }

 private:
  uint64_t after_cursor_;
  std::optional<jobs::JobState> told_;
};

}  // namespace lbw::rpc

#endif  // LBW_RPC_WATCH_STATE_H_
