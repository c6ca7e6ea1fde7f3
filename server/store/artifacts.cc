#include "store/artifacts.h"

#include <optional>
#include <utility>

#include "base/digest.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "store/paging.h"

namespace lbw::store {
namespace {

// Digests that a query answers.
absl::StatusOr<std::vector<std::string>> Digests(Session& session, std::string_view sql,
                                                 std::initializer_list<Value> parameters) {
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows, session.Execute(sql, parameters));
  std::vector<std::string> digests;
  for (const Row& row : rows) digests.push_back(row.Text(0));
  return digests;
}

}  // namespace

absl::StatusOr<Artifact> Artifacts::Put(const ArtifactRow& row, const Placement& placement) {
  const std::string& sha256 = row.artifact.sha256;
  LBW_CHECK(base::IsSha256Hex(sha256));
  const KeyedMutex::Guard digest_lock(digests_, sha256);
  // Marked by someone who has not unlinked it yet: that is finished first, then the content is
  // written again.
  LBW_RETURN_IF_ERROR(CollectIfMarked(sha256));
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<BlobStore::Hold> hold,
                       blobs_.Acquire(BlobStore::Access::kName));
  LBW_ASSIGN_OR_RETURN(const bool has_blob, blobs_.Exists(sha256));
  std::optional<ArtifactRow> found;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    if (placement.prepare) LBW_RETURN_IF_ERROR(placement.prepare(session));
    LBW_ASSIGN_OR_RETURN(found, FindArtifact(session, sha256));
    if (!found || found->deleting || !has_blob) return absl::OkStatus();
    LBW_RETURN_IF_ERROR(RaiseOrigin(session, *found, row.origin));
    return placement.record ? placement.record(session) : absl::OkStatus();
  }));
  // A row that has lost its blob gets it back.
  if (found && !found->deleting && has_blob) return found->artifact;
  LBW_RETURN_IF_ERROR(placement.name_blob());
  Artifact stored;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const ArtifactRow put, PutArtifact(session, row));
    stored = put.artifact;
    return placement.record ? placement.record(session) : absl::OkStatus();
  }));
  return stored;
}

absl::StatusOr<Artifact> Artifacts::Get(std::string_view sha256) {
  Artifact artifact;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const ArtifactRow row, RequireArtifact(session, sha256));
    artifact = row.artifact;
    return absl::OkStatus();
  }));
  return artifact;
}

absl::StatusOr<ArtifactStore::Page> Artifacts::List(int page_size, std::string_view token) {
  LBW_ASSIGN_OR_RETURN(const TimePlace place, ParsePageToken(token));
  if (!token.empty() && !base::IsSha256Hex(place.id)) return BadPageToken();
  const int limit = PageLimit(page_size);
  std::vector<ArtifactRow> rows;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(rows, PageOfArtifacts(session, place.create_us, place.id, limit + 1));
    return absl::OkStatus();
  }));
  ArtifactStore::Page page;
  const bool more = rows.size() > static_cast<size_t>(limit);
  if (more) rows.pop_back();
  for (ArtifactRow& row : rows) page.artifacts.push_back(std::move(row.artifact));
  if (more) {
    const Artifact& last = page.artifacts.back();
    page.next_token = PageTokenBehind(last.create_time, last.sha256);
  }
  return page;
}

absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> Artifacts::Open(std::string_view sha256) {
  LBW_RETURN_IF_ERROR(Get(sha256).status());
  auto reader = blobs_.Open(sha256);
  if (!absl::IsNotFound(reader.status())) return reader;
  // Deleted between the two steps, or lost.
  LBW_RETURN_IF_ERROR(Get(sha256).status());
  return base::Error(
      absl::StatusCode::kDataLoss, base::reason::kDataLoss,
      base::StrCat("the bytes of ", base::ArtifactName(sha256), " are missing from the store"));
}

absl::Status Artifacts::Delete(std::string_view sha256) {
  const std::string digest(sha256);
  const KeyedMutex::Guard digest_lock(digests_, digest);
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_RETURN_IF_ERROR(RequireArtifact(session, digest).status());
    LBW_ASSIGN_OR_RETURN(const std::optional<std::string> owner, AnyReference(session, digest));
    if (owner) {
      return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kInUse,
                         base::StrCat(base::ArtifactName(digest), " is in use by ", *owner));
    }
    return MarkDeleting(session, digest);
  }));
  // From here on it is deleted for everyone; what could not be unlinked now, a sweep does.
  const absl::Status collected = Collect(digest);
  if (!collected.ok())
    base::LogWarning("artifact_unlink_failed", {{"sha256", digest}, {"status", collected}});
  return absl::OkStatus();
}

