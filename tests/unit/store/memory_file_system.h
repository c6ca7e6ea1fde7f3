// A file system in memory that knows what would survive a crash, and a point in time at which
// everything stops.
#ifndef LBW_TESTS_UNIT_STORE_MEMORY_FILE_SYSTEM_H_
#define LBW_TESTS_UNIT_STORE_MEMORY_FILE_SYSTEM_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "store/database.h"
#include "store/file_system.h"

namespace lbw::store {

// Counts steps; from the chosen one on, each fails: the process is dead.
class CrashPoint {
 public:
  static constexpr int64_t kNever = -1;
  void Arm(int64_t steps) {
    absl::MutexLock lock(&mu_);
    left_ = steps;
    taken_ = 0;
  }
  // False once dead.
  bool Step() {
    absl::MutexLock lock(&mu_);
    if (left_ == 0) return false;
    if (left_ > 0) --left_;
    ++taken_;
    return true;
  }
  bool dead() const {
    absl::MutexLock lock(&mu_);
    return left_ == 0;
  }
  int64_t taken() const {
    absl::MutexLock lock(&mu_);
    return taken_;
  }

 private:
  mutable absl::Mutex mu_;
  int64_t left_ ABSL_GUARDED_BY(mu_) = kNever;
  int64_t taken_ ABSL_GUARDED_BY(mu_) = 0;
};

// A database whose transactions are two steps: before they begin, and after they have committed.
class CrashingDatabase final : public Database {
 public:
  CrashingDatabase(Database& inner, CrashPoint& point) : inner_(inner), point_(point) {}
  absl::Status Transaction(const std::function<absl::Status(Session&)>& fn,
                           Durability durability) override {
    if (!point_.Step()) return absl::UnavailableError("crashed before the transaction");
    const absl::Status status = inner_.Transaction(fn, durability);
    if (!point_.Step()) return absl::UnavailableError("crashed after the transaction");
    return status;
  }
  uint64_t WaitForChange(uint64_t token, absl::Duration timeout) override {
    return inner_.WaitForChange(token, timeout);
  }

 private:
  Database& inner_;
  CrashPoint& point_;
};

// Threads: every method may be called concurrently.
class MemoryFileSystem final : public FileSystem {
 public:
  MemoryFileSystem(CrashPoint& point, std::function<absl::Time()> now)
      : point_(point), now_(std::move(now)) {}

  // kPower: bytes and names that were not synced are gone. kProcess: the kernel still writes them
  // (kill -9).
  enum class Crash { kPower, kProcess };
  void Recover(Crash crash);
  // Bytes that fit; a write beyond them fails half-way.
  void SetCapacity(uint64_t bytes);
  // The next syncs fail, and what they should have kept is lost.
  void FailSyncs(int count);
  // Paths of all files.
  std::vector<std::string> AllFiles() const;
  // Takes a file away, as a careless person would.
  void Lose(const std::string& path);

  absl::StatusOr<std::unique_ptr<File>> OpenFile(const std::string& path, Open mode) override;
  absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> OpenReader(
      const std::string& path) const override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status Touch(const std::string& path) override;
  absl::StatusOr<FileInfo> Stat(const std::string& path) const override;
  absl::StatusOr<std::vector<FileInfo>> List(const std::string& folder) const override;
  absl::Status MakeFolder(const std::string& path) override;
  absl::Status SyncFolder(const std::string& path) override;
  // One process: nobody else locks. Errors: kNotFound - kTry of a file that is not there.
  absl::StatusOr<std::unique_ptr<FileLock>> LockFile(const std::string& path, Lock mode) override;

 private:
  class OpenedFile;
  struct Node {
    std::string bytes;
    std::string durable;
    absl::Time modified;
  };
  struct Folder {
    std::map<std::string, std::shared_ptr<Node>> now;
    std::map<std::string, std::shared_ptr<Node>> durable;
    bool survives = false;  // its own name is synced in its parent
  };
  absl::Status Alive() const;
  Folder* Parent(const std::string& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  uint64_t Used() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  CrashPoint& point_;
  const std::function<absl::Time()> now_;

  mutable absl::Mutex mu_;
  std::map<std::string, Folder> folders_ ABSL_GUARDED_BY(mu_);
  uint64_t capacity_ ABSL_GUARDED_BY(mu_) = UINT64_MAX;
  int failing_syncs_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace lbw::store

#endif  // LBW_TESTS_UNIT_STORE_MEMORY_FILE_SYSTEM_H_
