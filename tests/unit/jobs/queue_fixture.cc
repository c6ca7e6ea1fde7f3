#include "unit/jobs/queue_fixture.h"

#include <cstdio>

#include "base/status.h"
#include "base/strings.h"
#include "store/artifact_rows.h"

namespace lbw::jobs {

using store::Row;
using store::Session;
using store::Value;

absl::Status FaultyDatabase::Step() {
  if (fail_at_ == 0 || --fail_at_ != 0) return absl::OkStatus();
  failed_ = true;
  return base::Error(absl::StatusCode::kUnavailable, base::reason::kStoreFailed, "injected");
}

class FaultyDatabase::FaultySession final : public Session {
 public:
  FaultySession(FaultyDatabase& owner, Session& real) : owner_(owner), real_(real) {}
  absl::StatusOr<std::vector<Row>> Execute(std::string_view sql,
                                           absl::Span<const Value> parameters) override {
    LBW_RETURN_IF_ERROR(owner_.Step());
    if (owner_.recorded_ != nullptr) owner_.recorded_->emplace_back(sql);
    return real_.Execute(sql, parameters);
  }
  int64_t changes() const override { return real_.changes(); }
  int64_t NowUs() override { return real_.NowUs(); }

 private:
  FaultyDatabase& owner_;
  Session& real_;
};

absl::Status FaultyDatabase::Transaction(const std::function<absl::Status(Session&)>& fn,
                                         Durability durability) {
  return real_.Transaction(
      [&](Session& session) -> absl::Status {
        FaultySession faulty(*this, session);
        LBW_RETURN_IF_ERROR(fn(faulty));
        return Step();
      },
      durability);
}

QueueTest::QueueTest() {
  store::SqliteOptions options;
  options.folder = folder_.path();
  options.now_us = [this] { return now_us_; };
  database_ = store::SqliteDatabase::Open(options).value();
  faulty_ = std::make_unique<FaultyDatabase>(*database_);
  Reopen(QueueLimits{});
}

void QueueTest::Reopen(const QueueLimits& limits) { queue_ = NewQueue(*faulty_, limits); }

JobDraft QueueTest::Draft(std::string_view submitter, int32_t priority, std::string_view kind) {
  JobDraft draft;
  draft.kind = std::string(kind);
  draft.spec_json = R"({"model":"models/m/versions/1"})";
  draft.submitter = std::string(submitter);
  draft.priority = priority;
  return draft;
}

Job QueueTest::Create(const JobDraft& draft) {
  const absl::StatusOr<Job> job = queue_->Create(draft);
  EXPECT_TRUE(job.ok()) << job.status();
  Advance(absl::Milliseconds(1));  // no two jobs are equally old
  return job.value();
}

Lease QueueTest::Take(std::string_view worker) {
  const std::vector<std::string> kinds = {"evaluate"};
  const auto lease = queue_->LeaseNext(worker, kinds);
  EXPECT_TRUE(lease.ok()) << lease.status();
  EXPECT_TRUE(lease->has_value()) << "nothing is due";
  return lease->value();
}

bool QueueTest::NothingIsDue(const std::vector<std::string>& kinds) {
  return !queue_->LeaseNext("idle", kinds).value().has_value();
}

Job QueueTest::Finish(const Lease& lease, Outcome::Kind kind, std::string_view result) {
  const absl::StatusOr<Job> job = queue_->Finish(Key(lease), Ended(kind), result, {});
  EXPECT_TRUE(job.ok()) << job.status();
  return job.value();
}

std::string QueueTest::History(std::string_view id) {
  std::string history;
  const std::vector<Event> events = queue_->EventsAfter(id, 0, 1000).value();
  for (const Event& event : events) {
    const std::string_view json = event.json;
    constexpr std::string_view kState = "JOB_STATE_";
    const size_t at = json.find(kState);
    std::string what = json.find("checkpoint") != std::string_view::npos ? "checkpoint" : "message";
    if (at != std::string_view::npos) {
      const size_t from = at + kState.size();
      what = std::string(json.substr(from, json.find('"', from) - from));
    }
    history += (history.empty() ? "" : " ") + what;
  }
  return history;
}

void QueueTest::AddArtifact(const std::string& sha256, bool uploaded) {
  store::ArtifactRow row;
  row.artifact.sha256 = sha256;
  row.origin = uploaded ? store::ArtifactOrigin::kUpload : store::ArtifactOrigin::kResult;
  const absl::Status status = database_->Transaction(
      [&](Session& session) { return store::PutArtifact(session, row).status(); });
  ASSERT_TRUE(status.ok()) << status;
}

std::string QueueTest::Ask(std::string_view sql) {
  std::string answer;
  const absl::Status status = database_->Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows, session.Execute(sql));
    if (!rows.empty()) answer = rows.front().Text(0);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return answer;
}

