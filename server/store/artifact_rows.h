// The tables artifacts, artifact_references and uploads as values. Every function runs inside a
// transaction of its caller.
#ifndef LBW_STORE_ARTIFACT_ROWS_H_
#define LBW_STORE_ARTIFACT_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/artifact_store.h"
#include "store/database.h"

namespace lbw::store {

struct ArtifactRow {
  Artifact artifact;
  std::string subject;
  ArtifactOrigin origin = ArtifactOrigin::kResult;
  bool deleting = false;  // marked: its blob may be gone at any moment
};

absl::StatusOr<std::optional<ArtifactRow>> FindArtifact(Session& session, std::string_view sha256);
// The row as it is meant; kNotFound when there is none or it is DELETING.
absl::StatusOr<ArtifactRow> RequireArtifact(Session& session, std::string_view sha256);
// Inserts it, or brings a row back that is DELETING. create_time is set to the session's time.
// Answers what stands there now.
absl::StatusOr<ArtifactRow> PutArtifact(Session& session, const ArtifactRow& row);
// An origin only rises (bundle, result, upload).
absl::Status RaiseOrigin(Session& session, const ArtifactRow& row, ArtifactOrigin origin);
absl::Status MarkDeleting(Session& session, std::string_view sha256);
// Removes a row that is DELETING, and the finished uploads that answer it.
absl::Status DropDeleting(Session& session, std::string_view sha256);
// The owner of a reference, if there is one.
absl::StatusOr<std::optional<std::string>> AnyReference(Session& session, std::string_view sha256);
// Newest first, from behind (create_us, sha256).
absl::StatusOr<std::vector<ArtifactRow>> PageOfArtifacts(Session& session, int64_t create_us,
                                                         std::string_view sha256, int64_t limit);

struct UploadRow {
  Upload upload;
  std::string subject;
  int64_t writer = 0;  // number of the newest writer; only its commits count

  bool finished() const { return !upload.artifact_sha256.empty(); }
};

// kNotFound when there is none or it has expired.
absl::StatusOr<UploadRow> RequireUpload(Session& session, std::string_view id);
// An unexpired upload of the subject that was opened for this content: with finished, one that is
// its artifact.
absl::StatusOr<std::optional<UploadRow>> FindUploadOf(Session& session, const UploadRow& like,
                                                      bool finished);
absl::Status InsertUpload(Session& session, const UploadRow& row);
absl::StatusOr<int64_t> CountUnfinished(Session& session);
// Every row that is not finished, expired or not.
absl::StatusOr<std::vector<UploadRow>> UnfinishedUploads(Session& session);

}  // namespace lbw::store

#endif  // LBW_STORE_ARTIFACT_ROWS_H_
