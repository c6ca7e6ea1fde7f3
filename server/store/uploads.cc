#include "store/uploads.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "store/upload_errors.h"
#include "store/upload_writer.h"

namespace lbw::store {
Uploads::Uploads(Database& database, Artifacts& artifacts, FileSystem& files,
                 const ArtifactStoreOptions& options)
    : database_(database),
      artifacts_(artifacts),
      files_(files),
      options_(options),
      folder_(options.folder + "/uploads") {}

std::string Uploads::PathOf(std::string_view id) const { return base::StrCat(folder_, "/", id); }

absl::StatusOr<UploadRow> Uploads::Read(std::string_view id) {
  UploadRow row;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(row, RequireUpload(session, id));
    return absl::OkStatus();
  }));
  return row;
}

absl::Status Uploads::CheckWanted(const Upload& wanted) const {
  LBW_RETURN_IF_ERROR(CheckDigest(wanted.sha256));
  const UploadLimits& limits = options_.limits;
  if (wanted.size_bytes > limits.max_upload_bytes) {
    return BadField("size_bytes", base::reason::kLimitExceeded,
                    base::StrCat("size_bytes is larger than an upload may be: size_bytes=",
                                 wanted.size_bytes, " limit=", limits.max_upload_bytes));
  }
  if (wanted.display_name.size() > limits.max_display_name_bytes) {
    return BadField("display_name", base::reason::kLimitExceeded,
                    base::StrCat("display_name is too long: bytes=", wanted.display_name.size(),
                                 " limit=", limits.max_display_name_bytes));
  }
  const bool printable =
      std::none_of(wanted.display_name.begin(), wanted.display_name.end(),
                   [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (!printable) {
    return BadField("display_name", base::reason::kBadArgument,
                    "display_name must not hold control characters");
  }
  return absl::OkStatus();
}

absl::StatusOr<Upload> Uploads::Create(std::string_view subject, const Upload& wanted) {
  LBW_RETURN_IF_ERROR(CheckWanted(wanted));
  UploadRow row;
  row.subject = std::string(subject);
  row.upload = wanted;
  row.upload.id = base::NewId();
  std::optional<UploadRow> known;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    known.reset();
    const int64_t now_us = session.NowUs();
    row.upload.create_time = absl::FromUnixMicros(now_us);
    row.upload.expire_time = row.upload.create_time + options_.limits.lifetime;
    row.upload.committed_bytes = 0;
    row.upload.artifact_sha256.clear();
    if (!wanted.sha256.empty()) {
      LBW_ASSIGN_OR_RETURN(const std::optional<ArtifactRow> stored,
                           FindArtifact(session, wanted.sha256));
      const bool finished = stored && !stored->deleting;
      if (finished && stored->artifact.size_bytes != wanted.size_bytes) {
        return BadField(
            "size_bytes", base::reason::kBadArgument,
            base::StrCat("size_bytes is not that of the content with this sha256: size_bytes=",
                         wanted.size_bytes, " stored=", stored->artifact.size_bytes));
      }
      if (finished) {
        LBW_RETURN_IF_ERROR(RaiseOrigin(session, *stored, ArtifactOrigin::kUpload));
        row.upload.committed_bytes = wanted.size_bytes;
        row.upload.artifact_sha256 = wanted.sha256;
      }
      LBW_ASSIGN_OR_RETURN(known, FindUploadOf(session, row, finished));
      if (known) return absl::OkStatus();
      if (finished) return InsertUpload(session, row);
    }
    LBW_ASSIGN_OR_RETURN(const int64_t unfinished, CountUnfinished(session));
    if (unfinished >= options_.limits.max_unfinished) {
      return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kLimitExceeded,
                         base::StrCat("too many unfinished uploads: uploads=", unfinished,
                                      " limit=", options_.limits.max_unfinished,
                                      "; finish or delete some, or wait for them to expire"));
    }
    return InsertUpload(session, row);
  }));
  return known ? known->upload : row.upload;
}

absl::StatusOr<Upload> Uploads::Get(std::string_view id) {
  LBW_ASSIGN_OR_RETURN(UploadRow row, Read(id));
  return std::move(row.upload);
}

absl::Status Uploads::Delete(const std::string& id) { return Drop(id, When::kAlways); }

absl::Status Uploads::DropRow(const std::string& id, When when, bool& dropped) {
  return database_.Transaction([&](Session& session) -> absl::Status {
    const int64_t now_us = session.NowUs();
    LBW_RETURN_IF_ERROR(
        when == When::kAlways
            ? session.Execute("DELETE FROM uploads WHERE id = $1", {id}).status()
            : session.Execute("DELETE FROM uploads WHERE id = $1 AND expire_us <= $2", {id, now_us})
                  .status());
    dropped = session.changes() == 1;
    return absl::OkStatus();
  });
}

// Whoever meets the row afterwards finds fewer bytes than committed_bytes, as after a loss: a new
// writer begins at 0, Finish says DATA_LOSS.
bool Uploads::EmptyFile(const std::string& id, When when, ActiveUpload& active) {
  if (when == When::kExpired && !absl::IsNotFound(Read(id).status())) return false;
  const auto file = files_.OpenFile(PathOf(id), FileSystem::Open::kExisting);
  if (!file.ok() || !(*file)->Truncate(0).ok()) return false;
  active.broken = base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                              base::StrCat(base::UploadName(id), " is being deleted"));
  active.running.reset();
  active.digest.clear();
  active.file.reset();
  return true;
}

