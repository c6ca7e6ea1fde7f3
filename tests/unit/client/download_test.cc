#include <filesystem>

#include "client/cpp/transfer.h"
#include "gmock/gmock.h"
#include "unit/client/transfer_fixture.h"

namespace lbw::client {
namespace {

class Downloading : public TransferFixture {
 protected:
  Downloading() : bytes(RandomBytes(50'123, 1)), path(dir.File("out.bin")) {
    name = "artifacts/" + server.artifacts.Put(bytes, "weights");
  }
  void ExpectWritten(const absl::StatusOr<v1::Artifact>& artifact) {
    ASSERT_TRUE(artifact.ok()) << artifact.status();
    EXPECT_TRUE(ReadText(path) == bytes);
    EXPECT_FALSE(std::filesystem::exists(path + ".part"));
  }

  const std::string bytes;
  const std::string path;
  std::string name;
};

TEST_F(Downloading, WritesTheBytes) {
  ExpectWritten(DownloadArtifact(*connection, name, path, progress));
}

TEST_F(Downloading, AnEmptyArtifact) {
  name = "artifacts/" + server.artifacts.Put("", "empty");
  ASSERT_TRUE(DownloadArtifact(*connection, name, path, progress).ok());
  EXPECT_EQ(std::filesystem::file_size(path), 0);
}

TEST_F(Downloading, ResumesBrokenStreamsAndDamagedChunks) {
  server.artifacts.SetFaults({.break_read_at = {0, 3000, 20'000}, .damage_reads = 4});
  ExpectWritten(DownloadArtifact(*connection, name, path, progress));
}

TEST_F(Downloading, GoesOnWithThePartOfAnEarlierRun) {
  WriteText(path + ".part", bytes.substr(0, 40'000));
  // Would break any read that starts before the part's end.
  server.artifacts.SetFaults({.break_read_at = {0}});
  ExpectWritten(DownloadArtifact(*connection, name, path, progress));
}

TEST_F(Downloading, BeginsAnewWhereThePartIsOfSomethingElse) {
  WriteText(path + ".part", std::string(40'000, 'x'));
  ExpectWritten(DownloadArtifact(*connection, name, path, progress));
  WriteText(path + ".part", std::string(90'000, 'x'));
  ExpectWritten(DownloadArtifact(*connection, name, path, progress));
}

TEST_F(Downloading, WrongBytesAreNeverGivenTheFinalName) {
  WriteText(path, "what was there");
  server.artifacts.SetFaults({.wrong_content = true});
  const auto artifact = DownloadArtifact(*connection, name, path, progress);
  EXPECT_EQ(artifact.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadText(path), "what was there");
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
}

TEST_F(Downloading, ALineThatDamagesEveryChunkIsGivenUp) {
  server.artifacts.SetFaults({.damage_reads = 1'000'000});
  const auto artifact = DownloadArtifact(*connection, name, path, progress);
  EXPECT_EQ(artifact.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Downloading, CancelledLeavesOnlyThePart) {
  canceller.Cancel();
  const auto artifact = DownloadArtifact(*connection, name, path, progress);
  EXPECT_EQ(artifact.status().code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Downloading, UnknownArtifactAndImpossiblePlaces) {
  const std::string none = "artifacts/" + std::string(64, 'a');
  EXPECT_EQ(DownloadArtifact(*connection, none, path, progress).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
  EXPECT_EQ(DownloadArtifact(*connection, name, dir.path(), progress).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      DownloadArtifact(*connection, name, dir.File("no/such/folder"), progress).status().code(),
      absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace lbw::client
