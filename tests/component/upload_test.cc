// Uploads over the wire: resuming, checks of every chunk, and what survives a restart.
#include <filesystem>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/digest.h"
#include "base/io.h"
#include "component/server_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::testing {
namespace {

using ::testing::HasSubstr;

class Uploads : public ::testing::Test {
 protected:
  v1::Upload Create(uint64_t size, const std::string& sha256 = "") {
    v1::CreateUploadRequest request;
    request.set_size_bytes(size);
    request.set_sha256(sha256);
    v1::Upload upload;
    grpc::ClientContext context;
    const grpc::Status status = fixture_.artifacts().CreateUpload(&context, request, &upload);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return upload;
  }

  grpc::Status Write(const v1::WriteUploadRequest& request, uint64_t* committed = nullptr) {
    grpc::ClientContext context;
    v1::WriteUploadResponse response;
    auto stream = fixture_.artifacts().WriteUpload(&context, &response);
    stream->Write(request);
    stream->WritesDone();
    const grpc::Status status = stream->Finish();
    if (committed != nullptr) *committed = response.committed_bytes();
    return status;
  }

  grpc::Status Finish(const std::string& name, const std::string& sha256, v1::Artifact* artifact) {
    v1::FinishUploadRequest request;
    request.set_name(name);
    request.set_sha256(sha256);
    grpc::ClientContext context;
    return fixture_.artifacts().FinishUpload(&context, request, artifact);
  }

  uint64_t Committed(const std::string& name) {
    v1::GetUploadRequest request;
    request.set_name(name);
    v1::Upload upload;
    grpc::ClientContext context;
    EXPECT_TRUE(fixture_.artifacts().GetUpload(&context, request, &upload).ok());
    return upload.committed_bytes();
  }

