#include "tasks/quantize_pace.h"

#include <algorithm>

namespace lbw::tasks {

void StepCount::Move() {
  const int64_t step = std::max(steps_.step, at_ + steps_.beats);
  if (step == steps_.step) return;
  steps_.step = step;
  moved_ = base::Stopwatch(clock_);
}

void StepCount::Begin(int64_t units) {
  begin_ = at_ = end_;
  end_ += std::max<int64_t>(units, 0);
  Move();
}

void StepCount::Reach(int64_t units) {
  at_ = std::clamp(begin_ + units, at_, end_);
  Move();
}

void StepCount::End() {
  begin_ = at_ = end_ = std::max(end_, steps_.units);
  Move();
}

bool StepCount::Beat() {
  if (moved_.ElapsedSeconds() < kBeatSeconds) return false;
  ++steps_.beats;
  ++steps_.step;
  moved_ = base::Stopwatch(clock_);
  return true;
}

int64_t StepCount::total() const {
  if (steps_.units == 0) return 0;
  return std::max(std::max(steps_.units, end_) + steps_.beats, steps_.step);
}

bool CheckpointPace::IsDue() const {
  return since_.ElapsedSeconds() >= std::clamp(kTimesTaken * taken_, kLeastSeconds, kMostSeconds);
}

void CheckpointPace::End() {
  taken_ = writing_.ElapsedSeconds();
  since_ = base::Stopwatch(clock_);
}

}  // namespace lbw::tasks
