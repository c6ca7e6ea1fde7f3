#include "jobs/queue_workers.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/status.h"

namespace lbw::jobs {

using store::Row;
using store::Session;

absl::Status PutWorker(Session& session, const WorkerInfo& worker) {
  return session
      .Execute(
          "INSERT INTO workers (id, host, pid, device, start_us, seen_us, job) VALUES ($1, "
          "$2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET host = excluded.host, pid = "
          "excluded.pid, device = excluded.device, start_us = excluded.start_us, seen_us = "
          "excluded.seen_us, job = excluded.job",
          {worker.id, worker.host, worker.pid, worker.device, absl::ToUnixMicros(worker.start_time),
           session.NowUs(), worker.job})
      .status();
}

absl::StatusOr<std::vector<WorkerInfo>> ReadWorkers(Session& session) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute(
          "SELECT id, host, pid, device, start_us, seen_us, job FROM workers ORDER BY id"));
  std::vector<WorkerInfo> workers;
  for (const Row& row : rows) {
    workers.push_back(WorkerInfo{row.Text(0), row.Text(1), row.Int(2), row.Text(3),
                                 absl::FromUnixMicros(row.Int(4)), absl::FromUnixMicros(row.Int(5)),
                                 row.Text(6)});
  }
  return workers;
}

absl::StatusOr<std::vector<JobCount>> CountJobs(Session& session) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute(
          "SELECT kind, state, count FROM job_counts WHERE count <> 0 ORDER BY kind, state"));
  std::vector<JobCount> counts;
  for (const Row& row : rows) {
    const std::optional<JobState> state = ParseState(row.Text(1));
    if (state) counts.push_back(JobCount{row.Text(0), *state, row.Int(2)});
  }
  return counts;
}

absl::StatusOr<int64_t> CountActive(Session& session) {
  LBW_ASSIGN_OR_RETURN(const std::vector<JobCount> counts, CountJobs(session));
  int64_t active = 0;
  for (const JobCount& count : counts) active += HasEnded(count.state) ? 0 : count.count;
  return active;
}

absl::StatusOr<std::vector<Queue::CheckpointAge>> OldestCheckpoints(Session& session) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute(
          "SELECT kind, COALESCE((SELECT create_us FROM job_checkpoints WHERE job = jobs.id AND "
          "sha256 = jobs.checkpoint), start_us) FROM jobs WHERE lease_expire_us IS NOT NULL"));
  std::map<std::string, int64_t> ages_us;
  for (const Row& row : rows) {
    int64_t& age_us = ages_us[row.Text(0)];
    age_us = std::max(age_us, session.NowUs() - row.Int(1));
  }
  std::vector<Queue::CheckpointAge> ages;
  for (const auto& [kind, age_us] : ages_us) {
    ages.push_back(Queue::CheckpointAge{kind, absl::Microseconds(age_us)});
  }
  return ages;
}

}  // namespace lbw::jobs
