// Files to and from the server's artifact store, byte-exact, over connections and servers that come
// and go.
//
// An upload is hashed first, so that content the server has costs no bytes and a broken upload goes
// on where it was, also in a later run. Every chunk carries its CRC-32C. After a failure that can
// pass (the server is away, the stream broke, a chunk arrived damaged) the transfer asks where to
// go on and does, until RetryLimits::no_progress goes by without a byte more.
//
//   canceller, Connection::Connect(options, canceller) -> connection
//   UploadFile(*connection, "model.onnx", {}, progress) -> artifact
//   DownloadArtifact(*connection, artifact.name(), "copy.onnx", progress)
//
// Threads: the functions may be called concurrently, each with a progress sink of its own.
#ifndef LBW_CLIENT_TRANSFER_H_
#define LBW_CLIENT_TRANSFER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/canceller.h"
#include "client/cpp/connection.h"
#include "client/cpp/progress.h"
#include "lbw/v1/artifact.pb.h"

namespace lbw::client {

struct FileDigest {
  uint64_t size_bytes = 0;
  std::string sha256;  // lower-case hexadecimal
};

// Reads the whole file once. Stage "hash".
// Errors: kNotFound - no such file; kInvalidArgument - a folder; kInternal - it cannot be read;
//         kCancelled.
absl::StatusOr<FileDigest> HashFile(const std::string& path, Canceller& canceller,
                                    ProgressSink& progress);

struct UploadOptions {
  // What the server remembers of the file's name; empty: its base name.
  std::string display_name;
  // HashFile's of the file, where the caller has it; else the file is hashed.
  std::optional<FileDigest> digest = {};
  // 1 byte to 4 MiB.
  uint32_t chunk_bytes = 1 << 20;
};

// Stages "hash" (without a digest), "upload". The answer's name is "artifacts/{sha256}" of the
// file's bytes. Errors: those of HashFile; kAborted, UPLOAD_TAKEN_OVER - another client sends the
// same content;
//         kFailedPrecondition - the file changed meanwhile; what the server refuses (too large, no
//         room); kUnavailable - no progress for too long; kCancelled, kDeadlineExceeded. What was
//         committed stays on the server and the next call goes on from there.
absl::StatusOr<v1::Artifact> UploadFile(Connection& connection, const std::string& path,
                                        const UploadOptions& options, ProgressSink& progress);

// Writes an artifact ("artifacts/{sha256}") to path: first to path + ".part", which is synced,
// checked against the SHA-256 and renamed, so that path is whole or untouched. A ".part" of an
// earlier run is gone on with, if its bytes are the artifact's. Stage "download".
// Errors: kNotFound; kDataLoss - the bytes are not those the name says; kAborted - another process
//         writes the same ".part"; kResourceExhausted, kInternal - the disk; kUnavailable,
//         kCancelled, kDeadlineExceeded - the ".part" stays for the next call.
absl::StatusOr<v1::Artifact> DownloadArtifact(Connection& connection, const std::string& name,
                                              const std::string& path, ProgressSink& progress);

// What an upload does after its stream ended with `status`. Pure.
struct UploadStep {
  enum class Kind {
    kAsk,      // ask the server how far it got, go on there
    kSeek,     // go on at `offset`
    kRestart,  // send everything again
    kFail,
  };
  Kind kind = Kind::kFail;
  uint64_t offset = 0;
};
UploadStep AfterWrite(const absl::Status& status, uint64_t size_bytes);

}  // namespace lbw::client

#endif  // LBW_CLIENT_TRANSFER_H_
