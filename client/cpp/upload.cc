#include <algorithm>
#include <filesystem>
#include <memory>
#include <vector>

#include "absl/strings/numbers.h"
#include "base/digest.h"
#include "base/io.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/transfer.h"
#include "lbw/v1/artifact.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr size_t kReadBytes = 1 << 20;

absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> OpenFile(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                       base::StrCat(path, " is a folder; a file is wanted"));
  }
  return base::OpenFileReader(path);
}

// One file on its way up.
class Upload {
 public:
  Upload(Connection& connection, const base::RandomAccessReader& file, const FileDigest& digest,
         const UploadOptions& options, ProgressSink& progress)
      : connection_(connection),
        file_(file),
        digest_(digest),
        options_(options),
        progress_(progress),
        stub_(v1::ArtifactService::NewStub(connection.channel())),
        retry_(connection.options().retry) {}

  absl::StatusOr<v1::Artifact> Run() {
    LBW_RETURN_IF_ERROR(Create());
    while (artifact_.empty()) {
      LBW_RETURN_IF_ERROR(WriteAll());
      if (!artifact_.empty()) break;
      absl::StatusOr<v1::Artifact> artifact = Finish();
      if (artifact.ok()) return artifact;
      LBW_RETURN_IF_ERROR(AfterFinish(artifact.status()));
    }
    v1::GetArtifactRequest request;
    request.set_name(artifact_);
    return connection_.Unary<v1::Artifact>(Patience::kRide, [&](auto* context, auto* artifact) {
      return stub_->GetArtifact(context, request, artifact);
    });
  }

 private:
  absl::Status Create() {
    v1::CreateUploadRequest request;
    request.set_size_bytes(digest_.size_bytes);
    request.set_sha256(digest_.sha256);
    request.set_display_name(options_.display_name);
    LBW_ASSIGN_OR_RETURN(
        const auto upload,
        connection_.Unary<v1::Upload>(Patience::kRide, [&](auto* context, auto* response) {
          return stub_->CreateUpload(context, request, response);
        }));
    name_ = upload.name();
    TakeState(upload);
    return absl::OkStatus();
  }

  void TakeState(const v1::Upload& upload) {
    artifact_ = upload.artifact();
    MoveTo(upload.committed_bytes());
  }

  void MoveTo(uint64_t committed) {
    committed_ = std::min(committed, digest_.size_bytes);
    if (committed_ > furthest_) {
      furthest_ = committed_;
      retry_.Progress();
    }
  }

  // Until the server has every byte.
  absl::Status WriteAll() {
    while (committed_ < digest_.size_bytes && artifact_.empty()) {
      const uint64_t before = committed_;
      const absl::Status status = WriteOnce();
      // A stream that ends well but early gets no second chance for free either.
      if (status.ok() && committed_ > before) continue;
      LBW_RETURN_IF_ERROR(Recover(status));
    }
    return absl::OkStatus();
  }

  absl::Status Recover(const absl::Status& status) {
    LBW_RETURN_IF_ERROR(connection_.canceller().Check());
    const UploadStep step = AfterWrite(status, digest_.size_bytes);
    if (step.kind == UploadStep::Kind::kFail) return status;
    if (step.kind == UploadStep::Kind::kRestart) {
      if (has_restarted_) return status;
      has_restarted_ = true;
      restart_next_ = true;
    }
    const auto delay = retry_.NextDelay(status, connection_.has_contact());
    if (!delay) return status;
    LBW_RETURN_IF_ERROR(connection_.Wait(*delay));
    if (step.kind == UploadStep::Kind::kAsk) return AskState();
    MoveTo(step.offset);
    return absl::OkStatus();
  }

  absl::Status AskState() {
    v1::GetUploadRequest request;
    request.set_name(name_);
    const auto upload =
        connection_.Unary<v1::Upload>(Patience::kRide, [&](auto* context, auto* response) {
          return stub_->GetUpload(context, request, response);
        });
    if (upload.ok()) {
      TakeState(*upload);
      return absl::OkStatus();
    }
    // It expired, or the server lost it: begin anew, once.
    if (upload.status().code() != absl::StatusCode::kNotFound || has_created_again_) {
      return upload.status();
    }
    has_created_again_ = true;
    return Create();
  }