  // Until the one unfinished upload has that many bytes in its file, committed or not.
  void AwaitBytesOnDisk(uintmax_t bytes) {
    const base::Stopwatch patience;
    while (true) {
      for (const auto& file :
           std::filesystem::directory_iterator(fixture_.data_dir() + "/uploads")) {
        if (file.is_regular_file() && file.file_size() >= bytes) return;
      }
      ASSERT_LT(patience.ElapsedNs(), int64_t{20'000'000'000}) << "the bytes did not arrive";
      std::this_thread::yield();
    }
  }

  static std::string Digest(const std::string& bytes) {
    return base::Sha256Hex(base::AsBytes(bytes));
  }

  ServerFixture fixture_;
};

TEST_F(Uploads, GoOnAfterARestartOfTheServer) {
  const std::string bytes(3'000'000, 'a');
  const v1::Upload upload = Create(bytes.size(), Digest(bytes));
  uint64_t committed = 0;
  ASSERT_TRUE(Write(Chunk(upload.name(), 0, bytes.substr(0, 1'000'000)), &committed).ok());
  EXPECT_EQ(committed, 1'000'000U);
  fixture_.Restart();
  EXPECT_EQ(Committed(upload.name()), 1'000'000U);
  // The same content asks for the same upload.
  EXPECT_EQ(Create(bytes.size(), Digest(bytes)).name(), upload.name());
  ASSERT_TRUE(Write(Chunk(upload.name(), 1'000'000, bytes.substr(1'000'000))).ok());
  v1::Artifact artifact;
  ASSERT_TRUE(Finish(upload.name(), "", &artifact).ok());
  EXPECT_EQ(artifact.sha256(), Digest(bytes));
  EXPECT_EQ(fixture_.Download(artifact.name()), bytes);
  v1::Artifact again;
  ASSERT_TRUE(Finish(upload.name(), "", &again).ok());
  EXPECT_EQ(again.name(), artifact.name());
}

TEST_F(Uploads, RefuseAGapAndTellWhereToGoOn) {
  const v1::Upload upload = Create(100);
  const grpc::Status status = Write(Chunk(upload.name(), 10, "x"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(status), "UPLOAD_GAP");
}

TEST_F(Uploads, SkipAnEqualOverlapAndRefuseADifferentOne) {
  const v1::Upload upload = Create(6);
  ASSERT_TRUE(Write(Chunk(upload.name(), 0, "abcd")).ok());
  uint64_t committed = 0;
  ASSERT_TRUE(Write(Chunk(upload.name(), 2, "cdef"), &committed).ok());
  EXPECT_EQ(committed, 6U);
  const grpc::Status status = Write(Chunk(upload.name(), 0, "abXd"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "UPLOAD_OVERLAP_DIFFERS");
  v1::Artifact artifact;
  EXPECT_TRUE(Finish(upload.name(), Digest("abcdef"), &artifact).ok());
}

TEST_F(Uploads, RefuseAWrongCrcAndTakeTheChunkAgain) {
  const v1::Upload upload = Create(4);
  v1::WriteUploadRequest wrong = Chunk(upload.name(), 0, "abcd");
  wrong.set_crc32c(wrong.crc32c() ^ 1U);
  const grpc::Status status = Write(wrong);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(ReasonOf(status), "CHECKSUM_MISMATCH");
  EXPECT_EQ(Committed(upload.name()), 0U);
  EXPECT_TRUE(Write(Chunk(upload.name(), 0, "abcd")).ok());
}

TEST_F(Uploads, KeepTheBytesWhenTheDigestIsWrongOrBytesAreMissing) {
  const v1::Upload upload = Create(4);
  ASSERT_TRUE(Write(Chunk(upload.name(), 0, "ab")).ok());
  v1::Artifact artifact;
  const grpc::Status incomplete = Finish(upload.name(), Digest("abcd"), &artifact);
  EXPECT_EQ(incomplete.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(incomplete), "UPLOAD_INCOMPLETE");
  ASSERT_TRUE(Write(Chunk(upload.name(), 2, "cd")).ok());
  const grpc::Status wrong = Finish(upload.name(), Digest("other"), &artifact);
  EXPECT_EQ(wrong.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(wrong), "DIGEST_MISMATCH");
  EXPECT_TRUE(Finish(upload.name(), Digest("abcd"), &artifact).ok());
}

TEST_F(Uploads, AreFinishedFromTheStartWhereTheContentIsStored) {
  const std::string artifact = fixture_.Upload("some bytes");
  const v1::Upload upload = Create(10, Digest("some bytes"));
  EXPECT_EQ(upload.artifact(), artifact);
}

TEST_F(Uploads, ANewerStreamTakesOver) {
  const v1::Upload upload = Create(8);
  grpc::ClientContext old_context;
  v1::WriteUploadResponse old_response;
  auto old_stream = fixture_.artifacts().WriteUpload(&old_context, &old_response);
  ASSERT_TRUE(old_stream->Write(Chunk(upload.name(), 0, "abcd")));
  // A chunk that left the client may not have reached the server: until it has, the old stream is
  // not the older one.
  AwaitBytesOnDisk(4);
  ASSERT_TRUE(Write(Chunk(upload.name(), 0, "abcdefgh")).ok());
  old_stream->Write(Chunk(upload.name(), 4, "WXYZ"));
  old_stream->WritesDone();
  const grpc::Status old_status = old_stream->Finish();
  EXPECT_EQ(old_status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ReasonOf(old_status), "UPLOAD_TAKEN_OVER");
  v1::Artifact artifact;
  EXPECT_TRUE(Finish(upload.name(), Digest("abcdefgh"), &artifact).ok());
}

TEST_F(Uploads, ChunksAndSizesHaveLimits) {
  const std::string limit(size_t{4} << 20, 'x');
  const v1::Upload upload = Create(limit.size() * 2);
  EXPECT_TRUE(Write(Chunk(upload.name(), 0, limit)).ok());
  const grpc::Status over = Write(Chunk(upload.name(), limit.size(), limit + "x"));
  EXPECT_EQ(over.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(over), "LIMIT_EXCEEDED");
  v1::CreateUploadRequest request;
  request.set_size_bytes(uint64_t{1} << 60);
  v1::Upload too_large;
  grpc::ClientContext context;
  const grpc::Status status = fixture_.artifacts().CreateUpload(&context, request, &too_large);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("1152921504606846976"));
}

TEST_F(Uploads, AnEmptyStreamAndAnUnknownUploadAreErrors) {
  grpc::ClientContext context;
  v1::WriteUploadResponse response;
  auto stream = fixture_.artifacts().WriteUpload(&context, &response);
  stream->WritesDone();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Write(Chunk("uploads/01arz3ndektsv4rrffq69g5fav", 0, "x")).error_code(),
            grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Write(Chunk("nonsense", 0, "x")).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(Uploads, ADownloadStartsWhereItIsAsked) {
  const std::string artifact = fixture_.Upload("0123456789");
  v1::ReadArtifactRequest request;
  request.set_name(artifact);
  request.set_offset(3);
  request.set_length(4);
  {
    grpc::ClientContext context;
    auto stream = fixture_.artifacts().ReadArtifact(&context, request);
    v1::ReadArtifactResponse chunk;
    ASSERT_TRUE(stream->Read(&chunk));
    EXPECT_EQ(chunk.data(), "3456");
    EXPECT_EQ(chunk.size_bytes(), 10U);
    EXPECT_FALSE(stream->Read(&chunk));
    EXPECT_TRUE(stream->Finish().ok());
  }
  request.set_offset(11);
  grpc::ClientContext context;
  auto stream = fixture_.artifacts().ReadArtifact(&context, request);
  v1::ReadArtifactResponse chunk;
  EXPECT_FALSE(stream->Read(&chunk));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::OUT_OF_RANGE);
}

}  // namespace
}  // namespace lbw::testing
