#include "jobs/queue_history.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "base/strings.h"
#include "jobs/log_buffer.h"

namespace lbw::jobs {
namespace {

using store::Row;
using store::Session;

std::string Dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::Status InsertEvent(Session& session, const Job& job, int64_t cursor, bool is_state,
                         const std::string& json) {
  return session
      .Execute(
          "INSERT INTO job_events (job, cursor, time_us, is_state, json) VALUES ($1, $2, $3, "
          "$4, $5)",
          {job.id, cursor, session.NowUs(), int64_t{is_state ? 1 : 0}, json})
      .status();
}

std::string TooLargeEvent(size_t bytes, int64_t limit) {
  return Dump(
      {{"message",
        {{"severity", "warning"},
         {"text", base::StrCat("an event was left out: bytes=", bytes, " limit=", limit)}}}});
}

int64_t ChunkBytes(const QueueLimits& limits) {
  return std::clamp<int64_t>(limits.log_tail_bytes / 16, 1, int64_t{16} << 10);
}

struct Chunk {
  int64_t first_byte = 0;
  std::string text;
};

absl::StatusOr<Chunk> NewestChunk(Session& session, const std::string& job) {
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                       session.Execute("SELECT first_byte, text FROM job_logs WHERE job = $1 ORDER "
                                       "BY first_byte DESC LIMIT 1",
                                       {job}));
  if (rows.empty()) return Chunk{};
  return Chunk{rows.front().Int(0), rows.front().Blob(1)};
}

absl::Status PutChunk(Session& session, const std::string& job, const Chunk& chunk) {
  return session
      .Execute(
          "INSERT INTO job_logs (job, first_byte, size_bytes, text) VALUES ($1, $2, $3, $4) "
          "ON CONFLICT (job, first_byte) DO UPDATE SET size_bytes = excluded.size_bytes, "
          "text = excluded.text",
          {job, chunk.first_byte, static_cast<int64_t>(chunk.text.size()),
           store::Bytes{chunk.text}})
      .status();
}

}  // namespace

absl::Status InsertStateEvent(Session& session, const JobRow& row, const StateNote& note) {
  nlohmann::json state = {{"state", base::StrCat("JOB_STATE_", Name(row.job.state))},
                          {"attempt", row.job.attempts}};
  const std::string& worker = row.job.worker.empty() ? note.worker : row.job.worker;
  if (!worker.empty()) state["worker"] = worker;
  if (!note.reason.empty()) state["reason"] = note.reason;
  return InsertEvent(session, row.job, row.job.last_cursor, true, Dump({{"state", state}}));
}

absl::Status AppendEvents(JobRows& rows, JobRow& row, absl::Span<const std::string> events_json) {
  const int64_t limit = rows.limits().max_event_bytes;
  for (const std::string& json : events_json) {
    ++row.job.last_cursor;
    ++row.kept_events;
    const bool fits = static_cast<int64_t>(json.size()) <= limit;
    LBW_RETURN_IF_ERROR(InsertEvent(rows.session(), row.job, row.job.last_cursor, false,
                                    fits ? json : TooLargeEvent(json.size(), limit)));
  }
  return PruneEvents(rows.session(), row, rows.limits().max_events_per_job);
}

absl::Status PruneEvents(Session& session, JobRow& row, int64_t most) {
  if (row.kept_events <= most) return absl::OkStatus();
  LBW_RETURN_IF_ERROR(
      session
          .Execute("DELETE FROM job_events WHERE job = $1 AND cursor IN (SELECT cursor FROM "
                   "job_events WHERE job = $1 AND is_state = 0 ORDER BY cursor LIMIT $2)",
                   {row.job.id, row.kept_events - most})
          .status());
  row.kept_events -= session.changes();
  return absl::OkStatus();
}

absl::Status PruneStateEvents(Session& session, JobRow& row, const QueueLimits& limits) {
  const int64_t excess = row.state_events - limits.first_state_events - limits.newest_state_events;
  if (excess <= 0) return absl::OkStatus();
  LBW_RETURN_IF_ERROR(
      session
          .Execute("DELETE FROM job_events WHERE job = $1 AND cursor IN (SELECT cursor FROM "
                   "job_events WHERE job = $1 AND is_state = 1 ORDER BY cursor LIMIT $2 OFFSET $3)",
                   {row.job.id, excess, limits.first_state_events})
          .status());
  row.kept_events -= session.changes();
  row.state_events -= session.changes();
  return absl::OkStatus();
}