absl::Status Uploads::Drop(const std::string& id, When when) {
  const std::shared_ptr<ActiveUpload> shared = active_.Get(id);
  ActiveUpload& active = *shared;
  absl::MutexLock lock(&active.mu);
  bool dropped = false;
  absl::Status status = DropRow(id, when, dropped);
  if (absl::IsResourceExhausted(status) && EmptyFile(id, when, active)) {
    status = DropRow(id, when, dropped);
  }
  if (status.ok() && !dropped && when == When::kExpired) return status;  // committed to meanwhile
  if (dropped && status.ok()) {
    active.gone = true;
    active.file.reset();
  }
  LBW_RETURN_IF_ERROR(status);
  active_.Forget(id);
  if (!dropped) {
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       base::StrCat("there is no ", base::UploadName(id)));
  }
  return RemoveIfThere(files_, PathOf(id));
}

absl::StatusOr<UploadRow> Uploads::NextWriter(const std::string& id, ArtifactStore::Start start) {
  UploadRow row;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(row, RequireUpload(session, id));
    if (row.finished()) {
      return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kAlreadyExists,
                         base::StrCat(base::UploadName(id), " is finished: ",
                                      base::ArtifactName(row.upload.artifact_sha256)));
    }
    if (start == ArtifactStore::Start::kRestart) row.upload.committed_bytes = 0;
    ++row.writer;
    const int64_t expire_us = session.NowUs() + absl::ToInt64Microseconds(options_.limits.lifetime);
    return session
        .Execute(
            "UPDATE uploads SET writer = $2, committed_bytes = $3, expire_us = $4 WHERE id = $1",
            {id, row.writer, static_cast<int64_t>(row.upload.committed_bytes), expire_us})
        .status();
  }));
  return row;
}

absl::Status Uploads::SetCommitted(const std::string& id, uint64_t committed_bytes) {
  return database_.Transaction([&](Session& session) {
    return session
        .Execute("UPDATE uploads SET committed_bytes = $2 WHERE id = $1 AND artifact_sha256 = ''",
                 {id, static_cast<int64_t>(committed_bytes)})
        .status();
  });
}

absl::Status Uploads::OpenFile(ActiveUpload& active, UploadRow& row) {
  LBW_ASSIGN_OR_RETURN(active.file,
                       files_.OpenFile(PathOf(row.upload.id), FileSystem::Open::kCreate));
  LBW_ASSIGN_OR_RETURN(const uint64_t size, active.file->Size());
  if (size < row.upload.committed_bytes) {  // lost, or it became a blob before a crash
    row.upload.committed_bytes = 0;
    LBW_RETURN_IF_ERROR(SetCommitted(row.upload.id, 0));
  }
  const uint64_t committed = row.upload.committed_bytes;
  LBW_RETURN_IF_ERROR(active.file->Truncate(committed));
  // The name must last before the row speaks of bytes under it.
  if (committed == 0) LBW_RETURN_IF_ERROR(files_.SyncFolder(folder_));
  const bool hash_fits = active.running.has_value() && active.written == committed;
  if (committed == 0) {
    active.running.emplace();
  } else if (!hash_fits) {
    active.running.reset();
  }
  active.written = committed;
  active.committed = committed;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<UploadWriter>> Uploads::OpenWriter(const std::string& id,
                                                                  ArtifactStore::Start start) {
  const std::shared_ptr<ActiveUpload> shared = active_.Get(id);
  ActiveUpload& active = *shared;
  absl::MutexLock lock(&active.mu);
  absl::StatusOr<UploadRow> row = NextWriter(id, start);
  if (!row.ok()) {
    const bool dead = absl::IsNotFound(row.status()) || absl::IsFailedPrecondition(row.status());
    if (dead) active_.Forget(id);
    return row.status();
  }
  active.writer = row->writer;
  active.file.reset();
  active.digest.clear();
  active.broken = absl::OkStatus();
  const absl::Status opened = OpenFile(active, *row);
  if (!opened.ok()) {
    active.file.reset();
    active.running.reset();
    return opened;
  }
  return std::make_unique<FileUploadWriter>(
      database_, options_.limits,
      FileUploadWriter::Target{id, row->upload.size_bytes, row->writer, shared});
}

absl::Status Uploads::RemoveStrayFiles() {
  // Files first, rows second: a file that was seen had its row before.
  LBW_ASSIGN_OR_RETURN(const std::vector<FileInfo> files, files_.List(folder_));
  std::vector<UploadRow> rows;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(rows, UnfinishedUploads(session));
    return absl::OkStatus();
  }));
  for (const FileInfo& file : files) {
    const bool known = std::any_of(
        rows.begin(), rows.end(), [&](const UploadRow& row) { return row.upload.id == file.name; });
    if (!known && !file.is_folder) LBW_RETURN_IF_ERROR(RemoveIfThere(files_, PathOf(file.name)));
  }
  return absl::OkStatus();
}

absl::Status Uploads::Sweep() {
  std::vector<std::string> expired;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        session.Execute("SELECT id FROM uploads WHERE expire_us <= $1", {session.NowUs()}));
    expired.clear();
    for (const Row& row : rows) expired.push_back(row.Text(0));
    return absl::OkStatus();
  }));
  for (const std::string& id : expired) {
    const absl::Status dropped = Drop(id, When::kExpired);
    if (!dropped.ok() && !absl::IsNotFound(dropped)) return dropped;
  }
  return RemoveStrayFiles();
}

}  // namespace lbw::store
