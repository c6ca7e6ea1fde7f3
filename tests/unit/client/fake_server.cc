#include "unit/client/fake_server.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/digest.h"
#include "base/io.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace lbw::client {
namespace {

constexpr uint64_t kReadChunk = 1024;

template <typename T>
std::optional<T> Pop(std::deque<T>& queue) {
  if (queue.empty()) return std::nullopt;
  T front = queue.front();
  queue.pop_front();
  return front;
}

}  // namespace

grpc::Status MakeStatus(const FakeError& error) {
  google::rpc::Status status;
  status.set_code(error.code);
  status.set_message(error.message);
  if (!error.reason.empty()) {
    google::rpc::ErrorInfo info;
    info.set_reason(error.reason);
    info.set_domain("lbw");
    for (const auto& entry : error.metadata) (*info.mutable_metadata())[entry.first] = entry.second;
    status.add_details()->PackFrom(info);
  }
  if (!error.violations.empty()) {
    google::rpc::BadRequest bad;
    for (const auto& entry : error.violations) {
      auto* violation = bad.add_field_violations();
      violation->set_field(entry.first);
      violation->set_description(entry.second);
    }
    status.add_details()->PackFrom(bad);
  }
  if (error.retry_after_s > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(error.retry_after_s);
    status.add_details()->PackFrom(retry);
  }
  return grpc::Status(error.code, error.message, status.SerializeAsString());
}

void FakeArtifacts::SetFaults(const Faults& faults) {
  const absl::MutexLock lock(&mu_);
  faults_ = faults;
}

std::string FakeArtifacts::Put(const std::string& bytes, const std::string& display_name) {
  const absl::MutexLock lock(&mu_);
  const std::string sha256 = base::Sha256Hex(base::AsBytes(bytes));
  stored_[sha256] = {bytes, display_name};
  return sha256;
}

std::string FakeArtifacts::Content(const std::string& sha256) {
  const absl::MutexLock lock(&mu_);
  const auto found = stored_.find(sha256);
  return found == stored_.end() ? "" : found->second.bytes;
}

std::vector<uint64_t> FakeArtifacts::WriteStarts() {
  const absl::MutexLock lock(&mu_);
  return write_starts_;
}

uint64_t FakeArtifacts::bytes_received() {
  const absl::MutexLock lock(&mu_);
  return bytes_received_;
}

bool FakeArtifacts::IsUnavailable() { return faults_.unavailable > 0 && faults_.unavailable-- > 0; }

v1::Artifact FakeArtifacts::Describe(const std::string& sha256) const {
  const Stored& stored = stored_.at(sha256);
  v1::Artifact artifact;
  artifact.set_name("artifacts/" + sha256);
  artifact.set_sha256(sha256);
  artifact.set_size_bytes(stored.bytes.size());
  artifact.set_display_name(stored.display_name);
  artifact.set_format(v1::ARTIFACT_FORMAT_OTHER);
  return artifact;
}

grpc::Status FakeArtifacts::CreateUpload(grpc::ServerContext*,
                                         const v1::CreateUploadRequest* request,
                                         v1::Upload* response) {
  const absl::MutexLock lock(&mu_);
  if (IsUnavailable()) return {grpc::StatusCode::UNAVAILABLE, "away"};
  for (const auto& [name, open] : open_) {
    if (open.upload.sha256() == request->sha256()) {
      *response = open.upload;
      return grpc::Status::OK;
    }
  }
  response->set_name(absl::StrCat("uploads/", open_.size() + 1));
  response->set_size_bytes(request->size_bytes());
  response->set_sha256(request->sha256());
  response->set_display_name(request->display_name());
  if (stored_.count(request->sha256()) > 0) {
    response->set_artifact("artifacts/" + request->sha256());
    response->set_committed_bytes(request->size_bytes());
  } else {
    open_[response->name()] = {*response, ""};
  }
  return grpc::Status::OK;
}

