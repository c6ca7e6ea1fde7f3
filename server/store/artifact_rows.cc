#include "store/artifact_rows.h"

#include <array>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::store {
namespace {

constexpr std::array<std::pair<ArtifactFormat, std::string_view>, 5> kFormats = {{
    {ArtifactFormat::kUnknown, "unknown"},
    {ArtifactFormat::kSafetensors, "safetensors"},
    {ArtifactFormat::kPackedSafetensors, "packed_safetensors"},
    {ArtifactFormat::kOnnx, "onnx"},
    {ArtifactFormat::kOther, "other"},
}};
constexpr std::array<std::pair<ArtifactOrigin, std::string_view>, 3> kOrigins = {{
    {ArtifactOrigin::kBundle, "bundle"},
    {ArtifactOrigin::kResult, "result"},
    {ArtifactOrigin::kUpload, "upload"},
}};

template <typename T, size_t N>
std::string NameOf(const std::array<std::pair<T, std::string_view>, N>& names, T value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return std::string(name);
  }
  return std::string(names.front().second);
}

template <typename T, size_t N>
T ValueOf(const std::array<std::pair<T, std::string_view>, N>& names, std::string_view name,
          T otherwise) {
  for (const auto& [value, candidate] : names) {
    if (candidate == name) return value;
  }
  return otherwise;
}

constexpr std::string_view kReady = "READY";
constexpr std::string_view kDeleting = "DELETING";

#define LBW_ARTIFACT_COLUMNS \
  "sha256, size_bytes, format, display_name, subject, origin, state, create_us"
#define LBW_UPLOAD_COLUMNS                                                                         \
  "id, subject, size_bytes, sha256, display_name, committed_bytes, writer, create_us, expire_us, " \
  "artifact_sha256"

ArtifactRow ToArtifact(const Row& row) {
  ArtifactRow result;
  result.artifact.sha256 = row.Text(0);
  result.artifact.size_bytes = static_cast<uint64_t>(row.Int(1));
  result.artifact.format = ValueOf(kFormats, row.Text(2), ArtifactFormat::kUnknown);
  result.artifact.display_name = row.Text(3);
  result.subject = row.Text(4);
  // What a newer program wrote is kept rather than swept.
  result.origin = ValueOf(kOrigins, row.Text(5), ArtifactOrigin::kUpload);
  result.deleting = row.Text(6) != kReady;
  result.artifact.create_time = absl::FromUnixMicros(row.Int(7));
  return result;
}

UploadRow ToUpload(const Row& row) {
  UploadRow result;
  result.upload.id = row.Text(0);
  result.subject = row.Text(1);
  result.upload.size_bytes = static_cast<uint64_t>(row.Int(2));
  result.upload.sha256 = row.Text(3);
  result.upload.display_name = row.Text(4);
  result.upload.committed_bytes = static_cast<uint64_t>(row.Int(5));
  result.writer = row.Int(6);
  result.upload.create_time = absl::FromUnixMicros(row.Int(7));
  result.upload.expire_time = absl::FromUnixMicros(row.Int(8));
  result.upload.artifact_sha256 = row.Text(9);
  return result;
}

base::Error NoArtifact(std::string_view sha256) {
  return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                     base::StrCat("there is no ", base::ArtifactName(sha256)));
}

}  // namespace

absl::StatusOr<std::optional<ArtifactRow>> FindArtifact(Session& session, std::string_view sha256) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT " LBW_ARTIFACT_COLUMNS " FROM artifacts WHERE sha256 = $1",
                      {std::string(sha256)}));
  if (rows.empty()) return std::optional<ArtifactRow>();
  return std::optional<ArtifactRow>(ToArtifact(rows.front()));
}

absl::StatusOr<ArtifactRow> RequireArtifact(Session& session, std::string_view sha256) {
  LBW_ASSIGN_OR_RETURN(std::optional<ArtifactRow> row, FindArtifact(session, sha256));
  if (!row || row->deleting) return NoArtifact(sha256);
  return *std::move(row);
}

absl::StatusOr<ArtifactRow> PutArtifact(Session& session, const ArtifactRow& row) {
  const Artifact& artifact = row.artifact;
  const int64_t now_us = session.NowUs();
  LBW_RETURN_IF_ERROR(
      session
          .Execute("INSERT INTO artifacts (" LBW_ARTIFACT_COLUMNS
                   ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
                   "ON CONFLICT (sha256) DO UPDATE SET size_bytes = excluded.size_bytes, format = "
                   "excluded.format, "
                   "display_name = excluded.display_name, subject = excluded.subject, origin = "
                   "excluded.origin, "
                   "state = excluded.state, create_us = excluded.create_us WHERE artifacts.state "
                   "<> 'READY'",
                   {artifact.sha256, static_cast<int64_t>(artifact.size_bytes),
                    NameOf(kFormats, artifact.format), artifact.display_name, row.subject,
                    NameOf(kOrigins, row.origin), std::string(kReady), now_us})
          .status());
  return RequireArtifact(session, artifact.sha256);
}

