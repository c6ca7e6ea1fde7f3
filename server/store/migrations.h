// The numbered steps from an empty database to the one this program uses. Append-only: a step that
// was released never changes.
#ifndef LBW_STORE_MIGRATIONS_H_
#define LBW_STORE_MIGRATIONS_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "store/database.h"

namespace lbw::store {

struct Migration {
  int64_t version = 0;  // 1, 2, 3, ...
  std::string_view name;
  absl::Span<const std::string_view> statements;
};

absl::Span<const Migration> Migrations();

// Applies what is missing, each step in a transaction of its own together with its row in
// schema_migrations(version, name, applied_us). Several processes may do so at once. Errors:
// kFailedPrecondition, STORE_FAILED - the database is from a newer program, or its steps are not
// these (says which); those of Database::Transaction.
absl::Status Migrate(Database& database, absl::Span<const Migration> migrations = Migrations());

}  // namespace lbw::store

#endif  // LBW_STORE_MIGRATIONS_H_
