// The two streams of ArtifactService as reactors: bytes in, bytes out. Disk work runs on the pool,
// one step at a time.
#ifndef LBW_RPC_TRANSFER_H_
#define LBW_RPC_TRANSFER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/io.h"
#include "base/thread_pool.h"
#include "grpcpp/support/server_callback.h"
#include "lbw/v1/artifact.pb.h"
#include "rpc/call.h"
#include "rpc/services.h"
#include "store/artifact_store.h"

namespace lbw::rpc {

// WriteUpload: read a chunk, write it, read the next. At the end of the stream, also of a broken
// one, what was written is committed.
class UploadCall final : public grpc::ServerReadReactor<v1::WriteUploadRequest> {
 public:
  UploadCall(const ServiceContext& context, v1::WriteUploadResponse* response);
  void OnReadDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  void Store();
  absl::Status StoreChunk();
  void Close();
  void End(const absl::Status& status);

  const ServiceContext context_;
  v1::WriteUploadResponse* const response_;
  v1::WriteUploadRequest request_;
  std::string name_;
  std::unique_ptr<store::UploadWriter> writer_;
  uint64_t received_bytes_ = 0;
};

// ReadArtifact: chunks of 1 MiB with their CRC-32C, each read when the one before it is sent.
class DownloadCall final : public grpc::ServerWriteReactor<v1::ReadArtifactResponse> {
 public:
  DownloadCall(const ServiceContext& context, const v1::ReadArtifactRequest& request);
  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  void Next();
  absl::Status Open();
  absl::Status ReadChunk();

  const ServiceContext context_;
  const v1::ReadArtifactRequest request_;
  std::unique_ptr<base::RandomAccessReader> reader_;
  v1::ReadArtifactResponse response_;
  uint64_t offset_ = 0;
  uint64_t end_ = 0;
};

}  // namespace lbw::rpc

#endif  // LBW_RPC_TRANSFER_H_
