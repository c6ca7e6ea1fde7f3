// The embedded database: one SQLite file FOLDER/lbw.db in WAL mode.
//
// Durability: kFull syncs the log at every commit; kNormal only at checkpoints (a power cut may
// lose the newest such commits, never
//             tear one).
// Threads:    Transaction may be called concurrently; one connection, one transaction at a time.
// Another process may use the file too.
#ifndef LBW_STORE_SQLITE_DATABASE_H_
#define LBW_STORE_SQLITE_DATABASE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "store/database.h"
#include "store/migrations.h"

namespace lbw::store {

struct SqliteOptions {
  std::string folder;  // the data folder; made where missing
  // kExclusive: also takes FolderLock, so that a second server fails at once and not half-way.
  enum class Lock { kExclusive, kNone };
  Lock lock = Lock::kExclusive;
  absl::Duration busy_timeout = absl::Seconds(10);  // how long to wait for another process
  std::function<int64_t()> now_us;                  // the session's time; empty: SQLite's clock
  absl::Span<const Migration> migrations = Migrations();
};

class SqliteDatabase final : public Database {
 public:
  // Opens, locks and migrates.
  // Errors: kFailedPrecondition, IN_USE - another server has the folder; kFailedPrecondition,
  // STORE_FAILED - written by a newer program; kDataLoss - the file is no database or damaged;
  // kInternal, kResourceExhausted.
  static absl::StatusOr<std::unique_ptr<SqliteDatabase>> Open(const SqliteOptions& options);
  ~SqliteDatabase() override;

  absl::Status Transaction(const std::function<absl::Status(Session&)>& fn,
                           Durability durability = Durability::kFull) override;
  // Asks the file every 20 ms on a connection of its own: SQLite has no notifications, and its
  // counter of changes costs microseconds.
  uint64_t WaitForChange(uint64_t token, absl::Duration timeout) override;

 private:
  struct Connection;
  explicit SqliteDatabase(std::unique_ptr<Connection> connection);
  const std::unique_ptr<Connection> connection_;  // synchronised by itself
};

}  // namespace lbw::store

#endif  // LBW_STORE_SQLITE_DATABASE_H_
