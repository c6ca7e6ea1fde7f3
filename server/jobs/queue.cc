#include "jobs/queue.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "jobs/queue_attempt.h"
#include "jobs/queue_checkpoints.h"
#include "jobs/queue_create.h"
#include "jobs/queue_delete.h"
#include "jobs/queue_draft.h"
#include "jobs/queue_history.h"
#include "jobs/queue_list.h"
#include "jobs/queue_rows.h"
#include "jobs/queue_workers.h"

namespace lbw::jobs {
namespace {

using store::Database;
using store::Row;
using store::Session;
using store::Value;

constexpr auto kFull = Database::Durability::kFull;
constexpr auto kNormal = Database::Durability::kNormal;

class DatabaseQueue final : public Queue {
 public:
  DatabaseQueue(Database& database, const QueueLimits& limits)
      : database_(database), limits_(limits) {}

  absl::StatusOr<Job> Create(const JobDraft& draft, const Record& record) override;
  absl::StatusOr<std::optional<Job>> FindByRequest(const Request& request) override {
    using Found = std::optional<Job>;
    return Run<Found>(kNormal, [&](JobRows& rows) { return jobs::FindByRequest(rows, request); });
  }
  absl::StatusOr<Job> Get(std::string_view id) override;
  absl::StatusOr<Page> List(const JobFilter& filter, int page_size,
                            std::string_view token) override;
  absl::StatusOr<Job> Ask(std::string_view id, Wish wish, const ApplyFailure& on_failure) override;
  absl::Status Delete(std::string_view id) override;
  absl::StatusOr<std::vector<Event>> EventsAfter(std::string_view id, int64_t cursor,
                                                 int limit) override;
  absl::StatusOr<std::vector<CheckpointInfo>> Checkpoints(std::string_view id) override;
  absl::StatusOr<Log> ReadLog(std::string_view id) override;
  absl::StatusOr<std::vector<std::string>> ActiveUsersOf(std::string_view resource) override;

  absl::StatusOr<std::optional<Lease>> LeaseNext(std::string_view worker,
                                                 absl::Span<const std::string> kinds) override;
  absl::StatusOr<JobState> Renew(const LeaseKey& lease) override;
  absl::StatusOr<JobState> Peek(const LeaseKey& lease) override;
  absl::Status Report(const LeaseKey& lease, const Progress& progress) override;
  absl::Status AddCheckpoint(const LeaseKey& lease, const CheckpointInfo& checkpoint) override;
  absl::StatusOr<Job> Finish(const LeaseKey& lease, const Outcome& outcome,
                             std::string_view result_json, const ApplyResult& apply,
                             const ApplyFailure& on_failure) override;

  absl::StatusOr<int64_t> ExpireLeases(const ApplyFailure& on_failure) override;
  absl::StatusOr<int64_t> ReclaimLeases(std::string_view worker,
                                        const ApplyFailure& on_failure) override;
  absl::StatusOr<int64_t> Sweep() override;
  absl::Status SeeWorker(const WorkerInfo& worker) override;
  absl::Status ForgetWorker(std::string_view id) override;
  absl::StatusOr<std::vector<WorkerInfo>> Workers() override;
  absl::StatusOr<std::vector<JobCount>> Counts() override;
  absl::StatusOr<std::vector<CheckpointAge>> CheckpointAges() override;
  uint64_t WaitForChange(uint64_t token, absl::Duration timeout) override {
    return database_.WaitForChange(token, timeout);
  }

 private:
  // A transaction that answers a value. What it changes, if anything, lasts.
  template <typename T, typename Fn>
  absl::StatusOr<T> Run(Database::Durability durability, const Fn& fn) {
    absl::StatusOr<T> result = absl::InternalError("not run");
    LBW_RETURN_IF_ERROR(database_.Transaction(
        [&](Session& session) {
          JobRows rows(session, limits_);
          result = fn(rows);
          return result.status();
        },
        durability));
    return result;
  }
  template <typename Fn>
  absl::Status RunStatus(Database::Durability durability, const Fn& fn) {
    return database_.Transaction(
        [&](Session& session) {
          JobRows rows(session, limits_);
          return absl::Status(fn(rows));
        },
        durability);
  }
  using Keys = std::vector<std::pair<std::string, int64_t>>;  // job and token
  // kLost for each that holds its lease still and, with `expired`, has not renewed it.
  enum class Only : uint8_t { kExpired, kAny };
  absl::StatusOr<int64_t> Lose(const Keys& keys, Only only, const ApplyFailure& on_failure);

