#include "store/upload_writer.h"

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
using Start = ArtifactStore::Start;

using UploadWriterTest = StoreTest;

TEST_F(UploadWriterTest, BytesAreCommittedEveryFortyAndAtTheEnd) {
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

TEST_F(UploadWriterTest, ADroppedStreamResumesFromWhatIsCommitted) {
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

TEST_F(UploadWriterTest, RestartBeginsAgainAtZero) {
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

TEST_F(UploadWriterTest, AGapIsOutOfRangeAndTellsWhereToGoOn) {
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

TEST_F(UploadWriterTest, BytesPastTheSizeAreRefused) {
  const std::string id = Create(10);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  EXPECT_EQ(WriteChunk(*writer, 0, "0123456789x").code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(WriteChunk(*writer, 0, "0123456789").ok());
  EXPECT_EQ(WriteChunk(*writer, 10, "x").code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(WriteChunk(*writer, 10, "").ok());
  EXPECT_EQ(WriteChunk(*writer, UINT64_MAX, "x").code(), absl::StatusCode::kOutOfRange);
}

TEST_F(UploadWriterTest, AnOverlapIsSkippedWhereEqualAndRefusedWhereNot) {
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

TEST_F(UploadWriterTest, AWrongChecksumChangesNothing) {
  const std::string id = Create(10);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  const absl::Status wrong = writer->Write(0, base::AsBytes("hello"), 1);
  EXPECT_EQ(wrong.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(wrong), "CHECKSUM_MISMATCH");
  EXPECT_EQ(WriteChunk(*writer, 5, "x").code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(WriteChunk(*writer, 0, "hello").ok());
}

TEST_F(UploadWriterTest, AChunkMayHaveItsLimitAndNotOneMore) {
  const std::string id = Create(100);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  const absl::Status large = WriteChunk(*writer, 0, Pattern(33, 1));
  EXPECT_EQ(large.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(large), "LIMIT_EXCEEDED");
  EXPECT_TRUE(WriteChunk(*writer, 0, Pattern(32, 1)).ok());
}

TEST_F(UploadWriterTest, ANewerWriterTakesOver) {
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

TEST_F(UploadWriterTest, AWriterOfAnotherProcessFencesThisOne) {
  const std::string id = Create(100);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  ASSERT_TRUE(Sql("UPDATE uploads SET writer = writer + 1", {}).ok());
  EXPECT_EQ(WriteRest(*writer, 0, Pattern(60, 1)).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Committed(id), 0u);
}

// Many writers fight for one upload: each write is taken or told why not, and the bytes end up
// right.
TEST_F(UploadWriterTest, ConcurrentWritersLeaveOneConsistentUpload) {
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

TEST_F(UploadWriterTest, AFullDiskIsOutOfRoomAndTheUploadGoesOnLater) {
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

// What is not committed is the only room on a full disk, and the database needs some to write a
// row.
TEST_F(UploadWriterTest, AFailedWriteGivesItsRoomBack) {
  const std::string content = Pattern(200, 18);
  const std::string id = Create(200);
  machine_.files.SetCapacity(90);
  const auto writer = store().OpenWriter(id, Start::kResume).value();
  ASSERT_EQ(WriteRest(*writer, 0, content).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(machine_.files.Stat("/data/uploads/" + id)->size_bytes, Committed(id));
  // It stays over, also with room again: nobody goes on behind a hole.
  machine_.files.SetCapacity(UINT64_MAX);
  EXPECT_EQ(WriteChunk(*writer, 64, content.substr(64, 8)).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(UploadWriterTest, AFailedSyncCommitsNothingAndEndsTheWriter) {
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

}  // namespace
}  // namespace lbw::store
