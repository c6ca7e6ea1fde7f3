#include "rpc/watch_state.h"

#include "base/status.h"
#include "base/strings.h"

namespace lbw::rpc {

WatchState::Step WatchState::Next(const jobs::Job& job, absl::Span<const jobs::Event> events,
                                  bool is_due, const Limits& limits, v1::WatchJobResponse* out) {
  size_t bytes = 0;
  size_t taken = 0;
  for (const jobs::Event& event : events) {
    v1::JobEvent converted;
    ToProto(event, &converted);
    bytes += converted.ByteSizeLong();
    if (taken > 0 && bytes > limits.message_bytes) break;
    converted.Swap(out->add_events());
    after_cursor_ = static_cast<uint64_t>(event.cursor);
    ++taken;
  }
  Step step;
  step.more = taken < events.size() || events.size() >= limits.page;
  step.last = jobs::HasEnded(job.state) && !step.more;
  if (step.last || is_due || told_ != job.state) {
    ToProto(job, limits.view, out->mutable_job());
    told_ = job.state;
  }
  step.send = taken > 0 || out->has_job();
  return step;
}

absl::Status WatchState::CheckCursor(const jobs::Job& job) const {
  if (after_cursor_ <= static_cast<uint64_t>(job.last_cursor)) return absl::OkStatus();
  return base::Error(absl::StatusCode::kOutOfRange, base::reason::kBadArgument,
                     base::StrCat("after_cursor is beyond the newest event: after_cursor=",
                                  after_cursor_, " last_cursor=", job.last_cursor))
      .Field("after_cursor");
}

bool WatchState::HasNews(const jobs::Job& job) const {
  return cursor() < job.last_cursor || told_ != job.state;
}

}  // namespace lbw::rpc
