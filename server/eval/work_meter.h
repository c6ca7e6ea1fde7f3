// Asks whether figures are still wanted while they are computed: before the first piece of work,
// and then whenever kWorkBetweenAsks units were done since. A unit is a box that is looked at once,
// some nanoseconds; a piece is never cut, so pieces are kept small.
//
// Threads:  one.
#ifndef LBW_EVAL_WORK_METER_H_
#define LBW_EVAL_WORK_METER_H_

#include <cstddef>

#include "absl/status/status.h"
#include "base/cancel.h"

namespace lbw::eval {

inline constexpr size_t kWorkBetweenAsks = 1 << 16;

class WorkMeter {
 public:
  // cancel is borrowed.
  explicit WorkMeter(const base::CancelToken& cancel) : cancel_(cancel) {}

  // To be called before a piece of so many units. Errors: those of CancelToken::Check.
  absl::Status Before(size_t units) {
    if (since_asked_ >= kWorkBetweenAsks) {
      since_asked_ = 0;
      if (absl::Status wanted = cancel_.Check(); !wanted.ok()) return wanted;
    }
    since_asked_ += units;
    return absl::OkStatus();
  }

 private:
  const base::CancelToken& cancel_;
  size_t since_asked_ = kWorkBetweenAsks;
};

}  // namespace lbw::eval

#endif  // LBW_EVAL_WORK_METER_H_
