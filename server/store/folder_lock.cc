#include "store/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::store {
namespace {

base::Error LockError(std::string_view step, const std::string& path) {
  return base::Error(absl::StatusCode::kInternal, base::reason::kStoreFailed,
                     base::StrCat("cannot ", step, " ", path, ": ", std::strerror(errno)));
}

// The owner's process id, or "" where the file holds none.
std::string Owner(int fd) {
  std::array<char, 16> text{};
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  std::string owner(text.data(), static_cast<size_t>(std::max<ssize_t>(got, 0)));
  owner.erase(std::find_if(owner.begin(), owner.end(), [](char c) { return c < '0' || c > '9'; }),
              owner.end());
  return owner;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FolderLock>> FolderLock::Acquire(const std::string& folder) {
  const std::string path = folder + "/lock";
  constexpr mode_t kOwnerOnly = 0600;
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly);
  if (fd < 0) return LockError("open", path);
  std::unique_ptr<FolderLock> lock(new FolderLock(fd));
  int failed = ::flock(fd, LOCK_EX | LOCK_NB);
  while (failed != 0 && errno == EINTR) failed = ::flock(fd, LOCK_EX | LOCK_NB);
  if (failed != 0 && errno == EWOULDBLOCK) {
    const std::string owner = Owner(fd);
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kInUse,
                       base::StrCat("data folder ", folder, " is in use by process ",
                                    owner.empty() ? "(unknown)" : owner,
                                    "; stop it, or give this server a folder of its own"));
  }
  if (failed != 0) return LockError("lock", path);
  const std::string text = base::StrCat(::getpid(), "\n");
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return LockError("write", path);
  }
  return lock;
}

// The file stays: removing it would let two processes lock two files of one name.
FolderLock::~FolderLock() { ::close(fd_); }

}  // namespace lbw::store
