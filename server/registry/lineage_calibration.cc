#include "registry/lineage_calibration.h"

#include <nlohmann/json.hpp>

#include "base/ids.h"
#include "base/status.h"

namespace lbw::registry {
namespace {

using store::Row;
using store::Session;

#define LBW_CALIBRATES "jobs.kind = 'quantize'"

// `calibration.dataset` of a job's spec or of a version's report.
std::string DatasetIn(const std::string& text) {
  const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("calibration")) return "";
  const nlohmann::json& calibration = parsed["calibration"];
  if (!calibration.is_object() || !calibration.contains("dataset")) return "";
  const nlohmann::json& dataset = calibration["dataset"];
  return dataset.is_string() ? dataset.get<std::string>() : "";
}

}  // namespace

absl::StatusOr<std::string> CalibrationOf(Session& session, std::string_view model,
                                          int64_t version) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> jobs,
      session.Execute("SELECT jobs.spec_json FROM versions JOIN jobs ON jobs.id = versions.job "
                      "WHERE versions.model = $1 AND versions.number = $2 AND " LBW_CALIBRATES,
                      {std::string(model), version}));
  if (!jobs.empty()) return DatasetIn(jobs.front().Text(0));
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> reports,
      session.Execute("SELECT report_json FROM versions WHERE model = $1 AND number = $2 AND "
                      "quantized <> 0 AND job <> '' AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = "
                      "versions.job)",
                      {std::string(model), version}));
  return reports.empty() ? std::string() : DatasetIn(reports.front().Text(0));
}

absl::StatusOr<std::vector<std::string>> CalibratedOn(Session& session, std::string_view dataset,
                                                      int64_t limit) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT versions.model, versions.number, jobs.spec_json FROM job_uses JOIN "
                      "jobs ON jobs.id = job_uses.job JOIN versions ON versions.job = jobs.id "
                      "WHERE job_uses.resource = $1 AND versions.job <> '' AND " LBW_CALIBRATES
                      " ORDER BY versions.create_us DESC, versions.model, versions.number LIMIT $2",
                      {std::string(dataset), limit}));
  std::vector<std::string> names;
  for (const Row& row : rows) {
    // Others were only measured on it.
    if (DatasetIn(row.Text(2)) == dataset) {
      names.push_back(base::VersionName(row.Text(0), row.Int(1)));
    }
  }
  return names;
}

}  // namespace lbw::registry
