#include "store/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::store {
namespace {

base::Error SystemError(std::string_view step, const std::string& path, int error) {
  absl::StatusCode code = absl::StatusCode::kInternal;
  base::Reason reason = base::reason::kStoreFailed;
  if (error == ENOENT || error == ENOTDIR) {
    code = absl::StatusCode::kNotFound;
    reason = base::reason::kNotFound;
  } else if (error == EEXIST) {
    code = absl::StatusCode::kAlreadyExists;
    reason = base::reason::kAlreadyExists;
  } else if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    code = absl::StatusCode::kResourceExhausted;
    reason = base::reason::kOutOfRoom;
  }
  return base::Error(code, reason,
                     base::StrCat("cannot ", step, " ", path, ": ", std::strerror(error)));
}

class RealFile final : public File {
 public:
  RealFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~RealFile() override { ::close(fd_); }
  RealFile(const RealFile&) = delete;
  RealFile& operator=(const RealFile&) = delete;

  absl::Status WriteAt(uint64_t offset, absl::Span<const std::byte> data) override {
    size_t done = 0;
    while (done < data.size()) {
      const ssize_t put =
          ::pwrite(fd_, data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return SystemError("write", path_, put == 0 ? ENOSPC : errno);
      done += static_cast<size_t>(put);
    }
    return absl::OkStatus();
  }

  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> out) const override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t got =
          ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return SystemError("read", path_, errno);
      if (got == 0) {
        return base::Error(
            absl::StatusCode::kOutOfRange, base::reason::kStoreFailed,
            base::StrCat("read past the end of ", path_, ": offset=", offset + done));
      }
      done += static_cast<size_t>(got);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() const override {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return SystemError("look at", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

  absl::Status Truncate(uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0)
      return SystemError("truncate", path_, errno);
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (::fdatasync(fd_) != 0) return SystemError("sync", path_, errno);
    return absl::OkStatus();
  }

 private:
  const std::string path_;
  const int fd_;
};

class HeldLock final : public FileLock {
 public:
  explicit HeldLock(int fd) : fd_(fd) {}
  ~HeldLock() override { ::close(fd_); }
  HeldLock(const HeldLock&) = delete;
  HeldLock& operator=(const HeldLock&) = delete;

 private:
  const int fd_;
};

FileInfo ToInfo(std::string name, const struct stat& info) {
  FileInfo result;
  result.name = std::move(name);
  result.is_folder = S_ISDIR(info.st_mode);
  result.size_bytes = static_cast<uint64_t>(info.st_size);
  result.modified = absl::TimeFromTimespec(info.st_mtim);
  return result;
}

class MachineFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> OpenFile(const std::string& path, Open mode) override {
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
    if (mode != Open::kExisting) flags |= O_CREAT;
    if (mode == Open::kCreateNew) flags |= O_EXCL;
    constexpr mode_t kOwnerOnly = 0600;
    const int fd = ::open(path.c_str(), flags, kOwnerOnly);
    if (fd < 0) return SystemError("open", path, errno);
    return std::make_unique<RealFile>(path, fd);
  }

  absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> OpenReader(
      const std::string& path) const override {
    return base::OpenFileReader(path);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0)
      return SystemError("rename to " + to + " from", from, errno);
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return SystemError("remove", path, errno);
    return absl::OkStatus();
  }

  absl::Status Touch(const std::string& path) override {
    if (::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) != 0)
      return SystemError("touch", path, errno);
    return absl::OkStatus();
  }

  absl::StatusOr<FileInfo> Stat(const std::string& path) const override {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return SystemError("look at", path, errno);
    return ToInfo(std::filesystem::path(path).filename().string(), info);
  }

  absl::StatusOr<std::vector<FileInfo>> List(const std::string& folder) const override {
    DIR* const open = ::opendir(folder.c_str());
    if (open == nullptr) return SystemError("list", folder, errno);
    const absl::Cleanup close = [open] { ::closedir(open); };
    std::vector<FileInfo> entries;
    errno = 0;
    while (const dirent* entry = ::readdir(open)) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat info {};
      if (::fstatat(::dirfd(open), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        entries.push_back(ToInfo(name, info));
      } else if (errno != ENOENT) {  // removed meanwhile
        return SystemError("look at", folder + "/" + name, errno);
      }
      errno = 0;
    }
    if (errno != 0) return SystemError("list", folder, errno);
    return entries;
  }

  absl::Status MakeFolder(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return SystemError("make folder", path, error.value());
    return absl::OkStatus();
  }

  absl::Status SyncFolder(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return SystemError("open folder", path, errno);
    const int failed = ::fsync(fd) == 0 ? 0 : errno;
    ::close(fd);
    if (failed != 0) return SystemError("sync folder", path, failed);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<FileLock>> LockFile(const std::string& path, Lock mode) override {
    constexpr mode_t kOwnerOnly = 0600;
    const int create = mode == Lock::kTry ? 0 : O_CREAT;
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | create, kOwnerOnly);
    if (fd < 0) return SystemError("open", path, errno);
    auto held = std::make_unique<HeldLock>(fd);
    const int operation = mode == Lock::kShared      ? LOCK_SH
                          : mode == Lock::kExclusive ? LOCK_EX
                                                     : LOCK_EX | LOCK_NB;
    int failed = ::flock(fd, operation);
    while (failed != 0 && errno == EINTR) failed = ::flock(fd, operation);
    if (failed != 0 && errno == EWOULDBLOCK) return std::unique_ptr<FileLock>();
    if (failed != 0) return SystemError("lock", path, errno);
    return held;
  }
};

}  // namespace

FileSystem& RealFileSystem() {
  static MachineFileSystem files;
  return files;
}

absl::Status RemoveIfThere(FileSystem& files, const std::string& path) {
  absl::Status status = files.Remove(path);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace lbw::store