absl::Status RaiseOrigin(Session& session, const ArtifactRow& row, ArtifactOrigin origin) {
  if (origin <= row.origin) return absl::OkStatus();
  return session
      .Execute("UPDATE artifacts SET origin = $2 WHERE sha256 = $1",
               {row.artifact.sha256, NameOf(kOrigins, origin)})
      .status();
}

absl::Status MarkDeleting(Session& session, std::string_view sha256) {
  return session
      .Execute("UPDATE artifacts SET state = $2 WHERE sha256 = $1",
               {std::string(sha256), std::string(kDeleting)})
      .status();
}

absl::Status DropDeleting(Session& session, std::string_view sha256) {
  LBW_RETURN_IF_ERROR(
      session.Execute("DELETE FROM uploads WHERE artifact_sha256 = $1", {std::string(sha256)})
          .status());
  return session
      .Execute("DELETE FROM artifacts WHERE sha256 = $1 AND state = $2",
               {std::string(sha256), std::string(kDeleting)})
      .status();
}

absl::StatusOr<std::optional<std::string>> AnyReference(Session& session, std::string_view sha256) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute(
          "SELECT owner FROM artifact_references WHERE artifact_sha256 = $1 ORDER BY owner LIMIT 1",
          {std::string(sha256)}));
  if (rows.empty()) return std::optional<std::string>();
  return std::optional<std::string>(rows.front().Text(0));
}

absl::StatusOr<std::vector<ArtifactRow>> PageOfArtifacts(Session& session, int64_t create_us,
                                                         std::string_view sha256, int64_t limit) {
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                       session.Execute("SELECT " LBW_ARTIFACT_COLUMNS
                                       " FROM artifacts WHERE state = 'READY' AND (create_us < $1 "
                                       "OR (create_us = $1 AND sha256 < $2)) "
                                       "ORDER BY create_us DESC, sha256 DESC LIMIT $3",
                                       {create_us, std::string(sha256), limit}));
  std::vector<ArtifactRow> page;
  for (const Row& row : rows) page.push_back(ToArtifact(row));
  return page;
}

absl::StatusOr<UploadRow> RequireUpload(Session& session, std::string_view id) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT " LBW_UPLOAD_COLUMNS " FROM uploads WHERE id = $1 AND expire_us > $2",
                      {std::string(id), session.NowUs()}));
  if (rows.empty()) {
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       base::StrCat("there is no ", base::UploadName(id), "; it may have expired"));
  }
  return ToUpload(rows.front());
}

absl::StatusOr<std::optional<UploadRow>> FindUploadOf(Session& session, const UploadRow& like,
                                                      bool finished) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute(
          "SELECT " LBW_UPLOAD_COLUMNS
          " FROM uploads WHERE subject = $1 AND sha256 = $2 AND size_bytes = $3 AND expire_us > $4 "
          "AND artifact_sha256 = $5 ORDER BY create_us DESC LIMIT 1",
          {like.subject, like.upload.sha256, static_cast<int64_t>(like.upload.size_bytes),
           session.NowUs(), finished ? like.upload.sha256 : std::string()}));
  if (rows.empty()) return std::optional<UploadRow>();
  return std::optional<UploadRow>(ToUpload(rows.front()));
}

absl::Status InsertUpload(Session& session, const UploadRow& row) {
  const Upload& upload = row.upload;
  return session
      .Execute("INSERT INTO uploads (" LBW_UPLOAD_COLUMNS
               ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
               {upload.id, row.subject, static_cast<int64_t>(upload.size_bytes), upload.sha256,
                upload.display_name, static_cast<int64_t>(upload.committed_bytes), row.writer,
                absl::ToUnixMicros(upload.create_time), absl::ToUnixMicros(upload.expire_time),
                upload.artifact_sha256})
      .status();
}

absl::StatusOr<int64_t> CountUnfinished(Session& session) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT COUNT(*) FROM uploads WHERE artifact_sha256 = '' AND expire_us > $1",
                      {session.NowUs()}));
  return rows.front().Int(0);
}

absl::StatusOr<std::vector<UploadRow>> UnfinishedUploads(Session& session) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT " LBW_UPLOAD_COLUMNS " FROM uploads WHERE artifact_sha256 = ''"));
  std::vector<UploadRow> uploads;
  for (const Row& row : rows) uploads.push_back(ToUpload(row));
  return uploads;
}

}  // namespace lbw::store