  absl::Status WriteOnce() {
    Connection::Call call(connection_, Connection::Call::Kind::kStream);
    StallGuard guard(call.context(), connection_.options().stall_timeout);
    v1::WriteUploadResponse response;
    const auto writer = stub_->WriteUpload(&call.context(), &response);
    const absl::Status local = SendChunks(*writer, guard);
    if (!local.ok()) call.context().TryCancel();
    writer->WritesDone();
    const grpc::Status ended = writer->Finish();
    LBW_RETURN_IF_ERROR(local);
    const absl::Status status = call.Finish(ended);
    if (guard.is_stalled()) return absl::UnavailableError("the upload did not move");
    if (status.ok()) MoveTo(response.committed_bytes());
    return status;
  }

  // Fails only for reasons of this side; a stream that takes no more ends it early.
  absl::Status SendChunks(grpc::ClientWriter<v1::WriteUploadRequest>& writer, StallGuard& guard) {
    v1::WriteUploadRequest request;
    request.set_name(name_);
    request.set_restart(restart_next_);
    if (restart_next_) committed_ = 0;
    restart_next_ = false;
    uint64_t offset = committed_;
    while (offset < digest_.size_bytes) {
      const uint64_t length = std::min<uint64_t>(options_.chunk_bytes, digest_.size_bytes - offset);
      std::string& data = *request.mutable_data();
      data.resize(length);
      const absl::Span<std::byte> bytes(reinterpret_cast<std::byte*>(data.data()), length);
      LBW_RETURN_IF_ERROR(ReadChunk(offset, bytes));
      request.set_offset(offset);
      request.set_crc32c(base::Crc32c(bytes));
      if (!writer.Write(request)) break;
      guard.Feed();
      request.clear_name();
      request.clear_restart();
      offset += length;
      progress_.Update({"upload", offset, digest_.size_bytes, "bytes", options_.display_name});
    }
    return absl::OkStatus();
  }

  // DATA_LOSS of the local file would look like the server's, which is worth another try.
  absl::Status ReadChunk(uint64_t offset, absl::Span<std::byte> bytes) const {
    const absl::Status status = file_.ReadAt(offset, bytes);
    if (status.code() != absl::StatusCode::kDataLoss) return status;
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kDataLoss,
                       base::StrCat(base::Std(status.message()),
                                    "; it changed while it was uploaded, upload it again"));
  }

  absl::StatusOr<v1::Artifact> Finish() {
    v1::FinishUploadRequest request;
    request.set_name(name_);
    request.set_sha256(digest_.sha256);
    return connection_.Unary<v1::Artifact>(Patience::kRide, [&](auto* context, auto* artifact) {
      return stub_->FinishUpload(context, request, artifact);
    });
  }

  absl::Status AfterFinish(const absl::Status& status) {
    const std::string reason = GetCallDetails(status).reason;
    // The answer of a Finish that succeeded may have been lost with the server; then its state
    // tells.
    const bool may_be_done = status.code() == absl::StatusCode::kNotFound ||
                             reason == base::reason::kUploadIncomplete.text;
    if (may_be_done) {
      const auto delay = retry_.NextDelay(status, connection_.has_contact());
      if (!delay) return status;
      LBW_RETURN_IF_ERROR(connection_.Wait(*delay));
      return AskState();
    }
    if (reason != base::reason::kDigestMismatch.text || has_restarted_) return status;
    // Either bytes from an earlier run are not this file's, or the file changed under our hands.
    has_restarted_ = true;
    restart_next_ = true;
    committed_ = 0;
    return absl::OkStatus();
  }

  Connection& connection_;
  const base::RandomAccessReader& file_;
  const FileDigest& digest_;
  const UploadOptions& options_;
  ProgressSink& progress_;
  const std::unique_ptr<v1::ArtifactService::Stub> stub_;
  RetryState retry_;
  std::string name_;
  std::string artifact_;
  uint64_t committed_ = 0;
  uint64_t furthest_ = 0;
  bool restart_next_ = false;
  bool has_restarted_ = false;
  bool has_created_again_ = false;
};

