#include "store/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <array>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "store/sqlite_database.h"
#include "support/temp_dir.h"

namespace lbw::store {
namespace {

using ::testing::HasSubstr;

std::string ReadGolden(const std::string& name) {
  std::ifstream file(std::string(LBW_SOURCE_DIR) + "/tests/golden/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Makes FOLDER/lbw.db from statements, as another program would.
void MakeDatabase(const std::string& folder, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((folder + "/lbw.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  sqlite3_close(db);
}

std::map<std::string, std::string> Schema(Database& database) {
  std::map<std::string, std::string> schema;
  const absl::Status status = database.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(
        const auto rows,
        session.Execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"));
    for (const Row& row : rows) schema[row.Text(0)] = row.Text(1);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return schema;
}

absl::StatusOr<std::unique_ptr<SqliteDatabase>> Open(
    const testing::TempDir& folder, absl::Span<const Migration> migrations = Migrations()) {
  SqliteOptions options;
  options.folder = folder.path();
  options.migrations = migrations;
  return SqliteDatabase::Open(options);
}

std::string Dump(const std::map<std::string, std::string>& schema) {
  std::string text;
  for (const auto& entry : schema) text += entry.second + ";\n";
  return text;
}

constexpr std::array<std::string_view, 1> kGood = {"CREATE TABLE later (id BIGINT PRIMARY KEY)"};
constexpr std::array<std::string_view, 2> kBad = {"CREATE TABLE half (id BIGINT)",
                                                  "THIS IS NOT SQL"};

TEST(Migrations, AreNumberedFromOne) {
  int64_t expected = 1;
  for (const Migration& migration : Migrations()) {
    EXPECT_EQ(migration.version, expected++);
    EXPECT_FALSE(migration.name.empty());
    EXPECT_FALSE(migration.statements.empty());
  }
}

// A golden database of every step but the last, whose program is this one.
TEST(Migrations, AFreshDatabaseHasTheGoldenSchema) {
  for (size_t steps = 1; steps < Migrations().size(); ++steps) {
    const testing::TempDir fresh;
    const testing::TempDir old;
    const std::string golden = ReadGolden(base::StrCat("db_v", steps, ".sql"));
    ASSERT_FALSE(golden.empty()) << steps;
    MakeDatabase(old.path(), golden);
    const auto fresh_database = Open(fresh, Migrations().subspan(0, steps));
    auto old_database = Open(old, Migrations().subspan(0, steps));
    ASSERT_TRUE(fresh_database.ok()) << fresh_database.status();
    ASSERT_TRUE(old_database.ok()) << old_database.status();
    EXPECT_EQ(Dump(Schema(**fresh_database)), Dump(Schema(**old_database)));
    old_database->reset();
    const auto now = Open(old);
    ASSERT_TRUE(now.ok()) << now.status();
    const testing::TempDir newest;
    EXPECT_EQ(Schema(**now), Schema(**Open(newest)));
  }
}

// An alias of the first schema begins its history as it stands, and a version has no job.
TEST(Migrations, TheSecondKeepsWhatTheFirstHeld) {
  const testing::TempDir folder;
  MakeDatabase(
      folder.path(),
      ReadGolden("db_v1.sql") +
          "INSERT INTO models VALUES ('face', '', 5, 3);"
          "INSERT INTO versions VALUES ('face', 2, 'READY', '', 6, '', NULL, 'b', 7, 0, '', '', "
          "'{}', 0, 'ssd', '[]', '[]', '');"
          "INSERT INTO aliases VALUES ('face', 'stable', 2, '', 8);");
  const auto database = Open(folder);
  ASSERT_TRUE(database.ok()) << database.status();
  const absl::Status status = (*database)->Transaction([](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(
        const std::vector<Row> moves,
        session.Execute("SELECT alias, number, version, time_us, action FROM alias_moves"));
    EXPECT_EQ(moves.size(), 1u);
    if (moves.empty()) return absl::OkStatus();
    EXPECT_EQ(moves[0].Text(0), "stable");
    EXPECT_EQ(moves[0].Int(1), 1);
    EXPECT_EQ(moves[0].Int(2), 2);
    EXPECT_EQ(moves[0].Int(3), 8);
    EXPECT_EQ(moves[0].Text(4), "set");
    LBW_ASSIGN_OR_RETURN(const std::vector<Row> versions,
                         session.Execute("SELECT job FROM versions"));
    EXPECT_EQ(versions.size(), 1u);
    EXPECT_EQ(versions[0].Text(0), "");
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

// A job of the second schema has no digest of its request, and its state changes are counted.
TEST(Migrations, TheThirdCountsTheStateEventsOfJobs) {
  const testing::TempDir folder;
  MakeDatabase(folder.path(),
               ReadGolden("db_v2.sql") +
                   "INSERT INTO jobs (id, kind, state, submitter, subject, request_id, priority, "
                   "spec_json, labels_json, estimate_json, create_us, update_us, queued_us, ready, "
                   "retry_us, attempts, failed_attempts, lost_attempts, lease_token, worker, step, "
                   "total_steps, progress_json, checkpoint, error_code, error_reason, "
                   "error_message, result_json, artifacts_json, last_cursor, kept_events, "
                   "log_bytes) VALUES ('j', 'evaluate', 'QUEUED', 'ada', '', 'once', 0, '{}', "
                   "'{}', '', 5, 5, 5, 1, 0, 0, 0, 0, 0, '', 0, 0, '', '', 0, '', '', '', '[]', 3, "
                   "3, 0);"
                   "INSERT INTO job_events VALUES ('j', 1, 5, 1, '{}'), ('j', 2, 5, 0, '{}'), "
                   "('j', 3, 5, 1, '{}');");
  const auto database = Open(folder);
  ASSERT_TRUE(database.ok()) << database.status();
  const absl::Status status = (*database)->Transaction([](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const std::vector<Row> jobs,
                         session.Execute("SELECT request_digest, state_events FROM jobs"));
    EXPECT_EQ(jobs.size(), 1u);
    if (jobs.empty()) return absl::OkStatus();
    EXPECT_EQ(jobs[0].Text(0), "");
    EXPECT_EQ(jobs[0].Int(1), 2);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

// A job of the third schema was begun, as far as anybody knows.
TEST(Migrations, TheFourthCountsFromNought) {
  const testing::TempDir folder;
  MakeDatabase(folder.path(),
               ReadGolden("db_v3.sql") +
                   "INSERT INTO jobs (id, kind, state, submitter, subject, priority, spec_json, "
                   "labels_json, estimate_json, create_us, update_us, queued_us, ready, retry_us, "
                   "attempts, failed_attempts, lost_attempts, lease_token, worker, step, "
                   "total_steps, progress_json, checkpoint, error_code, error_reason, "
                   "error_message, result_json, artifacts_json, last_cursor, kept_events, "
                   "log_bytes) VALUES ('j', 'evaluate', 'QUEUED', 'ada', '', 0, '{}', '{}', '', 5, "
                   "5, 5, 1, 0, 7, 0, 7, 0, '', 0, 0, '', '', 0, '', '', '', '[]', 3, 3, 0);");
  const auto database = Open(folder);
  ASSERT_TRUE(database.ok()) << database.status();
  const absl::Status status = (*database)->Transaction([](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const std::vector<Row> jobs,
                         session.Execute("SELECT lost_attempts, not_begun FROM jobs"));
    EXPECT_EQ(jobs.size(), 1u);
    if (jobs.empty()) return absl::OkStatus();
    EXPECT_EQ(jobs[0].Int(0), 7);
    EXPECT_EQ(jobs[0].Int(1), 0);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(Migrations, RunAgainChangeNothing) {
  const testing::TempDir folder;
  const auto before = Schema(*Open(folder).value());
  const auto after = Schema(*Open(folder).value());
  EXPECT_EQ(before, after);
}

TEST(Migrations, APostponedStepIsAppliedLater) {
  const testing::TempDir folder;
  ASSERT_TRUE(Open(folder).ok());
  std::vector<Migration> more(Migrations().begin(), Migrations().end());
  more.push_back({static_cast<int64_t>(more.size()) + 1, "later", kGood});
  EXPECT_EQ(Schema(*Open(folder, more).value()).count("later"), 1u);
}

TEST(Migrations, AStepThatFailsLeavesNothingAndIsNamed) {
  const testing::TempDir folder;
  std::vector<Migration> more(Migrations().begin(), Migrations().end());
  more.push_back({static_cast<int64_t>(more.size()) + 1, "broken step", kBad});
  EXPECT_THAT(std::string(Open(folder, more).status().message()), HasSubstr("broken step"));
  EXPECT_EQ(Schema(*Open(folder).value()).count("half"), 0u);
}

TEST(Migrations, ADatabaseFromANewerProgramIsRefused) {
  const testing::TempDir folder;
  std::vector<Migration> more(Migrations().begin(), Migrations().end());
  more.push_back({static_cast<int64_t>(more.size()) + 1, "later", kGood});
  ASSERT_TRUE(Open(folder, more).ok());
  const absl::Status status = Open(folder).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(base::StrCat("newer program: schema version=", more.size(),
                                     " newest known here=", Migrations().size())));
}

TEST(Migrations, AnotherHistoryIsRefused) {
  const testing::TempDir folder;
  ASSERT_TRUE(Open(folder).ok());
  std::vector<Migration> other(Migrations().begin(), Migrations().end());
  other.front().name = "something else";
  const absl::Status status = Open(folder, other).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("something else"));
}

}  // namespace
}  // namespace lbw::store
