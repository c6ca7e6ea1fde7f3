#include "store/sqlite_database.h"

#include <sqlite3.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "store/file_system.h"
#include "store/folder_lock.h"

namespace lbw::store {
namespace {

base::Error SqliteError(sqlite3* db, int code, std::string_view doing) {
  absl::StatusCode status = absl::StatusCode::kInternal;
  base::Reason reason = base::reason::kStoreFailed;
  const int primary = code & 0xff;
  if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
      code == SQLITE_CONSTRAINT_ROWID) {
    status = absl::StatusCode::kAlreadyExists;
    reason = base::reason::kAlreadyExists;
  } else if (code == SQLITE_CONSTRAINT_FOREIGNKEY) {
    status = absl::StatusCode::kFailedPrecondition;
    reason = base::reason::kInUse;
  } else if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) {
    status = absl::StatusCode::kUnavailable;
  } else if (primary == SQLITE_FULL) {
    status = absl::StatusCode::kResourceExhausted;
    reason = base::reason::kOutOfRoom;
  } else if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) {
    status = absl::StatusCode::kDataLoss;
    reason = base::reason::kDataLoss;
  }
  return base::Error(status, reason, base::StrCat("database: ", doing, ": ", sqlite3_errmsg(db)));
}

int Bind(sqlite3_stmt* statement, int index, const Value& value) {
  if (const auto* number = std::get_if<int64_t>(&value))
    return sqlite3_bind_int64(statement, index, *number);
  if (const auto* real = std::get_if<double>(&value))
    return sqlite3_bind_double(statement, index, *real);
  // The texts outlive the statement's run: no copies.
  if (const auto* text = std::get_if<std::string>(&value)) {
    return sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  if (const auto* bytes = std::get_if<Bytes>(&value)) {
    if (bytes->data.empty()) return sqlite3_bind_zeroblob(statement, index, 0);
    return sqlite3_bind_blob64(statement, index, bytes->data.data(), bytes->data.size(),
                               SQLITE_STATIC);
  }
  return sqlite3_bind_null(statement, index);
}

Value Column(sqlite3_stmt* statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return int64_t{sqlite3_column_int64(statement, column)};
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      return std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement, column)));
    }
    case SQLITE_BLOB: {
      const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, column));
      const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, column));
      return Bytes{data == nullptr ? std::string() : std::string(data, size)};
    }
    default:
      return std::monostate{};
  }
}

// Milliseconds, exact; the real-valued julianday would be off by tens of microseconds.
constexpr std::string_view kNow =
    "SELECT CAST(strftime('%s', t) AS INTEGER) * 1000000 + CAST(substr(strftime('%f', t), 4) AS "
    "INTEGER) * 1000 "
    "FROM (SELECT strftime('%Y-%m-%d %H:%M:%f', 'now') AS t)";

// Waits for another process's transaction. SQLite's own handler soon sleeps 100 ms at a time, a
// hundred times as long as a transaction here takes, and starves beside a busy neighbour.
struct BusyWait {
  absl::Duration timeout;
  base::Stopwatch waited;

  static int Ask(void* self, int count) {
    auto& wait = *static_cast<BusyWait*>(self);
    if (count == 0) wait.waited = base::Stopwatch();
    if (absl::Nanoseconds(wait.waited.ElapsedNs()) >= wait.timeout) return 0;
    constexpr int kQuickTries = 100;
    absl::SleepFor(absl::Microseconds(count < kQuickTries ? 300 : 2'000));
    return 1;
  }
};

}  // namespace

struct SqliteDatabase::Connection {
  explicit Connection(std::function<int64_t()> now) : now_us(std::move(now)) {}
  ~Connection() {
    absl::MutexLock lock(&mu);
    DropStatements();
    sqlite3_close_v2(db);
    absl::MutexLock watch_lock(&watch_mu);
    sqlite3_finalize(watch_statement);
    sqlite3_close_v2(watch_db);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  absl::Status Open(const std::string& file, absl::Duration busy_timeout) ABSL_LOCKS_EXCLUDED(mu);
  absl::Status Run(const std::function<absl::Status(Session&)>& fn, Durability durability)
      ABSL_LOCKS_EXCLUDED(mu);
  absl::StatusOr<sqlite3_stmt*> Prepare(std::string_view sql) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  absl::Status Command(std::string_view sql) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void DropStatements() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  const std::function<int64_t()> now_us;
  std::unique_ptr<FolderLock> folder_lock;
  std::string path;  // set by Open

  BusyWait busy;  // used by the transaction that runs

  absl::Mutex mu;
  sqlite3* db ABSL_GUARDED_BY(mu) = nullptr;
  std::optional<Durability> durability_set ABSL_GUARDED_BY(mu);
  std::unordered_map<std::string, sqlite3_stmt*> statements ABSL_GUARDED_BY(mu);

  // PRAGMA data_version does not count its own connection's commits: this one makes none. Opened
  // by the first who waits.
  absl::StatusOr<uint64_t> Version(const std::string& path) ABSL_LOCKS_EXCLUDED(watch_mu);
  absl::Mutex watch_mu;
  sqlite3* watch_db ABSL_GUARDED_BY(watch_mu) = nullptr;
  sqlite3_stmt* watch_statement ABSL_GUARDED_BY(watch_mu) = nullptr;
};

absl::StatusOr<sqlite3_stmt*> SqliteDatabase::Connection::Prepare(std::string_view sql) {
  // The program's statements are a fixed, small set; the bound only keeps a mistake from growing
  // for ever.
  constexpr size_t kMostStatements = 512;
  const auto known = statements.find(std::string(sql));
  if (known != statements.end()) return known->second;
  if (statements.size() >= kMostStatements) DropStatements();
  if (sql.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                       "database: statement too long");
  }
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  const int code = sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, &tail);
  if (code != SQLITE_OK) return SqliteError(db, code, sql);
  if (statement == nullptr || tail != sql.data() + sql.size()) {
    sqlite3_finalize(statement);
    return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                       base::StrCat("database: not one statement: ", sql));
  }
  statements.emplace(std::string(sql), statement);
  return statement;
}

