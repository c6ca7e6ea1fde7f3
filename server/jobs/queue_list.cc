#include "jobs/queue_list.h"

#include <optional>
#include <utility>

#include "base/strings.h"

namespace lbw::jobs {
namespace {

using Condition = JobFilter::Condition;
using Field = Condition::Field;

// WHERE, with its values.
struct Clause {
  std::string sql;
  std::vector<store::Value> values;

  std::string Place(store::Value value) {
    values.push_back(std::move(value));
    return base::StrCat("$", values.size());
  }
};

std::string UsesSql(const std::string& place, const Condition& condition, Clause& clause) {
  const std::string_view model = "models/";
  const bool all_versions = condition.field == Field::kModel &&
                            condition.value.find('/', model.size()) == std::string::npos;
  if (!all_versions) {
    return base::StrCat("EXISTS (SELECT 1 FROM job_uses WHERE job = jobs.id AND resource = ", place,
                        ")");
  }
  // "models/m/versions/" <= resource < "models/m/versions0": '0' follows '/'.
  const std::string low = clause.Place(condition.value + "/versions/");
  const std::string high = clause.Place(condition.value + "/versions0");
  return base::StrCat("EXISTS (SELECT 1 FROM job_uses WHERE job = jobs.id AND (resource = ", place,
                      " OR (resource >= ", low, " AND resource < ", high, ")))");
}

std::string ConditionSql(const Condition& condition, Clause& clause) {
  if (condition.field == Field::kState && condition.value == "active") {
    return "end_us IS NULL";
  }
  const std::string place = clause.Place(condition.value);
  switch (condition.field) {
    case Field::kState: {
      const std::optional<JobState> state = ParseState(condition.value);
      const bool ended = state && HasEnded(*state);
      // So that the few that have not ended are found by their index.
      return base::StrCat("state = ", place, ended ? "" : " AND end_us IS NULL");
    }
    case Field::kKind:
      return base::StrCat("kind = ", place);
    case Field::kSubmitter:
      return base::StrCat("submitter = ", place);
    case Field::kModel:
    case Field::kDataset:
      return UsesSql(place, condition, clause);
    case Field::kLabel:
      break;
  }
  return base::StrCat("EXISTS (SELECT 1 FROM job_labels WHERE job = jobs.id AND key = ",
                      clause.Place(condition.key), " AND value = ", place, ")");
}

// What of a job may be long.
size_t TextBytes(const Job& job) {
  return job.spec_json.size() + job.estimate_json.size() + job.progress_json.size() +
         job.error.message.size() + job.result_json.size();
}

}  // namespace

absl::StatusOr<Queue::Page> ListJobs(JobRows& rows, const JobFilter& filter,
                                     const store::TimePlace& place, int page_size) {
  Clause clause;
  const std::string us = clause.Place(place.create_us);
  const std::string id = clause.Place(place.id);
  clause.sql =
      base::StrCat("WHERE (create_us < ", us, " OR (create_us = ", us, " AND id < ", id, "))");
  for (const Condition& condition : filter.conditions) {
    const std::string sql = ConditionSql(condition, clause);
    base::StrAppend(&clause.sql, condition.negated ? " AND NOT (" : " AND (", sql, ")");
  }
  // One more than asked for tells whether there is another page.
  const std::string limit = clause.Place(int64_t{page_size} + 1);
  base::StrAppend(&clause.sql, " ORDER BY create_us DESC, id DESC LIMIT ", limit);
  LBW_ASSIGN_OR_RETURN(
      const std::vector<store::Row> ids,
      rows.session().Execute(base::StrCat("SELECT id FROM jobs ", clause.sql), clause.values));
  Queue::Page page;
  store::PageRoom room(rows.limits().max_page_bytes);
  for (const store::Row& found : ids) {
    const bool full = page.jobs.size() == static_cast<size_t>(page_size);
    JobRow row;
    if (!full) {
      LBW_ASSIGN_OR_RETURN(row, rows.Load(found.Text(0)));
    }
    if (full || !room.Takes(TextBytes(row.job))) {
      const Job& last = page.jobs.back();
      page.next_token = store::PageTokenBehind(last.create_time, last.id);
      break;
    }
    page.jobs.push_back(std::move(row.job));
  }
  return page;
}

}  // namespace lbw::jobs
