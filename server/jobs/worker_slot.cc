#include "jobs/worker_slot.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "jobs/fd.h"

namespace lbw::jobs {
namespace {

constexpr int kMaxSlots = 1024;
constexpr size_t kIdChars = 26;  // of a ULID

base::Error SlotError(std::string_view step, const std::string& path, int error) {
  return base::Error(absl::StatusCode::kInternal, base::reason::kStoreFailed,
                     base::StrCat("cannot ", step, " ", path, ": ", std::strerror(error)));
}

std::string SlotPath(const std::string& data_dir, int number) {
  return base::StrCat(data_dir, "/workers/", number);
}

// True where it is ours now, false where another process holds it.
absl::StatusOr<bool> TryLock(int fd, const std::string& path) {
  int failed = ::flock(fd, LOCK_EX | LOCK_NB);
  while (failed != 0 && errno == EINTR) failed = ::flock(fd, LOCK_EX | LOCK_NB);
  if (failed == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return SlotError("lock", path, errno);
}

// The id that the slot holds; none in a slot whose worker died before it had written one.
std::optional<std::string> ReadId(int fd) {
  std::array<char, kIdChars + 2> text{};
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  if (got != static_cast<ssize_t>(kIdChars + 1) || text[kIdChars] != '\n') return std::nullopt;
  std::string id(text.data(), kIdChars);
  const bool good = std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
  });
  return good ? std::optional<std::string>(std::move(id)) : std::nullopt;
}

absl::Status WriteId(int fd, const std::string& path, const std::string& id) {
  const std::string text = id + "\n";
  // Synced: leases outlive a power cut, and so must the name that they carry.
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ::fdatasync(fd) != 0) {
    return SlotError("write", path, errno);
  }
  return absl::OkStatus();
}

absl::Status MakeEmptyFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (!error) std::filesystem::create_directories(path, error);
  if (error) return SlotError("empty", path, error.value());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerSlot>> WorkerSlot::Take(const std::string& data_dir) {
  std::error_code error;
  std::filesystem::create_directories(data_dir + "/workers", error);
  if (error) return SlotError("make", data_dir + "/workers", error.value());
  constexpr mode_t kOwnerOnly = 0600;
  for (int number = 0; number < kMaxSlots; ++number) {
    const std::string path = SlotPath(data_dir, number);
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly));
    if (fd.get() < 0) return SlotError("open", path, errno);
    LBW_ASSIGN_OR_RETURN(const bool ours, TryLock(fd.get(), path));
    if (!ours) continue;
    std::optional<std::string> id = ReadId(fd.get());
    if (!id) {
      id = base::NewId();
      LBW_RETURN_IF_ERROR(WriteId(fd.get(), path, *id));
    }
    const std::string scratch = path + ".scratch";
    LBW_RETURN_IF_ERROR(MakeEmptyFolder(scratch));
    return std::unique_ptr<WorkerSlot>(new WorkerSlot(fd.Release(), *std::move(id), scratch));
  }
  return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kLimitExceeded,
                     base::StrCat("too many workers use ", data_dir, ": limit=", kMaxSlots));
}

// The file stays, and with it the id: whoever takes the slot next finds the leases of this worker.
WorkerSlot::~WorkerSlot() { ::close(fd_); }

absl::Status WorkerSlot::ForEachDead(const std::string& data_dir,
                                     const std::function<void(const std::string& id)>& visit) {
  for (int number = 0; number < kMaxSlots; ++number) {
    const std::string path = SlotPath(data_dir, number);
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    // Slots are made in order and never removed: the first that is missing is the end.
    if (fd.get() < 0 && errno == ENOENT) return absl::OkStatus();
    if (fd.get() < 0) return SlotError("open", path, errno);
    LBW_ASSIGN_OR_RETURN(const bool free, TryLock(fd.get(), path));
    if (!free) continue;
    const std::optional<std::string> id = ReadId(fd.get());
    if (id) visit(*id);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> WorkerSlot::DeadWorkers(const std::string& data_dir) {
  std::vector<std::string> dead;
  LBW_RETURN_IF_ERROR(
      ForEachDead(data_dir, [&dead](const std::string& id) { dead.push_back(id); }));
  return dead;
}

}  // namespace lbw::jobs
