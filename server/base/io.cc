#include "base/io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/status.h"

namespace lbw::base {
namespace {

absl::Status CheckRange(uint64_t offset, size_t length, uint64_t size) {
  if (offset <= size && length <= size - offset) return absl::OkStatus();
  return Error(absl::StatusCode::kOutOfRange, reason::kBadArgument,
               StrCat("read past the end: offset=", offset, " length=", length, " size=", size));
}

Error FileError(std::string_view what, const std::string& path, int error) {
  const bool missing = error == ENOENT || error == ENOTDIR;
  return Error(missing ? absl::StatusCode::kNotFound : absl::StatusCode::kInternal,
               missing ? reason::kNotFound : reason::kStoreFailed,
               StrCat(what, " ", path, ": ", std::strerror(error)));
}

class FileReader final : public RandomAccessReader {
 public:
  FileReader(std::string path, int fd, uint64_t size)
      : path_(std::move(path)), fd_(fd), size_(size) {}
  ~FileReader() override { ::close(fd_); }
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  uint64_t size() const override { return size_; }

  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> out) const override {
    LBW_RETURN_IF_ERROR(CheckRange(offset, out.size(), size_));
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t got =
          ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return FileError("cannot read", path_, errno);
      if (got == 0) {
        return Error(absl::StatusCode::kDataLoss, reason::kDataLoss,
                     StrCat(path_, " became shorter while it was open: offset=", offset + done,
                            " size=", size_));
      }
      done += static_cast<size_t>(got);
    }
    return absl::OkStatus();
  }

 private:
  const std::string path_;
  const int fd_;
  const uint64_t size_;
};

}  // namespace

absl::Status StringReader::ReadAt(uint64_t offset, absl::Span<std::byte> out) const {
  LBW_RETURN_IF_ERROR(CheckRange(offset, out.size(), bytes_.size()));
  if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
  return absl::OkStatus();
}

absl::Status StringSink::Append(absl::Span<const std::byte> data) {
  bytes_.append(reinterpret_cast<const char*>(data.data()), data.size());
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RandomAccessReader>> OpenFileReader(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileError("cannot open", path, errno);
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    const int error = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    ::close(fd);
    return FileError("not a regular file:", path, error);
  }
  return std::make_unique<FileReader>(path, fd, static_cast<uint64_t>(info.st_size));
}

absl::StatusOr<std::string> ReadAll(const RandomAccessReader& reader, uint64_t max_bytes) {
  if (reader.size() > max_bytes) {
    return Error(absl::StatusCode::kInvalidArgument, reason::kLimitExceeded,
                 StrCat("too large: size=", reader.size(), " limit=", max_bytes));
  }
  std::string bytes(reader.size(), '\0');
  LBW_RETURN_IF_ERROR(reader.ReadAt(0, {reinterpret_cast<std::byte*>(bytes.data()), bytes.size()}));
  return bytes;
}

}  // namespace lbw::base
