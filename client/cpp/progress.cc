#include "client/cpp/progress.h"

#include <algorithm>
#include <ostream>

#include "absl/strings/str_format.h"
#include "base/strings.h"
#include "client/cpp/format.h"

namespace lbw::client {
namespace {

constexpr int kBarColumns = 24;
constexpr int64_t kRedrawNs = 100'000'000;

std::string Bar(double share) {
  const int filled = std::clamp(static_cast<int>(share * kBarColumns), 0, kBarColumns);
  return base::StrCat("[", std::string(static_cast<size_t>(filled), '#'),
                      std::string(static_cast<size_t>(kBarColumns - filled), '-'), "]");
}

std::string Amount(uint64_t value, const std::string& unit) {
  return unit == "bytes" ? HumanBytes(value) : base::StrCat(value);
}

}  // namespace

void NoProgress::Update(const ProgressState& /*state*/) {}
void NoProgress::Clear() {}

std::string RenderProgress(const ProgressState& state, uint64_t done_at_start,
                           absl::Duration elapsed, int width) {
  std::string line = Printable(state.stage);
  if (state.total > 0) {
    const double share =
        std::min(1.0, static_cast<double>(state.done) / static_cast<double>(state.total));
    base::StrAppend(&line, " ", Bar(share), absl::StrFormat(" %3.0f %% ", share * 100.0),
                    Amount(state.done, state.unit), " of ", Amount(state.total, state.unit));
  } else {
    base::StrAppend(&line, " ", Amount(state.done, state.unit));
  }
  if (state.unit != "bytes" && !state.unit.empty()) base::StrAppend(&line, " ", state.unit);
  const double seconds = absl::ToDoubleSeconds(elapsed);
  const uint64_t moved = state.done > done_at_start ? state.done - done_at_start : 0;
  if (seconds >= 0.5 && moved > 0) {
    const double rate = static_cast<double>(moved) / seconds;
    if (state.unit == "bytes") {
      base::StrAppend(&line, ", ", HumanBytes(static_cast<uint64_t>(rate)), "/s");
    }
    if (state.total > state.done) {
      const double left = static_cast<double>(state.total - state.done) / rate;
      base::StrAppend(&line, ", ", HumanDuration(absl::Seconds(left)), " left");
    }
  }
  if (!state.detail.empty()) base::StrAppend(&line, "  ", Printable(state.detail));
  return CutColumns(line, width);
}

TerminalProgress::TerminalProgress(std::ostream& out, int width, const base::Clock& clock)
    : out_(out), width_(std::max(20, width)), clock_(clock) {}

TerminalProgress::~TerminalProgress() { Clear(); }

void TerminalProgress::Update(const ProgressState& state) {
  const int64_t now_ns = clock_.SteadyNs();
  const bool is_new_stage = state.stage != stage_;
  if (is_new_stage) {
    stage_ = state.stage;
    stage_start_ns_ = now_ns;
    done_at_start_ = state.done;
  }
  // A resumed or repeated stage goes back; the rate is counted from there.
  if (state.done < done_at_start_) {
    done_at_start_ = state.done;
    stage_start_ns_ = now_ns;
  }
  const bool is_last = state.total > 0 && state.done >= state.total;
  if (is_drawn_ && !is_new_stage && !is_last && now_ns - drawn_ns_ < kRedrawNs) return;
  drawn_ns_ = now_ns;
  is_drawn_ = true;
  out_ << "\r\x1b[2K"
       << RenderProgress(state, done_at_start_, absl::Nanoseconds(now_ns - stage_start_ns_),
                         width_ - 1)
       << std::flush;
}

void TerminalProgress::Clear() {
  if (!is_drawn_) return;
  is_drawn_ = false;
  out_ << "\r\x1b[2K" << std::flush;
}

}  // namespace lbw::client
