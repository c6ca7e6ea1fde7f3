// A call's wish to stop: cancelled by its client, or past its deadline. Long work asks now and
// then.
#ifndef LBW_BASE_CANCEL_H_
#define LBW_BASE_CANCEL_H_

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace lbw::base {

// Cheap to copy. Threads: Check may be called concurrently if the callback may.
class CancelToken {
 public:
  // Never cancelled.
  CancelToken() = default;
  // is_cancelled: true once the client is gone. deadline: absl::InfiniteFuture() for none.
  CancelToken(std::function<bool()> is_cancelled, absl::Time deadline)
      : is_cancelled_(std::move(is_cancelled)), deadline_(deadline) {}

  // OK while the work is wanted. Errors: kCancelled, CANCELLED; kDeadlineExceeded, DEADLINE.
  absl::Status Check() const;
  absl::Time deadline() const { return deadline_; }

 private:
  std::function<bool()> is_cancelled_;
  absl::Time deadline_ = absl::InfiniteFuture();
};

}  // namespace lbw::base

#endif  // LBW_BASE_CANCEL_H_