grpc::Status FakeArtifacts::GetUpload(grpc::ServerContext*, const v1::GetUploadRequest* request,
                                      v1::Upload* response) {
  const absl::MutexLock lock(&mu_);
  if (IsUnavailable()) return {grpc::StatusCode::UNAVAILABLE, "away"};
  const auto found = open_.find(request->name());
  if (found == open_.end()) return {grpc::StatusCode::NOT_FOUND, "no such upload"};
  *response = found->second.upload;
  return grpc::Status::OK;
}

grpc::Status FakeArtifacts::TakeChunk(Open& open, const v1::WriteUploadRequest& chunk) {
  if (chunk.offset() != open.bytes.size()) {
    return MakeStatus({grpc::StatusCode::OUT_OF_RANGE,
                       "a gap",
                       "UPLOAD_GAP",
                       {{"committed_bytes", absl::StrCat(open.upload.committed_bytes())}}});
  }
  const bool is_right = base::Crc32c(base::AsBytes(chunk.data())) == chunk.crc32c();
  if (!is_right || (faults_.damage_writes > 0 && faults_.damage_writes-- > 0)) {
    return MakeStatus({grpc::StatusCode::DATA_LOSS, "crc32c", "CHECKSUM_MISMATCH"});
  }
  open.bytes += chunk.data();
  bytes_received_ += chunk.data().size();
  const bool is_whole = open.bytes.size() == open.upload.size_bytes();
  open.upload.set_committed_bytes(is_whole ? open.bytes.size()
                                           : open.bytes.size() / commit_every * commit_every);
  if (!faults_.break_write_at.empty() && open.bytes.size() >= faults_.break_write_at.front()) {
    faults_.break_write_at.pop_front();
    return MakeStatus({faults_.break_code, "broken by the test", faults_.break_reason});
  }
  return grpc::Status::OK;
}

grpc::Status FakeArtifacts::WriteUpload(grpc::ServerContext*,
                                        grpc::ServerReader<v1::WriteUploadRequest>* reader,
                                        v1::WriteUploadResponse* response) {
  v1::WriteUploadRequest chunk;
  std::string name;
  while (reader->Read(&chunk)) {
    uint64_t received = 0;
    {
      const absl::MutexLock lock(&mu_);
      const bool is_first = name.empty();
      if (is_first) name = chunk.name();
      const auto found = open_.find(name);
      if (found == open_.end()) return {grpc::StatusCode::NOT_FOUND, "no such upload"};
      Open& open = found->second;
      if (is_first) {
        write_starts_.push_back(chunk.offset());
        if (const auto bytes = Pop(faults_.forget_to)) open.upload.set_committed_bytes(*bytes);
        if (chunk.restart()) open.upload.set_committed_bytes(0);
        open.bytes.resize(open.upload.committed_bytes());
      }
      if (grpc::Status status = TakeChunk(open, chunk); !status.ok()) return status;
      received = open.bytes.size();
    }
    if (on_chunk) on_chunk(received);
  }
  const absl::MutexLock lock(&mu_);
  response->set_committed_bytes(open_.at(name).upload.committed_bytes());
  return grpc::Status::OK;
}

grpc::Status FakeArtifacts::FinishUpload(grpc::ServerContext*,
                                         const v1::FinishUploadRequest* request,
                                         v1::Artifact* response) {
  const absl::MutexLock lock(&mu_);
  if (IsUnavailable()) return {grpc::StatusCode::UNAVAILABLE, "away"};
  const auto found = open_.find(request->name());
  if (found == open_.end()) return {grpc::StatusCode::NOT_FOUND, "no such upload"};
  Open& open = found->second;
  if (open.bytes.size() != open.upload.size_bytes()) {
    return MakeStatus({grpc::StatusCode::FAILED_PRECONDITION, "incomplete", "UPLOAD_INCOMPLETE"});
  }
  const std::string sha256 = base::Sha256Hex(base::AsBytes(open.bytes));
  if (sha256 != request->sha256()) {
    return MakeStatus({grpc::StatusCode::FAILED_PRECONDITION, "SHA-256", "DIGEST_MISMATCH"});
  }
  stored_[sha256] = {open.bytes, open.upload.display_name()};
  open_.erase(found);
  if (faults_.lose_finish_answer) {
    faults_.lose_finish_answer = false;
    return {grpc::StatusCode::UNAVAILABLE, "the answer is lost"};
  }
  *response = Describe(sha256);
  return grpc::Status::OK;
}