  Database& database_;
  const QueueLimits limits_;
};

absl::StatusOr<Job> DatabaseQueue::Create(const JobDraft& draft, const Record& record) {
  LBW_RETURN_IF_ERROR(CheckDraft(draft));
  const std::string id = base::NewId();
  return Run<Job>(kFull, [&](JobRows& rows) -> absl::StatusOr<Job> {
    LBW_ASSIGN_OR_RETURN(std::optional<Job> earlier, FindEarlier(rows, draft));
    if (earlier) return *std::move(earlier);
    if (record) LBW_RETURN_IF_ERROR(record(rows.session(), id));
    LBW_ASSIGN_OR_RETURN(JobRow row, CreateJob(rows, draft, id));
    return std::move(row.job);
  });
}

absl::StatusOr<Job> DatabaseQueue::Get(std::string_view id) {
  return Run<Job>(kNormal, [&](JobRows& rows) -> absl::StatusOr<Job> {
    LBW_ASSIGN_OR_RETURN(JobRow row, rows.Load(id));
    return std::move(row.job);
  });
}

absl::StatusOr<Queue::Page> DatabaseQueue::List(const JobFilter& filter, int page_size,
                                                std::string_view token) {
  LBW_ASSIGN_OR_RETURN(const store::TimePlace place, store::ParsePageToken(token));
  return Run<Page>(kNormal, [&](JobRows& rows) {
    return ListJobs(rows, filter, place, store::PageLimit(page_size));
  });
}

absl::StatusOr<Job> DatabaseQueue::Ask(std::string_view id, Wish wish,
                                       const ApplyFailure& on_failure) {
  LBW_CHECK(wish != Wish::kDelete);  // Delete does that
  return Run<Job>(kFull, [&](JobRows& rows) -> absl::StatusOr<Job> {
    LBW_ASSIGN_OR_RETURN(JobRow row, rows.Load(id));
    LBW_ASSIGN_OR_RETURN(const JobState next, Apply(wish, row.job.state));
    if (next == row.job.state) return std::move(row.job);
    if (next == JobState::kCancelled) row.job.error = {};
    LBW_RETURN_IF_ERROR(rows.Move(row, next, ""));
    if (next == JobState::kCancelled && on_failure) {
      LBW_RETURN_IF_ERROR(on_failure(rows.session(), row.job));
    }
    return std::move(row.job);
  });
}

absl::Status DatabaseQueue::Delete(std::string_view id) {
  bool gone = false;
  while (!gone) {
    LBW_ASSIGN_OR_RETURN(gone,
                         Run<bool>(kFull, [&](JobRows& rows) { return DeleteSome(rows, id); }));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Event>> DatabaseQueue::EventsAfter(std::string_view id, int64_t cursor,
                                                              int limit) {
  constexpr int kMostEvents = 1000;
  return Run<std::vector<Event>>(kNormal, [&](JobRows& rows) -> absl::StatusOr<std::vector<Event>> {
    LBW_ASSIGN_OR_RETURN(std::vector<Event> events,
                         ReadEvents(rows.session(), id, cursor, std::clamp(limit, 1, kMostEvents)));
    if (events.empty()) LBW_RETURN_IF_ERROR(rows.Load(id).status());
    return events;
  });
}

absl::StatusOr<std::vector<CheckpointInfo>> DatabaseQueue::Checkpoints(std::string_view id) {
  return Run<std::vector<CheckpointInfo>>(
      kNormal, [&](JobRows& rows) -> absl::StatusOr<std::vector<CheckpointInfo>> {
        LBW_RETURN_IF_ERROR(rows.Load(id).status());
        return ReadCheckpoints(rows.session(), id);
      });
}

absl::StatusOr<Queue::Log> DatabaseQueue::ReadLog(std::string_view id) {
  return Run<Log>(kNormal, [&](JobRows& rows) -> absl::StatusOr<Log> {
    LBW_ASSIGN_OR_RETURN(const JobRow row, rows.Load(id));
    return ReadJobLog(rows, row);
  });
}

absl::StatusOr<std::vector<std::string>> DatabaseQueue::ActiveUsersOf(std::string_view resource) {
  return Run<std::vector<std::string>>(
      kNormal, [&](JobRows& rows) { return jobs::ActiveUsersOf(rows.session(), resource); });
}

absl::StatusOr<std::optional<Lease>> DatabaseQueue::LeaseNext(std::string_view worker,
                                                              absl::Span<const std::string> kinds) {
  using Answer = std::optional<Lease>;
  // Not synced: a power cut that forgets a lease ends its worker too, or leaves one whose token is
  // nobody's; the job waits, as it would for a worker that died.
  return Run<Answer>(kNormal, [&](JobRows& rows) -> absl::StatusOr<Answer> {
    LBW_ASSIGN_OR_RETURN(std::optional<JobRow> row, BeginAttempt(rows, worker, kinds));
    if (!row) return Answer();
    Lease lease;
    lease.token = row->job.lease_token;
    lease.job = std::move(row->job);
    return Answer(std::move(lease));
  });
}

absl::StatusOr<JobState> ReadLeasedState(JobRows& rows, const LeaseKey& lease) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> found,
      rows.session().Execute("SELECT state FROM jobs WHERE id = $1 AND lease_token = $2 AND "
                             "lease_expire_us IS NOT NULL",
                             {std::string(lease.job), lease.token}));
  const std::optional<JobState> state =
      found.empty() ? std::nullopt : ParseState(found.front().Text(0));
  if (!state || !HasLease(*state)) return LeaseLost(lease);
  return *state;
}

absl::StatusOr<JobState> DatabaseQueue::Renew(const LeaseKey& lease) {
  return Run<JobState>(kNormal, [&](JobRows& rows) -> absl::StatusOr<JobState> {
    LBW_ASSIGN_OR_RETURN(const JobState state, ReadLeasedState(rows, lease));
    LBW_RETURN_IF_ERROR(
        rows.session()
            .Execute("UPDATE jobs SET lease_expire_us = $2 WHERE id = $1",
                     {std::string(lease.job), absl::ToUnixMicros(rows.Now() + limits_.lease)})
            .status());
    return state;
  });
}

absl::StatusOr<JobState> DatabaseQueue::Peek(const LeaseKey& lease) {
  return Run<JobState>(kNormal, [&](JobRows& rows) { return ReadLeasedState(rows, lease); });
}

absl::Status DatabaseQueue::Report(const LeaseKey& lease, const Progress& progress) {
  return RunStatus(kNormal, [&](JobRows& rows) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(JobRow row, rows.LoadLeased(lease));
    Job& job = row.job;
    job.step = progress.step.value_or(job.step);
    job.total_steps = progress.total_steps.value_or(job.total_steps);
    if (!progress.progress_json.empty()) job.progress_json = progress.progress_json;
    LBW_RETURN_IF_ERROR(AppendEvents(rows, row, progress.events_json));
    if (!progress.log_text.empty()) LBW_RETURN_IF_ERROR(AppendLog(rows, row, progress.log_text));
    return rows.session()
        .Execute(
            "UPDATE jobs SET update_us = $2, step = $3, total_steps = $4, progress_json = $5, "
            "last_cursor = $6, kept_events = $7, log_bytes = $8 WHERE id = $1",
            {job.id, rows.session().NowUs(), job.step, job.total_steps, job.progress_json,
             job.last_cursor, row.kept_events, row.log_bytes})
        .status();
  });
}

absl::Status DatabaseQueue::AddCheckpoint(const LeaseKey& lease, const CheckpointInfo& checkpoint) {
  return RunStatus(kFull, [&](JobRows& rows) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(JobRow row, rows.LoadLeased(lease));
    return RecordCheckpoint(rows, row, checkpoint);
  });
}