absl::Status Artifacts::Collect(std::string_view sha256, absl::Time spare_from) {
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<BlobStore::Hold> hold,
                       blobs_.Acquire(BlobStore::Access::kUnlink));
  // Another process may have brought the row back since it was marked.
  bool marked = false;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const std::optional<ArtifactRow> row, FindArtifact(session, sha256));
    marked = row && row->deleting;
    return absl::OkStatus();
  }));
  if (!marked) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const std::optional<absl::Time> modified, blobs_.ModifiedTime(sha256));
  if (!modified || *modified < spare_from) LBW_RETURN_IF_ERROR(blobs_.Remove(sha256));
  return database_.Transaction([&](Session& session) { return DropDeleting(session, sha256); });
}

absl::Status Artifacts::CollectIfMarked(std::string_view sha256) {
  bool marked = false;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const std::optional<ArtifactRow> row, FindArtifact(session, sha256));
    marked = row && row->deleting;
    return absl::OkStatus();
  }));
  return marked ? Collect(sha256) : absl::OkStatus();
}

absl::Status Artifacts::MarkAndCollect(const std::string& sha256,
                                       const std::function<absl::StatusOr<bool>(Session&)>& wanted,
                                       absl::Time spare_from) {
  const KeyedMutex::Guard digest_lock(digests_, sha256);
  bool doomed = false;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(doomed, wanted(session));
    return doomed ? MarkDeleting(session, sha256) : absl::OkStatus();
  }));
  return doomed ? Collect(sha256, spare_from) : absl::OkStatus();
}

absl::Status Artifacts::CollectDeleting() {
  std::vector<std::string> marked;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(
        marked, Digests(session, "SELECT sha256 FROM artifacts WHERE state <> 'READY'", {}));
    return absl::OkStatus();
  }));
  for (const std::string& sha256 : marked) {
    LBW_RETURN_IF_ERROR(MarkAndCollect(sha256, [&](Session& session) -> absl::StatusOr<bool> {
      LBW_ASSIGN_OR_RETURN(const std::optional<ArtifactRow> row, FindArtifact(session, sha256));
      return row.has_value() && row->deleting;
    }));
  }
  return absl::OkStatus();
}

absl::Status Artifacts::Sweep(absl::Duration age) {
  int64_t cutoff_us = 0;
  std::vector<std::string> bundles;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    cutoff_us = session.NowUs() - absl::ToInt64Microseconds(age);
    LBW_ASSIGN_OR_RETURN(
        bundles,
        Digests(session,
                "SELECT sha256 FROM artifacts WHERE state = 'READY' AND origin = 'bundle' AND "
                "create_us < $1 AND NOT EXISTS (SELECT 1 FROM artifact_references WHERE "
                "artifact_sha256 = artifacts.sha256)",
                {cutoff_us}));
    return absl::OkStatus();
  }));
  const absl::Time cutoff = absl::FromUnixMicros(cutoff_us);
  for (const std::string& sha256 : bundles) {
    const auto unwanted = [&](Session& session) -> absl::StatusOr<bool> {
      LBW_ASSIGN_OR_RETURN(const std::optional<ArtifactRow> row, FindArtifact(session, sha256));
      if (!row || row->deleting || row->origin != ArtifactOrigin::kBundle) return false;
      LBW_ASSIGN_OR_RETURN(const std::optional<std::string> owner, AnyReference(session, sha256));
      return !owner.has_value() && row->artifact.create_time < cutoff;
    };
    LBW_RETURN_IF_ERROR(MarkAndCollect(sha256, unwanted, cutoff));
  }
  LBW_ASSIGN_OR_RETURN(const std::vector<BlobStore::Listed> blobs, blobs_.List());
  for (const BlobStore::Listed& blob : blobs) {
    if (blob.modified >= cutoff) continue;
    const auto stray = [&](Session& session) -> absl::StatusOr<bool> {
      LBW_ASSIGN_OR_RETURN(const std::optional<ArtifactRow> row,
                           FindArtifact(session, blob.sha256));
      if (row) return false;
      ArtifactRow mark;  // so that the mark has a row to stand in
      mark.artifact.sha256 = blob.sha256;
      mark.artifact.size_bytes = blob.size_bytes;
      LBW_RETURN_IF_ERROR(PutArtifact(session, mark).status());
      return true;
    };
    LBW_RETURN_IF_ERROR(MarkAndCollect(blob.sha256, stray, cutoff));
  }
  return absl::OkStatus();
}

}  // namespace lbw::store
