// What long work tells about itself, and the bar that shows it on a terminal.
#ifndef LBW_CLIENT_PROGRESS_H_
#define LBW_CLIENT_PROGRESS_H_

#include <cstdint>
#include <iosfwd>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"

namespace lbw::client {

struct ProgressState {
  std::string stage = {};   // "upload", "quantize", ...
  uint64_t done = 0;        // in units of `unit`
  uint64_t total = 0;       // 0: not known
  std::string unit = {};    // "bytes", "tensors", "pictures"
  std::string detail = {};  // e.g. the tensor in work
};

// Where progress goes. Threads: one at a time.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  virtual void Update(const ProgressState& state) = 0;
  // Takes the bar away, so that other text can be written.
  virtual void Clear() = 0;
};

// Shows nothing.
class NoProgress final : public ProgressSink {
 public:
  void Update(const ProgressState& state) override;
  void Clear() override;
};

// One line of at most `width` columns: stage, bar, share, amount, rate, time left, detail; what
// does not fit is cut from the right. elapsed: since the stage began; done_at_start: where a
// resumed stage began, so that the rate speaks of this run only. Pure.
std::string RenderProgress(const ProgressState& state, uint64_t done_at_start,
                           absl::Duration elapsed, int width);

// Redraws one line of a terminal, at most ten times a second.
class TerminalProgress final : public ProgressSink {
 public:
  // out is borrowed for the object's life.
  TerminalProgress(std::ostream& out, int width, const base::Clock& clock = base::RealClock());
  ~TerminalProgress() override;

  void Update(const ProgressState& state) override;
  void Clear() override;

 private:
  std::ostream& out_;
  const int width_;
  const base::Clock& clock_;
  std::string stage_;
  uint64_t done_at_start_ = 0;
  int64_t stage_start_ns_ = 0;
  int64_t drawn_ns_ = 0;
  bool is_drawn_ = false;
};

}  // namespace lbw::client

#endif  // LBW_CLIENT_PROGRESS_H_
