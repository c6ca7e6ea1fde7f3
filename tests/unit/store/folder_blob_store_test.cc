#include "store/folder_blob_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "unit/store/store_fixture.h"

namespace lbw::store {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class FolderBlobStoreTest : public ::testing::Test {
 protected:
  FolderBlobStoreTest() : files_(point_, [this] { return now_; }) { Open(); }
  void Open() { blobs_ = FolderBlobStore::Open(files_, "/d").value(); }

  absl::StatusOr<BlobInfo> Put(std::string_view content) {
    LBW_ASSIGN_OR_RETURN(const auto writer, blobs_->NewBlob());
    LBW_RETURN_IF_ERROR(writer->Append(base::AsBytes(content)));
    return writer->Commit();
  }
  std::string Read(std::string_view sha256) {
    return base::ReadAll(*blobs_->Open(sha256).value(), 10'000'000).value();
  }

  absl::Time now_ = absl::FromUnixSeconds(1000);
  CrashPoint point_;
  MemoryFileSystem files_;
  std::unique_ptr<FolderBlobStore> blobs_;
};

TEST_F(FolderBlobStoreTest, ABlobIsNamedByItsDigest) {
  const BlobInfo info = Put("hello").value();
  EXPECT_EQ(info.sha256, DigestOf("hello"));
  EXPECT_EQ(info.size_bytes, 5u);
  EXPECT_EQ(Read(info.sha256), "hello");
  EXPECT_TRUE(blobs_->Exists(info.sha256).value());
  EXPECT_THAT(files_.AllFiles(), ::testing::ElementsAre("/d/blobs/2c/" + info.sha256));
}

TEST_F(FolderBlobStoreTest, PiecesOfEverySizeArriveInOrder) {
  const std::string content = Pattern(3'000'000, 1);
  const auto writer = blobs_->NewBlob().value();
  size_t at = 0;
  for (size_t piece = 1; at < content.size(); piece = piece * 3 + 1) {
    const std::string_view part = std::string_view(content).substr(at, piece);
    ASSERT_TRUE(writer->Append(base::AsBytes(part)).ok());
    at += part.size();
  }
  EXPECT_EQ(writer->Seal()->sha256, DigestOf(content));
  EXPECT_FALSE(blobs_->Exists(DigestOf(content)).value());
  EXPECT_FALSE(writer->Append(base::AsBytes("x")).ok());
  EXPECT_EQ(writer->Commit()->size_bytes, content.size());
  EXPECT_EQ(writer->Commit()->sha256, DigestOf(content));
  EXPECT_EQ(Read(DigestOf(content)), content);
}

TEST_F(FolderBlobStoreTest, TheSameContentTwiceIsOneBlob) {
  ASSERT_TRUE(Put("same").ok());
  ASSERT_TRUE(Put("same").ok());
  EXPECT_THAT(files_.AllFiles(), SizeIs(1));
}

TEST_F(FolderBlobStoreTest, ADroppedWriterLeavesNothing) {
  {
    const auto writer = blobs_->NewBlob().value();
    ASSERT_TRUE(writer->Append(base::AsBytes("never")).ok());
    ASSERT_TRUE(writer->Seal().ok());
  }
  EXPECT_THAT(files_.AllFiles(), IsEmpty());
}

TEST_F(FolderBlobStoreTest, NamesThatAreNoDigestsAreNoBlobs) {
  for (const std::string_view name : {"", "..", "../../etc/passwd", "abc"}) {
    EXPECT_EQ(blobs_->Open(name).status().code(), absl::StatusCode::kNotFound) << name;
    EXPECT_FALSE(blobs_->Exists(name).value());
    EXPECT_TRUE(blobs_->Remove(name).ok());
  }
}

TEST_F(FolderBlobStoreTest, RemoveIsOkTwice) {
  const std::string sha256 = Put("x")->sha256;
  EXPECT_TRUE(blobs_->Remove(sha256).ok());
  EXPECT_TRUE(blobs_->Remove(sha256).ok());
  EXPECT_EQ(blobs_->Open(sha256).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(FolderBlobStoreTest, ListsBlobsAndNothingElse) {
  const std::string sha256 = Put("listed")->sha256;
  ASSERT_TRUE(files_.MakeFolder("/d/blobs/zz").ok());
  ASSERT_TRUE(files_.OpenFile("/d/blobs/zz/" + sha256, FileSystem::Open::kCreate).ok());
  ASSERT_TRUE(files_.OpenFile("/d/blobs/zz/README", FileSystem::Open::kCreate).ok());
  const auto listed = blobs_->List().value();
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_EQ(listed[0].sha256, sha256);
  EXPECT_EQ(listed[0].size_bytes, 6u);
  EXPECT_EQ(listed[0].modified, absl::FromUnixSeconds(1000));
}

TEST_F(FolderBlobStoreTest, AFullDiskIsToldAndLeavesNothing) {
  files_.SetCapacity(10);
  const absl::Status status = Put("more than ten bytes").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(files_.AllFiles(), IsEmpty());
}

TEST_F(FolderBlobStoreTest, AFailedSyncIsNeverForgotten) {
  const auto writer = blobs_->NewBlob().value();
  ASSERT_TRUE(writer->Append(base::AsBytes("bytes")).ok());
  files_.FailSyncs(1);
  EXPECT_FALSE(writer->Commit().ok());
  EXPECT_FALSE(writer->Commit().ok());
  EXPECT_FALSE(blobs_->Exists(DigestOf("bytes")).value());
}

// A crash before every step of a commit: afterwards the blob is whole or absent, and it is there if
// Commit said so.
TEST_F(FolderBlobStoreTest, ACrashAtAnyStepLeavesTheWholeBlobOrNone) {
  bool finished = false;
  for (int64_t step = 0; !finished; ++step) {
    for (const auto crash : {MemoryFileSystem::Crash::kPower, MemoryFileSystem::Crash::kProcess}) {
      const std::string content = Pattern(1000, static_cast<unsigned>(step));
      const std::string sha256 = DigestOf(content);
      point_.Arm(step);
      const bool acknowledged = Put(content).ok();
      finished = !point_.dead();
      point_.Arm(CrashPoint::kNever);
      files_.Recover(crash);
      Open();
      const bool there = blobs_->Exists(sha256).value();
      EXPECT_TRUE(there || !acknowledged) << step;
      if (there) {
        EXPECT_EQ(Read(sha256), content) << step;
      }
      ASSERT_TRUE(blobs_->Remove(sha256).ok());
      EXPECT_THAT(files_.AllFiles(), IsEmpty()) << step;
    }
  }
}

TEST_F(FolderBlobStoreTest, CommittingWhatIsThereMakesItYoung) {
  const std::string sha256 = DigestOf("same");
  EXPECT_EQ(blobs_->ModifiedTime(sha256).value(), std::nullopt);
  ASSERT_TRUE(Put("same").ok());
  const std::optional<absl::Time> first = blobs_->ModifiedTime(sha256).value();
  now_ += absl::Hours(3);
  ASSERT_TRUE(Put("same").ok());
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(blobs_->ModifiedTime(sha256).value(), *first + absl::Hours(3));
  EXPECT_EQ(Read(sha256), "same");
}

// Another process that opens the folder sweeps what crashes left, and not what somebody is writing.
TEST(FolderBlobStore, OpeningKeepsWhatAnotherWrites) {
  const testing::TempDir folder;
  FileSystem& files = RealFileSystem();
  const auto mine = FolderBlobStore::Open(files, folder.path()).value();
  const auto writer = mine->NewBlob().value();
  ASSERT_TRUE(writer->Append(base::AsBytes("still being written")).ok());
  {
    const auto left = files.OpenFile(folder.path() + "/tmp/left", FileSystem::Open::kCreateNew);
    ASSERT_TRUE(left.ok()) << left.status();
  }
  const auto theirs = FolderBlobStore::Open(files, folder.path()).value();
  EXPECT_EQ(files.List(folder.path() + "/tmp")->size(), 1u);
  const absl::StatusOr<BlobInfo> info = writer->Commit();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_TRUE(theirs->Exists(info->sha256).value());
}

TEST(FolderBlobStore, UnlinkersWaitForThoseThatName) {
  const testing::TempDir folder;
  const auto store = FolderBlobStore::Open(RealFileSystem(), folder.path()).value();
  {
    const auto first = store->Acquire(BlobStore::Access::kName).value();
    const auto second = store->Acquire(BlobStore::Access::kName).value();
    // Held by two: nobody may unlink.
    EXPECT_EQ(*RealFileSystem().LockFile(folder.path() + "/blobs.lock", FileSystem::Lock::kTry),
              nullptr);
  }
  const auto unlinker = store->Acquire(BlobStore::Access::kUnlink);
  EXPECT_TRUE(unlinker.ok()) << unlinker.status();
}

}  // namespace
}  // namespace lbw::store
