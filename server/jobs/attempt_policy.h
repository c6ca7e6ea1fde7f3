// What a worker does next about an attempt that runs, and what it makes of one that has ended.
// Pure: functions of a snapshot.
#ifndef LBW_JOBS_ATTEMPT_POLICY_H_
#define LBW_JOBS_ATTEMPT_POLICY_H_

#include <optional>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "jobs/job.h"
#include "jobs/protocol.h"
#include "jobs/retry_policy.h"

namespace lbw::jobs {

struct AttemptLimits {
  absl::Duration lease = absl::Seconds(30);
  absl::Duration stall_timeout = absl::Minutes(5);
  absl::Duration obey_timeout = absl::Seconds(60);
  // From its last word, or the end of its socket, to the end of its process.
  absl::Duration exit_timeout = absl::Seconds(2);
};

// Orders that end an attempt and were passed to the child.
struct Told {
  bool pause = false;
  bool cancel = false;
  bool stop = false;
  bool operator==(const Told&) const = default;
};

struct AttemptSnapshot {
  JobState state = JobState::kRunning;  // as last heard
  bool stopping = false;                // the worker is to end
  bool lease_lost = false;
  bool bad_line = false;  // the child said what is no message
  Told told;
  absl::Duration since_told;     // since the first of them
  absl::Duration since_step;     // since the step moved
  absl::Duration since_renewed;  // since the lease was last taken or renewed
  std::optional<absl::Duration> since_last_word;
};

enum class AttemptAction : uint8_t {
  kGoOn,
  kTellPause,
  kTellCancel,
  kTellStop,
  kRenew,
  kKillLost,         // somebody else may run the job: forget it
  kKillBadLine,      // the child is broken
  kKillStalled,      // its step does not move
  kKillDisobedient,  // it was told to end and does not
  kKillLingering,    // it has said its last word and does not end
};
// Never a renewal where the step has not moved for stall_timeout.
AttemptAction NextAction(const AttemptSnapshot& snapshot, const AttemptLimits& limits);
bool Kills(AttemptAction action);

// What becomes of an attempt whose job could not be prepared, or got no process. kNotStarted where
// the cause is the server's own and may pass: the lease is given back, and the attempt does not
// count (RetryLimits::max_not_begun in a row end the job). kError, with what follows from its code,
// where it is the job's.
Outcome NotBegun(const absl::Status& status);

// The child's last word, if it had one.
using LastWord = std::variant<std::monostate, ResultLine, ErrorLine, Obeyed>;

struct AttemptEnd {
  LastWord last_word;
  Told told;
  // Why its worker killed it.
  std::optional<AttemptAction> killed;
  std::string bad_line;  // what was wrong with it
  Outcome process;       // ChildProcess::HowItEnded
};
// How the attempt ended. A last word counts more than how the process ended; one that answers an
// order that was never given is no word. Not for kKillLost: such an attempt is forgotten.
Outcome Conclude(const AttemptEnd& end);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_ATTEMPT_POLICY_H_