int64_t QueueTest::Count(std::string_view sql) {
  int64_t count = -1;
  const absl::Status status = database_->Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows, session.Execute(sql));
    count = rows.front().Int(0);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return count;
}

std::string QueueTest::Dump() {
  // quote() makes any value a text that tells its type.
  constexpr std::string_view kTables[] = {
      "SELECT quote(id)||quote(state)||quote(ready)||quote(retry_us)||quote(update_us)||"
      "quote(start_us)||quote(end_us)||quote(queued_us)||quote(attempts)||quote(failed_attempts)||"
      "quote(lost_attempts)||quote(lease_token)||quote(worker)||quote(lease_expire_us)||"
      "quote(step)||quote(total_steps)||quote(progress_json)||quote(checkpoint)||"
      "quote(error_message)||quote(result_json)||quote(last_cursor)||quote(kept_events)||"
      "quote(log_bytes)||quote(request_digest)||quote(state_events)||quote(not_begun) FROM jobs "
      "ORDER BY id",
      "SELECT quote(submitter)||quote(last_lease_us) FROM submitters ORDER BY submitter",
      "SELECT quote(submitter)||quote(kind)||quote(priority)||quote(last_lease_us) FROM job_lanes "
      "ORDER BY submitter, kind, priority",
      "SELECT quote(kind)||quote(state)||quote(count) FROM job_counts ORDER BY kind, state",
      "SELECT quote(job)||quote(cursor)||quote(json) FROM job_events ORDER BY job, cursor",
      "SELECT quote(job)||quote(sha256)||quote(number)||quote(best) FROM job_checkpoints ORDER BY "
      "job, sha256",
      "SELECT quote(job)||quote(first_byte)||quote(text) FROM job_logs ORDER BY job, first_byte",
      "SELECT quote(resource)||quote(job) FROM job_uses ORDER BY resource, job",
      "SELECT quote(job)||quote(key)||quote(value) FROM job_labels ORDER BY job, key",
      "SELECT quote(sha256)||quote(state) FROM artifacts ORDER BY sha256",
      "SELECT quote(artifact_sha256)||quote(owner) FROM artifact_references ORDER BY 1",
      "SELECT quote(id)||quote(seen_us)||quote(job) FROM workers ORDER BY id",
  };
  std::string dump;
  const absl::Status status = database_->Transaction([&](Session& session) -> absl::Status {
    dump.clear();
    for (const std::string_view sql : kTables) {
      LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows, session.Execute(sql));
      for (const Row& row : rows) dump += row.Text(0) + "\n";
      dump += "--\n";
    }
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return dump;
}

Outcome Ended(Outcome::Kind kind) {
  Outcome outcome;
  outcome.kind = kind;
  return outcome;
}

Outcome Failed(absl::StatusCode code, std::string_view message) {
  Outcome outcome = Ended(Outcome::Kind::kError);
  outcome.error = JobError{code, "INTERNAL", std::string(message)};
  return outcome;
}

std::string Digest(int number) {
  char text[65];
  std::snprintf(text, sizeof text, "%064x", static_cast<unsigned>(number));
  return text;
}

std::string ReasonOf(const absl::Status& status) { return base::GetErrorDetails(status).reason; }

}  // namespace lbw::jobs
