#include "store/artifact_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "unit/store/store_fixture.h"

namespace lbw::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Start = ArtifactStore::Start;

class ArtifactStoreTest : public ::testing::Test {
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

TEST_F(ArtifactStoreTest, AnUploadBecomesAnArtifact) {
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

TEST_F(ArtifactStoreTest, AnEmptyFileIsAnArtifactToo) {
  const Artifact artifact = store().FinishUpload(Create(0), DigestOf(""), {}).value();
  EXPECT_EQ(artifact.size_bytes, 0u);
  EXPECT_EQ(machine_.Content(artifact.sha256).value(), "");
}

TEST_F(ArtifactStoreTest, CreateChecksWhatItIsTold) {
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

TEST_F(ArtifactStoreTest, UnfinishedUploadsAreLimited) {
  for (int i = 0; i < 5; ++i) Create(10);
  const absl::Status sixth = store().CreateUpload("", 10, "", "").status();
  EXPECT_EQ(sixth.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(sixth), "LIMIT_EXCEEDED");
  EXPECT_EQ(store().GetStats()->unfinished_uploads, 5u);
  machine_.Advance(absl::Hours(1));
  EXPECT_TRUE(store().CreateUpload("", 10, "", "").ok());
}

TEST_F(ArtifactStoreTest, TheSameDigestIsTheSameUploadForTheSameSubject) {
  const std::string sha256 = DigestOf("content");
  const std::string first = store().CreateUpload("me", 7, sha256, "a")->id;
  EXPECT_EQ(store().CreateUpload("me", 7, sha256, "b")->id, first);
  EXPECT_NE(store().CreateUpload("you", 7, sha256, "a")->id, first);
  EXPECT_NE(store().CreateUpload("me", 8, sha256, "a")->id, first);
  EXPECT_NE(store().CreateUpload("me", 7, "", "a")->id, first);
  machine_.Advance(absl::Hours(1));
  EXPECT_NE(store().CreateUpload("me", 7, sha256, "a")->id, first);
}

TEST_F(ArtifactStoreTest, ContentThatIsStoredFinishesAtOnce) {
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

TEST_F(ArtifactStoreTest, BytesAreCommittedEveryFortyAndAtTheEnd) {
  const std::string content = Pattern(100, 2);
  const std::string id = Create(100);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  ASSERT_TRUE(WriteChunk(*writer, 0, content.substr(0, 32)).ok());
  EXPECT_EQ(Committed(id), 0u);
  ASSERT_TRUE(WriteChunk(*writer, 32, content.substr(32, 7)).ok());
  EXPECT_EQ(Committed(id), 0u);
  ASSERT_TRUE(WriteChunk(*writer, 39, content.substr(39, 1)).ok());
  EXPECT_EQ(Committed(id), 40u);
  ASSERT_TRUE(WriteChunk(*writer, 40, content.substr(40, 5)).ok());
  EXPECT_EQ(writer->Close().value(), 45u);
  EXPECT_EQ(Committed(id), 45u);
  EXPECT_EQ(writer->Close().value(), 45u);
  EXPECT_EQ(WriteChunk(*writer, 45, "x").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ArtifactStoreTest, ADroppedStreamResumesFromWhatIsCommitted) {
  const std::string content = Pattern(200, 3);
  const std::string id = Create(200);
  {
    const auto writer = store().OpenWriter(id, Start::kResume).value();
    ASSERT_TRUE(WriteRest(*writer, 0, content.substr(0, 70)).ok());
  }
  EXPECT_EQ(Committed(id), 64u);
  EXPECT_EQ(UploadRest(store(), id, content, DigestOf(content))->sha256, DigestOf(content));
  EXPECT_EQ(machine_.Content(DigestOf(content)).value(), content);
}

TEST_F(ArtifactStoreTest, RestartBeginsAgainAtZero) {
  const std::string wrong = Pattern(100, 4);
  const std::string right = Pattern(100, 5);
  const std::string id = Create(100);
  {
    const auto writer = store().OpenWriter(id, Start::kResume).value();
    ASSERT_TRUE(WriteRest(*writer, 0, wrong.substr(0, 90)).ok());
    ASSERT_TRUE(writer->Close().ok());
  }
  const auto writer = store().OpenWriter(id, Start::kRestart).value();
  EXPECT_EQ(Committed(id), 0u);
  ASSERT_TRUE(WriteRest(*writer, 0, right).ok());
  ASSERT_TRUE(writer->Close().ok());
  EXPECT_TRUE(store().FinishUpload(id, DigestOf(right), {}).ok());
}

TEST_F(ArtifactStoreTest, AGapIsOutOfRangeAndTellsWhereToGoOn) {
  const std::string id = Create(100);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  ASSERT_TRUE(WriteRest(*writer, 0, Pattern(50, 1)).ok());
  const absl::Status gap = WriteChunk(*writer, 51, "x");
  EXPECT_EQ(gap.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(gap), "UPLOAD_GAP");
  EXPECT_THAT(base::GetErrorDetails(gap).metadata,
              ElementsAre(::testing::Pair("committed_bytes", "50")));
  EXPECT_TRUE(WriteChunk(*writer, 50, "x").ok());
}

TEST_F(ArtifactStoreTest, BytesPastTheSizeAreRefused) {
  const std::string id = Create(10);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  EXPECT_EQ(WriteChunk(*writer, 0, "0123456789x").code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(WriteChunk(*writer, 0, "0123456789").ok());
  EXPECT_EQ(WriteChunk(*writer, 10, "x").code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(WriteChunk(*writer, 10, "").ok());
  EXPECT_EQ(WriteChunk(*writer, UINT64_MAX, "x").code(), absl::StatusCode::kOutOfRange);
}

TEST_F(ArtifactStoreTest, AnOverlapIsSkippedWhereEqualAndRefusedWhereNot) {
  const std::string content = Pattern(100, 6);
  const std::string id = Create(100);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  ASSERT_TRUE(WriteRest(*writer, 0, content.substr(0, 60)).ok());
  EXPECT_TRUE(WriteChunk(*writer, 20, content.substr(20, 32)).ok());  // all known
  EXPECT_TRUE(WriteChunk(*writer, 50, content.substr(50, 20)).ok());  // partly known
  std::string other = content.substr(60, 20);
  other[9] ^= 1;
  const absl::Status differs = WriteChunk(*writer, 60, other);  // byte 69 is known and another
  EXPECT_EQ(differs.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(differs), "UPLOAD_OVERLAP_DIFFERS");
  EXPECT_THAT(std::string(differs.message()), HasSubstr("byte=69"));
  ASSERT_TRUE(WriteRest(*writer, 70, content).ok());
  ASSERT_TRUE(writer->Close().ok());
  EXPECT_TRUE(store().FinishUpload(id, DigestOf(content), {}).ok());
}

TEST_F(ArtifactStoreTest, AWrongChecksumChangesNothing) {
  const std::string id = Create(10);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  const absl::Status wrong = writer->Write(0, base::AsBytes("hello"), 1);
  EXPECT_EQ(wrong.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(wrong), "CHECKSUM_MISMATCH");
  EXPECT_EQ(WriteChunk(*writer, 5, "x").code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(WriteChunk(*writer, 0, "hello").ok());
}

TEST_F(ArtifactStoreTest, AChunkMayHaveItsLimitAndNotOneMore) {
  const std::string id = Create(100);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  const absl::Status large = WriteChunk(*writer, 0, Pattern(33, 1));
  EXPECT_EQ(large.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(large), "LIMIT_EXCEEDED");
  EXPECT_TRUE(WriteChunk(*writer, 0, Pattern(32, 1)).ok());
}

TEST_F(ArtifactStoreTest, ANewerWriterTakesOver) {
  const std::string content = Pattern(100, 7);
  const std::string id = Create(100);
  const auto older = store().OpenWriter(id, Start::kResume).value();
  ASSERT_TRUE(WriteRest(*older, 0, content.substr(0, 40)).ok());
  ASSERT_TRUE(WriteChunk(*older, 40, content.substr(40, 10)).ok());  // not committed
  const auto newer = store().OpenWriter(id, Start::kResume).value();
  const absl::Status lost = WriteChunk(*older, 50, content.substr(50, 10));
  EXPECT_EQ(lost.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(lost), "UPLOAD_TAKEN_OVER");
  EXPECT_EQ(older->Close().status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(WriteChunk(*newer, 41, content.substr(41, 4)).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Committed(id), 40u);
  ASSERT_TRUE(WriteRest(*newer, 40, content).ok());
  ASSERT_TRUE(newer->Close().ok());
  EXPECT_TRUE(store().FinishUpload(id, DigestOf(content), {}).ok());
}

TEST_F(ArtifactStoreTest, AWriterOfAnotherProcessFencesThisOne) {
  const std::string id = Create(100);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  ASSERT_TRUE(Sql("UPDATE uploads SET writer = writer + 1", {}).ok());
  EXPECT_EQ(WriteRest(*writer, 0, Pattern(60, 1)).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Committed(id), 0u);
}

TEST_F(ArtifactStoreTest, FinishNeedsEverythingAndADigest) {
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

TEST_F(ArtifactStoreTest, AWrongDigestKeepsTheUpload) {
  const std::string content = Pattern(50, 9);
  const std::string id = Create(50, DigestOf("told wrongly at first"));
  const absl::Status wrong = UploadRest(store(), id, content, "").status();
  EXPECT_EQ(wrong.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(wrong), "DIGEST_MISMATCH");
  EXPECT_THAT(std::string(wrong.message()), HasSubstr(DigestOf(content)));
  EXPECT_EQ(Committed(id), 50u);
  EXPECT_TRUE(store().FinishUpload(id, DigestOf(content), {}).ok());
}

TEST_F(ArtifactStoreTest, FinishAskedAgainGivesTheSameArtifact) {
  const std::string content = Pattern(50, 10);
  const std::string id = Create(50);
  ASSERT_TRUE(UploadRest(store(), id, content, DigestOf(content)).ok());
  EXPECT_EQ(store().FinishUpload(id, DigestOf(content), {})->sha256, DigestOf(content));
  EXPECT_EQ(store().FinishUpload(id, "", {})->sha256, DigestOf(content));
  EXPECT_EQ(ReasonOf(store().FinishUpload(id, DigestOf("other"), {}).status()), "DIGEST_MISMATCH");
  machine_.Start();
  EXPECT_EQ(store().FinishUpload(id, DigestOf(content), {})->sha256, DigestOf(content));
}

TEST_F(ArtifactStoreTest, ACancelledFinishChangesNothing) {
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
TEST_F(ArtifactStoreTest, TheSameContentFinishedConcurrentlyIsOneArtifact) {
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

// Many writers fight for one upload: each write is taken or told why not, and the bytes end up
// right.
TEST_F(ArtifactStoreTest, ConcurrentWritersLeaveOneConsistentUpload) {
  const std::string content = Pattern(2000, 13);
  const std::string id = Create(2000);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        const auto writer = store().OpenWriter(id, Start::kResume);
        ASSERT_TRUE(writer.ok()) << writer.status();
        const absl::Status status = WriteRest(**writer, Committed(id), content);
        const bool expected = status.ok() || absl::IsAborted(status) || absl::IsOutOfRange(status);
        EXPECT_TRUE(expected) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(UploadRest(store(), id, content, DigestOf(content)).ok());
  EXPECT_EQ(machine_.Content(DigestOf(content)).value(), content);
}

// Uploads and deletions of one content race: whatever is said to be stored can be read.
TEST_F(ArtifactStoreTest, DeletingBesideFinishingNeverLosesBytes) {
  const std::string content = Pattern(64, 14);
  const std::string sha256 = DigestOf(content);
  std::thread remover([&] {
    for (int i = 0; i < 60; ++i) {
      const absl::Status status = store().DeleteArtifact(sha256);
      EXPECT_TRUE(status.ok() || absl::IsNotFound(status)) << status;
    }
  });
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(AddResult(store(), content).ok());
    const auto read = machine_.Content(sha256);
    EXPECT_TRUE(read.ok() || absl::IsNotFound(read.status())) << read.status();
  }
  remover.join();
  ASSERT_TRUE(AddResult(store(), content).ok());
  EXPECT_EQ(machine_.Content(sha256).value(), content);
}

TEST_F(ArtifactStoreTest, DeleteUploadDropsRowFileAndWriters) {
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

TEST_F(ArtifactStoreTest, AnUploadExpiresAfterItsLastCommit) {
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

TEST_F(ArtifactStoreTest, AFullDiskIsOutOfRoomAndTheUploadGoesOnLater) {
  const std::string content = Pattern(200, 15);
  const std::string id = Create(200);
  machine_.files.SetCapacity(100);
  absl::Status full;
  {
    const auto writer = store().OpenWriter(id, Start::kResume).value();
    full = WriteRest(*writer, 0, content);
  }
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(full), "OUT_OF_ROOM");
  EXPECT_EQ(Committed(id), 64u);
  machine_.files.SetCapacity(UINT64_MAX);
  EXPECT_TRUE(UploadRest(store(), id, content, DigestOf(content)).ok());
}

TEST_F(ArtifactStoreTest, AFailedSyncCommitsNothingAndEndsTheWriter) {
  const std::string content = Pattern(100, 16);
  const std::string id = Create(100);
  {
    const auto writer = store().OpenWriter(id, Start::kResume).value();
    machine_.files.FailSyncs(1);
    EXPECT_EQ(WriteRest(*writer, 0, content).code(), absl::StatusCode::kInternal);
    EXPECT_FALSE(writer->Close().ok());
  }
  EXPECT_EQ(Committed(id), 0u);
  EXPECT_TRUE(UploadRest(store(), id, content, DigestOf(content)).ok());
}

TEST_F(ArtifactStoreTest, DeleteArtifactRefusesWhileSomethingRefersToIt) {
  const Artifact artifact = Store("referenced");
  ASSERT_TRUE(
      Sql("INSERT INTO artifact_references VALUES ($1, 'models/m/versions/1')", {artifact.sha256})
          .ok());
  const absl::Status used = store().DeleteArtifact(artifact.sha256);
  EXPECT_EQ(used.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(used), "IN_USE");
  EXPECT_THAT(std::string(used.message()), HasSubstr("models/m/versions/1"));
  ASSERT_TRUE(Sql("DELETE FROM artifact_references", {}).ok());
  EXPECT_TRUE(store().DeleteArtifact(artifact.sha256).ok());
  EXPECT_EQ(store().GetArtifact(artifact.sha256).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store().OpenArtifact(artifact.sha256).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store().DeleteArtifact(artifact.sha256).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(machine_.files.AllFiles(), IsEmpty());
}

TEST_F(ArtifactStoreTest, AMarkedArtifactIsGoneAndComesBackWhole) {
  const std::string sha256 = Store("marked").sha256;
  ASSERT_TRUE(Sql("UPDATE artifacts SET state = 'DELETING'", {}).ok());
  EXPECT_EQ(store().GetArtifact(sha256).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(store().ListArtifacts(0, "")->artifacts, IsEmpty());
  EXPECT_TRUE(store().CreateUpload("", 6, sha256, "")->artifact_sha256.empty());
  EXPECT_TRUE(AddResult(store(), "marked").ok());
  EXPECT_EQ(machine_.Content(sha256).value(), "marked");
  ASSERT_TRUE(store().Sweep().ok());
  EXPECT_EQ(machine_.Content(sha256).value(), "marked");
}

TEST_F(ArtifactStoreTest, SweepRemovesWhatIsMarkedAndStrayOldBlobs) {
  Store("marked");
  const std::string kept = Store("kept").sha256;
  ASSERT_TRUE(Sql("UPDATE artifacts SET state = 'DELETING' WHERE sha256 <> $1", {kept}).ok());
  const auto stray = machine_.blobs->NewBlob().value();
  ASSERT_TRUE(stray->Append(base::AsBytes("stray")).ok());
  ASSERT_TRUE(stray->Commit().ok());
  ASSERT_TRUE(store().Sweep().ok());
  EXPECT_THAT(machine_.FilesIn("blobs"), ::testing::UnorderedElementsAre(kept, DigestOf("stray")));
  machine_.Advance(absl::Hours(2));
  ASSERT_TRUE(store().Sweep().ok());
  EXPECT_THAT(machine_.FilesIn("blobs"), ElementsAre(kept));
  EXPECT_EQ(store().GetStats()->artifacts, 1u);
}

TEST_F(ArtifactStoreTest, ABundleWithoutReferenceIsSweptAndAnUploadedOneIsNot) {
  ASSERT_TRUE(AddResult(store(), "lonely bundle", ArtifactOrigin::kBundle).ok());
  ASSERT_TRUE(AddResult(store(), "used bundle", ArtifactOrigin::kBundle).ok());
  ASSERT_TRUE(AddResult(store(), "uploaded too", ArtifactOrigin::kBundle).ok());
  ASSERT_TRUE(AddResult(store(), "a result").ok());
  Store("uploaded too");
  ASSERT_TRUE(
      Sql("INSERT INTO artifact_references VALUES ($1, 'x')", {DigestOf("used bundle")}).ok());
  machine_.Advance(absl::Hours(2));
  ASSERT_TRUE(store().Sweep().ok());
  EXPECT_FALSE(store().GetArtifact(DigestOf("lonely bundle")).ok());
  for (const char* content : {"used bundle", "uploaded too", "a result"}) {
    EXPECT_EQ(machine_.Content(DigestOf(content)).value(), content);
  }
}

TEST_F(ArtifactStoreTest, ALostBlobIsDataLossAndHealsWhenItComesAgain) {
  const std::string sha256 = Store("precious").sha256;
  ASSERT_TRUE(machine_.blobs->Remove(sha256).ok());
  EXPECT_EQ(store().OpenArtifact(sha256).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(AddResult(store(), "precious").ok());
  EXPECT_EQ(machine_.Content(sha256).value(), "precious");
}

TEST_F(ArtifactStoreTest, ALostUploadFileBeginsAgain) {
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

TEST_F(ArtifactStoreTest, OpeningRepairsWhatACrashCutShort) {
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

TEST_F(ArtifactStoreTest, PagesCoverEveryArtifactOnceNewestFirst) {
  std::vector<std::string> newest_first;
  for (int i = 0; i < 7; ++i) {
    newest_first.insert(newest_first.begin(),
                        AddResult(store(), "content " + std::to_string(i))->sha256);
    machine_.Advance(absl::Microseconds(1));
  }
  for (const int page_size : {1, 2, 3, 6, 7, 8, 0, 5000}) {
    std::vector<std::string> seen;
    std::string token;
    do {
      const ArtifactStore::Page page = store().ListArtifacts(page_size, token).value();
      if (page_size > 0) {
        EXPECT_LE(page.artifacts.size(), static_cast<size_t>(page_size));
      }
      EXPECT_FALSE(page.artifacts.empty());
      for (const Artifact& artifact : page.artifacts) seen.push_back(artifact.sha256);
      token = page.next_token;
    } while (!token.empty());
    EXPECT_EQ(seen, newest_first) << page_size;
  }
}

TEST_F(ArtifactStoreTest, ArtifactsOfOneMomentArePagedToo) {
  std::set<std::string> all;
  for (int i = 0; i < 5; ++i)
    all.insert(AddResult(store(), "same time " + std::to_string(i))->sha256);
  std::set<std::string> seen;
  std::string token;
  do {
    const ArtifactStore::Page page = store().ListArtifacts(2, token).value();
    for (const Artifact& artifact : page.artifacts)
      EXPECT_TRUE(seen.insert(artifact.sha256).second);
    token = page.next_token;
  } while (!token.empty());
  EXPECT_EQ(seen, all);
}

TEST_F(ArtifactStoreTest, TokensThatAreNotOursAreRefused) {
  for (const std::string& token :
       {std::string("x"), std::string("1."), std::string("1.zz"), "x." + DigestOf("a")}) {
    EXPECT_EQ(store().ListArtifacts(1, token).status().code(), absl::StatusCode::kInvalidArgument)
        << token;
  }
}

TEST_F(ArtifactStoreTest, StatsCountWhatIsStored) {
  AddResult(store(), "12345").value();
  AddResult(store(), "123").value();
  Create(10);
  const ArtifactStore::Stats stats = store().GetStats().value();
  EXPECT_EQ(stats.artifacts, 2u);
  EXPECT_EQ(stats.stored_bytes, 8u);
  EXPECT_EQ(stats.unfinished_uploads, 1u);
}

}  // namespace
}  // namespace lbw::store