grpc::Status FakeArtifacts::GetArtifact(grpc::ServerContext*, const v1::GetArtifactRequest* request,
                                        v1::Artifact* response) {
  const absl::MutexLock lock(&mu_);
  const std::string sha256 = request->name().substr(std::string("artifacts/").size());
  if (stored_.count(sha256) == 0) {
    return MakeStatus({grpc::StatusCode::NOT_FOUND, "no artifact " + sha256, "NOT_FOUND"});
  }
  *response = Describe(sha256);
  return grpc::Status::OK;
}

grpc::Status FakeArtifacts::ListArtifacts(grpc::ServerContext*,
                                          const v1::ListArtifactsRequest* request,
                                          v1::ListArtifactsResponse* response) {
  const absl::MutexLock lock(&mu_);
  // One a page, so that paging is walked.
  auto next = request->page_token().empty() ? stored_.begin() : stored_.find(request->page_token());
  if (next == stored_.end()) return grpc::Status::OK;
  *response->add_artifacts() = Describe(next->first);
  if (++next != stored_.end()) response->set_next_page_token(next->first);
  return grpc::Status::OK;
}

grpc::Status FakeArtifacts::DeleteArtifact(grpc::ServerContext*,
                                           const v1::DeleteArtifactRequest* request,
                                           google::protobuf::Empty*) {
  const absl::MutexLock lock(&mu_);
  if (const auto error = Pop(delete_errors)) return MakeStatus(*error);
  stored_.erase(request->name().substr(std::string("artifacts/").size()));
  return grpc::Status::OK;
}

grpc::Status FakeArtifacts::ReadArtifact(grpc::ServerContext*,
                                         const v1::ReadArtifactRequest* request,
                                         grpc::ServerWriter<v1::ReadArtifactResponse>* writer) {
  const std::string sha256 = request->name().substr(std::string("artifacts/").size());
  std::string bytes = Content(sha256);
  for (uint64_t offset = request->offset(); offset < bytes.size(); offset += kReadChunk) {
    v1::ReadArtifactResponse chunk;
    {
      const absl::MutexLock lock(&mu_);
      if (!faults_.break_read_at.empty() && offset >= faults_.break_read_at.front()) {
        faults_.break_read_at.pop_front();
        return {grpc::StatusCode::UNAVAILABLE, "broken by the test"};
      }
      chunk.set_offset(offset);
      chunk.set_data(bytes.substr(offset, kReadChunk));
      if (faults_.wrong_content) (*chunk.mutable_data())[0] ^= 1;
      chunk.set_crc32c(base::Crc32c(base::AsBytes(chunk.data())));
      if (faults_.damage_reads > 0 && faults_.damage_reads-- > 0) {
        chunk.set_crc32c(chunk.crc32c() ^ 1);
      }
    }
    if (!writer->Write(chunk)) break;
  }
  return grpc::Status::OK;
}

grpc::Status FakeQuantization::QuantizeArtifact(
    grpc::ServerContext*, const v1::QuantizeArtifactRequest* request,
    grpc::ServerWriter<v1::QuantizeArtifactResponse>* writer) {
  last_request = *request;
  v1::QuantizeArtifactResponse update;
  update.mutable_progress()->set_stage("quantize");
  writer->Write(update);
  v1::QuantizeArtifactResult& result = *update.mutable_result();
  v1::TensorReport& tensor = *result.mutable_report()->add_tensors();
  tensor.set_name("conv1.weight");
  tensor.set_bits(request->options().bits());
  tensor.set_code_book("full");
  tensor.set_rule_index(-1);
  for (int i = 0; i < request->options().rules_size(); ++i) {
    auto* match = result.add_rule_matches();
    match->set_rule_index(i);
    match->set_match(request->options().rules(i).match());
  }
  if (!request->dry_run()) {
    const std::string source = artifacts_.Content(request->artifact().substr(10));
    const std::string sha256 = artifacts_.Put("packed:" + source, "packed");
    result.mutable_artifact()->set_name("artifacts/" + sha256);
    result.mutable_artifact()->set_sha256(sha256);
  }
  writer->Write(update);
  return grpc::Status::OK;
}

