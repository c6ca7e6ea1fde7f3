#include "jobs/queue_lanes.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "base/status.h"

namespace lbw::jobs {
namespace {

using store::Row;
using store::Session;

// A submitter that could be served, best first.
struct Candidate {
  int64_t running = 0;
  int64_t last_lease_us = 0;
  std::string submitter;

  auto Key() const { return std::tie(running, last_lease_us, submitter); }
  bool operator<(const Candidate& other) const { return Key() < other.Key(); }
};

struct Top {
  int64_t priority = 0;
  std::vector<std::string> kinds;  // that have lanes of this priority
};

absl::StatusOr<std::optional<Top>> FindTop(Session& session, absl::Span<const std::string> kinds) {
  std::optional<Top> top;
  for (const std::string& kind : kinds) {
    LBW_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        session.Execute("SELECT MAX(priority) FROM job_lanes WHERE kind = $1", {kind}));
    const std::optional<int64_t> priority = rows.front().OptionalInt(0);
    if (!priority || (top && *priority < top->priority)) continue;
    if (!top || *priority > top->priority) top = Top{*priority, {}};
    top->kinds.push_back(kind);
  }
  return top;
}

absl::StatusOr<std::map<std::string, int64_t>> CountRunning(Session& session) {
  // Counted here: a GROUP BY could make a planner walk an index of all jobs.
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT submitter FROM jobs WHERE lease_expire_us IS NOT NULL"));
  std::map<std::string, int64_t> running;
  for (const Row& row : rows) ++running[row.Text(0)];
  return running;
}

absl::StatusOr<std::optional<Candidate>> FindSubmitter(
    Session& session, const Top& top, const std::map<std::string, int64_t>& running) {
  std::optional<Candidate> best;
  for (const std::string& kind : top.kinds) {
    // One row more than submitters run jobs: if any submitter here runs none, it is among them.
    LBW_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        session.Execute("SELECT submitter, last_lease_us FROM job_lanes WHERE kind = $1 AND "
                        "priority = $2 ORDER BY last_lease_us, submitter LIMIT $3",
                        {kind, top.priority, static_cast<int64_t>(running.size()) + 1}));
    for (const Row& row : rows) {
      Candidate candidate{0, row.Int(1), row.Text(0)};
      const auto found = running.find(candidate.submitter);
      if (found != running.end()) candidate.running = found->second;
      if (!best || candidate < *best) best = std::move(candidate);
    }
  }
  return best;
}

absl::StatusOr<std::optional<NextJob>> FindOldest(Session& session, const Top& top,
                                                  const std::string& submitter) {
  std::optional<NextJob> oldest;
  int64_t oldest_us = 0;
  for (const std::string& kind : top.kinds) {
    LBW_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        session.Execute("SELECT id, create_us FROM jobs WHERE state = 'QUEUED' AND ready = 1 AND "
                        "kind = $1 AND priority = $2 AND submitter = $3 ORDER BY create_us, id "
                        "LIMIT 2",
                        {kind, top.priority, submitter}));
    if (rows.empty()) continue;
    const std::string& id = rows.front().Text(0);
    const int64_t create_us = rows.front().Int(1);
    if (oldest && std::tie(oldest_us, oldest->id) < std::tie(create_us, id)) continue;
    oldest_us = create_us;
    oldest = NextJob{id, Lane{submitter, kind, top.priority}, rows.size() == 1};
  }
  return oldest;
}

// The submitter's row keeps the turn that the lane held.
absl::Status CloseLane(Session& session, const Lane& lane) {
  LBW_RETURN_IF_ERROR(
      session
          .Execute("UPDATE submitters SET last_lease_us = COALESCE((SELECT MAX(last_lease_us) FROM "
                   "job_lanes WHERE submitter = $1), last_lease_us) WHERE submitter = $1",
                   {lane.submitter})
          .status());
  return session
      .Execute("DELETE FROM job_lanes WHERE submitter = $1 AND kind = $2 AND priority = $3",
               {lane.submitter, lane.kind, lane.priority})
      .status();
}

}  // namespace

absl::Status OpenLane(Session& session, const Lane& lane) {
  LBW_RETURN_IF_ERROR(session
                          .Execute("INSERT INTO submitters (submitter, last_lease_us) VALUES ($1, "
                                   "$2) ON CONFLICT DO NOTHING",
                                   {lane.submitter, session.NowUs()})
                          .status());
  return session
      .Execute(
          "INSERT INTO job_lanes (submitter, kind, priority, last_lease_us) SELECT submitter, "
          "$2, $3, COALESCE((SELECT MAX(last_lease_us) FROM job_lanes WHERE submitter = $1), "
          "last_lease_us) FROM submitters WHERE submitter = $1 ON CONFLICT DO NOTHING",
          {lane.submitter, lane.kind, lane.priority})
      .status();
}

absl::Status OpenDueLanes(Session& session) {
  // More of them wait for the next call: a lease must not take long.
  constexpr int64_t kMostAtOnce = 1000;
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> due,
      session.Execute("SELECT id, submitter, kind, priority FROM jobs WHERE state = 'QUEUED' AND "
                      "ready = 0 AND retry_us <= $1 ORDER BY retry_us LIMIT $2",
                      {session.NowUs(), kMostAtOnce}));
  for (const Row& row : due) {
    LBW_RETURN_IF_ERROR(
        session.Execute("UPDATE jobs SET ready = 1, retry_us = 0 WHERE id = $1", {row.Text(0)})
            .status());
    LBW_RETURN_IF_ERROR(OpenLane(session, Lane{row.Text(1), row.Text(2), row.Int(3)}));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<NextJob>> FindNextJob(Session& session,
                                                   absl::Span<const std::string> kinds) {
  std::optional<std::map<std::string, int64_t>> running;
  while (true) {
    LBW_ASSIGN_OR_RETURN(const std::optional<Top> top, FindTop(session, kinds));
    if (!top) return std::optional<NextJob>();
    if (!running) {
      LBW_ASSIGN_OR_RETURN(running, CountRunning(session));
    }
    LBW_ASSIGN_OR_RETURN(const std::optional<Candidate> candidate,
                         FindSubmitter(session, *top, *running));
    LBW_CHECK(candidate.has_value());  // FindTop saw a lane
    LBW_ASSIGN_OR_RETURN(std::optional<NextJob> next,
                         FindOldest(session, *top, candidate->submitter));
    if (next) return next;
    for (const std::string& kind : top->kinds) {
      LBW_RETURN_IF_ERROR(CloseLane(session, Lane{candidate->submitter, kind, top->priority}));
    }
  }
}

absl::Status TakeTurn(Session& session, const NextJob& next) {
  const Lane& lane = next.lane;
  // Rises even where the clock stands still or goes back, so that turns alternate.
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> newest,
      session.Execute("SELECT MAX(last_lease_us) FROM job_lanes WHERE kind = $1 AND priority = $2",
                      {lane.kind, lane.priority}));
  const int64_t turn_us = std::max(session.NowUs(), newest.front().Int(0) + 1);
  LBW_RETURN_IF_ERROR(session
                          .Execute("UPDATE job_lanes SET last_lease_us = $2 WHERE submitter = $1",
                                   {lane.submitter, turn_us})
                          .status());
  return next.last ? CloseLane(session, lane) : absl::OkStatus();
}

}  // namespace lbw::jobs
