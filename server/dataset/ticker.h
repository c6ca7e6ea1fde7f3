// Long work tells that it goes on, and hears whether it shall.
//
// Threads: one at a time.
#ifndef LBW_DATASET_TICKER_H_
#define LBW_DATASET_TICKER_H_

#include <cstdint>
#include <functional>
#include <utility>

#include "absl/status/status.h"

namespace lbw::dataset {

// Called again and again while work goes on; a status other than OK ends the work, which returns
// it. May be empty.
using Tick = std::function<absl::Status()>;

// Turns what comes by into ticks: one a file, and one every so many items or bytes.
class Ticker {
 public:
  static constexpr uint64_t kEveryItems = 4'096;  // pictures, boxes, lines
  static constexpr uint64_t kEveryBytes = uint64_t{1} << 20;

  explicit Ticker(Tick tick) : tick_(std::move(tick)) {}

  // Errors, all: the tick's; from the first one on it is what every call returns, without a tick.
  absl::Status Items(uint64_t count = 1) {
    items_ += count;
    return items_ < kEveryItems ? status_ : File();
  }
  absl::Status Bytes(uint64_t count) { return Items(count / (kEveryBytes / kEveryItems) + 1); }
  absl::Status File() {
    items_ = 0;
    if (status_.ok() && tick_) status_ = tick_();
    return status_;
  }
  // For who takes an error of a file for a defect of it.
  const absl::Status& status() const { return status_; }

 private:
  const Tick tick_;
  uint64_t items_ = 0;
  absl::Status status_;
};

}  // namespace lbw::dataset

#endif  // LBW_DATASET_TICKER_H_
