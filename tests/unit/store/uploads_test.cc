#include "store/uploads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "unit/store/store_fixture.h"

namespace lbw::store {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Start = ArtifactStore::Start;

using UploadsTest = StoreTest;

TEST_F(UploadsTest, AnUploadBecomesAnArtifact) {
  const std::string content = Pattern(300, 1);
  const Upload upload = store().CreateUpload("me", content.size(), "", "net.onnx").value();
  EXPECT_EQ(upload.size_bytes, 300u);
  EXPECT_EQ(upload.committed_bytes, 0u);
  EXPECT_EQ(upload.expire_time - upload.create_time, absl::Hours(1));
  const Artifact artifact = UploadRest(store(), upload.id, content, DigestOf(content)).value();
  EXPECT_EQ(artifact.sha256, DigestOf(content));
  EXPECT_EQ(artifact.size_bytes, 300u);
  EXPECT_EQ(artifact.display_name, "net.onnx");
  EXPECT_EQ(artifact.format, ArtifactFormat::kOnnx);
  EXPECT_EQ(artifact.create_time, absl::FromUnixMicros(machine_.now_us));
  EXPECT_EQ(machine_.Content(artifact.sha256).value(), content);
  EXPECT_EQ(store().GetUpload(upload.id)->artifact_sha256, artifact.sha256);
  EXPECT_THAT(machine_.FilesIn("uploads"), IsEmpty());
}

TEST_F(UploadsTest, AnEmptyFileIsAnArtifactToo) {
  const Artifact artifact = store().FinishUpload(Create(0), DigestOf(""), {}).value();
  EXPECT_EQ(artifact.size_bytes, 0u);
  EXPECT_EQ(machine_.Content(artifact.sha256).value(), "");
}

TEST_F(UploadsTest, CreateChecksWhatItIsTold) {
  const auto code = [&](uint64_t size, std::string_view sha256, const std::string& name) {
    return store().CreateUpload("", size, sha256, name).status().code();
  };
  EXPECT_EQ(code(4000, "", "n"), absl::StatusCode::kOk);
  EXPECT_EQ(code(4001, "", "n"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(1, "abc", "n"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(1, std::string(64, 'A'), "n"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(1, "", std::string(255, 'n')), absl::StatusCode::kOk);
  EXPECT_EQ(code(1, "", std::string(256, 'n')), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(1, "", "a\nb"), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(store().CreateUpload("", 4001, "", "n").status().message()),
              HasSubstr("size_bytes=4001 limit=4000"));
}

TEST_F(UploadsTest, UnfinishedUploadsAreLimited) {
  for (int i = 0; i < 5; ++i) Create(10);
  const absl::Status sixth = store().CreateUpload("", 10, "", "").status();
  EXPECT_EQ(sixth.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(sixth), "LIMIT_EXCEEDED");
  EXPECT_EQ(store().GetStats()->unfinished_uploads, 5u);
  machine_.Advance(absl::Hours(1));
  EXPECT_TRUE(store().CreateUpload("", 10, "", "").ok());
}

TEST_F(UploadsTest, TheSameDigestIsTheSameUploadForTheSameSubject) {
  const std::string sha256 = DigestOf("content");
  const std::string first = store().CreateUpload("me", 7, sha256, "a")->id;
  EXPECT_EQ(store().CreateUpload("me", 7, sha256, "b")->id, first);
  EXPECT_NE(store().CreateUpload("you", 7, sha256, "a")->id, first);
  EXPECT_NE(store().CreateUpload("me", 8, sha256, "a")->id, first);
  EXPECT_NE(store().CreateUpload("me", 7, "", "a")->id, first);
  machine_.Advance(absl::Hours(1));
  EXPECT_NE(store().CreateUpload("me", 7, sha256, "a")->id, first);
}

TEST_F(UploadsTest, ContentThatIsStoredFinishesAtOnce) {
  const Artifact artifact = Store("stored");
  const Upload upload = store().CreateUpload("you", 6, artifact.sha256, "again").value();
  EXPECT_EQ(upload.artifact_sha256, artifact.sha256);
  EXPECT_EQ(upload.committed_bytes, 6u);
  EXPECT_EQ(store().FinishUpload(upload.id, "", {})->display_name, "file.bin");
  EXPECT_EQ(store().CreateUpload("you", 6, artifact.sha256, "")->id, upload.id);
  EXPECT_EQ(store().CreateUpload("you", 7, artifact.sha256, "").status().code(),
            absl::StatusCode::kInvalidArgument);
  const absl::Status write = store().OpenWriter(upload.id, Start::kResume).status();
  EXPECT_EQ(write.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(UploadsTest, FinishNeedsEverythingAndADigest) {
  const std::string content = Pattern(50, 8);
  const std::string id = Create(50);
  const absl::Status incomplete = store().FinishUpload(id, DigestOf(content), {}).status();
  EXPECT_EQ(incomplete.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(incomplete), "UPLOAD_INCOMPLETE");
  EXPECT_EQ(store().FinishUpload(id, "", {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store().FinishUpload(id, "zz", {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store().FinishUpload("none", DigestOf(content), {}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(UploadsTest, AWrongDigestKeepsTheUpload) {
  const std::string content = Pattern(50, 9);
  const std::string id = Create(50, DigestOf("told wrongly at first"));
  const absl::Status wrong = UploadRest(store(), id, content, "").status();
  EXPECT_EQ(wrong.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(wrong), "DIGEST_MISMATCH");
  EXPECT_THAT(std::string(wrong.message()), HasSubstr(DigestOf(content)));
  EXPECT_EQ(Committed(id), 50u);
  EXPECT_TRUE(store().FinishUpload(id, DigestOf(content), {}).ok());
}

TEST_F(UploadsTest, FinishAskedAgainGivesTheSameArtifact) {
  const std::string content = Pattern(50, 10);
  const std::string id = Create(50);
  ASSERT_TRUE(UploadRest(store(), id, content, DigestOf(content)).ok());
  EXPECT_EQ(store().FinishUpload(id, DigestOf(content), {})->sha256, DigestOf(content));
  EXPECT_EQ(store().FinishUpload(id, "", {})->sha256, DigestOf(content));
  EXPECT_EQ(ReasonOf(store().FinishUpload(id, DigestOf("other"), {}).status()), "DIGEST_MISMATCH");
  machine_.Start();
  EXPECT_EQ(store().FinishUpload(id, DigestOf(content), {})->sha256, DigestOf(content));
}

TEST_F(UploadsTest, ACancelledFinishChangesNothing) {
  const std::string content = Pattern(50, 11);
  const std::string id = Create(50);
  {
    const auto writer = store().OpenWriter(id, Start::kResume).value();
    ASSERT_TRUE(WriteRest(*writer, 0, content).ok());
    ASSERT_TRUE(writer->Close().ok());
  }
  machine_.Start();  // forgets the running hash, so that the file must be read
  const base::CancelToken cancelled([] { return true; }, absl::InfiniteFuture());
  EXPECT_EQ(store().FinishUpload(id, DigestOf(content), cancelled).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(store().GetArtifact(DigestOf(content)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(store().FinishUpload(id, DigestOf(content), {}).ok());
}

// Two uploads of one content, finished at the same time from several threads, are one artifact.
TEST_F(UploadsTest, TheSameContentFinishedConcurrentlyIsOneArtifact) {
  const std::string content = Pattern(1000, 12);
  std::vector<std::string> ids = {Create(1000), Create(1000)};
  for (const std::string& id : ids) {
    const auto writer = store().OpenWriter(id, Start::kResume).value();
    ASSERT_TRUE(WriteRest(*writer, 0, content).ok());
    ASSERT_TRUE(writer->Close().ok());
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      const auto artifact =
          store().FinishUpload(ids[static_cast<size_t>(i) % 2], DigestOf(content), {});
      EXPECT_TRUE(artifact.ok()) << artifact.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store().GetStats()->artifacts, 1u);
  EXPECT_EQ(machine_.Content(DigestOf(content)).value(), content);
  EXPECT_THAT(machine_.FilesIn("uploads"), IsEmpty());
}

TEST_F(UploadsTest, DeleteUploadDropsRowFileAndWriters) {
  const std::string id = Create(100);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  ASSERT_TRUE(WriteRest(*writer, 0, Pattern(50, 1)).ok());
  EXPECT_TRUE(store().DeleteUpload(id).ok());
  EXPECT_THAT(machine_.FilesIn("uploads"), IsEmpty());
  EXPECT_EQ(store().GetUpload(id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store().DeleteUpload(id).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(WriteChunk(*writer, 50, "x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(writer->Close().status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store().OpenWriter(id, Start::kResume).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(UploadsTest, AnUploadExpiresAfterItsLastCommit) {
  const std::string id = Create(100);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  machine_.Advance(absl::Minutes(59));
  ASSERT_TRUE(WriteRest(*writer, 0, Pattern(40, 1)).ok());
  machine_.Advance(absl::Minutes(59));
  EXPECT_EQ(Committed(id), 40u);
  machine_.Advance(absl::Minutes(1));
  EXPECT_EQ(store().GetUpload(id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(WriteRest(*writer, 40, Pattern(100, 1)).ok());
  EXPECT_THAT(machine_.FilesIn("uploads"), SizeIs(1));
  ASSERT_TRUE(store().Sweep().ok());
  EXPECT_THAT(machine_.FilesIn("uploads"), IsEmpty());
}

TEST_F(UploadsTest, ALostUploadFileBeginsAgain) {
  const std::string content = Pattern(100, 17);
  const std::string id = Create(100);
  {
    const auto writer = store().OpenWriter(id, Start::kResume).value();
    ASSERT_TRUE(WriteRest(*writer, 0, content).ok());
    ASSERT_TRUE(writer->Close().ok());
  }
  machine_.files.Lose("/data/uploads/" + id);
  EXPECT_EQ(store().FinishUpload(id, DigestOf(content), {}).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_TRUE(UploadRest(store(), id, content, DigestOf(content)).ok());
}

TEST_F(UploadsTest, OpeningRepairsWhatACrashCutShort) {
  const std::string content = Pattern(100, 18);
  const std::string lost = Create(100);
  const std::string moved = Create(100, DigestOf(content));
  for (const std::string& id : {lost, moved}) {
    const auto writer = store().OpenWriter(id, Start::kResume).value();
    ASSERT_TRUE(WriteRest(*writer, 0, content).ok());
    ASSERT_TRUE(writer->Close().ok());
  }
  machine_.files.Lose("/data/uploads/" + lost);
  ASSERT_TRUE(machine_.blobs->AdoptFile("/data/uploads/" + moved, DigestOf(content)).ok());
  ASSERT_TRUE(machine_.files.OpenFile("/data/uploads/stray", FileSystem::Open::kCreate).ok());
  ASSERT_TRUE(machine_.files.OpenFile("/data/tmp/stray", FileSystem::Open::kCreate).ok());
  machine_.Start();
  EXPECT_EQ(Committed(lost), 0u);
  EXPECT_EQ(store().GetUpload(moved)->artifact_sha256, DigestOf(content));
  EXPECT_EQ(machine_.Content(DigestOf(content)).value(), content);
  EXPECT_THAT(machine_.FilesIn("uploads"), IsEmpty());
  EXPECT_THAT(machine_.FilesIn("tmp"), IsEmpty());
}

// A database on the disk of the uploads: without room it commits nothing that changes rows.
class FullDiskDatabase final : public Database {
 public:
  FullDiskDatabase(Database& inner, const MemoryFileSystem& files, std::string path)
      : inner_(inner), files_(files), path_(std::move(path)) {}
  absl::Status Transaction(const std::function<absl::Status(Session&)>& fn,
                           Durability durability) override {
    return inner_.Transaction(
        [&](Session& session) -> absl::Status {
          LBW_RETURN_IF_ERROR(fn(session));
          const bool full = files_.Stat(path_).ok() && files_.Stat(path_)->size_bytes > 0;
          if (!full || session.changes() == 0) return absl::OkStatus();
          return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                             "database or disk is full");
        },
        durability);
  }
  uint64_t WaitForChange(uint64_t token, absl::Duration timeout) override {
    return inner_.WaitForChange(token, timeout);
  }

 private:
  Database& inner_;
  const MemoryFileSystem& files_;
  const std::string path_;
};

TEST_F(UploadsTest, AnUploadThatFilledTheDiskCanBeDeleted) {
  const std::string id = Create(100);
  const auto writer = store().OpenWriter(id, ArtifactStore::Start::kResume).value();
  ASSERT_TRUE(WriteRest(*writer, 0, Pattern(60, 1)).ok());
  ASSERT_TRUE(writer->Close().ok());
  FullDiskDatabase full(*machine_.inner, machine_.files, "/data/uploads/" + id);
  const auto cramped =
      OpenArtifactStore(full, *machine_.blobs, machine_.files, machine_.options).value();
  EXPECT_TRUE(cramped->DeleteUpload(id).ok());
  EXPECT_EQ(cramped->GetUpload(id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(machine_.FilesIn("uploads").empty());
}

TEST_F(UploadsTest, ASweepOnAFullDiskRemovesWhatHasExpired) {
  const std::string id = Create(100);
  const auto writer = store().OpenWriter(id, ArtifactStore::Start::kResume).value();
  ASSERT_TRUE(WriteRest(*writer, 0, Pattern(60, 1)).ok());
  ASSERT_TRUE(writer->Close().ok());
  FullDiskDatabase full(*machine_.inner, machine_.files, "/data/uploads/" + id);
  const auto cramped =
      OpenArtifactStore(full, *machine_.blobs, machine_.files, machine_.options).value();
  ASSERT_TRUE(cramped->Sweep().ok());
  EXPECT_EQ(machine_.FilesIn("uploads").size(), 1u);  // still wanted
  machine_.Advance(machine_.options.limits.lifetime + absl::Seconds(1));
  EXPECT_TRUE(cramped->Sweep().ok());
  EXPECT_TRUE(machine_.FilesIn("uploads").empty());
}

}  // namespace
}  // namespace lbw::store