absl::StatusOr<Job> DatabaseQueue::Finish(const LeaseKey& lease, const Outcome& outcome,
                                          std::string_view result_json, const ApplyResult& apply,
                                          const ApplyFailure& on_failure) {
  absl::Status apply_error;
  const auto end = [&](const Outcome& how) {
    return Run<Job>(kFull, [&](JobRows& rows) -> absl::StatusOr<Job> {
      apply_error = absl::OkStatus();
      LBW_ASSIGN_OR_RETURN(JobRow row, rows.LoadLeased(lease));
      std::string result(result_json);
      if (how.kind == Outcome::Kind::kResult && apply) {
        apply_error = apply(rows.session(), row.job, result);
        LBW_RETURN_IF_ERROR(apply_error);
      }
      LBW_RETURN_IF_ERROR(EndAttempt(rows, row, how, result, on_failure));
      return std::move(row.job);
    });
  };
  absl::StatusOr<Job> job = end(outcome);
  if (apply_error.ok() || IsDatabaseTrouble(apply_error)) return job;
  return end(OutcomeOf(apply_error));  // what apply wrote is undone
}

absl::StatusOr<int64_t> DatabaseQueue::Lose(const Keys& keys, Only only,
                                            const ApplyFailure& on_failure) {
  Outcome lost;
  lost.kind = Outcome::Kind::kLost;
  absl::Status first_error;
  int64_t freed = 0;
  for (const auto& [id, token] : keys) {
    const LeaseKey key{id, token};
    const absl::Status status = RunStatus(kFull, [&](JobRows& rows) -> absl::Status {
      LBW_ASSIGN_OR_RETURN(JobRow row, rows.LoadLeased(key));
      if (only == Only::kExpired && row.job.lease_expire_time > rows.Now()) return LeaseLost(key);
      return EndAttempt(rows, row, lost, "", on_failure);
    });
    if (status.ok()) {
      ++freed;
    } else if (!absl::IsAborted(status)) {  // aborted: renewed, or freed by somebody else
      first_error.Update(status);
    }
  }
  LBW_RETURN_IF_ERROR(first_error);
  return freed;
}

