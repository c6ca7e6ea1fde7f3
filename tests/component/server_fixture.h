// A whole server in this process, on free ports in a temporary folder, with stubs to talk to it.
#ifndef LBW_TESTS_COMPONENT_SERVER_FIXTURE_H_
#define LBW_TESTS_COMPONENT_SERVER_FIXTURE_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/app.h"
#include "config/config.h"
#include "lbw/v1/artifact.grpc.pb.h"
#include "lbw/v1/dataset.grpc.pb.h"
#include "lbw/v1/detection.grpc.pb.h"
#include "lbw/v1/job.grpc.pb.h"
#include "lbw/v1/model.grpc.pb.h"
#include "lbw/v1/quantization.grpc.pb.h"
#include "lbw/v1/server.grpc.pb.h"
#include "support/temp_dir.h"

namespace lbw::testing {

class ServerFixture {
 public:
  // change: what differs from the defaults. No workers: they would be this program again;
  // JobDriver plays one.
  explicit ServerFixture(const std::function<void(config::Config&)>& change = nullptr);
  ~ServerFixture();

  // Stops the server and starts another on the same folder.
  void Restart();

  v1::ArtifactService::Stub& artifacts() { return *artifacts_; }
  v1::ModelService::Stub& models() { return *models_; }
  v1::QuantizationService::Stub& quantization() { return *quantization_; }
  v1::DetectionService::Stub& detection() { return *detection_; }
  v1::DatasetService::Stub& datasets() { return *datasets_; }
  v1::JobService::Stub& jobs() { return *jobs_; }
  v1::ServerService::Stub& server() { return *server_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  int admin_port() const { return app_->admin_port(); }
  const std::string& data_dir() const { return config_.data_dir; }

  // The whole of an upload; fails the test when it does not work. Returns "artifacts/{sha256}".
  std::string Upload(std::string_view bytes, const std::string& display_name = "test");
  // The status of the step that refused, or OK.
  grpc::Status TryUpload(std::string_view bytes, v1::Artifact* artifact);
  std::string Download(const std::string& artifact);
  // Uploads the disc detector and creates the model; returns "models/{name}".
  std::string CreateDiscModel(const std::string& name = "discs");
  grpc::Status Quantize(const std::string& version, uint32_t bits, v1::ModelVersion* out);

 private:
  void Start();

  TempDir folder_;
  config::Config config_;
  std::unique_ptr<app::App> app_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ArtifactService::Stub> artifacts_;
  std::unique_ptr<v1::ModelService::Stub> models_;
  std::unique_ptr<v1::QuantizationService::Stub> quantization_;
  std::unique_ptr<v1::DetectionService::Stub> detection_;
  std::unique_ptr<v1::DatasetService::Stub> datasets_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::ServerService::Stub> server_;
};

// A message that asks for one chunk to be written, with its right CRC-32C.
v1::WriteUploadRequest Chunk(const std::string& name, uint64_t offset, std::string_view data);
// ErrorInfo's reason of a failed call; "" where it carries none.
std::string ReasonOf(const grpc::Status& status);
// The first field that BadRequest names; "" for none.
std::string FieldOf(const grpc::Status& status);

}  // namespace lbw::testing

#endif  // LBW_TESTS_COMPONENT_SERVER_FIXTURE_H_
