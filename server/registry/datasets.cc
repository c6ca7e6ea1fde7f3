#include "registry/datasets.h"

#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "registry/registry_rows.h"
#include "store/paging.h"

namespace lbw::registry {
namespace {

using store::Row;
using store::Session;

#define LBW_DATASET_FACTS \
  "name, state, create_us, source_artifact, pack_artifact, pack_bytes, job, error"
#define LBW_DATASET_COLUMNS LBW_DATASET_FACTS ", summary_json"
constexpr size_t kDefectsColumn = 9;

DatasetState StateFrom(std::string_view name) {
  for (const DatasetState state : {DatasetState::kChecking, DatasetState::kReady}) {
    if (Name(state) == name) return state;
  }
  return DatasetState::kFailed;
}

Dataset ToDataset(const Row& row) {
  Dataset dataset;
  dataset.name = row.Text(0);
  dataset.state = StateFrom(row.Text(1));
  dataset.create_time = absl::FromUnixMicros(row.Int(2));
  dataset.source_artifact = row.Text(3);
  dataset.pack_artifact = row.Text(4);
  dataset.pack_bytes = static_cast<uint64_t>(row.Int(5));
  dataset.job = row.Text(6);
  dataset.error = row.Text(7);
  dataset.summary_json = row.Text(8);
  return dataset;
}

absl::Status NotThere(std::string_view name) {
  return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                     base::StrCat("there is no ", base::DatasetName(name)));
}

enum class Texts : uint8_t { kNone, kSummary, kAll };

absl::StatusOr<Dataset> Read(Session& session, std::string_view name, Texts texts) {
  std::string_view sql =
      "SELECT " LBW_DATASET_COLUMNS ", defects_json FROM datasets WHERE name = $1";
  if (texts == Texts::kSummary) {
    sql = "SELECT " LBW_DATASET_COLUMNS " FROM datasets WHERE name = $1";
  } else if (texts == Texts::kNone) {
    sql = "SELECT " LBW_DATASET_FACTS ", '' FROM datasets WHERE name = $1";
  }
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows, session.Execute(sql, {std::string(name)}));
  if (rows.empty()) return NotThere(name);
  Dataset dataset = ToDataset(rows.front());
  if (texts == Texts::kAll) dataset.defects_json = rows.front().Text(kDefectsColumn);
  return dataset;
}

// What waits for the job's end is still there, and is this job's.
absl::StatusOr<bool> IsCheckedBy(Session& session, std::string_view name, std::string_view job) {
  LBW_ASSIGN_OR_RETURN(const int64_t found,
                       Count(session,
                             "SELECT COUNT(*) FROM datasets WHERE name = $1 AND job = $2 AND "
                             "state = 'CHECKING'",
                             {std::string(name), std::string(job)}));
  return found == 1;
}

absl::Status CheckReady(const Dataset& dataset) {
  if (dataset.state == DatasetState::kReady) return absl::OkStatus();
  std::string why;
  if (dataset.state == DatasetState::kChecking) {
    why = base::StrCat("; ", base::JobName(dataset.job), " checks it");
  } else {
    why = base::StrCat(": ", dataset.error);
  }
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kDatasetNotReady,
                     base::StrCat(base::DatasetName(dataset.name),
                                  " is not READY: state=", Name(dataset.state), why));
}

class DatabaseDatasets final : public Datasets {
 public:
  DatabaseDatasets(store::Database& database, const DatasetLimits& limits)
      : database_(database), limits_(limits) {}

  absl::Status Insert(Session& session, std::string_view name, std::string_view source_artifact,
                      std::string_view job) override;
  absl::Status Publish(Session& session, std::string_view name, std::string_view job,
                       const Checked& checked) override;
  absl::Status Fail(Session& session, std::string_view name, std::string_view job,
                    std::string_view error) override;
  absl::StatusOr<Dataset> Get(std::string_view name) override { return Fetch(name, Texts::kAll); }
  absl::StatusOr<Dataset> RequireReady(std::string_view name) override;
  absl::StatusOr<Page> List(int page_size, std::string_view token) override;
  absl::Status Delete(std::string_view name, const DeleteCheck& check) override;
  absl::StatusOr<int64_t> Count() override;

 private:
  absl::StatusOr<Dataset> Fetch(std::string_view name, Texts texts);

  store::Database& database_;
  const DatasetLimits limits_;
};

absl::Status DatabaseDatasets::Insert(Session& session, std::string_view name,
                                      std::string_view source_artifact, std::string_view job) {
  if (!base::IsValidName(name)) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadName,
                       "dataset_id must match [a-z0-9]([a-z0-9_.-]{0,62})")
        .Field("dataset_id");
  }
  const absl::StatusOr<Dataset> found = Read(session, name, Texts::kNone);
  if (found.ok()) {
    return base::Error(absl::StatusCode::kAlreadyExists, base::reason::kAlreadyExists,
                       base::StrCat(base::DatasetName(name), " exists already: state=",
                                    Name(found->state), "; delete it first, or take another name"));
  }
  if (!absl::IsNotFound(found.status())) return found.status();
  LBW_ASSIGN_OR_RETURN(const int64_t datasets,
                       registry::Count(session, "SELECT COUNT(*) FROM datasets", {}));
  if (datasets >= limits_.max_datasets) {
    return base::Error(
        absl::StatusCode::kResourceExhausted, base::reason::kLimitExceeded,
        base::StrCat("too many datasets: ", datasets, " limit=", limits_.max_datasets));
  }
  return session
      .Execute(
          "INSERT INTO datasets (name, state, subject, create_us, source_artifact, "
          "pack_artifact, pack_bytes, job, summary_json, defects_json, error) VALUES ($1, "
          "'CHECKING', '', $2, $3, '', 0, $4, '', '', '')",
          {std::string(name), session.NowUs(), std::string(source_artifact), std::string(job)})
      .status();
}

