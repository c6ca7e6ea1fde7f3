#include "registry/checkpoint_version.h"

#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::registry {
namespace {

using store::Row;
using store::Session;

base::Error NotFound(std::string_view message) {
  return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound, message);
}

base::Error WrongState(std::string_view message) {
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kWrongState, message);
}

bool Trains(std::string_view kind) { return kind == "train" || kind == "fine_tune"; }

bool HasEnded(std::string_view state) {
  return state == "SUCCEEDED" || state == "FAILED" || state == "CANCELLED";
}

// The version that it made, where it did.
absl::Status Ended(Session& session, const std::string& job, std::string_view state) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> made,
      session.Execute("SELECT model, number FROM versions WHERE job = $1 AND job <> '' LIMIT 1",
                      {job}));
  std::string message = base::StrCat(base::JobName(job), " has ended: state=", state);
  if (!made.empty()) {
    base::StrAppend(&message, "; detect with the version that it made, ",
                    base::VersionName(made.front().Text(0), made.front().Int(1)));
  }
  return WrongState(message);
}

// A job trains what it reads first: its only version.
absl::Status CheckModel(Session& session, std::string_view model, const std::string& job) {
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> uses,
                       session.Execute("SELECT resource FROM job_uses WHERE job = $1 AND resource "
                                       "LIKE 'models/%' ORDER BY resource",
                                       {job}));
  std::string others;
  for (const Row& row : uses) {
    const absl::StatusOr<base::ModelRef> ref = base::ParseModelRef(row.Text(0), "resource");
    if (ref.ok() && ref->model == model) return absl::OkStatus();
    base::StrAppend(&others, others.empty() ? "" : ", ", row.Text(0));
  }
  return NotFound(base::StrCat(base::JobName(job), " does not train ", base::ModelName(model),
                               others.empty() ? "" : ", but ", others));
}

}  // namespace

absl::StatusOr<Version> CheckpointVersion(Session& session, std::string_view model,
                                          std::string_view job) {
  const std::string id(job);
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> jobs,
                       session.Execute("SELECT kind, state FROM jobs WHERE id = $1", {id}));
  if (jobs.empty()) return NotFound(base::StrCat("there is no ", base::JobName(job)));
  const std::string& kind = jobs.front().Text(0);
  const std::string& state = jobs.front().Text(1);
  if (!Trains(kind)) {
    return WrongState(base::StrCat(base::JobName(job), " trains nothing that could detect: kind=",
                                   kind, "; those that do: train, fine_tune"));
  }
  LBW_RETURN_IF_ERROR(CheckModel(session, model, id));
  if (HasEnded(state)) return Ended(session, id, state);
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> newest,
                       session.Execute("SELECT sha256, size_bytes, create_us FROM job_checkpoints "
                                       "WHERE job = $1 ORDER BY number DESC LIMIT 1",
                                       {id}));
  if (newest.empty()) {
    return WrongState(
        base::StrCat(base::JobName(job), " has no checkpoint yet: state=", state, "; try later"));
  }
  Version version;
  version.model = std::string(model);
  version.state = VersionState::kReady;
  version.job = id;
  version.bundle = newest.front().Text(0);
  version.bundle_bytes = static_cast<uint64_t>(newest.front().Int(1));
  version.create_time = absl::FromUnixMicros(newest.front().Int(2));
  return version;
}

}  // namespace lbw::registry
