#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "base/digest.h"
#include "base/io.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/transfer.h"
#include "lbw/v1/artifact.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr size_t kReadBytes = 1 << 20;
// Chunks that arrive damaged one after the other, before the transfer is given up.
constexpr int kMaxDamaged = 5;

absl::Status DiskError(const std::string& what, const std::string& path) {
  const int error = errno;
  const auto code = error == ENOSPC || error == EDQUOT ? absl::StatusCode::kResourceExhausted
                                                       : absl::StatusCode::kInternal;
  return base::Error(code, base::reason::kStoreFailed,
                     base::StrCat("cannot ", what, " ", path, ": ", std::strerror(error)));
}

// The file that a download grows in. Threads: one at a time.
class PartFile {
 public:
  explicit PartFile(std::string path) : path_(std::move(path)) {}
  ~PartFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  absl::Status Open() {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ < 0) return DiskError("create", path_);
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      return base::Error(absl::StatusCode::kAborted, base::reason::kInUse,
                         base::StrCat("another process is downloading to ", path_));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() const {
    struct stat info = {};
    if (::fstat(fd_, &info) != 0) return DiskError("examine", path_);
    return static_cast<uint64_t>(info.st_size);
  }

  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> out) const {
    while (!out.empty()) {
      const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return DiskError("read", path_);
      offset += static_cast<uint64_t>(got);
      out.remove_prefix(static_cast<size_t>(got));
    }
    return absl::OkStatus();
  }

  absl::Status WriteAt(uint64_t offset, absl::Span<const std::byte> data) {
    while (!data.empty()) {
      const ssize_t put = ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return DiskError("write", path_);
      offset += static_cast<uint64_t>(put);
      data.remove_prefix(static_cast<size_t>(put));
    }
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return DiskError("truncate", path_);
    return absl::OkStatus();
  }

  // Durable under the final name, or not there.
  absl::Status MoveTo(const std::string& path) {
    if (::fsync(fd_) != 0) return DiskError("sync", path_);
    if (std::rename(path_.c_str(), path.c_str()) != 0) return DiskError("rename to", path);
    std::string folder = std::filesystem::path(path).parent_path().string();
    if (folder.empty()) folder = ".";
    const int folder_fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) return DiskError("open", folder);
    const absl::Cleanup close_folder = [folder_fd] { ::close(folder_fd); };
    if (::fsync(folder_fd) != 0) return DiskError("sync", folder);
    return absl::OkStatus();
  }

  void Remove() { ::unlink(path_.c_str()); }

 private:
  const std::string path_;
  int fd_ = -1;
};

// One artifact on its way down.
class Download {
 public:
  Download(Connection& connection, const v1::Artifact& artifact, PartFile& file,
           ProgressSink& progress)
      : connection_(connection),
        artifact_(artifact),
        file_(file),
        progress_(progress),
        stub_(v1::ArtifactService::NewStub(connection.channel())),
        retry_(connection.options().retry) {}

  absl::Status Run() {
    LBW_RETURN_IF_ERROR(TakeLeftover());
    const bool has_leftover = offset_ > 0;
    LBW_RETURN_IF_ERROR(ReadAll());
    if (sha_.FinishHex() == artifact_.sha256()) return absl::OkStatus();
    if (has_leftover) {
      LBW_RETURN_IF_ERROR(Restart());
      LBW_RETURN_IF_ERROR(ReadAll());
      if (sha_.FinishHex() == artifact_.sha256()) return absl::OkStatus();
    }
    file_.Remove();
    return base::Error(absl::StatusCode::kDataLoss, base::reason::kDigestMismatch,
                       base::StrCat("the bytes of ", artifact_.name(),
                                    " do not have that SHA-256; nothing was written"));
  }

 private:
  absl::Status Restart() {
    sha_ = base::Sha256();
    offset_ = 0;
    return file_.Truncate(0);
  }

  // Hashes what an earlier run left.
  absl::Status TakeLeftover() {
    LBW_ASSIGN_OR_RETURN(const uint64_t size, file_.Size());
    if (size > artifact_.size_bytes()) return Restart();
    std::vector<std::byte> buffer(kReadBytes);
    while (offset_ < size) {
      LBW_RETURN_IF_ERROR(connection_.canceller().Check());
      const absl::Span<std::byte> piece(buffer.data(),
                                        std::min<uint64_t>(buffer.size(), size - offset_));
      LBW_RETURN_IF_ERROR(file_.ReadAt(offset_, piece));
      sha_.Update(piece);
      offset_ += piece.size();
    }
    return absl::OkStatus();
  }

