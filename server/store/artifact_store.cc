#include "store/artifact_store.h"

#include <utility>

#include "base/status.h"
#include "store/artifacts.h"
#include "store/uploads.h"

namespace lbw::store {
namespace {

class LocalArtifactStore final : public ArtifactStore {
 public:
  LocalArtifactStore(Database& database, BlobStore& blobs, FileSystem& files,
                     const ArtifactStoreOptions& options)
      : options_(options),
        database_(database),
        artifacts_(database, blobs),
        uploads_(database, artifacts_, files, options) {}

  absl::Status Recover() {
    LBW_RETURN_IF_ERROR(uploads_.Recover());
    return artifacts_.CollectDeleting();
  }

  absl::StatusOr<Upload> CreateUpload(std::string_view subject, uint64_t size_bytes,
                                      std::string_view sha256,
                                      std::string_view display_name) override {
    Upload wanted;
    wanted.size_bytes = size_bytes;
    wanted.sha256 = std::string(sha256);
    wanted.display_name = std::string(display_name);
    return uploads_.Create(subject, wanted);
  }
  absl::StatusOr<Upload> GetUpload(std::string_view id) override { return uploads_.Get(id); }
  absl::Status DeleteUpload(std::string_view id) override {
    return uploads_.Delete(std::string(id));
  }
  absl::StatusOr<std::unique_ptr<UploadWriter>> OpenWriter(std::string_view id,
                                                           Start start) override {
    return uploads_.OpenWriter(std::string(id), start);
  }
  absl::StatusOr<Artifact> FinishUpload(std::string_view id, std::string_view sha256,
                                        const base::CancelToken& cancel) override {
    return uploads_.Finish(std::string(id), sha256, cancel);
  }

  absl::StatusOr<Artifact> AddArtifact(std::unique_ptr<BlobWriter> blob, ArtifactFormat format,
                                       std::string_view display_name,
                                       ArtifactOrigin origin) override {
    LBW_ASSIGN_OR_RETURN(const BlobInfo info, blob->Seal());
    ArtifactRow row;
    row.artifact.sha256 = info.sha256;
    row.artifact.size_bytes = info.size_bytes;
    row.artifact.format = format;
    row.artifact.display_name = std::string(display_name);
    row.origin = origin;
    Artifacts::Placement placement;
    placement.name_blob = [&blob] { return blob->Commit().status(); };
    return artifacts_.Put(row, placement);
  }
  absl::StatusOr<std::unique_ptr<BlobWriter>> NewBlob() override {
    return artifacts_.blobs().NewBlob();
  }

  absl::StatusOr<Artifact> GetArtifact(std::string_view sha256) override {
    return artifacts_.Get(sha256);
  }
  absl::StatusOr<Page> ListArtifacts(int page_size, std::string_view token) override {
    return artifacts_.List(page_size, token);
  }
  absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> OpenArtifact(
      std::string_view sha256) override {
    return artifacts_.Open(sha256);
  }
  absl::Status DeleteArtifact(std::string_view sha256) override {
    return artifacts_.Delete(sha256);
  }

  absl::Status Sweep() override {
    LBW_RETURN_IF_ERROR(uploads_.Sweep());
    LBW_RETURN_IF_ERROR(artifacts_.CollectDeleting());
    return artifacts_.Sweep(options_.limits.lifetime);
  }

  absl::StatusOr<Stats> GetStats() override {
    Stats stats;
    LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
      LBW_ASSIGN_OR_RETURN(
          const std::vector<Row> rows,
          session.Execute("SELECT COUNT(*), CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) "
                          "FROM artifacts WHERE state = 'READY'"));
      LBW_ASSIGN_OR_RETURN(const int64_t unfinished, CountUnfinished(session));
      stats.artifacts = static_cast<uint64_t>(rows.front().Int(0));
      stats.stored_bytes = static_cast<uint64_t>(rows.front().Int(1));
      stats.unfinished_uploads = static_cast<uint64_t>(unfinished);
      return absl::OkStatus();
    }));
    return stats;
  }

 private:
  const ArtifactStoreOptions options_;
  Database& database_;
  Artifacts artifacts_;
  Uploads uploads_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ArtifactStore>> OpenArtifactStore(
    Database& database, BlobStore& blobs, FileSystem& files, const ArtifactStoreOptions& options) {
  auto store = std::make_unique<LocalArtifactStore>(database, blobs, files, options);
  LBW_RETURN_IF_ERROR(store->Recover());
  return store;
}

}  // namespace lbw::store