void SqliteDatabase::Connection::DropStatements() {
  for (const auto& [sql, statement] : statements) sqlite3_finalize(statement);
  statements.clear();
}

absl::Status SqliteDatabase::Connection::Command(std::string_view sql) {
  const int code = sqlite3_exec(db, std::string(sql).c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return SqliteError(db, code, sql);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> SqliteDatabase::Connection::Version(const std::string& file) {
  absl::MutexLock lock(&watch_mu);
  if (watch_db == nullptr) {
    const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    const int code = sqlite3_open_v2(file.c_str(), &watch_db, flags, nullptr);
    if (code != SQLITE_OK) {
      // Tried again by the next who asks.
      const absl::Status failed = SqliteError(watch_db, code, "cannot watch " + file);
      sqlite3_close_v2(watch_db);
      watch_db = nullptr;
      return failed;
    }
  }
  if (watch_statement == nullptr) {
    const int code = sqlite3_prepare_v3(watch_db, "PRAGMA data_version", -1,
                                        SQLITE_PREPARE_PERSISTENT, &watch_statement, nullptr);
    if (code != SQLITE_OK) return SqliteError(watch_db, code, "cannot watch " + file);
  }
  const int code = sqlite3_step(watch_statement);
  const auto version = code == SQLITE_ROW
                           ? static_cast<uint64_t>(sqlite3_column_int64(watch_statement, 0))
                           : uint64_t{0};
  sqlite3_reset(watch_statement);
  if (code != SQLITE_ROW) return SqliteError(watch_db, code, "cannot watch " + file);
  return version + 1;  // 0 is nobody's
}

absl::Status SqliteDatabase::Connection::Open(const std::string& file,
                                              absl::Duration busy_timeout) {
  absl::MutexLock lock(&mu);
  path = file;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(file.c_str(), &db, flags, nullptr);
  if (code != SQLITE_OK) return SqliteError(db, code, "cannot open " + file);
  sqlite3_extended_result_codes(db, 1);
  busy.timeout = busy_timeout;
  sqlite3_busy_handler(db, &BusyWait::Ask, &busy);
  // Two processes that open a new file at once: SQLite does not ask the busy handler here.
  const base::Stopwatch opening;
  absl::Status wal = Command("PRAGMA journal_mode = WAL");
  while (absl::IsUnavailable(wal) && absl::Nanoseconds(opening.ElapsedNs()) < busy_timeout) {
    absl::SleepFor(absl::Milliseconds(2));
    wal = Command("PRAGMA journal_mode = WAL");
  }
  LBW_RETURN_IF_ERROR(wal);
  // Checkpoints of the log, which sync the file too, come four times as seldom as by default: the
  // log grows to 16 MB.
  for (const std::string_view pragma :
       {"PRAGMA foreign_keys = ON", "PRAGMA trusted_schema = OFF", "PRAGMA temp_store = MEMORY",
        "PRAGMA wal_autocheckpoint = 4000"}) {
    LBW_RETURN_IF_ERROR(Command(pragma));
  }
  return absl::OkStatus();
}

namespace {

struct SessionState {
  sqlite3* db = nullptr;
  std::function<absl::StatusOr<sqlite3_stmt*>(std::string_view)> prepare;
  const std::function<int64_t()>* now_us = nullptr;
};

class SqliteSession final : public Session {
 public:
  explicit SqliteSession(SessionState state) : state_(std::move(state)) {}

  absl::StatusOr<std::vector<Row>> Execute(std::string_view sql,
                                           absl::Span<const Value> parameters) override {
    LBW_ASSIGN_OR_RETURN(sqlite3_stmt* const statement, state_.prepare(sql));
    const absl::Cleanup reset = [statement] {
      sqlite3_reset(statement);
      sqlite3_clear_bindings(statement);
    };
    LBW_RETURN_IF_ERROR(BindAll(statement, sql, parameters));
    std::vector<Row> rows;
    int code = sqlite3_step(statement);
    const int columns = sqlite3_column_count(statement);
    for (; code == SQLITE_ROW; code = sqlite3_step(statement)) {
      std::vector<Value> values;
      values.reserve(static_cast<size_t>(columns));
      for (int i = 0; i < columns; ++i) values.push_back(Column(statement, i));
      rows.emplace_back(std::move(values));
    }
    if (code != SQLITE_DONE) return SqliteError(state_.db, code, sql);
    changes_ = sqlite3_stmt_readonly(statement) != 0 ? 0 : sqlite3_changes64(state_.db);
    return rows;
  }

  int64_t changes() const override { return changes_; }

  int64_t NowUs() override {
    if (now_us_ == 0) {
      if (*state_.now_us) {
        now_us_ = (*state_.now_us)();
      } else {
        const int64_t changes = changes_;
        const absl::StatusOr<std::vector<Row>> rows = Execute(kNow, {});
        LBW_CHECK(rows.ok() && rows->size() == 1);  // computes from no table
        now_us_ = rows->front().Int(0);
        changes_ = changes;
      }
    }
    return now_us_;
  }

 private:
  // SQLite takes $1 as a name; every name must have its value and every value its name.
  absl::Status BindAll(sqlite3_stmt* statement, std::string_view sql,
                       absl::Span<const Value> parameters) {
    const int expected = sqlite3_bind_parameter_count(statement);
    if (static_cast<size_t>(expected) != parameters.size()) {
      return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                         base::StrCat("database: ", parameters.size(), " values for ", expected,
                                      " parameters: ", sql));
    }
    for (size_t i = 0; i < parameters.size(); ++i) {
      const int index = sqlite3_bind_parameter_index(statement, base::StrCat("$", i + 1).c_str());
      if (index == 0) {
        return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                           base::StrCat("database: no parameter $", i + 1, ": ", sql));
      }
      const int code = Bind(statement, index, parameters[i]);
      if (code != SQLITE_OK) return SqliteError(state_.db, code, sql);
    }
    return absl::OkStatus();
  }

  const SessionState state_;
  int64_t changes_ = 0;
  int64_t now_us_ = 0;
};

}  // namespace

