#include "store/artifacts.h"

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

using ArtifactsTest = StoreTest;

// Uploads and deletions of one content race: whatever is said to be stored can be read.
TEST_F(ArtifactsTest, DeletingBesideFinishingNeverLosesBytes) {
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

TEST_F(ArtifactsTest, DeleteArtifactRefusesWhileSomethingRefersToIt) {
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

TEST_F(ArtifactsTest, AMarkedArtifactIsGoneAndComesBackWhole) {
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

TEST_F(ArtifactsTest, SweepRemovesWhatIsMarkedAndStrayOldBlobs) {
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

TEST_F(ArtifactsTest, ABundleWithoutReferenceIsSweptAndAnUploadedOneIsNot) {
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

// The list of defects of every clean dataset is the same text: the first check wrote it, and the
// second one finds it there, old and without a row, and counts on it.
TEST_F(ArtifactsTest, AStrayBlobThatIsCommittedAgainOutlivesTheNextSweep) {
  const auto commit = [this] {
    const auto blob = machine_.blobs->NewBlob().value();
    ASSERT_TRUE(blob->Append(base::AsBytes("no defects")).ok());
    ASSERT_TRUE(blob->Commit().ok());
  };
  commit();
  machine_.Advance(absl::Hours(2));
  commit();
  ASSERT_TRUE(store().Sweep().ok());
  EXPECT_THAT(machine_.FilesIn("blobs"), ElementsAre(DigestOf("no defects")));
  EXPECT_EQ(store().GetStats()->artifacts, 0u);
  machine_.Advance(absl::Hours(2));
  ASSERT_TRUE(store().Sweep().ok());
  EXPECT_THAT(machine_.FilesIn("blobs"), IsEmpty());
}

TEST_F(ArtifactsTest, TheBytesOfAnOldBundleThatAreCommittedAgainOutliveTheNextSweep) {
  ASSERT_TRUE(AddResult(store(), "pack", ArtifactOrigin::kBundle).ok());
  machine_.Advance(absl::Hours(2));
  const auto blob = machine_.blobs->NewBlob().value();
  ASSERT_TRUE(blob->Append(base::AsBytes("pack")).ok());
  ASSERT_TRUE(blob->Commit().ok());
  ASSERT_TRUE(store().Sweep().ok());
  EXPECT_FALSE(store().GetArtifact(DigestOf("pack")).ok());
  EXPECT_THAT(machine_.FilesIn("blobs"), ElementsAre(DigestOf("pack")));
  ASSERT_TRUE(AddResult(store(), "pack", ArtifactOrigin::kBundle).ok());
  EXPECT_EQ(machine_.Content(DigestOf("pack")).value(), "pack");
}

TEST_F(ArtifactsTest, ALostBlobIsDataLossAndHealsWhenItComesAgain) {
  const std::string sha256 = Store("precious").sha256;
  ASSERT_TRUE(machine_.blobs->Remove(sha256).ok());
  EXPECT_EQ(store().OpenArtifact(sha256).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(AddResult(store(), "precious").ok());
  EXPECT_EQ(machine_.Content(sha256).value(), "precious");
}

TEST_F(ArtifactsTest, PagesCoverEveryArtifactOnceNewestFirst) {
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

TEST_F(ArtifactsTest, ArtifactsOfOneMomentArePagedToo) {
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

TEST_F(ArtifactsTest, TokensThatAreNotOursAreRefused) {
  for (const std::string& token :
       {std::string("x"), std::string("1."), std::string("1.zz"), "x." + DigestOf("a")}) {
    EXPECT_EQ(store().ListArtifacts(1, token).status().code(), absl::StatusCode::kInvalidArgument)
        << token;
  }
}

TEST_F(ArtifactsTest, StatsCountWhatIsStored) {
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
