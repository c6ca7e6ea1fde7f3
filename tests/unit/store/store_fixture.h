// An artifact store on a real SQLite file and files in memory, with a clock that stands still.
#ifndef LBW_TESTS_UNIT_STORE_STORE_FIXTURE_H_
#define LBW_TESTS_UNIT_STORE_STORE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/io.h"
#include "base/status.h"
#include "store/artifact_store.h"
#include "store/folder_blob_store.h"
#include "store/sqlite_database.h"
#include "support/temp_dir.h"
#include "unit/store/memory_file_system.h"

namespace lbw::store {

inline std::string DigestOf(std::string_view text) { return base::Sha256Hex(base::AsBytes(text)); }

inline std::string Pattern(size_t size, unsigned seed) {
  std::string text;
  text.reserve(size);
  for (size_t i = 0; i < size; ++i)
    text.push_back(static_cast<char>((i * 31 + i / 7 + seed * 101) & 0xff));
  return text;
}

inline std::string ReasonOf(const absl::Status& status) {
  return base::GetErrorDetails(status).reason;
}

// The machine that a store runs on: it outlives crashes and restarts.
class Machine {
 public:
  Machine() : files(point, [this] { return absl::FromUnixMicros(now_us); }) {
    options.folder = "/data";
    options.limits.max_chunk_bytes = 32;
    options.limits.commit_every_bytes = 40;
    options.limits.max_upload_bytes = 4000;
    options.limits.max_unfinished = 5;
    options.limits.lifetime = absl::Hours(1);
    options.detect_format = [](const base::RandomAccessReader& reader) {
      return reader.size() % 2 == 0 ? ArtifactFormat::kOnnx : ArtifactFormat::kOther;
    };
    Start();
  }

  // Opens everything anew; the error of whichever step failed.
  absl::Status TryStart() {
    Stop();
    SqliteOptions sqlite;
    sqlite.folder = folder.path();
    sqlite.now_us = [this] { return now_us; };
    LBW_ASSIGN_OR_RETURN(inner, SqliteDatabase::Open(sqlite));
    database = std::make_unique<CrashingDatabase>(*inner, point);
    LBW_ASSIGN_OR_RETURN(blobs, FolderBlobStore::Open(files, "/data"));
    LBW_ASSIGN_OR_RETURN(store, OpenArtifactStore(*database, *blobs, files, options));
    return absl::OkStatus();
  }
  void Start() {
    const absl::Status started = TryStart();
    if (!started.ok()) base::CheckFailed(started.ToString().c_str(), __FILE__, __LINE__);
  }
  void Stop() {
    store.reset();
    blobs.reset();
    database.reset();
    inner.reset();
  }
  void CrashAndRestart(MemoryFileSystem::Crash crash) {
    Stop();
    point.Arm(CrashPoint::kNever);
    files.Recover(crash);
    Start();
  }
  void Advance(absl::Duration by) { now_us += absl::ToInt64Microseconds(by); }

  // The bytes of an artifact.
  absl::StatusOr<std::string> Content(std::string_view sha256) {
    LBW_ASSIGN_OR_RETURN(const auto reader, store->OpenArtifact(sha256));
    return base::ReadAll(*reader, 1'000'000);
  }
  std::vector<std::string> FilesIn(const std::string& place) const {
    std::vector<std::string> found;
    for (const std::string& path : files.AllFiles()) {
      if (path.rfind("/data/" + place + "/", 0) == 0)
        found.push_back(path.substr(path.rfind('/') + 1));
    }
    return found;
  }

  int64_t now_us = 1'700'000'000'000'000;
  CrashPoint point;
  MemoryFileSystem files;
  testing::TempDir folder{testing::TempDir::Place::kMemory};
  ArtifactStoreOptions options;
  std::unique_ptr<SqliteDatabase> inner;
  std::unique_ptr<CrashingDatabase> database;
  std::unique_ptr<FolderBlobStore> blobs;
  std::unique_ptr<ArtifactStore> store;
};

inline absl::Status WriteChunk(UploadWriter& writer, uint64_t offset, std::string_view bytes) {
  return writer.Write(offset, base::AsBytes(bytes), base::Crc32c(base::AsBytes(bytes)));
}

// From offset to the end in chunks of `chunk` bytes.
inline absl::Status WriteRest(UploadWriter& writer, uint64_t offset, std::string_view content,
                              size_t chunk = 32) {
  while (offset < content.size()) {
    const std::string_view piece = content.substr(offset, chunk);
    LBW_RETURN_IF_ERROR(WriteChunk(writer, offset, piece));
    offset += piece.size();
  }
  return absl::OkStatus();
}

// Resumes where the upload stands, and finishes it.
inline absl::StatusOr<Artifact> UploadRest(ArtifactStore& store, const std::string& id,
                                           std::string_view content, const std::string& sha256) {
  LBW_ASSIGN_OR_RETURN(const Upload upload, store.GetUpload(id));
  if (upload.artifact_sha256.empty()) {
    LBW_ASSIGN_OR_RETURN(const auto writer, store.OpenWriter(id, ArtifactStore::Start::kResume));
    LBW_ASSIGN_OR_RETURN(const Upload now, store.GetUpload(id));
    LBW_RETURN_IF_ERROR(WriteRest(*writer, now.committed_bytes, content));
    LBW_RETURN_IF_ERROR(writer->Close().status());
  }
  return store.FinishUpload(id, sha256, {});
}

inline absl::StatusOr<Artifact> AddResult(ArtifactStore& store, std::string_view content,
                                          ArtifactOrigin origin = ArtifactOrigin::kResult) {
  LBW_ASSIGN_OR_RETURN(auto blob, store.NewBlob());
  LBW_RETURN_IF_ERROR(blob->Append(base::AsBytes(content)));
  return store.AddArtifact(std::move(blob), ArtifactFormat::kSafetensors, "result", origin);
}

// A store to call, for TEST_F.
class StoreTest : public ::testing::Test {
 protected:
  ArtifactStore& store() { return *machine_.store; }
  std::string Create(size_t size, std::string_view sha256 = "") {
    const auto upload = store().CreateUpload("", size, sha256, "file.bin");
    EXPECT_TRUE(upload.ok()) << upload.status();
    return upload.ok() ? upload->id : "";
  }
  // A finished upload.
  Artifact Store(const std::string& content) {
    const auto artifact = UploadRest(store(), Create(content.size()), content, DigestOf(content));
    EXPECT_TRUE(artifact.ok()) << artifact.status();
    return artifact.value_or(Artifact{});
  }
  uint64_t Committed(const std::string& id) { return store().GetUpload(id)->committed_bytes; }
  absl::Status Sql(std::string_view sql, std::initializer_list<Value> values) {
    return machine_.inner->Transaction(
        [&](Session& session) { return session.Execute(sql, values).status(); });
  }

  Machine machine_;
};

}  // namespace lbw::store

#endif  // LBW_TESTS_UNIT_STORE_STORE_FIXTURE_H_
