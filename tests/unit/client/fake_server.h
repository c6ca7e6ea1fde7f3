// A server in memory that speaks the API and fails where a test tells it to.
#ifndef LBW_TESTS_UNIT_CLIENT_FAKE_SERVER_H_
#define LBW_TESTS_UNIT_CLIENT_FAKE_SERVER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/status.h"
#include "grpcpp/server.h"
#include "lbw/v1/artifact.grpc.pb.h"
#include "lbw/v1/detection.grpc.pb.h"
#include "lbw/v1/model.grpc.pb.h"
#include "lbw/v1/quantization.grpc.pb.h"
#include "lbw/v1/server.grpc.pb.h"

namespace lbw::client {

// A gRPC status with google.rpc details, as the real server builds it.
struct FakeError {
  grpc::StatusCode code = grpc::StatusCode::UNKNOWN;
  std::string message = {};
  std::string reason = {};
  std::map<std::string, std::string> metadata = {};
  std::vector<std::pair<std::string, std::string>> violations = {};
  int64_t retry_after_s = 0;
};
grpc::Status MakeStatus(const FakeError& error);

// What goes wrong, each once per entry, in order. All sizes in bytes.
struct Faults {
  // A WriteUpload stream breaks once so many bytes of the file have arrived; what came after the
  // last multiple of commit_every is lost.
  std::deque<uint64_t> break_write_at = {};
  // The status of such a break.
  grpc::StatusCode break_code = grpc::StatusCode::UNAVAILABLE;
  std::string break_reason = {};
  // The server forgets all but so many committed bytes as the next stream begins.
  std::deque<uint64_t> forget_to = {};
  int damage_writes = 0;  // chunks whose crc32c is held for wrong
  int unavailable = 0;    // unary upload calls that answer UNAVAILABLE
  bool lose_finish_answer = false;
  std::deque<uint64_t> break_read_at = {};
  int damage_reads = 0;        // chunks sent with a wrong crc32c
  bool wrong_content = false;  // ReadArtifact sends other bytes than the name says
};

class FakeArtifacts final : public v1::ArtifactService::Service {
 public:
  // Called under no lock for every chunk that arrived.
  std::function<void(uint64_t received)> on_chunk;
  uint64_t commit_every = 4096;

  void SetFaults(const Faults& faults);
  std::string Put(const std::string& bytes, const std::string& display_name);
  // The stored bytes, or "".
  std::string Content(const std::string& sha256);
  // Offsets at which WriteUpload streams began.
  std::vector<uint64_t> WriteStarts();
  uint64_t bytes_received();

  grpc::Status CreateUpload(grpc::ServerContext*, const v1::CreateUploadRequest* request,
                            v1::Upload* response) override;
  grpc::Status GetUpload(grpc::ServerContext*, const v1::GetUploadRequest* request,
                         v1::Upload* response) override;
  grpc::Status WriteUpload(grpc::ServerContext*, grpc::ServerReader<v1::WriteUploadRequest>* reader,
                           v1::WriteUploadResponse* response) override;
  grpc::Status FinishUpload(grpc::ServerContext*, const v1::FinishUploadRequest* request,
                            v1::Artifact* response) override;
  grpc::Status GetArtifact(grpc::ServerContext*, const v1::GetArtifactRequest* request,
                           v1::Artifact* response) override;
  grpc::Status ListArtifacts(grpc::ServerContext*, const v1::ListArtifactsRequest* request,
                             v1::ListArtifactsResponse* response) override;
  grpc::Status DeleteArtifact(grpc::ServerContext*, const v1::DeleteArtifactRequest* request,
                              google::protobuf::Empty* response) override;
  grpc::Status ReadArtifact(grpc::ServerContext*, const v1::ReadArtifactRequest* request,
                            grpc::ServerWriter<v1::ReadArtifactResponse>* writer) override;

 private:
  struct Stored {
    std::string bytes;
    std::string display_name;
  };
  struct Open {
    v1::Upload upload;
    std::string bytes;  // with those that are not committed
  };

  grpc::Status TakeChunk(Open& open, const v1::WriteUploadRequest& chunk)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsUnavailable() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::Artifact Describe(const std::string& sha256) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Mutex mu_;
  Faults faults_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Stored> stored_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Open> open_ ABSL_GUARDED_BY(mu_);
  std::vector<uint64_t> write_starts_ ABSL_GUARDED_BY(mu_);
  uint64_t bytes_received_ ABSL_GUARDED_BY(mu_) = 0;
};

// "Quantizes" by writing the artifact's bytes behind "packed:", reports one tensor.
class FakeQuantization final : public v1::QuantizationService::Service {
 public:
  explicit FakeQuantization(FakeArtifacts& artifacts) : artifacts_(artifacts) {}
  v1::QuantizeArtifactRequest last_request;

  grpc::Status QuantizeArtifact(grpc::ServerContext*, const v1::QuantizeArtifactRequest* request,
                                grpc::ServerWriter<v1::QuantizeArtifactResponse>* writer) override;
  grpc::Status DequantizeArtifact(
      grpc::ServerContext*, const v1::DequantizeArtifactRequest* request,
      grpc::ServerWriter<v1::DequantizeArtifactResponse>* writer) override;

 private:
  FakeArtifacts& artifacts_;
};

// One detection a picture whose label is the picture's bytes; "bad" fails.
class FakeDetection final : public v1::DetectionService::Service {
 public:
  std::vector<v1::DetectRequest> requests;  // without their pictures
  std::vector<int> pictures;                // how many each call carried
  std::deque<FakeError> errors;             // what the next calls answer instead

  grpc::Status Detect(grpc::ServerContext* context, const v1::DetectRequest* request,
                      v1::DetectResponse* response) override;
  std::string last_authorization;
};

class FakeModels final : public v1::ModelService::Service {
 public:
  v1::Model model;
  v1::SetAliasRequest last_alias;

  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest* request,
                        v1::Model* response) override;
  grpc::Status SetAlias(grpc::ServerContext*, const v1::SetAliasRequest* request,
                        v1::Alias* response) override;
};

class FakeStatus final : public v1::ServerService::Service {
 public:
  v1::ServerStatus status;
  grpc::Status GetServerStatus(grpc::ServerContext*, const v1::GetServerStatusRequest*,
                               v1::ServerStatus* response) override;
};

// Listens on 127.0.0.1 from construction on. What it holds outlives Stop and Start.
class FakeServer {
 public:
  FakeServer();
  ~FakeServer();

  FakeArtifacts artifacts;
  FakeQuantization quantization{artifacts};
  FakeDetection detection;
  FakeModels models;
  FakeStatus status;

  std::string address() const;
  // Ends every call at once, as a kill does for the client.
  void Stop();
  // On the same port as before.
  void Start();

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace lbw::client

#endif  // LBW_TESTS_UNIT_CLIENT_FAKE_SERVER_H_