absl::Status SqliteDatabase::Connection::Run(const std::function<absl::Status(Session&)>& fn,
                                             Durability durability) {
  absl::MutexLock lock(&mu);
  if (durability_set != durability) {
    LBW_RETURN_IF_ERROR(Command(durability == Durability::kFull ? "PRAGMA synchronous = FULL"
                                                                : "PRAGMA synchronous = NORMAL"));
    durability_set = durability;
  }
  LBW_RETURN_IF_ERROR(Command("BEGIN IMMEDIATE"));
  SessionState state;
  state.db = db;
  state.prepare = [this](std::string_view sql)
                      ABSL_NO_THREAD_SAFETY_ANALYSIS { return Prepare(sql); };
  state.now_us = &now_us;
  absl::Status status;
  {
    SqliteSession session(std::move(state));
    status = fn(session);
  }
  if (status.ok()) status = Command("COMMIT");
  // Some errors end the transaction by themselves (disk full, I/O).
  if (!status.ok() && sqlite3_get_autocommit(db) == 0) Command("ROLLBACK").IgnoreError();
  return status;
}

SqliteDatabase::SqliteDatabase(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {}
SqliteDatabase::~SqliteDatabase() = default;

absl::StatusOr<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(const SqliteOptions& options) {
  FileSystem& files = RealFileSystem();
  LBW_RETURN_IF_ERROR(files.MakeFolder(options.folder));
  auto connection = std::make_unique<Connection>(options.now_us);
  if (options.lock == SqliteOptions::Lock::kExclusive) {
    LBW_ASSIGN_OR_RETURN(connection->folder_lock, FolderLock::Acquire(options.folder));
  }
  LBW_RETURN_IF_ERROR(connection->Open(options.folder + "/lbw.db", options.busy_timeout));
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(std::move(connection)));
  LBW_RETURN_IF_ERROR(Migrate(*database, options.migrations));
  LBW_RETURN_IF_ERROR(files.SyncFolder(options.folder));
  return database;
}

absl::Status SqliteDatabase::Transaction(const std::function<absl::Status(Session&)>& fn,
                                         Durability durability) {
  return connection_->Run(fn, durability);
}

uint64_t SqliteDatabase::WaitForChange(uint64_t token, absl::Duration timeout) {
  constexpr absl::Duration kEvery = absl::Milliseconds(20);
  const base::Stopwatch watch;
  while (true) {
    const absl::StatusOr<uint64_t> version = connection_->Version(connection_->path);
    if (version.ok() && *version != token) return *version;
    const absl::Duration left = timeout - absl::Nanoseconds(watch.ElapsedNs());
    if (left <= absl::ZeroDuration()) return token;
    absl::SleepFor(std::min(left, kEvery));
  }
}

}  // namespace lbw::store
