#include "component/server_fixture.h"

#include <algorithm>

#include "base/digest.h"
#include "base/io.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "support/disc_detector.h"

namespace lbw::testing {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;

template <typename Detail>
bool FindDetail(const grpc::Status& status, Detail* out) {
  google::rpc::Status full;
  if (!full.ParseFromString(status.error_details())) return false;
  for (const auto& any : full.details()) {
    if (any.UnpackTo(out)) return true;
  }
  return false;
}

}  // namespace

v1::WriteUploadRequest Chunk(const std::string& name, uint64_t offset, std::string_view data) {
  v1::WriteUploadRequest request;
  request.set_name(name);
  request.set_offset(offset);
  request.set_data(std::string(data));
  request.set_crc32c(base::Crc32c(base::AsBytes(data)));
  return request;
}

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::ErrorInfo info;
  return FindDetail(status, &info) ? info.reason() : "";
}

std::string FieldOf(const grpc::Status& status) {
  google::rpc::BadRequest bad;
  return FindDetail(status, &bad) && bad.field_violations_size() > 0
             ? bad.field_violations(0).field()
             : "";
}

ServerFixture::ServerFixture(const std::function<void(config::Config&)>& change) {
  config_.data_dir = folder_.File("data");
  config_.listen = "127.0.0.1:0";
  config_.admin = "127.0.0.1:0";
  config_.drain_timeout = absl::Seconds(10);
  config_.workers = 0;
  if (change) change(config_);
  Start();
}

ServerFixture::~ServerFixture() = default;

void ServerFixture::Start() {
  auto app = app::App::Start(config_);
  if (!app.ok()) {
    ADD_FAILURE() << app.status();
    std::abort();
  }
  app_ = *std::move(app);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  channel_ = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(app_->grpc_port()),
                                       grpc::InsecureChannelCredentials(), arguments);
  artifacts_ = v1::ArtifactService::NewStub(channel_);
  models_ = v1::ModelService::NewStub(channel_);
  quantization_ = v1::QuantizationService::NewStub(channel_);
  detection_ = v1::DetectionService::NewStub(channel_);
  datasets_ = v1::DatasetService::NewStub(channel_);
  jobs_ = v1::JobService::NewStub(channel_);
  server_ = v1::ServerService::NewStub(channel_);
}

void ServerFixture::Restart() {
  app_->Shutdown();
  app_.reset();
  Start();
}

grpc::Status ServerFixture::TryUpload(std::string_view bytes, v1::Artifact* artifact) {
  v1::CreateUploadRequest create;
  create.set_size_bytes(bytes.size());
  create.set_display_name("test");
  v1::Upload upload;
  {
    grpc::ClientContext context;
    const grpc::Status status = artifacts_->CreateUpload(&context, create, &upload);
    if (!status.ok()) return status;
  }
  {
    grpc::ClientContext context;
    v1::WriteUploadResponse response;
    auto stream = artifacts_->WriteUpload(&context, &response);
    for (size_t offset = 0; offset < std::max<size_t>(bytes.size(), 1); offset += kChunkBytes) {
      if (!stream->Write(Chunk(upload.name(), offset, bytes.substr(offset, kChunkBytes)))) break;
    }
    stream->WritesDone();
    const grpc::Status status = stream->Finish();
    if (!status.ok()) return status;
  }
  v1::FinishUploadRequest finish;
  finish.set_name(upload.name());
  finish.set_sha256(base::Sha256Hex(base::AsBytes(bytes)));
  grpc::ClientContext context;
  return artifacts_->FinishUpload(&context, finish, artifact);
}

std::string ServerFixture::Upload(std::string_view bytes, const std::string&) {
  v1::Artifact artifact;
  const grpc::Status status = TryUpload(bytes, &artifact);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return artifact.name();
}

std::string ServerFixture::Download(const std::string& artifact) {
  v1::ReadArtifactRequest request;
  request.set_name(artifact);
  grpc::ClientContext context;
  auto stream = artifacts_->ReadArtifact(&context, request);
  std::string bytes;
  v1::ReadArtifactResponse chunk;
  while (stream->Read(&chunk)) {
    EXPECT_EQ(chunk.offset(), bytes.size());
    EXPECT_EQ(chunk.crc32c(), base::Crc32c(base::AsBytes(chunk.data())));
    bytes += chunk.data();
  }
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return bytes;
}

std::string ServerFixture::CreateDiscModel(const std::string& name) {
  v1::CreateModelRequest request;
  request.set_model_id(name);
  request.set_artifact(Upload(DiscDetectorOnnx(DiscDetectorWeights())));
  request.set_spec(DiscDetectorSpec());
  v1::Model model;
  grpc::ClientContext context;
  const grpc::Status status = models_->CreateModel(&context, request, &model);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return model.name();
}

grpc::Status ServerFixture::Quantize(const std::string& version, uint32_t bits,
                                     v1::ModelVersion* out) {
  v1::QuantizeVersionRequest request;
  request.set_version(version);
  request.mutable_options()->set_bits(bits);
  grpc::ClientContext context;
  return models_->QuantizeVersion(&context, request, out);
}

}  // namespace lbw::testing
