#include "jobs/job.h"

#include <array>

namespace lbw::jobs {
namespace {

constexpr std::array<std::string_view, kJobStates> kNames = {
    "QUEUED", "RUNNING", "PAUSING", "PAUSED", "CANCELLING", "SUCCEEDED", "FAILED", "CANCELLED"};

}  // namespace

std::string_view Name(JobState state) { return kNames.at(static_cast<size_t>(state)); }

std::optional<JobState> ParseState(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<JobState>(i);
  }
  return std::nullopt;
}

bool HasEnded(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kFailed ||
         state == JobState::kCancelled;
}

bool HasLease(JobState state) {
  return state == JobState::kRunning || state == JobState::kPausing ||
         state == JobState::kCancelling;
}

}  // namespace lbw::jobs
