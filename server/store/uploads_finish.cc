#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "store/upload_errors.h"
#include "store/uploads.h"

// How an upload becomes an artifact, also when a crash came between the steps.
namespace lbw::store {
namespace {

base::Error DigestMismatch(std::string_view expected, std::string_view actual) {
  base::Error error(absl::StatusCode::kFailedPrecondition, base::reason::kDigestMismatch,
                    base::StrCat("the uploaded bytes have another SHA-256: expected=", expected,
                                 " actual=", actual, "; the upload is kept"));
  error.Field("sha256");
  return error;
}

absl::StatusOr<std::string> HashAll(const base::RandomAccessReader& reader,
                                    const base::CancelToken& cancel) {
  constexpr size_t kStep = size_t{1} << 20;
  base::Sha256 running;
  std::vector<std::byte> buffer(static_cast<size_t>(std::min<uint64_t>(kStep, reader.size())));
  for (uint64_t offset = 0; offset < reader.size(); offset += kStep) {
    LBW_RETURN_IF_ERROR(cancel.Check());
    const auto length = static_cast<size_t>(std::min<uint64_t>(kStep, reader.size() - offset));
    const absl::Span<std::byte> piece = absl::MakeSpan(buffer).subspan(0, length);
    LBW_RETURN_IF_ERROR(reader.ReadAt(offset, piece));
    running.Update(piece);
  }
  return running.FinishHex();
}

}  // namespace

struct Uploads::Content {
  std::unique_ptr<base::RandomAccessReader> reader;
  bool is_blob = false;
};

struct Uploads::Hashed {
  std::string digest;
  ArtifactFormat format = ArtifactFormat::kUnknown;
  int64_t writer = 0;  // the newest one when hashing began
};

absl::StatusOr<Uploads::Content> Uploads::OpenContent(const UploadRow& row,
                                                      const std::string& sha256) {
  if (row.upload.size_bytes == 0) return Content{std::make_unique<base::StringReader>(""), false};
  auto file = files_.OpenReader(PathOf(row.upload.id));
  if (file.ok() && (*file)->size() == row.upload.size_bytes)
    return Content{*std::move(file), false};
  if (!file.ok() && !absl::IsNotFound(file.status())) return file.status();
  auto blob = artifacts_.blobs().Open(sha256);
  if (blob.ok() && (*blob)->size() == row.upload.size_bytes) return Content{*std::move(blob), true};
  return base::Error(absl::StatusCode::kDataLoss, base::reason::kDataLoss,
                     base::StrCat("the bytes of ", base::UploadName(row.upload.id),
                                  " are gone; send them again from offset 0"));
}

absl::StatusOr<Uploads::Hashed> Uploads::Hash(const UploadRow& row, const std::string& expected,
                                              ActiveUpload& active,
                                              const base::CancelToken& cancel) {
  Hashed result;
  {
    absl::MutexLock lock(&active.mu);
    result.writer = active.writer;
    if (active.digest.empty() && active.running && active.written == row.upload.size_bytes) {
      active.digest = active.running->FinishHex();
      active.running.reset();
    }
    result.digest = active.digest;
  }
  LBW_ASSIGN_OR_RETURN(const Content content, OpenContent(row, expected));
  if (content.is_blob) result.digest = expected;  // a blob's name was checked when it got it
  if (result.digest.empty()) {
    LBW_ASSIGN_OR_RETURN(result.digest, HashAll(*content.reader, cancel));
    absl::MutexLock lock(&active.mu);
    if (active.writer == result.writer) active.digest = result.digest;
  }
  const bool wanted = result.digest == expected && options_.detect_format;
  if (wanted) result.format = options_.detect_format(*content.reader);
  return result;
}

absl::StatusOr<Artifact> Uploads::FinishedArtifact(const UploadRow& row, std::string_view sha256) {
  if (!sha256.empty() && sha256 != row.upload.artifact_sha256) {
    return DigestMismatch(sha256, row.upload.artifact_sha256);
  }
  return artifacts_.Get(row.upload.artifact_sha256);
}

absl::StatusOr<Artifact> Uploads::Place(const UploadRow& row, const std::string& sha256,
                                        ArtifactFormat format) {
  ArtifactRow artifact;
  artifact.artifact.sha256 = sha256;
  artifact.artifact.size_bytes = row.upload.size_bytes;
  artifact.artifact.format = format;
  artifact.artifact.display_name = row.upload.display_name;
  artifact.subject = row.subject;
  artifact.origin = ArtifactOrigin::kUpload;
  const std::string path = PathOf(row.upload.id);
  Artifacts::Placement placement;
  // The digest stands in the row before the file moves: after a crash the next start knows which
  // blob it became.
  placement.prepare = [&](Session& session) {
    return session.Execute("UPDATE uploads SET sha256 = $2 WHERE id = $1", {row.upload.id, sha256})
        .status();
  };
  placement.name_blob = [&]() -> absl::Status {
    if (row.upload.size_bytes == 0) {
      LBW_ASSIGN_OR_RETURN(const std::unique_ptr<File> empty,
                           files_.OpenFile(path, FileSystem::Open::kCreate));
      LBW_RETURN_IF_ERROR(empty->Sync());
    }
    return artifacts_.blobs().AdoptFile(path, sha256);
  };
  placement.record = [&](Session& session) {
    return session
        .Execute(
            "UPDATE uploads SET artifact_sha256 = $2, sha256 = $2, committed_bytes = size_bytes "
            "WHERE id = $1",
            {row.upload.id, sha256})
        .status();
  };
  return artifacts_.Put(artifact, placement);
}

absl::StatusOr<Artifact> Uploads::Finish(const std::string& id, std::string_view sha256,
                                         const base::CancelToken& cancel) {
  LBW_RETURN_IF_ERROR(CheckDigest(sha256));
  LBW_ASSIGN_OR_RETURN(const UploadRow row, Read(id));
  if (row.finished()) return FinishedArtifact(row, sha256);
  const std::string expected = sha256.empty() ? row.upload.sha256 : std::string(sha256);
  if (expected.empty()) {
    return BadField("sha256", base::reason::kBadArgument,
                    "sha256 must be told by CreateUpload or FinishUpload");
  }
  if (row.upload.committed_bytes != row.upload.size_bytes) {
    return base::Error(
               absl::StatusCode::kFailedPrecondition, base::reason::kUploadIncomplete,
               base::StrCat(base::UploadName(id), " is not complete: committed_bytes=",
                            row.upload.committed_bytes, " size_bytes=", row.upload.size_bytes))
        .Metadata("committed_bytes", base::StrCat(row.upload.committed_bytes));
  }
  const std::shared_ptr<ActiveUpload> shared = active_.Get(id);
  ActiveUpload& active = *shared;
  LBW_ASSIGN_OR_RETURN(const Hashed hashed, Hash(row, expected, active, cancel));
  if (hashed.digest != expected) return DigestMismatch(expected, hashed.digest);
  LBW_RETURN_IF_ERROR(cancel.Check());

  absl::StatusOr<Artifact> artifact = Settle(id, hashed, active);
  if (!artifact.ok()) return artifact.status();
  // Still there where the content was stored already. What cannot be removed now, a sweep does.
  const absl::Status removed = RemoveIfThere(files_, PathOf(id));
  if (!removed.ok())
    base::LogWarning("upload_file_not_removed", {{"upload", id}, {"status", removed}});
  return artifact;
}

absl::StatusOr<Artifact> Uploads::Settle(const std::string& id, const Hashed& hashed,
                                         ActiveUpload& active) {
  absl::MutexLock lock(&active.mu);
  LBW_ASSIGN_OR_RETURN(const UploadRow row, Read(id));
  if (!row.finished()) {  // else by another call meanwhile
    const bool complete = row.upload.committed_bytes == row.upload.size_bytes;
    if (active.writer != hashed.writer || !complete) return TakenOver(id);
    LBW_RETURN_IF_ERROR(Place(row, hashed.digest, hashed.format).status());
  }
  active.gone = true;
  active.file.reset();
  active_.Forget(id);
  return artifacts_.Get(hashed.digest);
}

absl::Status Uploads::RecoverOne(const UploadRow& row) {
  if (row.upload.committed_bytes == 0) return absl::OkStatus();
  const absl::StatusOr<FileInfo> file = files_.Stat(PathOf(row.upload.id));
  if (file.ok() && file->size_bytes >= row.upload.committed_bytes) return absl::OkStatus();
  if (!file.ok() && !absl::IsNotFound(file.status())) return file.status();
  const bool complete =
      row.upload.committed_bytes == row.upload.size_bytes && !row.upload.sha256.empty();
  if (complete && !file.ok()) {
    const absl::StatusOr<Content> content = OpenContent(row, row.upload.sha256);
    if (content.ok()) {
      const ArtifactFormat format = options_.detect_format
                                        ? options_.detect_format(*content->reader)
                                        : ArtifactFormat::kUnknown;
      return Place(row, row.upload.sha256, format).status();
    }
  }
  base::LogWarning("upload_bytes_lost",
                   {{"upload", row.upload.id}, {"committed_bytes", row.upload.committed_bytes}});
  return SetCommitted(row.upload.id, 0);
}

absl::Status Uploads::Recover() {
  LBW_RETURN_IF_ERROR(files_.MakeFolder(folder_));
  LBW_RETURN_IF_ERROR(files_.SyncFolder(options_.folder));
  std::vector<UploadRow> rows;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(rows, UnfinishedUploads(session));
    return absl::OkStatus();
  }));
  for (const UploadRow& row : rows) LBW_RETURN_IF_ERROR(RecoverOne(row));
  return RemoveStrayFiles();
}

}  // namespace lbw::store
