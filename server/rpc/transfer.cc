#include "rpc/transfer.h"

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "base/digest.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "metrics/metrics.h"
#include "rpc/status_mapping.h"

namespace lbw::rpc {
namespace {
constexpr uint64_t kReadChunkBytes = uint64_t{1} << 20;
}  // namespace

UploadCall::UploadCall(const ServiceContext& context, v1::WriteUploadResponse* response)
    : context_(context), response_(response) {
  StartRead(&request_);
}

void UploadCall::OnReadDone(bool ok) {
  const absl::Status queued = context_.short_work->Submit([this, ok] { ok ? Store() : Close(); });
  if (!queued.ok()) End(queued);
}

void UploadCall::Store() {
  const absl::Status status = StoreChunk();
  if (status.ok()) {
    StartRead(&request_);
    return;
  }
  End(status);
}

absl::Status UploadCall::StoreChunk() {
  if (writer_ == nullptr) {
    LBW_ASSIGN_OR_RETURN(const std::string id, base::ParseUploadName(request_.name(), "name"));
    name_ = request_.name();
    const auto start = request_.restart() ? store::ArtifactStore::Start::kRestart
                                          : store::ArtifactStore::Start::kResume;
    LBW_ASSIGN_OR_RETURN(writer_, context_.artifacts->OpenWriter(id, start));
  } else if (!request_.name().empty() && request_.name() != name_) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadName,
                       base::StrCat("name changed within the stream: first \"", name_, "\", now \"",
                                    request_.name(), "\""))
        .Field("name");
  } else if (request_.restart()) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       "restart may only be set in the first message of a stream")
        .Field("restart");
  }
  received_bytes_ += request_.data().size();
  return writer_->Write(request_.offset(), base::AsBytes(request_.data()), request_.crc32c());
}

void UploadCall::Close() {
  if (writer_ == nullptr) {
    End(base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                    "the stream held no message: the first one names the upload")
            .Field("name"));
    return;
  }
  const absl::StatusOr<uint64_t> committed = writer_->Close();
  if (committed.ok()) {
    response_->set_committed_bytes(*committed);
    context_.metrics->UploadCommitted(received_bytes_);
  }
  End(committed.status());
}

void UploadCall::End(const absl::Status& status) {
  // Dropping the writer keeps what it committed and lets the next stream begin.
  if (!status.ok() && writer_ != nullptr) (void)writer_->Close();
  writer_.reset();
  Finish(ToGrpcStatus(status));
}

DownloadCall::DownloadCall(const ServiceContext& context, const v1::ReadArtifactRequest& request)
    : context_(context), request_(request) {
  Next();
}

void DownloadCall::OnWriteDone(bool ok) {
  if (!ok) {
    Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone"));
    return;
  }
  Next();
}

void DownloadCall::Next() {
  if (reader_ != nullptr && offset_ >= end_) {
    Finish(grpc::Status::OK);
    return;
  }
  const absl::Status queued = context_.short_work->Submit([this] {
    absl::Status status = reader_ == nullptr ? Open() : absl::OkStatus();
    if (status.ok()) status = ReadChunk();
    if (status.ok()) {
      StartWrite(&response_);
    } else {
      Finish(ToGrpcStatus(status));
    }
  });
  if (!queued.ok()) Finish(ToGrpcStatus(queued));
}

absl::Status DownloadCall::Open() {
  LBW_ASSIGN_OR_RETURN(const std::string sha256, base::ParseArtifactName(request_.name(), "name"));
  LBW_ASSIGN_OR_RETURN(reader_, context_.artifacts->OpenArtifact(sha256));
  if (request_.offset() > reader_->size()) {
    return base::Error(absl::StatusCode::kOutOfRange, base::reason::kBadArgument,
                       base::StrCat("offset is past the end: offset=", request_.offset(),
                                    " size_bytes=", reader_->size()))
        .Field("offset");
  }
  offset_ = request_.offset();
  const uint64_t rest = reader_->size() - offset_;
  end_ = offset_ + (request_.length() == 0 ? rest : std::min(rest, request_.length()));
  return absl::OkStatus();
}

absl::Status DownloadCall::ReadChunk() {
  const uint64_t bytes = std::min(kReadChunkBytes, end_ - offset_);
  std::string* data = response_.mutable_data();
  data->resize(bytes);
  const auto span = absl::MakeSpan(reinterpret_cast<std::byte*>(data->data()), bytes);
  LBW_RETURN_IF_ERROR(reader_->ReadAt(offset_, span));
  response_.set_offset(offset_);
  response_.set_crc32c(base::Crc32c(span));
  response_.set_size_bytes(reader_->size());
  offset_ += bytes;
  return absl::OkStatus();
}

}  // namespace lbw::rpc
