#include "jobs/queue_delete.h"

#include <vector>

#include "base/status.h"
#include "jobs/queue_history.h"
#include "jobs/transitions.h"

namespace lbw::jobs {
namespace {

constexpr int64_t kJobsAtOnce = 100;

// Takes what it removes from the budget of events. False: the job is still there.
absl::StatusOr<bool> RemoveWithin(JobRows& rows, JobRow& row, int64_t& budget) {
  if (row.kept_events > budget) {
    LBW_RETURN_IF_ERROR(DropEvents(rows.session(), row, budget));
    budget = 0;
    return false;
  }
  budget -= row.kept_events;
  LBW_RETURN_IF_ERROR(rows.Remove(row));
  return true;
}

}  // namespace

absl::StatusOr<bool> DeleteSome(JobRows& rows, std::string_view id) {
  LBW_ASSIGN_OR_RETURN(JobRow row, rows.Load(id));
  LBW_RETURN_IF_ERROR(Apply(Wish::kDelete, row.job.state).status());
  int64_t budget = rows.limits().delete_rows_at_once;
  return RemoveWithin(rows, row, budget);
}

absl::StatusOr<SweptSome> SweepSome(JobRows& rows) {
  const int64_t before_us = absl::ToUnixMicros(rows.Now() - rows.limits().retention);
  const std::vector<store::Value> values = {before_us, kJobsAtOnce};
  LBW_ASSIGN_OR_RETURN(
      std::vector<JobRow> old,
      rows.Select("WHERE end_us IS NOT NULL AND end_us < $1 ORDER BY end_us LIMIT $2", values));
  SweptSome swept;
  swept.more = static_cast<int64_t>(old.size()) == kJobsAtOnce;
  int64_t budget = rows.limits().delete_rows_at_once;
  for (JobRow& row : old) {
    LBW_ASSIGN_OR_RETURN(const bool gone, RemoveWithin(rows, row, budget));
    if (!gone) {
      swept.more = true;
      break;
    }
    ++swept.jobs;
  }
  return swept;
}

}  // namespace lbw::jobs
