#include <filesystem>
#include <set>
#include <thread>

#include "absl/synchronization/notification.h"
#include "base/digest.h"
#include "base/io.h"
#include "client/cpp/transfer.h"
#include "gmock/gmock.h"
#include "unit/client/transfer_fixture.h"

namespace lbw::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Uploading : public TransferFixture {
 protected:
  Uploading() { options.chunk_bytes = 1000; }

  std::string MakeFile(size_t size, uint32_t seed) {
    bytes = RandomBytes(size, seed);
    const std::string path = dir.File("weights.safetensors");
    WriteText(path, bytes);
    return path;
  }
  std::string Sha() const { return base::Sha256Hex(base::AsBytes(bytes)); }
  void ExpectStored(const absl::StatusOr<v1::Artifact>& artifact) {
    ASSERT_TRUE(artifact.ok()) << artifact.status();
    EXPECT_EQ(artifact->name(), "artifacts/" + Sha());
    EXPECT_TRUE(server.artifacts.Content(Sha()) == bytes);
  }

  UploadOptions options;
  std::string bytes;
};

TEST_F(Uploading, StoresTheBytesUnderTheFilesOwnName) {
  const auto artifact = UploadFile(*connection, MakeFile(123'457, 1), options, progress);
  ExpectStored(artifact);
  EXPECT_EQ(artifact->display_name(), "weights.safetensors");
  EXPECT_THAT(server.artifacts.WriteStarts(), ElementsAre(0));
}

TEST_F(Uploading, EmptyFileAndOneByte) {
  ExpectStored(UploadFile(*connection, MakeFile(0, 1), options, progress));
  ExpectStored(UploadFile(*connection, MakeFile(1, 1), options, progress));
}

// Notes the stages that it is told of.
class StagesSeen final : public ProgressSink {
 public:
  void Update(const ProgressState& state) override { stages.insert(state.stage); }
  void Clear() override {}
  std::set<std::string> stages;
};

TEST_F(Uploading, AFileWhoseDigestIsKnownIsNotHashedAgain) {
  StagesSeen seen;
  const std::string path = MakeFile(5'000, 13);
  options.digest = HashFile(path, canceller, progress).value();
  ExpectStored(UploadFile(*connection, path, options, seen));
  EXPECT_THAT(seen.stages, ElementsAre("upload"));
}

TEST_F(Uploading, ContentTheServerHasIsNotSent) {
  const std::string path = MakeFile(50'000, 2);
  server.artifacts.Put(bytes, "another.safetensors");
  ExpectStored(UploadFile(*connection, path, options, progress));
  EXPECT_EQ(server.artifacts.bytes_received(), 0);
}

// The stream breaks at places drawn at random; each time the upload goes on at the last committed
// byte, never at 0 and never further.
TEST_F(Uploading, ResumesAfterAStreamThatBreaksAnywhere) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const size_t size = 20'000 + random() % 80'000;
    Faults faults;
    for (uint64_t at = random() % 8000; at < size; at += 1 + random() % 30'000) {
      faults.break_write_at.push_back(at);
    }
    server.artifacts.SetFaults(faults);
    const size_t streams_before = server.artifacts.WriteStarts().size();
    ExpectStored(UploadFile(*connection, MakeFile(size, seed), options, progress));
    const auto starts = server.artifacts.WriteStarts();
    // A break behind the last byte needs no further stream.
    EXPECT_GE(starts.size() - streams_before, faults.break_write_at.size());
    EXPECT_LE(starts.size() - streams_before, faults.break_write_at.size() + 1);
    for (size_t i = streams_before; i < starts.size(); ++i) {
      EXPECT_EQ(starts[i] % server.artifacts.commit_every, 0);
    }
  }
}

TEST_F(Uploading, SendsAgainWhatArrivedDamaged) {
  server.artifacts.SetFaults({.damage_writes = 3});
  ExpectStored(UploadFile(*connection, MakeFile(30'000, 3), options, progress));
}

// The server committed less than it had told: OUT_OF_RANGE names the place.
TEST_F(Uploading, SeeksWhereTheServerSays) {
  Faults faults;
  faults.break_write_at = {20'000};
  faults.forget_to = {0, 4096};
  server.artifacts.SetFaults(faults);
  ExpectStored(UploadFile(*connection, MakeFile(30'000, 4), options, progress));
  EXPECT_THAT(server.artifacts.WriteStarts(), ElementsAre(0, 16384, 4096));
}

TEST_F(Uploading, AbortedStreamGoesOnUnlessAnotherClientTookOver) {
  Faults faults;
  faults.break_write_at = {10'000};
  faults.break_code = grpc::StatusCode::ABORTED;
  server.artifacts.SetFaults(faults);
  ExpectStored(UploadFile(*connection, MakeFile(30'000, 5), options, progress));

  faults.break_reason = "UPLOAD_TAKEN_OVER";
  server.artifacts.SetFaults(faults);
  const auto taken = UploadFile(*connection, MakeFile(30'000, 6), options, progress);
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kAborted);
}

TEST_F(Uploading, RidesOutUnaryCallsThatFailAndALostAnswer) {
  server.artifacts.SetFaults({.unavailable = 2, .lose_finish_answer = true});
  ExpectStored(UploadFile(*connection, MakeFile(9000, 7), options, progress));
}

// The server dies in the middle of the stream, three times, and comes back on the same port.
TEST_F(Uploading, SurvivesRestartsOfTheServer) {
  const std::string path = MakeFile(200'000, 8);
  for (const uint64_t stop_at : {30'000, 90'000, 150'000}) {
    SCOPED_TRACE(stop_at);
    auto reached = std::make_shared<absl::Notification>();
    server.artifacts.on_chunk = [reached, stop_at](uint64_t received) {
      if (received >= stop_at && !reached->HasBeenNotified()) reached->Notify();
    };
    absl::StatusOr<v1::Artifact> artifact = absl::UnknownError("not run");
    std::thread client([&] { artifact = UploadFile(*connection, path, options, progress); });
    reached->WaitForNotificationWithTimeout(absl::Seconds(30));
    server.Stop();
    server.artifacts.on_chunk = nullptr;
    server.Start();
    client.join();
    ExpectStored(artifact);
    v1::DeleteArtifactRequest request;
    request.set_name("artifacts/" + Sha());
    server.artifacts.DeleteArtifact(nullptr, &request, nullptr);
  }
}

TEST_F(Uploading, GivesUpWhereTheServerNeverAnswers) {
  ConnectionOptions away = connection->options();
  away.retry.first_contact = absl::Milliseconds(30);
  server.Stop();
  const auto lonely = Connection::Connect(away, canceller);
  ASSERT_TRUE(lonely.ok());
  const auto artifact = UploadFile(**lonely, MakeFile(100, 9), options, progress);
  EXPECT_EQ(artifact.status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(Uploading, GivesUpWithoutProgress) {
  ConnectionOptions impatient = connection->options();
  impatient.retry.no_progress = absl::Milliseconds(50);
  const auto hasty = Connection::Connect(impatient, canceller);
  ASSERT_TRUE(hasty.ok());
  server.artifacts.SetFaults({.damage_writes = 1'000'000});
  const auto artifact = UploadFile(**hasty, MakeFile(5000, 10), options, progress);
  EXPECT_EQ(artifact.status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(Uploading, CancelEndsItAndTheNextRunGoesOn) {
  const std::string path = MakeFile(100'000, 11);
  server.artifacts.on_chunk = [this](uint64_t received) {
    if (received >= 50'000) canceller.Cancel();
  };
  const auto artifact = UploadFile(*connection, path, options, progress);
  EXPECT_EQ(artifact.status().code(), absl::StatusCode::kCancelled);
  server.Stop();
  server.artifacts.on_chunk = nullptr;
  server.Start();
  Canceller fresh;
  const auto again = Connection::Connect(connection->options(), fresh);
  ASSERT_TRUE(again.ok());
  ExpectStored(UploadFile(**again, path, options, progress));
  // At most what was not committed travelled twice.
  EXPECT_LE(server.artifacts.bytes_received(), bytes.size() + server.artifacts.commit_every);
}

// Cuts the file once it is hashed.
class CutAfterHash final : public ProgressSink {
 public:
  explicit CutAfterHash(std::string path) : path_(std::move(path)) {}
  void Update(const ProgressState& state) override {
    if (state.stage == "hash" && state.done == state.total) {
      std::filesystem::resize_file(path_, state.total / 2);
    }
  }
  void Clear() override {}

 private:
  const std::string path_;
};

// It was taken for the server's DATA_LOSS and tried again until the patience ran out.
TEST_F(Uploading, AFileThatShrinksMeanwhileEndsItAtOnce) {
  const std::string path = MakeFile(50'000, 12);
  CutAfterHash cut(path);
  const auto artifact = UploadFile(*connection, path, options, cut);
  EXPECT_EQ(artifact.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(artifact.status().message()), HasSubstr("changed while it was uploaded"));
  EXPECT_LE(server.artifacts.WriteStarts().size(), 1U);
}

TEST_F(Uploading, NamesAFileThatIsNotThereAndAFolder) {
  const auto missing = UploadFile(*connection, dir.File("nothing"), options, progress);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("nothing"));
  const auto folder = UploadFile(*connection, dir.path(), options, progress);
  EXPECT_EQ(folder.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(AfterWrite, FollowsTheCodes) {
  using Kind = UploadStep::Kind;
  const auto step = [](const FakeError& error) {
    return AfterWrite(FromGrpc(MakeStatus(error)), 1000);
  };
  EXPECT_EQ(AfterWrite(absl::OkStatus(), 1000).kind, Kind::kAsk);
  EXPECT_EQ(step({grpc::StatusCode::UNAVAILABLE, ""}).kind, Kind::kAsk);
  EXPECT_EQ(step({grpc::StatusCode::DATA_LOSS, ""}).kind, Kind::kAsk);
  EXPECT_EQ(step({grpc::StatusCode::INTERNAL, "Received RST_STREAM with code 2"}).kind, Kind::kAsk);
  EXPECT_EQ(step({grpc::StatusCode::INTERNAL, "disk"}).kind, Kind::kFail);
  EXPECT_EQ(step({grpc::StatusCode::OUT_OF_RANGE, ""}).kind, Kind::kAsk);
  const auto seek = step({grpc::StatusCode::OUT_OF_RANGE, "", "G", {{"committed_bytes", "1000"}}});
  EXPECT_EQ(seek.kind, Kind::kSeek);
  EXPECT_EQ(seek.offset, 1000);
  EXPECT_EQ(step({grpc::StatusCode::OUT_OF_RANGE, "", "G", {{"committed_bytes", "1001"}}}).kind,
            Kind::kFail);
  EXPECT_EQ(step({grpc::StatusCode::FAILED_PRECONDITION, "", "UPLOAD_OVERLAP_DIFFERS"}).kind,
            Kind::kRestart);
  EXPECT_EQ(step({grpc::StatusCode::FAILED_PRECONDITION, "", "IN_USE"}).kind, Kind::kFail);
  EXPECT_EQ(step({grpc::StatusCode::RESOURCE_EXHAUSTED, "", "OUT_OF_ROOM"}).kind, Kind::kFail);
  EXPECT_EQ(step({grpc::StatusCode::INVALID_ARGUMENT, ""}).kind, Kind::kFail);
}

}  // namespace
}  // namespace lbw::client
