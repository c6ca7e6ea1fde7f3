// A server in memory that speaks the API and fails where a test tells it to.
#ifndef LBW_TESTS_UNIT_CLIENT_FAKE_SERVER_H_
#define LBW_TESTS_UNIT_CLIENT_FAKE_SERVER_H_

#include <atomic>
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
#include "lbw/v1/dataset.grpc.pb.h"
#include "lbw/v1/detection.grpc.pb.h"
#include "lbw/v1/job.grpc.pb.h"
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
  // What the next DeleteArtifact calls answer instead.
  std::deque<FakeError> delete_errors;

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
  std::string png;                          // the annotated picture of who asks for a PNG

  grpc::Status Detect(grpc::ServerContext* context, const v1::DetectRequest* request,
                      v1::DetectResponse* response) override;
  std::string last_authorization;
};

class FakeModels final : public v1::ModelService::Service {
 public:
  v1::Model model;
  v1::SetAliasRequest last_alias;
  v1::RollbackAliasRequest last_rollback;
  v1::ListAliasMovesResponse moves;
  v1::Lineage lineage;
  std::string last_lineage;
  std::vector<v1::Evaluation> evaluations;  // newest first
  v1::ModelVersion version;                 // what GetVersion and QuantizeVersion answer
  v1::QuantizeVersionRequest last_quantize;
  v1::CreateModelRequest last_create;
  std::deque<FakeError> create_errors;  // what the next CreateModel calls answer instead

  // Answers `model`.
  grpc::Status CreateModel(grpc::ServerContext*, const v1::CreateModelRequest* request,
                           v1::Model* response) override;
  grpc::Status GetVersion(grpc::ServerContext*, const v1::GetVersionRequest* request,
                          v1::ModelVersion* response) override;
  grpc::Status QuantizeVersion(grpc::ServerContext*, const v1::QuantizeVersionRequest* request,
                               v1::ModelVersion* response) override;
  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest* request,
                        v1::Model* response) override;
  grpc::Status SetAlias(grpc::ServerContext*, const v1::SetAliasRequest* request,
                        v1::Alias* response) override;
  grpc::Status RollbackAlias(grpc::ServerContext*, const v1::RollbackAliasRequest* request,
                             v1::Alias* response) override;
  grpc::Status ListAliasMoves(grpc::ServerContext*, const v1::ListAliasMovesRequest* request,
                              v1::ListAliasMovesResponse* response) override;
  grpc::Status ListEvaluations(grpc::ServerContext*, const v1::ListEvaluationsRequest* request,
                               v1::ListEvaluationsResponse* response) override;
  grpc::Status GetEvaluation(grpc::ServerContext*, const v1::GetEvaluationRequest* request,
                             v1::Evaluation* response) override;
  grpc::Status GetLineage(grpc::ServerContext*, const v1::GetLineageRequest* request,
                          v1::Lineage* response) override;
};

// Jobs whose events a test writes. What CreateJob makes takes the next script, and where there is
// none ends SUCCEEDED at once.
class FakeJobs final : public v1::JobService::Service {
 public:
  explicit FakeJobs(FakeModels& models) : models_(models) {}

  // A job with its events; its cursors are filled in, its last_cursor too.
  struct Script {
    v1::Job job = {};
    std::vector<v1::JobEvent> events = {};
  };
  void Put(const Script& script);
  // For the jobs that CreateJob makes, in order: state and error of their end.
  std::deque<v1::Job> next_ends;
  std::string pack_artifact = "artifacts/pack";  // of the evaluations that they make
  // WatchJob breaks with UNAVAILABLE once it has sent so many events of a stream, once an entry.
  std::deque<int> break_watch_after;
  // WatchJob sends what there is and then waits for the client to go away.
  std::atomic<bool> never_ends = false;
  // What jobs of these kinds find.
  v1::QuantizationResult quantization;
  v1::Comparison comparison;
  v1::TrainingResult training;

  std::vector<v1::CreateJobRequest> Created();
  // The cursors that WatchJob streams began behind.
  std::vector<uint64_t> WatchStarts();
  std::string last_filter;
  std::string last_call;  // "pause jobs/..."

  grpc::Status CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request,
                         v1::Job* response) override;
  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                      v1::Job* response) override;
  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override;
  grpc::Status PauseJob(grpc::ServerContext*, const v1::PauseJobRequest* request,
                        v1::Job* response) override;
  grpc::Status CancelJob(grpc::ServerContext*, const v1::CancelJobRequest* request,
                         v1::Job* response) override;
  grpc::Status WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::WatchJobResponse>* writer) override;
  grpc::Status ListCheckpoints(grpc::ServerContext*, const v1::ListCheckpointsRequest* request,
                               v1::ListCheckpointsResponse* response) override;
  grpc::Status GetJobLog(grpc::ServerContext*, const v1::GetJobLogRequest* request,
                         v1::GetJobLogResponse* response) override;

 private:
  // Fills in kind and result; true where the job is no evaluation.
  bool AnswerOtherKind(const v1::CreateJobRequest& request, v1::Job& job);
  Script* Find(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  FakeModels& models_;
  absl::Mutex mu_;
  std::vector<Script> scripts_ ABSL_GUARDED_BY(mu_);  // newest first
  std::vector<v1::CreateJobRequest> created_ ABSL_GUARDED_BY(mu_);
  std::vector<uint64_t> watch_starts_ ABSL_GUARDED_BY(mu_);
};

// A dataset is READY as soon as its check, a job of FakeJobs, is there.
class FakeDatasets final : public v1::DatasetService::Service {
 public:
  explicit FakeDatasets(FakeJobs& jobs) : jobs_(jobs) {}

  std::map<std::string, v1::Dataset> datasets;
  v1::CreateDatasetRequest last_create;
  v1::RenderDatasetRequest last_render;
  v1::ListDefectsResponse defects;

  grpc::Status CreateDataset(grpc::ServerContext*, const v1::CreateDatasetRequest* request,
                             v1::Dataset* response) override;
  grpc::Status GetDataset(grpc::ServerContext*, const v1::GetDatasetRequest* request,
                          v1::Dataset* response) override;
  grpc::Status ListDatasets(grpc::ServerContext*, const v1::ListDatasetsRequest* request,
                            v1::ListDatasetsResponse* response) override;
  grpc::Status DeleteDataset(grpc::ServerContext*, const v1::DeleteDatasetRequest* request,
                             google::protobuf::Empty* response) override;
  grpc::Status ListDefects(grpc::ServerContext*, const v1::ListDefectsRequest* request,
                           v1::ListDefectsResponse* response) override;
  grpc::Status RenderDataset(grpc::ServerContext*, const v1::RenderDatasetRequest* request,
                             v1::RenderDatasetResponse* response) override;

 private:
  FakeJobs& jobs_;
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
  FakeJobs jobs{models};
  FakeDatasets datasets{jobs};
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