absl::StatusOr<FileDigest> HashReader(const base::RandomAccessReader& file,
                                      const std::string& label, Canceller& canceller,
                                      ProgressSink& progress) {
  base::Sha256 sha;
  std::vector<std::byte> buffer(kReadBytes);
  for (uint64_t offset = 0; offset < file.size();) {
    LBW_RETURN_IF_ERROR(canceller.Check());
    const uint64_t length = std::min<uint64_t>(buffer.size(), file.size() - offset);
    const absl::Span<std::byte> piece(buffer.data(), length);
    LBW_RETURN_IF_ERROR(file.ReadAt(offset, piece));
    sha.Update(piece);
    offset += length;
    progress.Update({"hash", offset, file.size(), "bytes", label});
  }
  return FileDigest{file.size(), sha.FinishHex()};
}

}  // namespace

UploadStep AfterWrite(const absl::Status& status, uint64_t size_bytes) {
  const CallDetails details = GetCallDetails(status);
  using Kind = UploadStep::Kind;
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kNotFound:
    // Not by us: the caller looks at its own canceller first. A server that stops cancels its
    // calls.
    case absl::StatusCode::kCancelled:
      return {Kind::kAsk, 0};
    case absl::StatusCode::kAborted:
      return {details.reason == base::reason::kUploadTakenOver.text ? Kind::kFail : Kind::kAsk, 0};
    case absl::StatusCode::kOutOfRange: {
      uint64_t offset = 0;
      const std::string committed = details.Get("committed_bytes");
      if (!absl::SimpleAtoi(committed, &offset)) return {Kind::kAsk, 0};
      return offset <= size_bytes ? UploadStep{Kind::kSeek, offset} : UploadStep{Kind::kFail, 0};
    }
    case absl::StatusCode::kFailedPrecondition:
      return {
          details.reason == base::reason::kUploadOverlapDiffers.text ? Kind::kRestart : Kind::kFail,
          0};
    default:
      return {IsPassing(status) ? Kind::kAsk : Kind::kFail, 0};
  }
}

absl::StatusOr<FileDigest> HashFile(const std::string& path, Canceller& canceller,
                                    ProgressSink& progress) {
  LBW_ASSIGN_OR_RETURN(const auto file, OpenFile(path));
  return HashReader(*file, std::filesystem::path(path).filename().string(), canceller, progress);
}

absl::StatusOr<v1::Artifact> UploadFile(Connection& connection, const std::string& path,
                                        const UploadOptions& options, ProgressSink& progress) {
  UploadOptions filled = options;
  if (filled.display_name.empty()) {
    filled.display_name = std::filesystem::path(path).filename().string();
  }
  filled.chunk_bytes = std::clamp<uint32_t>(filled.chunk_bytes, 1, 4 << 20);
  LBW_ASSIGN_OR_RETURN(const auto file, OpenFile(path));
  if (!filled.digest.has_value()) {
    LBW_ASSIGN_OR_RETURN(filled.digest,
                         HashReader(*file, filled.display_name, connection.canceller(), progress));
  }
  const FileDigest& digest = *filled.digest;
  absl::StatusOr<v1::Artifact> artifact = Upload(connection, *file, digest, filled, progress).Run();
  progress.Clear();
  if (artifact.ok() ||
      GetCallDetails(artifact.status()).reason != base::reason::kDigestMismatch.text) {
    return artifact;
  }
  NoProgress quiet;
  LBW_ASSIGN_OR_RETURN(const FileDigest now,
                       HashReader(*file, filled.display_name, connection.canceller(), quiet));
  if (now.sha256 == digest.sha256) return artifact;
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kDigestMismatch,
                     base::StrCat(path, " changed while it was uploaded; upload it again"));
}

}  // namespace lbw::client
