#include "dataset/scratch_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/status.h"

namespace lbw::dataset {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;

absl::Status DiskError(std::string_view what, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return base::Error(full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal,
                     full ? base::reason::kOutOfRoom : base::reason::kStoreFailed,
                     base::StrCat(what, ": ", std::strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ScratchFile>> ScratchFile::Create(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return DiskError(base::StrCat("cannot make the scratch file ", path), errno);
  std::unique_ptr<ScratchFile> file(new ScratchFile(fd));
  if (unlink(path.c_str()) != 0) {
    return DiskError(base::StrCat("cannot unlink the scratch file ", path), errno);
  }
  return file;
}

ScratchFile::~ScratchFile() { close(fd_); }

absl::Status ScratchFile::Append(absl::Span<const std::byte> data) {
  if (pending_.size() + data.size() > kBufferBytes) LBW_RETURN_IF_ERROR(Flush());
  if (data.size() > kBufferBytes) {
    LBW_RETURN_IF_ERROR(Write(data));
  } else {
    pending_.append(reinterpret_cast<const char*>(data.data()), data.size());
  }
  size_ += data.size();
  return absl::OkStatus();
}

absl::Status ScratchFile::Skip(uint64_t bytes) {
  LBW_RETURN_IF_ERROR(Flush());
  if (lseek(fd_, static_cast<off_t>(bytes), SEEK_CUR) < 0) {
    return DiskError("cannot move in the scratch file", errno);
  }
  size_ += bytes;
  return absl::OkStatus();
}

absl::Status ScratchFile::Finish() {
  LBW_RETURN_IF_ERROR(Flush());
  // A skip at the end has written nothing.
  if (ftruncate(fd_, static_cast<off_t>(size_)) != 0) {
    return DiskError("cannot end the scratch file", errno);
  }
  return absl::OkStatus();
}

absl::Status ScratchFile::Flush() {
  LBW_RETURN_IF_ERROR(Write(base::AsBytes(pending_)));
  pending_.clear();
  return absl::OkStatus();
}

absl::Status ScratchFile::Write(absl::Span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t written = write(fd_, data.data(), data.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return DiskError("cannot write the scratch file", errno);
    }
    data.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status ScratchFile::ReadAt(uint64_t offset, absl::Span<std::byte> out) const {
  if (offset > size_ || out.size() > size_ - offset) {
    return base::Error(absl::StatusCode::kOutOfRange, base::reason::kInternal,
                       base::StrCat("read beyond the scratch file: offset=", offset,
                                    " bytes=", out.size(), " size=", size_));
  }
  while (!out.empty()) {
    const ssize_t got = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return DiskError("cannot read the scratch file", errno);
    if (got == 0) {
      return base::Error(absl::StatusCode::kDataLoss, base::reason::kDataLoss,
                         "the scratch file is shorter than what was written");
    }
    offset += static_cast<uint64_t>(got);
    out.remove_prefix(static_cast<size_t>(got));
  }
  return absl::OkStatus();
}

}  // namespace lbw::dataset
