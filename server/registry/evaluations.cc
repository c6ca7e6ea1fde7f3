#include "registry/evaluations.h"

#include <functional>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "registry/evaluation_rows.h"
#include "store/paging.h"

namespace lbw::registry {
namespace {

using store::Row;
using store::Session;
using store::Value;

// Behind the columns of LBW_EVALUATION_FIGURES.
constexpr size_t kSummaryColumn = 11;
constexpr size_t kResultColumn = 12;

Evaluation WithSummary(const Row& row) {
  Evaluation evaluation = ToEvaluation(row);
  evaluation.summary_json = row.Text(kSummaryColumn);
  return evaluation;
}

// One after the other, until the next has no room. True where all had.
absl::StatusOr<bool> ReadSummaries(Session& session, absl::Span<const Row> ids, size_t most_bytes,
                                   std::vector<Evaluation>& evaluations) {
  store::PageRoom room(most_bytes);
  for (const Row& id : ids) {
    LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                         session.Execute("SELECT " LBW_EVALUATION_FIGURES
                                         ", summary_json FROM evaluations WHERE id = $1",
                                         {id.Text(0)}));
    LBW_CHECK(rows.size() == 1);  // of one transaction
    Evaluation evaluation = WithSummary(rows.front());
    if (!room.Takes(evaluation.summary_json.size() + evaluation.options_json.size())) return false;
    evaluations.push_back(std::move(evaluation));
  }
  return true;
}

// The statement of a page's ids and what it is asked with.
struct Asked {
  std::string sql;
  std::vector<Value> parameters;

  std::string Parameter(Value value) {
    parameters.push_back(std::move(value));
    return base::StrCat("$", parameters.size());
  }
};

Asked PageStatement(const Evaluations::Query& query, const store::TimePlace& place, int64_t limit) {
  Asked asked;
  const std::string before = asked.Parameter(place.create_us);
  asked.sql = base::StrCat("SELECT id FROM evaluations WHERE (create_us < ", before,
                           " OR (create_us = ", before, " AND id < ");
  base::StrAppend(&asked.sql, asked.Parameter(place.id), "))");
  if (!query.model.empty())
    base::StrAppend(&asked.sql, " AND model = ", asked.Parameter(query.model));
  if (query.version != 0)
    base::StrAppend(&asked.sql, " AND version = ", asked.Parameter(query.version));
  if (!query.dataset.empty())
    base::StrAppend(&asked.sql, " AND dataset = ", asked.Parameter(query.dataset));
  base::StrAppend(&asked.sql, " ORDER BY create_us DESC, id DESC LIMIT ", asked.Parameter(limit));
  return asked;
}

class DatabaseEvaluations final : public Evaluations {
 public:
  DatabaseEvaluations(store::Database& database, const EvaluationLimits& limits)
      : database_(database), limits_(limits) {}

  absl::Status Insert(Session& session, const Evaluation& evaluation) override {
    return InsertEvaluation(session, evaluation);
  }
  absl::StatusOr<Evaluation> Get(std::string_view id) override;
  absl::StatusOr<Page> List(const Query& query, int page_size, std::string_view token) override;
  absl::StatusOr<std::vector<Evaluation>> Newest(std::string_view model, int64_t version) override;

 private:
  store::Database& database_;
  const EvaluationLimits limits_;
};

absl::StatusOr<Evaluation> DatabaseEvaluations::Get(std::string_view id) {
  Evaluation evaluation;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        session.Execute("SELECT " LBW_EVALUATION_FIGURES
                        ", summary_json, result_json FROM evaluations WHERE id = $1",
                        {std::string(id)}));
    if (rows.empty()) {
      return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                         base::StrCat("there is no ", base::EvaluationName(id)));
    }
    evaluation = WithSummary(rows.front());
    evaluation.result_json = rows.front().Text(kResultColumn);
    return absl::OkStatus();
  }));
  return evaluation;
}

absl::StatusOr<Evaluations::Page> DatabaseEvaluations::List(const Query& query, int page_size,
                                                            std::string_view token) {
  LBW_ASSIGN_OR_RETURN(const store::TimePlace place, store::ParsePageToken(token));
  const int limit = store::PageLimit(page_size);
  const Asked asked = PageStatement(query, place, limit + 1);
  Page page;
  bool more = false;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    page = Page();
    LBW_ASSIGN_OR_RETURN(const std::vector<Row> ids,
                         session.Execute(asked.sql, absl::MakeConstSpan(asked.parameters)));
    const absl::Span<const Row> wanted =
        absl::MakeConstSpan(ids).subspan(0, static_cast<size_t>(limit));
    LBW_ASSIGN_OR_RETURN(const bool all,
                         ReadSummaries(session, wanted, limits_.max_page_bytes, page.evaluations));
    more = !all || ids.size() > wanted.size();
    return absl::OkStatus();
  }));
  if (more) {
    const Evaluation& last = page.evaluations.back();
    page.next_token = store::PageTokenBehind(last.create_time, last.id);
  }
  return page;
}

absl::StatusOr<std::vector<Evaluation>> DatabaseEvaluations::Newest(std::string_view model,
                                                                    int64_t version) {
  std::vector<Evaluation> evaluations;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    evaluations.clear();
    LBW_ASSIGN_OR_RETURN(
        const std::vector<Row> ids,
        session.Execute("SELECT id FROM evaluations WHERE id IN (SELECT id FROM (SELECT id, "
                        "ROW_NUMBER() OVER (PARTITION BY dataset, split ORDER BY create_us DESC, "
                        "id DESC) AS place FROM evaluations WHERE model = $1 AND version = $2 "
                        "AND " LBW_SINCE_VERSION
                        ") AS ranked WHERE place = 1) ORDER BY create_us DESC, id DESC",
                        {std::string(model), version}));
    return ReadSummaries(session, ids, limits_.max_page_bytes, evaluations).status();
  }));
  return evaluations;
}

}  // namespace

std::unique_ptr<Evaluations> NewEvaluations(store::Database& database,
                                            const EvaluationLimits& limits) {
  return std::make_unique<DatabaseEvaluations>(database, limits);
}

}  // namespace lbw::registry
