// One attempt at a job, from its assignment to its end: what the child says is recorded, wishes are
// passed to it, its lease is kept.
//
// Records:  events, step and log in batches, at most every 200 ms, and before a checkpoint and the
//           end. A database that fails is asked again with a back-off; meanwhile the child waits
//           when it has said more than 512 events.
// Threads:  one.
#ifndef LBW_JOBS_ATTEMPT_H_
#define LBW_JOBS_ATTEMPT_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "jobs/attempt_policy.h"
#include "jobs/child_channel.h"
#include "jobs/queue.h"
#include "jobs/runner.h"
#include "jobs/worker.h"

namespace lbw::jobs {

// Since some moment of the machine; never goes back.
absl::Duration SteadyNow();

// Why an attempt ended that was forgotten, in place of a state.
inline constexpr std::string_view kLostOutcome = "LOST";

struct AttemptContext {
  Queue* queue = nullptr;  // all borrowed
  JobKinds* kinds = nullptr;
  JobObserver* observer = nullptr;  // may be nullptr
  AttemptLimits limits;
};

// Ends the job's attempt in the queue; asks again while the database fails, for as long as two
// leases. taken: when the lease was last certain (SteadyNow). Answers the job's state, or
// kLostOutcome.
std::string RecordEnd(const AttemptContext& context, const Lease& lease, const Outcome& outcome,
                      std::string_view result_json, absl::Duration taken);

class Attempt {
 public:
  // The child has its assignment. taken: SteadyNow just before the lease was asked for.
  Attempt(const AttemptContext& context, Lease lease, std::unique_ptr<ChildChannel> child,
          absl::Duration taken);

  void FillPoll(absl::Span<pollfd> fds) const;  // ChildChannel::kPollFds
  // Hears what the child says; to be called when a descriptor is ready.
  void Hear();
  // Asks the queue for a wish; to be called when the database has changed.
  void LookForWishes();
  // The worker is to end.
  void Stop() { snapshot_.stopping = true; }
  // Does what is due; to be called at least every Patience().
  void Act();
  absl::Duration Patience() const;
  // Its process has ended and everything that it said was heard.
  bool ended() const { return ended_; }
  // Once it has ended: records the rest and the end. Answers as RecordEnd.
  std::string Finish();

 private:
  LeaseKey key() const { return {lease_.job.id, lease_.token}; }
  bool IsFull() const;  // no line is read until what waits is recorded
  ChildChannel::Lines lines() const;
  void Handle(Up message);
  void HandleEvent(EventLine event);
  void MoveTo(int64_t step);
  void SayLast(LastWord word);
  AttemptSnapshot Snapshot(absl::Duration now) const;
  void Do(AttemptAction action, absl::Duration now);
  void Tell(Command command, absl::Duration now);
  void Renew(absl::Duration now);
  void RecordDue(absl::Duration now);
  absl::Status Report();
  absl::Status Commit();
  void ForgetReported();
  // False where the database failed: nothing more is asked until the back-off is over.
  bool Accepted(const absl::Status& status, std::string_view step);

  const AttemptContext context_;
  const Lease lease_;
  const std::unique_ptr<ChildChannel> child_;

  AttemptSnapshot snapshot_;  // but for its durations
  LastWord last_word_;
  std::optional<AttemptAction> killed_;
  std::string bad_line_;
  bool exited_ = false;
  bool ended_ = false;

  int64_t step_ = 0;
  absl::Duration told_at_;
  absl::Duration moved_at_;
  absl::Duration renewed_at_;
  std::optional<absl::Duration> last_word_at_;

  Queue::Progress progress_;  // not recorded yet
  size_t event_bytes_ = 0;    // in it
  std::optional<CheckpointInfo> checkpoint_;
  absl::Duration checkpoint_told_at_;
  absl::Duration reported_at_;
  int64_t reported_step_ = 0;
  absl::Duration retry_at_;
  absl::Duration backoff_;
};

}  // namespace lbw::jobs

#endif  // LBW_JOBS_ATTEMPT_H_
