// Artifacts and the resumable, checked uploads that make them.
//
// Contract:  committed_bytes of an upload is a row that is written only after fdatasync of its
// bytes: every 8 MiB and at the end of
//            a stream. What is committed survives kill -9. Finish: blob durable, then row, then
//            answer.
// Threads:   every method may be called concurrently; one writer an upload, a newer one takes over.
#ifndef LBW_STORE_ARTIFACT_STORE_H_
#define LBW_STORE_ARTIFACT_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/cancel.h"
#include "base/io.h"
#include "store/blob_store.h"
#include "store/database.h"
#include "store/file_system.h"

namespace lbw::store {

enum class ArtifactFormat : uint8_t { kUnknown, kSafetensors, kPackedSafetensors, kOnnx, kOther };

// Who asked for it. A bundle that no version references any more is swept; an upload never is.
enum class ArtifactOrigin : uint8_t { kBundle, kResult, kUpload };

struct Artifact {
  std::string sha256;
  uint64_t size_bytes = 0;
  ArtifactFormat format = ArtifactFormat::kUnknown;
  std::string display_name;
  absl::Time create_time;
};

struct Upload {
  std::string id;
  uint64_t size_bytes = 0;
  std::string sha256;  // empty: not told
  uint64_t committed_bytes = 0;
  std::string display_name;
  absl::Time create_time;
  absl::Time expire_time;
  std::string artifact_sha256;  // not empty once finished
};

struct UploadLimits {
  uint64_t max_upload_bytes = uint64_t{64} << 30;
  uint64_t max_chunk_bytes = uint64_t{4} << 20;
  uint64_t commit_every_bytes = uint64_t{8} << 20;
  int64_t max_unfinished = 256;
  size_t max_display_name_bytes = 255;
  absl::Duration lifetime = absl::Hours(24);  // since the last bytes were committed
};

// One stream of bytes into an upload. Dropping it without Close keeps what is committed. Threads:
// one at a time; the store outlives its writers.
class UploadWriter {
 public:
  virtual ~UploadWriter() = default;
  // Appends a chunk. Bytes that were written already are compared and skipped.
  // Errors: kOutOfRange, UPLOAD_GAP - a gap, with metadata committed_bytes, or past size_bytes;
  // kFailedPrecondition, UPLOAD_OVERLAP_DIFFERS; kDataLoss, CHECKSUM_MISMATCH - send the chunk
  // again; kAborted, UPLOAD_TAKEN_OVER - a newer writer; kInvalidArgument, LIMIT_EXCEEDED - a chunk
  // above the limit; kNotFound - deleted or expired meanwhile; kResourceExhausted, OUT_OF_ROOM -
  // the disk is full; kInternal, STORE_FAILED. After the last two, open a new writer.
  virtual absl::Status Write(uint64_t offset, absl::Span<const std::byte> data,
                             uint32_t crc32c) = 0;
  // Commits what was written. Returns committed_bytes. Errors: as Write.
  virtual absl::StatusOr<uint64_t> Close() = 0;
};

// Tells an artifact's format from its content; plugged in, since this room knows no formats.
using FormatDetector = std::function<ArtifactFormat(const base::RandomAccessReader&)>;

class ArtifactStore {
 public:
  virtual ~ArtifactStore() = default;

  // subject: who calls ("" while there is no authentication). See CONTRACTS: with the sha256 of the
  // same subject's unfinished upload, that upload; with one that is stored, an upload that is
  // finished from the start. Errors: kInvalidArgument - bad sha256, bad display_name, size above
  // the limit or other than what is stored; kResourceExhausted, LIMIT_EXCEEDED - too many
  // unfinished.
  virtual absl::StatusOr<Upload> CreateUpload(std::string_view subject, uint64_t size_bytes,
                                              std::string_view sha256,
                                              std::string_view display_name) = 0;
  // Errors of all that take an id: kNotFound, also once it has expired.
  virtual absl::StatusOr<Upload> GetUpload(std::string_view id) = 0;
  virtual absl::Status DeleteUpload(std::string_view id) = 0;
  // Takes the upload over from any other writer, truncates its file to committed_bytes (to 0 with
  // kRestart). Errors: kFailedPrecondition, ALREADY_EXISTS - it is finished.
  enum class Start { kResume, kRestart };
  virtual absl::StatusOr<std::unique_ptr<UploadWriter>> OpenWriter(std::string_view id,
                                                                   Start start) = 0;
  // sha256 may be empty where CreateUpload told it; where both tell one, this one counts.
  // Errors: kFailedPrecondition - UPLOAD_INCOMPLETE, DIGEST_MISMATCH (the upload is kept);
  // kInvalidArgument - no sha256, or a bad one; kAborted, UPLOAD_TAKEN_OVER - a writer was opened
  // meanwhile; kDataLoss - its file is gone. Asking again gives the same artifact. Hashing a large
  // file takes seconds; cancel stops it and changes nothing.
  virtual absl::StatusOr<Artifact> FinishUpload(std::string_view id, std::string_view sha256,
                                                const base::CancelToken& cancel) = 0;

  // For results that the server makes itself: commits the blob and its row. Where the content is
  // stored already, answers that artifact.
  virtual absl::StatusOr<Artifact> AddArtifact(std::unique_ptr<BlobWriter> blob,
                                               ArtifactFormat format, std::string_view display_name,
                                               ArtifactOrigin origin = ArtifactOrigin::kResult) = 0;
  virtual absl::StatusOr<std::unique_ptr<BlobWriter>> NewBlob() = 0;

  virtual absl::StatusOr<Artifact> GetArtifact(std::string_view sha256) = 0;
  // In order of creation, newest first; page_size at most 1000, 100 where it is not positive; token
  // "" starts; the returned token is "" at the end. Errors: kInvalidArgument - a token not ours.
  struct Page {
    std::vector<Artifact> artifacts;
    std::string next_token;
  };
  virtual absl::StatusOr<Page> ListArtifacts(int page_size, std::string_view token) = 0;
  virtual absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> OpenArtifact(
      std::string_view sha256) = 0;  // Errors: kNotFound; kDataLoss - the row has lost its blob
  // Errors: kNotFound; kFailedPrecondition, IN_USE - an entry of artifact_references names it.
  virtual absl::Status DeleteArtifact(std::string_view sha256) = 0;

  // Removes expired uploads, artifacts that are marked DELETING, and - older than an upload's life
  // - bundles that nothing references and blobs without a row.
  virtual absl::Status Sweep() = 0;

  struct Stats {
    uint64_t artifacts = 0;
    uint64_t stored_bytes = 0;
    uint64_t unfinished_uploads = 0;
  };
  virtual absl::StatusOr<Stats> GetStats() = 0;
};

struct ArtifactStoreOptions {
  std::string folder;  // the data folder: files of uploads stand in FOLDER/uploads, blobs on the
                       // same file system
  UploadLimits limits;
  FormatDetector detect_format;  // empty: every upload is kUnknown
};

// Opens, and finishes what a crash cut short: uploads' files without a row and rows without a file,
// uploads whose bytes became a blob already, artifacts marked DELETING. Arguments are borrowed.
absl::StatusOr<std::unique_ptr<ArtifactStore>> OpenArtifactStore(
    Database& database, BlobStore& blobs, FileSystem& files, const ArtifactStoreOptions& options);

}  // namespace lbw::store

#endif  // LBW_STORE_ARTIFACT_STORE_H_
