#include "store/sqlite_database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/status.h"
#include "support/temp_dir.h"

namespace lbw::store {
namespace {

using ::testing::HasSubstr;

class SqliteDatabaseTest : public ::testing::Test {
 protected:
  SqliteDatabaseTest() {
    options_.folder = folder_.path();
    options_.busy_timeout = absl::Milliseconds(50);
    Open();
    Must([](Session& session) {
      return session
          .Execute("CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT, b BYTEA, c DOUBLE PRECISION)")
          .status();
    });
  }
  void Open() {
    database_.reset();
    database_ = SqliteDatabase::Open(options_).value();
  }
  void Must(const std::function<absl::Status(Session&)>& fn) {
    const absl::Status status = database_->Transaction(fn);
    ASSERT_TRUE(status.ok()) << status;
  }
  int64_t Rows() {
    int64_t rows = -1;
    Must([&](Session& session) -> absl::Status {
      LBW_ASSIGN_OR_RETURN(const auto found, session.Execute("SELECT COUNT(*) FROM t"));
      rows = found.front().Int(0);
      return absl::OkStatus();
    });
    return rows;
  }

  testing::TempDir folder_;
  SqliteOptions options_;
  std::unique_ptr<SqliteDatabase> database_;
};

TEST_F(SqliteDatabaseTest, EveryTypeComesBackAsItWent) {
  const std::string odd("\0\xff\"'; DROP TABLE t; --", 22);
  Must([&](Session& session) -> absl::Status {
    LBW_RETURN_IF_ERROR(
        session
            .Execute("INSERT INTO t VALUES ($1, $2, $3, $4)",
                     {std::numeric_limits<int64_t>::min(), std::string("a\0b", 3), Bytes{odd}, 0.1})
            .status());
    return session
        .Execute("INSERT INTO t VALUES ($1, $2, $3, $4)",
                 {int64_t{2}, std::monostate{}, Bytes{}, -0.0})
        .status();
  });
  Must([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const auto rows, session.Execute("SELECT id, a, b, c FROM t ORDER BY id"));
    EXPECT_EQ(rows[0].Int(0), std::numeric_limits<int64_t>::min());
    EXPECT_EQ(rows[0].Text(1), std::string("a\0b", 3));
    EXPECT_EQ(rows[0].Blob(2), odd);
    EXPECT_EQ(rows[0].Double(3), 0.1);
    EXPECT_TRUE(rows[1].IsNull(1));
    EXPECT_EQ(rows[1].Text(1), "");
    EXPECT_EQ(rows[1].OptionalInt(1), std::nullopt);
    EXPECT_FALSE(rows[1].IsNull(2));
    EXPECT_EQ(rows[1].Blob(2), "");
    return absl::OkStatus();
  });
}

TEST_F(SqliteDatabaseTest, ParametersGoByTheirNumber) {
  Must([](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const auto rows,
                         session.Execute("SELECT $2, $1, $2", {int64_t{1}, int64_t{2}}));
    EXPECT_EQ(rows[0].Int(0), 2);
    EXPECT_EQ(rows[0].Int(1), 1);
    EXPECT_EQ(rows[0].Int(2), 2);
    EXPECT_FALSE(session.Execute("SELECT $1", {int64_t{1}, int64_t{2}}).ok());
    EXPECT_FALSE(session.Execute("SELECT $1, $2", {int64_t{1}}).ok());
    EXPECT_FALSE(session.Execute("SELECT $2", {int64_t{1}}).ok());
    EXPECT_FALSE(session.Execute("SELECT 1; SELECT 2").ok());
    return absl::OkStatus();
  });
}