absl::Status DropEvents(Session& session, JobRow& row, int64_t count) {
  LBW_RETURN_IF_ERROR(
      session
          .Execute("DELETE FROM job_events WHERE job = $1 AND cursor IN (SELECT cursor FROM "
                   "job_events WHERE job = $1 ORDER BY cursor LIMIT $2)",
                   {row.job.id, count})
          .status());
  row.kept_events -= count;
  return session
      .Execute("UPDATE jobs SET kept_events = $2 WHERE id = $1", {row.job.id, row.kept_events})
      .status();
}

absl::StatusOr<std::vector<Event>> ReadEvents(Session& session, std::string_view id, int64_t cursor,
                                              int64_t limit) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT cursor, time_us, json FROM job_events WHERE job = $1 AND cursor > $2 "
                      "ORDER BY cursor LIMIT $3",
                      {std::string(id), cursor, limit}));
  std::vector<Event> events;
  events.reserve(rows.size());
  for (const Row& row : rows) {
    events.push_back(Event{row.Int(0), absl::FromUnixMicros(row.Int(1)), row.Text(2)});
  }
  return events;
}

absl::Status AppendLog(JobRows& rows, JobRow& row, std::string_view text) {
  const int64_t head = rows.limits().log_head_bytes;
  const int64_t end = row.log_bytes + static_cast<int64_t>(text.size());
  // What lies before it, and behind the head, would be dropped at once.
  const int64_t tail_from = std::max(head, end - rows.limits().log_tail_bytes);
  const int64_t chunk_bytes = ChunkBytes(rows.limits());
  LBW_ASSIGN_OR_RETURN(Chunk chunk, NewestChunk(rows.session(), row.job.id));
  while (!text.empty()) {
    int64_t at = row.log_bytes;
    int64_t skipped = 0;
    if (at >= head && at < tail_from) skipped = tail_from - at;
    at += skipped;
    text.remove_prefix(static_cast<size_t>(skipped));
    const int64_t chunk_end = chunk.first_byte + static_cast<int64_t>(chunk.text.size());
    const bool goes_on =
        chunk_end == at && at != head && chunk_end - chunk.first_byte < chunk_bytes;
    if (!goes_on) chunk = Chunk{at, ""};
    int64_t room = chunk.first_byte + chunk_bytes - at;
    if (at < head) room = std::min(room, head - at);  // no row lies on the head's end
    const std::string_view piece = text.substr(0, static_cast<size_t>(room));
    chunk.text.append(piece);
    text.remove_prefix(piece.size());
    row.log_bytes = at + static_cast<int64_t>(piece.size());
    LBW_RETURN_IF_ERROR(PutChunk(rows.session(), row.job.id, chunk));
  }
  return rows.session()
      .Execute("DELETE FROM job_logs WHERE job = $1 AND first_byte >= $2 AND first_byte < $3",
               {row.job.id, head, tail_from})
      .status();
}

absl::StatusOr<Queue::Log> ReadJobLog(JobRows& rows, const JobRow& row) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> chunks,
      rows.session().Execute(
          "SELECT first_byte, text FROM job_logs WHERE job = $1 ORDER BY first_byte",
          {row.job.id}));
  Queue::Log log;
  log.written_bytes = static_cast<uint64_t>(row.log_bytes);
  std::string bytes;
  int64_t next = 0;
  const auto tell_gap = [&](int64_t until) {
    if (until == next) return;
    log.dropped_bytes += static_cast<uint64_t>(until - next);
    base::StrAppend(&bytes, "\n[", until - next, " bytes left out]\n");
  };
  for (const Row& chunk : chunks) {
    tell_gap(chunk.Int(0));
    bytes.append(chunk.Blob(1));
    next = chunk.Int(0) + static_cast<int64_t>(chunk.Blob(1).size());
  }
  tell_gap(row.log_bytes);
  log.text = CleanUtf8(bytes);
  return log;
}

}  // namespace lbw::jobs