absl::Status DatabaseDatasets::Publish(Session& session, std::string_view name,
                                       std::string_view job, const Checked& checked) {
  LBW_ASSIGN_OR_RETURN(const bool waits, IsCheckedBy(session, name, job));
  if (!waits) return ReleaseBundle(session, checked.pack_artifact);
  const size_t bytes = checked.summary_json.size() + checked.defects_json.size();
  if (bytes > limits_.max_text_bytes) {
    return base::Error(
               absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
               base::StrCat("the summary and defects of ", base::DatasetName(name),
                            " are too long: bytes=", bytes, " limit=", limits_.max_text_bytes))
        .Field("defects");
  }
  LBW_RETURN_IF_ERROR(AddReference(session, checked.pack_artifact, base::DatasetName(name)));
  return session
      .Execute(
          "UPDATE datasets SET state = 'READY', pack_artifact = $2, pack_bytes = $3, "
          "summary_json = $4, defects_json = $5 WHERE name = $1",
          {std::string(name), checked.pack_artifact, static_cast<int64_t>(checked.pack_bytes),
           checked.summary_json, checked.defects_json})
      .status();
}

absl::Status DatabaseDatasets::Fail(Session& session, std::string_view name, std::string_view job,
                                    std::string_view error) {
  return session
      .Execute(
          "UPDATE datasets SET state = 'FAILED', error = $3 WHERE name = $1 AND job = $2 AND "
          "state = 'CHECKING'",
          {std::string(name), std::string(job), std::string(error)})
      .status();
}

absl::StatusOr<Dataset> DatabaseDatasets::Fetch(std::string_view name, Texts texts) {
  Dataset dataset;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(dataset, Read(session, name, texts));
    return absl::OkStatus();
  }));
  return dataset;
}

absl::StatusOr<Dataset> DatabaseDatasets::RequireReady(std::string_view name) {
  LBW_ASSIGN_OR_RETURN(Dataset dataset, Fetch(name, Texts::kSummary));
  LBW_RETURN_IF_ERROR(CheckReady(dataset));
  return dataset;
}

absl::StatusOr<Datasets::Page> DatabaseDatasets::List(int page_size, std::string_view token) {
  if (!token.empty() && !base::IsValidName(token)) return store::BadPageToken();
  const int64_t limit = store::PageLimit(page_size);
  Page page;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    page = Page();
    LBW_ASSIGN_OR_RETURN(
        const std::vector<Row> names,
        session.Execute("SELECT name FROM datasets WHERE name > $1 ORDER BY name LIMIT $2",
                        {std::string(token), limit + 1}));
    store::PageRoom room(limits_.max_page_bytes);
    for (const Row& row : names) {
      const bool full = page.datasets.size() == static_cast<size_t>(limit);
      Dataset dataset;
      if (!full) {
        LBW_ASSIGN_OR_RETURN(dataset, Read(session, row.Text(0), Texts::kSummary));
      }
      if (full || !room.Takes(dataset.summary_json.size() + dataset.error.size())) {
        page.next_token = page.datasets.back().name;
        break;
      }
      page.datasets.push_back(std::move(dataset));
    }
    return absl::OkStatus();
  }));
  return page;
}

absl::Status DatabaseDatasets::Delete(std::string_view name, const DeleteCheck& check) {
  return database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const Dataset dataset, Read(session, name, Texts::kNone));
    if (check) LBW_RETURN_IF_ERROR(check(session, dataset));
    LBW_RETURN_IF_ERROR(DropReferences(session, base::DatasetName(name)));
    if (!dataset.pack_artifact.empty())
      LBW_RETURN_IF_ERROR(ReleaseBundle(session, dataset.pack_artifact));
    return session.Execute("DELETE FROM datasets WHERE name = $1", {std::string(name)}).status();
  });
}

absl::StatusOr<int64_t> DatabaseDatasets::Count() {
  int64_t datasets = 0;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(datasets, registry::Count(session, "SELECT COUNT(*) FROM datasets", {}));
    return absl::OkStatus();
  }));
  return datasets;
}

}  // namespace

std::string_view Name(DatasetState state) {
  switch (state) {
    case DatasetState::kChecking:
      return "CHECKING";
    case DatasetState::kReady:
      return "READY";
    case DatasetState::kFailed:
      return "FAILED";
  }
  return "FAILED";
}

absl::StatusOr<Dataset> RequireReadyDataset(Session& session, std::string_view name) {
  LBW_ASSIGN_OR_RETURN(Dataset dataset, Read(session, name, Texts::kNone));
  LBW_RETURN_IF_ERROR(CheckReady(dataset));
  return dataset;
}

std::unique_ptr<Datasets> NewDatasets(store::Database& database, const DatasetLimits& limits) {
  return std::make_unique<DatabaseDatasets>(database, limits);
}

}  // namespace lbw::registry