TEST_F(SqliteDatabaseTest, AnErrorRollsEverythingBack) {
  const absl::Status status = database_->Transaction([](Session& session) -> absl::Status {
    LBW_RETURN_IF_ERROR(session.Execute("INSERT INTO t (id) VALUES (1)").status());
    return absl::AbortedError("changed my mind");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Rows(), 0);
}

TEST_F(SqliteDatabaseTest, AStatementThatFailsLeavesTheTransactionUsable) {
  Must([](Session& session) -> absl::Status {
    LBW_RETURN_IF_ERROR(session.Execute("INSERT INTO t (id) VALUES (1)").status());
    EXPECT_EQ(session.Execute("INSERT INTO t (id) VALUES (1)").status().code(),
              absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(session.Execute("SELECT nonsense FROM t").status().code(),
              absl::StatusCode::kInternal);
    return session.Execute("INSERT INTO t (id) VALUES (2)").status();
  });
  EXPECT_EQ(Rows(), 2);
}

TEST_F(SqliteDatabaseTest, ForeignKeysHold) {
  Must([](Session& session) -> absl::Status {
    EXPECT_EQ(session.Execute("INSERT INTO artifact_references VALUES ('x', 'y')").status().code(),
              absl::StatusCode::kFailedPrecondition);
    return absl::OkStatus();
  });
}

TEST_F(SqliteDatabaseTest, ChangesCountsRowsOfTheLastStatement) {
  Must([](Session& session) -> absl::Status {
    LBW_RETURN_IF_ERROR(session.Execute("INSERT INTO t (id) VALUES (1), (2), (3)").status());
    EXPECT_EQ(session.changes(), 3);
    LBW_RETURN_IF_ERROR(session.Execute("DELETE FROM t WHERE id > 1").status());
    EXPECT_EQ(session.changes(), 2);
    LBW_RETURN_IF_ERROR(session.Execute("SELECT * FROM t").status());
    EXPECT_EQ(session.changes(), 0);
    LBW_RETURN_IF_ERROR(session.Execute("UPDATE t SET a = 'x' WHERE id = 9").status());
    EXPECT_EQ(session.changes(), 0);
    return absl::OkStatus();
  });
}

TEST_F(SqliteDatabaseTest, TimeIsTheMachinesAndStandsStillInATransaction) {
  Must([](Session& session) -> absl::Status {
    const int64_t first = session.NowUs();
    EXPECT_LT(std::abs(first - absl::ToUnixMicros(absl::Now())), 60'000'000);
    EXPECT_EQ(first % 1000, 0);
    EXPECT_EQ(session.NowUs(), first);
    return absl::OkStatus();
  });
}

TEST_F(SqliteDatabaseTest, TimeCanBeGiven) {
  int64_t now = 77;
  options_.now_us = [&now] { return ++now; };
  Open();
  Must([](Session& session) -> absl::Status {
    const int64_t first = session.NowUs();
    EXPECT_EQ(session.NowUs(), first);
    return absl::OkStatus();
  });
}

TEST_F(SqliteDatabaseTest, CommitsLastOverARestartInBothDurabilities) {
  for (const auto durability : {Database::Durability::kFull, Database::Durability::kNormal}) {
    const absl::Status status = database_->Transaction(
        [&](Session& session) {
          return session
              .Execute("INSERT INTO t (id) VALUES ($1)", {static_cast<int64_t>(durability)})
              .status();
        },
        durability);
    ASSERT_TRUE(status.ok()) << status;
  }
  Open();
  EXPECT_EQ(Rows(), 2);
}

TEST_F(SqliteDatabaseTest, ManyThreadsAddUp) {
  constexpr int kThreads = 4;
  constexpr int kEach = 25;
  Must([](Session& session) {
    return session.Execute("INSERT INTO t (id, c) VALUES (1, 0)").status();
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this] {
      for (int j = 0; j < kEach; ++j) {
        const absl::Status status = database_->Transaction(
            [](Session& session) -> absl::Status {
              LBW_ASSIGN_OR_RETURN(const auto rows,
                                   session.Execute("SELECT c FROM t WHERE id = 1"));
              return session
                  .Execute("UPDATE t SET c = $1 WHERE id = 1", {rows.front().Double(0) + 1})
                  .status();
            },
            Database::Durability::kNormal);
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Must([](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const auto rows, session.Execute("SELECT c FROM t WHERE id = 1"));
    EXPECT_EQ(rows.front().Double(0), kThreads * kEach);
    return absl::OkStatus();
  });
}

TEST_F(SqliteDatabaseTest, ASecondServerIsRefused) {
  const absl::Status second = SqliteDatabase::Open(options_).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.message()), HasSubstr("in use by process"));
}

TEST_F(SqliteDatabaseTest, AnotherProcessThatWritesMakesItBusy) {
  SqliteOptions beside = options_;
  beside.lock = SqliteOptions::Lock::kNone;
  const auto other = SqliteDatabase::Open(beside).value();
  Must([&](Session& session) -> absl::Status {
    LBW_RETURN_IF_ERROR(session.Execute("INSERT INTO t (id) VALUES (1)").status());
    EXPECT_EQ(other->Transaction([](Session&) { return absl::OkStatus(); }).code(),
              absl::StatusCode::kUnavailable);
    return absl::OkStatus();
  });
  EXPECT_TRUE(other->Transaction([](Session&) { return absl::OkStatus(); }).ok());
}

TEST_F(SqliteDatabaseTest, AFileThatIsNoDatabaseIsDataLoss) {
  const testing::TempDir folder;
  std::ofstream(folder.File("lbw.db")) << std::string(8192, 'x');
  SqliteOptions options;
  options.folder = folder.path();
  EXPECT_EQ(SqliteDatabase::Open(options).status().code(), absl::StatusCode::kDataLoss);
}

TEST(RowDeathTest, AColumnThatDoesNotExistAborts) {
  const Row row({Value(int64_t{1})});
  EXPECT_DEATH(row.Int(1), "check failed");
}

// What one process commits, another hears of; its own commits count too; nothing is heard of twice
// when nothing happened.
TEST(SqliteDatabase, WaitForChangeHearsOfEverybodysCommits) {
  const testing::TempDir folder;
  SqliteOptions options;
  options.folder = folder.path();
  options.lock = SqliteOptions::Lock::kNone;
  const auto mine = SqliteDatabase::Open(options).value();
  const auto theirs = SqliteDatabase::Open(options).value();
  const auto commit = [](Database& database, int64_t number) {
    const absl::Status status = database.Transaction([number](Session& session) {
      return session
          .Execute("INSERT INTO submitters (submitter, last_lease_us) VALUES ($1, $2)",
                   {std::string("s") + std::to_string(number), number})
          .status();
    });
    ASSERT_TRUE(status.ok()) << status;
  };
  uint64_t token = mine->WaitForChange(0, absl::ZeroDuration());
  EXPECT_NE(token, 0u);
  EXPECT_EQ(mine->WaitForChange(token, absl::ZeroDuration()), token);
  commit(*theirs, 1);
  uint64_t next = mine->WaitForChange(token, absl::Seconds(10));
  EXPECT_NE(next, token);
  token = next;
  commit(*mine, 2);
  next = mine->WaitForChange(token, absl::Seconds(10));
  EXPECT_NE(next, token);
}

// A waiter of a busy database gets its turn within the timeout, and an error that says so after it.
TEST(SqliteDatabase, ATransactionWaitsForAnotherProcess) {
  const testing::TempDir folder;
  SqliteOptions options;
  options.folder = folder.path();
  options.lock = SqliteOptions::Lock::kNone;
  const auto mine = SqliteDatabase::Open(options).value();
  options.busy_timeout = absl::Milliseconds(5);
  const auto theirs = SqliteDatabase::Open(options).value();
  absl::Status meanwhile;
  const absl::Status status = mine->Transaction([&](Session&) {
    meanwhile = theirs->Transaction([](Session&) { return absl::OkStatus(); });
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(meanwhile.code(), absl::StatusCode::kUnavailable) << meanwhile;
  EXPECT_TRUE(theirs->Transaction([](Session&) { return absl::OkStatus(); }).ok());
}

// A server and its workers may be the first to open a folder, all at once.
TEST(SqliteDatabase, SeveralMayOpenANewFolderAtOnce) {
  const testing::TempDir folder;
  std::vector<std::thread> threads;
  std::vector<absl::Status> statuses(6);
  for (absl::Status& status : statuses) {
    threads.emplace_back([&status, &folder] {
      SqliteOptions options;
      options.folder = folder.path();
      options.lock = SqliteOptions::Lock::kNone;
      status = SqliteDatabase::Open(options).status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : statuses) EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace lbw::store
