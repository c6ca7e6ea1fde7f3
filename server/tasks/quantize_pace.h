// How far a job of several stages is, and when its next checkpoint is due.
//
// Threads: one.
#ifndef LBW_TASKS_QUANTIZE_PACE_H_
#define LBW_TASKS_QUANTIZE_PACE_H_

#include <cstdint>

#include "base/clock.h"

namespace lbw::tasks {

// What an attempt hands to the next.
struct Steps {
  int64_t step = 0;
  int64_t beats = 0;  // steps that were no unit of any stage
  int64_t units = 0;  // of all stages as they were planned; 0: not known yet
};

// Steps are units of the stages, one stage behind the other: they never fall, and end at the total.
// A job that goes on counts from its first stage again, with the steps standing still over what it
// counted before. Where a step takes long, or what is done counts for nothing, it moves by a beat,
// which the total then has too: whoever watches sees that loops go on.
class StepCount {
 public:
  explicit StepCount(const base::Clock& clock = base::RealClock()) : clock_(clock), moved_(clock) {}

  void GoOnFrom(const Steps& steps) { steps_ = steps; }
  void Plan(int64_t units) { steps_.units = units; }
  // The next stage; the one before is through.
  void Begin(int64_t units);
  // So many units of the stage are through.
  void Reach(int64_t units);
  // Every stage is through, whatever was planned.
  void End();
  // Asked within loops. Whether the step moved: nothing else moved it for kBeatSeconds.
  static constexpr double kBeatSeconds = 10;
  bool Beat();

  const Steps& steps() const { return steps_; }
  int64_t step() const { return steps_.step; }
  int64_t total() const;  // 0: not known yet

 private:
  void Move();

  const base::Clock& clock_;
  base::Stopwatch moved_;
  Steps steps_;
  int64_t begin_ = 0, end_ = 0;  // of the stage, in units from the first
  int64_t at_ = 0;
};

// Checkpoints as often as they cost little: about a twentieth of the time.
class CheckpointPace {
 public:
  static constexpr double kLeastSeconds = 0.5;
  static constexpr double kMostSeconds = 20;
  static constexpr double kTimesTaken = 20;

  explicit CheckpointPace(const base::Clock& clock = base::RealClock())
      : clock_(clock), since_(clock), writing_(clock) {}
  bool IsDue() const;
  // Around the writing of one.
  void Begin() { writing_ = base::Stopwatch(clock_); }
  void End();

 private:
  const base::Clock& clock_;
  base::Stopwatch since_;
  base::Stopwatch writing_;
  double taken_ = 0;  // seconds, by the last one
};

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_PACE_H_