grpc::Status FakeQuantization::DequantizeArtifact(
    grpc::ServerContext*, const v1::DequantizeArtifactRequest* request,
    grpc::ServerWriter<v1::DequantizeArtifactResponse>* writer) {
  const std::string source = artifacts_.Content(request->artifact().substr(10));
  const std::string sha256 = artifacts_.Put(source.substr(7), "float");
  v1::DequantizeArtifactResponse update;
  update.mutable_artifact()->set_name("artifacts/" + sha256);
  writer->Write(update);
  return grpc::Status::OK;
}

grpc::Status FakeDetection::Detect(grpc::ServerContext* context, const v1::DetectRequest* request,
                                   v1::DetectResponse* response) {
  const auto token = context->client_metadata().find("authorization");
  if (token != context->client_metadata().end()) {
    last_authorization.assign(token->second.data(), token->second.size());
  }
  requests.push_back(*request);
  requests.back().clear_images();
  pictures.push_back(request->images_size());
  if (const auto error = Pop(errors)) return MakeStatus(*error);
  response->set_model_version("models/face/versions/7");
  response->set_queue_us(3);
  for (const std::string& image : request->images()) {
    v1::DetectResult& result = *response->add_results();
    if (image == "bad") {
      result.mutable_error()->set_code(3);
      result.mutable_error()->set_message("not a picture");
      continue;
    }
    result.set_image_width(640);
    result.set_image_height(480);
    v1::Detection& detection = *result.add_detections();
    detection.set_label(image);
    detection.set_score(0.5F);
    detection.mutable_box()->set_x_max(10);
    if (request->options().annotate() == v1::IMAGE_FORMAT_JPEG) {
      result.set_annotated_image("drawn " + image);
    }
    if (request->options().annotate() == v1::IMAGE_FORMAT_PNG) result.set_annotated_image(png);
  }
  return grpc::Status::OK;
}

grpc::Status FakeModels::GetModel(grpc::ServerContext*, const v1::GetModelRequest* request,
                                  v1::Model* response) {
  if (request->name() != model.name()) {
    return MakeStatus(
        {grpc::StatusCode::NOT_FOUND, "no model '" + request->name() + "'", "NOT_FOUND"});
  }
  *response = model;
  return grpc::Status::OK;
}

grpc::Status FakeModels::SetAlias(grpc::ServerContext*, const v1::SetAliasRequest* request,
                                  v1::Alias* response) {
  last_alias = *request;
  response->set_name(request->name());
  response->set_version(request->version());
  return grpc::Status::OK;
}

grpc::Status FakeStatus::GetServerStatus(grpc::ServerContext*, const v1::GetServerStatusRequest*,
                                         v1::ServerStatus* response) {
  *response = status;
  return grpc::Status::OK;
}

FakeServer::FakeServer() { Start(); }
FakeServer::~FakeServer() { Stop(); }

std::string FakeServer::address() const { return absl::StrCat("127.0.0.1:", port_); }

void FakeServer::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
  server_->Wait();
  server_.reset();
}

void FakeServer::Start() {
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(48 << 20);
  int port = 0;
  builder.AddListeningPort(address(), grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&artifacts);
  builder.RegisterService(&quantization);
  builder.RegisterService(&detection);
  builder.RegisterService(&models);
  builder.RegisterService(&jobs);
  builder.RegisterService(&datasets);
  builder.RegisterService(&status);
  server_ = builder.BuildAndStart();
  LBW_CHECK(server_ != nullptr && port != 0);
  port_ = port;
}

}  // namespace lbw::client
