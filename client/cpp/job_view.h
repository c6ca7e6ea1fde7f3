// A job as it is watched: what its events add up to, and how that looks on a terminal, in a log and
// as curves. Pure.
//
// Threads: one at a time.
#ifndef LBW_CLIENT_JOB_VIEW_H_
#define LBW_CLIENT_JOB_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/cpp/job_words.h"
#include "client/cpp/plot.h"
#include "client/cpp/session.h"
#include "lbw/v1/job.pb.h"

namespace lbw::client {

// One character of eight heights a column, the values averaged into at most `width` columns; values
// that are all the same lie in the middle; what is not finite is a space.
std::string Sparkline(absl::Span<const double> values, int width);

// Follows the events of one job.
class JobView {
 public:
  struct Frame {
    absl::Time now;
    TerminalSize size = {};
    absl::TimeZone zone = absl::UTCTimeZone();
  };

  // Takes what a WatchJob stream answered. Events at or before cursor() are not counted twice.
  void Apply(const v1::WatchJobResponse& response);
  // Shown until the next answer; empty: nothing.
  void SetConnectionNote(std::string note) { connection_note_ = std::move(note); }

  // With what the events changed since the last snapshot.
  const v1::Job& job() const { return job_; }
  uint64_t cursor() const { return cursor_; }
  // What the job is doing now, in its own word; may be empty.
  const std::string& stage() const { return stage_; }
  // Steps a second over the last half minute of progress.
  std::optional<double> Rate() const;
  // (step, value) of every named value, steps rising: an attempt that went back to a checkpoint
  // replaces what was ahead of it. At most 4,096 points a value; beyond, every second one goes.
  const std::map<std::string, std::vector<plot::Point>>& values() const { return values_; }

  // The live view, at most size.rows - 1 lines of at most size.columns - 1 columns.
  std::vector<std::string> Render(const Frame& frame) const;
  // Every named value over the steps, one panel a value.
  plot::Figure Curves() const;

 private:
  struct Message {
    absl::Time time;
    std::string text;
  };

  void ApplyEvent(const v1::JobEvent& event);
  void TakeProgress(const v1::JobProgress& progress);
  void AddValues(absl::Time time, const v1::JobProgress& progress);
  void AddMessage(absl::Time time, std::string text);
  std::string HeadLine(const Frame& frame) const;
  std::string BarLine(const Frame& frame) const;
  std::string CheckpointLine(const Frame& frame) const;

  v1::Job job_;
  uint64_t cursor_ = 0;
  std::string stage_;
  std::map<std::string, std::vector<plot::Point>> values_;
  std::deque<Message> messages_;
  std::deque<std::pair<absl::Time, uint64_t>> recent_;  // progress of the last half minute
  std::string connection_note_;
};

// The same events as lines of a log: every change of state, message and checkpoint, and progress at
// most every five seconds of the events' own time.
class JobLog {
 public:
  explicit JobLog(absl::TimeZone zone) : zone_(zone) {}
  // Lines without newlines.
  std::vector<std::string> Apply(const v1::WatchJobResponse& response);

 private:
  std::optional<std::string> Line(const v1::JobEvent& event);

  const absl::TimeZone zone_;
  uint64_t cursor_ = 0;
  std::optional<absl::Time> progress_time_;  // of the line printed last
};

}  // namespace lbw::client

#endif  // LBW_CLIENT_JOB_VIEW_H_