  absl::Status ReadAll() {
    int damaged = 0;
    while (offset_ < artifact_.size_bytes()) {
      const uint64_t before = offset_;
      bool is_damaged = false;
      const absl::Status status = ReadOnce(is_damaged);
      if (offset_ > before) {
        retry_.Progress();
        damaged = 0;
      }
      if (offset_ == artifact_.size_bytes()) return absl::OkStatus();
      LBW_RETURN_IF_ERROR(connection_.canceller().Check());
      if (is_damaged && ++damaged == kMaxDamaged) return status;
      const bool may_pass = is_damaged || status.ok() || IsPassing(status);
      if (!may_pass) return status;
      const auto delay = retry_.NextDelay(status, connection_.has_contact());
      if (!delay) {
        return status.ok() ? absl::DataLossError("the server sends fewer bytes than it tells of")
                           : status;
      }
      LBW_RETURN_IF_ERROR(connection_.Wait(*delay));
    }
    return absl::OkStatus();
  }

  // Reads until the stream ends. is_damaged: a chunk did not match its own words.
  absl::Status ReadOnce(bool& is_damaged) {
    v1::ReadArtifactRequest request;
    request.set_name(artifact_.name());
    request.set_offset(offset_);
    Connection::Call call(connection_, Connection::Call::Kind::kStream);
    StallGuard guard(call.context(), connection_.options().stall_timeout);
    const auto reader = stub_->ReadArtifact(&call.context(), request);
    v1::ReadArtifactResponse chunk;
    absl::Status local;
    while (local.ok() && reader->Read(&chunk)) {
      guard.Feed();
      local = CheckChunk(chunk);
      is_damaged = !local.ok();
      if (local.ok()) local = Take(base::AsBytes(chunk.data()));
    }
    if (!local.ok()) call.context().TryCancel();
    const absl::Status status = call.Finish(reader->Finish());
    LBW_RETURN_IF_ERROR(local);
    if (guard.is_stalled()) return absl::UnavailableError("the download did not move");
    return status;
  }

  absl::Status CheckChunk(const v1::ReadArtifactResponse& chunk) const {
    const bool is_in_place =
        chunk.offset() == offset_ && chunk.data().size() <= artifact_.size_bytes() - offset_;
    if (is_in_place && base::Crc32c(base::AsBytes(chunk.data())) == chunk.crc32c()) {
      return absl::OkStatus();
    }
    return base::Error(
        absl::StatusCode::kDataLoss, base::reason::kChecksumMismatch,
        base::StrCat("a chunk arrived damaged: offset=", chunk.offset(), " expected=", offset_,
                     " bytes=", chunk.data().size(), " crc32c=", chunk.crc32c()));
  }

  absl::Status Take(absl::Span<const std::byte> data) {
    LBW_RETURN_IF_ERROR(file_.WriteAt(offset_, data));
    sha_.Update(data);
    offset_ += data.size();
    progress_.Update(
        {"download", offset_, artifact_.size_bytes(), "bytes", artifact_.display_name()});
    return absl::OkStatus();
  }

  Connection& connection_;
  const v1::Artifact& artifact_;
  PartFile& file_;
  ProgressSink& progress_;
  const std::unique_ptr<v1::ArtifactService::Stub> stub_;
  RetryState retry_;
  base::Sha256 sha_;
  uint64_t offset_ = 0;
};

}  // namespace

absl::StatusOr<v1::Artifact> DownloadArtifact(Connection& connection, const std::string& name,
                                              const std::string& path, ProgressSink& progress) {
  const auto stub = v1::ArtifactService::NewStub(connection.channel());
  v1::GetArtifactRequest request;
  request.set_name(name);
  LBW_ASSIGN_OR_RETURN(
      const auto artifact,
      connection.Unary<v1::Artifact>(Patience::kRide, [&](auto* context, auto* response) {
        return stub->GetArtifact(context, request, response);
      }));
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat(path, " is a folder; name the file to write"));
  }
  PartFile file(path + ".part");
  LBW_RETURN_IF_ERROR(file.Open());
  const absl::Status status = Download(connection, artifact, file, progress).Run();
  progress.Clear();
  LBW_RETURN_IF_ERROR(status);
  LBW_RETURN_IF_ERROR(file.MoveTo(path));
  return artifact;
}

}  // namespace lbw::client