absl::StatusOr<int64_t> DatabaseQueue::ExpireLeases(const ApplyFailure& on_failure) {
  LBW_ASSIGN_OR_RETURN(
      const Keys keys, Run<Keys>(kNormal, [&](JobRows& rows) -> absl::StatusOr<Keys> {
        LBW_ASSIGN_OR_RETURN(
            const std::vector<Row> found,
            rows.session().Execute("SELECT id, lease_token FROM jobs WHERE lease_expire_us IS NOT "
                                   "NULL AND lease_expire_us <= $1 ORDER BY lease_expire_us",
                                   {rows.session().NowUs()}));
        Keys expired;
        for (const Row& row : found) expired.emplace_back(row.Text(0), row.Int(1));
        return expired;
      }));
  return Lose(keys, Only::kExpired, on_failure);
}

absl::StatusOr<int64_t> DatabaseQueue::ReclaimLeases(std::string_view worker,
                                                     const ApplyFailure& on_failure) {
  LBW_ASSIGN_OR_RETURN(
      const Keys keys, Run<Keys>(kNormal, [&](JobRows& rows) -> absl::StatusOr<Keys> {
        LBW_ASSIGN_OR_RETURN(
            const std::vector<Row> found,
            rows.session().Execute("SELECT id, lease_token FROM jobs WHERE lease_expire_us IS NOT "
                                   "NULL AND worker = $1 ORDER BY lease_expire_us",
                                   {std::string(worker)}));
        Keys held;
        for (const Row& row : found) held.emplace_back(row.Text(0), row.Int(1));
        return held;
      }));
  return Lose(keys, Only::kAny, on_failure);
}

absl::StatusOr<int64_t> DatabaseQueue::Sweep() {
  int64_t dropped = 0;
  for (SweptSome some{0, true}; some.more; dropped += some.jobs) {
    LBW_ASSIGN_OR_RETURN(some, Run<SweptSome>(kFull, SweepSome));
  }
  LBW_RETURN_IF_ERROR(RunStatus(kNormal, [&](JobRows& rows) -> absl::Status {
    const int64_t before_us = absl::ToUnixMicros(rows.Now() - limits_.retention);
    LBW_RETURN_IF_ERROR(
        rows.session().Execute("DELETE FROM workers WHERE seen_us < $1", {before_us}).status());
    return rows.session()
        .Execute(
            "DELETE FROM submitters WHERE last_lease_us < $1 AND NOT EXISTS (SELECT 1 FROM "
            "jobs WHERE submitter = submitters.submitter)",
            {before_us})
        .status();
  }));
  return dropped;
}

absl::Status DatabaseQueue::SeeWorker(const WorkerInfo& worker) {
  return RunStatus(kNormal, [&](JobRows& rows) { return PutWorker(rows.session(), worker); });
}

absl::Status DatabaseQueue::ForgetWorker(std::string_view id) {
  return RunStatus(kNormal, [&](JobRows& rows) {
    return rows.session().Execute("DELETE FROM workers WHERE id = $1", {std::string(id)}).status();
  });
}

absl::StatusOr<std::vector<WorkerInfo>> DatabaseQueue::Workers() {
  return Run<std::vector<WorkerInfo>>(kNormal,
                                      [&](JobRows& rows) { return ReadWorkers(rows.session()); });
}

absl::StatusOr<std::vector<JobCount>> DatabaseQueue::Counts() {
  return Run<std::vector<JobCount>>(kNormal,
                                    [&](JobRows& rows) { return CountJobs(rows.session()); });
}

absl::StatusOr<std::vector<Queue::CheckpointAge>> DatabaseQueue::CheckpointAges() {
  return Run<std::vector<CheckpointAge>>(
      kNormal, [&](JobRows& rows) { return OldestCheckpoints(rows.session()); });
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ActiveUsersOf(Session& session,
                                                       std::string_view resource) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> found,
      session.Execute("SELECT job FROM job_uses WHERE resource = $1 AND EXISTS (SELECT 1 "
                      "FROM jobs WHERE id = job_uses.job AND end_us IS NULL) ORDER BY job",
                      {std::string(resource)}));
  std::vector<std::string> ids;
  for (const Row& row : found) ids.push_back(row.Text(0));
  return ids;
}

std::unique_ptr<Queue> NewQueue(Database& database, const QueueLimits& limits) {
  return std::make_unique<DatabaseQueue>(database, limits);
}

}  // namespace lbw::jobs
