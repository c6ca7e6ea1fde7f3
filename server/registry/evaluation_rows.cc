#include "registry/evaluation_rows.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/status.h"

namespace lbw::registry {
namespace {

using store::Row;
using store::Session;

constexpr int64_t kMostFigures = 1000;

std::string ToJson(const Evaluation& evaluation) {
  nlohmann::json values = nlohmann::json::object();
  for (const auto& [name, value] : evaluation.metrics) {
    if (std::isfinite(value)) values[name] = value;
  }
  const nlohmann::json json = {{"metric", evaluation.metric}, {"values", std::move(values)}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Damaged figures are missing ones: a rule that needs them is not met.
void FromJson(const std::string& text, Evaluation& evaluation) {
  const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  if (!parsed.is_object()) return;
  const auto metric = parsed.find("metric");
  if (metric != parsed.end() && metric->is_string()) evaluation.metric = metric->get<std::string>();
  const auto values = parsed.find("values");
  if (values == parsed.end() || !values->is_object()) return;
  for (const auto& [name, value] : values->items()) {
    if (value.is_number()) evaluation.metrics[name] = value.get<double>();
  }
}

}  // namespace

Evaluation ToEvaluation(const Row& row) {
  Evaluation evaluation;
  evaluation.id = row.Text(0);
  evaluation.model = row.Text(1);
  evaluation.version = row.Int(2);
  evaluation.dataset = row.Text(3);
  evaluation.pack_artifact = row.Text(4);
  evaluation.split = row.Text(5);
  evaluation.job = row.Text(6);
  evaluation.against = row.Text(7);
  evaluation.create_time = absl::FromUnixMicros(row.Int(8));
  evaluation.options_json = row.Text(9);
  FromJson(row.Text(10), evaluation);
  return evaluation;
}

absl::Status InsertEvaluation(Session& session, const Evaluation& evaluation) {
  return session
      .Execute("INSERT INTO evaluations (" LBW_EVALUATION_FIGURES
               ", subject, summary_json, result_json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
               "$10, $11, '', $12, $13)",
               {evaluation.id, evaluation.model, evaluation.version, evaluation.dataset,
                evaluation.pack_artifact, evaluation.split, evaluation.job, evaluation.against,
                session.NowUs(), evaluation.options_json, ToJson(evaluation),
                evaluation.summary_json, evaluation.result_json})
      .status();
}

absl::StatusOr<std::vector<Evaluation>> ReadFigures(Session& session, std::string_view model,
                                                    int64_t version, std::string_view dataset) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT " LBW_EVALUATION_FIGURES
                      " FROM evaluations WHERE model = $1 AND version = $2 AND dataset = $3 "
                      "AND " LBW_SINCE_VERSION " ORDER BY create_us DESC, id DESC LIMIT $4",
                      {std::string(model), version, std::string(dataset), kMostFigures}));
  std::vector<Evaluation> evaluations;
  evaluations.reserve(rows.size());
  for (const Row& row : rows) evaluations.push_back(ToEvaluation(row));
  return evaluations;
}

}  // namespace lbw::registry
