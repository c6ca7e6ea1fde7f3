#include "registry/lineage_calibration.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/ids.h"
#include "base/status.h"

namespace lbw::registry {
namespace {

using store::Row;
using store::Session;

#define LBW_MAKES_VERSIONS "jobs.kind IN ('quantize', 'train', 'fine_tune')"

// Where a job's spec or a version's report says which dataset: `member`.dataset.
struct Place {
  const char* member;
  const char* relation;
};
constexpr Place kInSpec[] = {{"calibration", "calibrated_on"}, {"data", "trained_on"}};
constexpr Place kInReport[] = {{"calibration", "calibrated_on"}, {"training", "trained_on"}};

template <size_t kCount>
std::vector<LineageLink> DatasetsIn(const std::string& text, const Place (&places)[kCount]) {
  std::vector<LineageLink> links;
  const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  if (!parsed.is_object()) return links;
  for (const Place& place : places) {
    const auto found = parsed.find(place.member);
    if (found == parsed.end() || !found->is_object()) continue;
    const auto dataset = found->find("dataset");
    if (dataset == found->end() || !dataset->is_string()) continue;
    auto name = dataset->get<std::string>();
    if (!name.empty()) links.push_back({std::move(name), place.relation});
  }
  return links;
}

}  // namespace

absl::StatusOr<std::vector<LineageLink>> DatasetsOf(Session& session, std::string_view model,
                                                    int64_t version) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> jobs,
      session.Execute("SELECT jobs.spec_json FROM versions JOIN jobs ON jobs.id = versions.job "
                      "WHERE versions.model = $1 AND versions.number = $2 AND " LBW_MAKES_VERSIONS,
                      {std::string(model), version}));
  if (!jobs.empty()) return DatasetsIn(jobs.front().Text(0), kInSpec);
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> reports,
      session.Execute("SELECT report_json FROM versions WHERE model = $1 AND number = $2 AND "
                      "job <> '' AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = versions.job)",
                      {std::string(model), version}));
  if (reports.empty()) return std::vector<LineageLink>();
  return DatasetsIn(reports.front().Text(0), kInReport);
}

absl::StatusOr<std::vector<LineageLink>> MadeOn(Session& session, std::string_view dataset,
                                                int64_t limit) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT versions.model, versions.number, jobs.spec_json FROM job_uses JOIN "
                      "jobs ON jobs.id = job_uses.job JOIN versions ON versions.job = jobs.id "
                      "WHERE job_uses.resource = $1 AND versions.job <> '' AND " LBW_MAKES_VERSIONS
                      " ORDER BY versions.create_us DESC, versions.model, versions.number LIMIT $2",
                      {std::string(dataset), limit}));
  std::vector<LineageLink> links;
  for (const Row& row : rows) {
    // Others were only measured on it.
    for (LineageLink& link : DatasetsIn(row.Text(2), kInSpec)) {
      if (link.name != dataset) continue;
      links.push_back({base::VersionName(row.Text(0), row.Int(1)), std::move(link.relation)});
    }
  }
  return links;
}

}  // namespace lbw::registry
