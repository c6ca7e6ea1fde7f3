// Durable rows behind one SQL subset that SQLite and PostgreSQL share: $1 parameters, BIGINT, TEXT,
// BYTEA, DOUBLE PRECISION.
//
// Threads: Transaction may be called concurrently; writers are serialised. A Rows or Session lives
// only inside its transaction.
#ifndef LBW_STORE_DATABASE_H_
#define LBW_STORE_DATABASE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace lbw::store {

// NULL, BIGINT, DOUBLE PRECISION, TEXT, BYTEA.
struct Bytes {
  std::string data;
  bool operator==(const Bytes&) const = default;
};
using Value = std::variant<std::monostate, int64_t, double, std::string, Bytes>;

// One result row. Every getter aborts on a column that does not exist; NULL and a value of another
// type count as missing.
class Row {
 public:
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}
  bool IsNull(size_t column) const;
  int64_t Int(size_t column) const;              // 0 for NULL
  double Double(size_t column) const;            // 0 for NULL
  const std::string& Text(size_t column) const;  // "" for NULL
  std::optional<int64_t> OptionalInt(size_t column) const;
  const std::string& Blob(size_t column) const;  // "" for NULL

 private:
  const Value& At(size_t column) const;

  std::vector<Value> values_;
};

class Session {
 public:
  virtual ~Session() = default;
  // Runs a statement; returns the rows it produced (none for INSERT, UPDATE, DELETE without
  // RETURNING). Errors: kAlreadyExists - a UNIQUE or PRIMARY KEY constraint; kFailedPrecondition -
  // a foreign key; kInternal.
  virtual absl::StatusOr<std::vector<Row>> Execute(std::string_view sql,
                                                   absl::Span<const Value> parameters) = 0;
  absl::StatusOr<std::vector<Row>> Execute(std::string_view sql,
                                           std::initializer_list<Value> parameters = {}) {
    return Execute(sql, absl::MakeConstSpan(parameters.begin(), parameters.size()));
  }
  // Rows that the last statement changed.
  virtual int64_t changes() const = 0;
  // The database's time in microseconds since 1970 (a fake one in tests); the same during a
  // transaction.
  virtual int64_t NowUs() = 0;
};

class Database {
 public:
  enum class Durability { kFull, kNormal };
  virtual ~Database() = default;
  // Runs fn in a serialisable transaction, commits when it returns OK and rolls back otherwise. fn
  // may run again and must therefore have no effect outside the session; it may not start another
  // transaction. Errors: fn's; kUnavailable - busy for too long; kResourceExhausted, OUT_OF_ROOM;
  // kInternal, STORE_FAILED.
  virtual absl::Status Transaction(const std::function<absl::Status(Session&)>& fn,
                                   Durability durability = Durability::kFull) = 0;
  // Blocks until something was committed since the token was answered, by this object or by anybody
  // else, or until the timeout. Answers the token to ask with next; 0 asks for the first. A commit
  // is heard of within some tens of milliseconds and may be heard of twice. Errors are treated as
  // no change.
  virtual uint64_t WaitForChange(uint64_t token, absl::Duration timeout) = 0;
};

}  // namespace lbw::store

#endif  // LBW_STORE_DATABASE_H_
