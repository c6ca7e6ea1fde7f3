#include "registry/aliases.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "registry/alias_history.h"
#include "registry/datasets.h"
#include "registry/evaluation_rows.h"
#include "registry/promotion.h"
#include "registry/registry_rows.h"

namespace lbw::registry {
namespace {

using store::Row;
using store::Session;
using store::Value;

constexpr size_t kMostRules = 16;
constexpr size_t kMostSubmitter = 64;
constexpr size_t kMostComment = 256;
constexpr std::string_view kReservedPrefix = "job-";

base::Error Invalid(std::string_view field, base::Reason reason, std::string_view message) {
  base::Error error(absl::StatusCode::kInvalidArgument, reason, message);
  error.Field(field);
  return error;
}

// Characters of UTF-8.
size_t Characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  }));
}

absl::Status CheckLength(std::string_view field, std::string_view text, size_t limit) {
  const size_t length = Characters(text);
  if (length <= limit) return absl::OkStatus();
  return Invalid(field, base::reason::kLimitExceeded,
                 base::StrCat(field, " is too long: characters=", length, " limit=", limit));
}

std::string NameOf(const AliasKey& key) { return base::AliasName(key.model, key.alias); }

Value OptionalInt(const std::optional<int64_t>& value) {
  return value ? Value(*value) : Value(std::monostate{});
}

absl::StatusOr<std::optional<Alias>> FindAlias(Session& session, const AliasKey& key) {
  Alias alias{std::string(key.model), std::string(key.alias), 0, {}};
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT version, update_us FROM aliases WHERE model = $1 AND alias = $2",
                      {alias.model, alias.alias}));
  if (rows.empty()) return std::optional<Alias>();
  alias.version = rows.front().Int(0);
  alias.update_time = absl::FromUnixMicros(rows.front().Int(1));
  return std::optional<Alias>(std::move(alias));
}

// The number of the version that it points at; none: there is no such alias.
absl::StatusOr<std::optional<int64_t>> Pointee(Session& session, const AliasKey& key) {
  LBW_ASSIGN_OR_RETURN(const std::optional<Alias> found, FindAlias(session, key));
  return found ? std::optional<int64_t>(found->version) : std::nullopt;
}

// The oldest moves of a model go when there are more than the limit.
absl::Status TrimMoves(Session& session, std::string_view model, int64_t limit) {
  const std::string name(model);
  LBW_ASSIGN_OR_RETURN(const int64_t moves,
                       Count(session, "SELECT COUNT(*) FROM alias_moves WHERE model = $1", {name}));
  if (moves <= limit) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> oldest,
      session.Execute("SELECT alias, number FROM alias_moves WHERE model = $1 ORDER BY time_us, "
                      "number, alias LIMIT $2",
                      {name, moves - limit}));
  for (const Row& row : oldest) {
    LBW_RETURN_IF_ERROR(
        session
            .Execute("DELETE FROM alias_moves WHERE model = $1 AND alias = $2 AND number = $3",
                     {name, row.Text(0), row.Int(1)})
            .status());
  }
  return absl::OkStatus();
}

// Moves the row and writes the history. move: without model, alias and time.
absl::StatusOr<Alias> Move(Session& session, const RegistryLimits& limits, const AliasKey& key,
                           const AliasMove& move) {
  const std::string model(key.model);
  const std::string alias(key.alias);
  const int64_t now_us = session.NowUs();
  if (move.version) {
    LBW_RETURN_IF_ERROR(session
                            .Execute("INSERT INTO aliases (model, alias, version, subject, "
                                     "update_us) VALUES ($1, $2, $3, '', $4) "
                                     "ON CONFLICT (model, alias) DO UPDATE SET version = "
                                     "excluded.version, update_us = excluded.update_us",
                                     {model, alias, *move.version, now_us})
                            .status());
  } else {
    LBW_RETURN_IF_ERROR(
        session.Execute("DELETE FROM aliases WHERE model = $1 AND alias = $2", {model, alias})
            .status());
  }
  LBW_ASSIGN_OR_RETURN(
      const int64_t newest,
      Count(session,
            "SELECT COALESCE(MAX(number), 0) FROM alias_moves WHERE model = $1 AND alias = $2",
            {model, alias}));
  LBW_RETURN_IF_ERROR(
      session
          .Execute("INSERT INTO alias_moves (model, alias, number, version, previous, time_us, "
                   "action, submitter, subject, comment, passed_json) VALUES ($1, $2, $3, $4, $5, "
                   "$6, $7, $8, '', $9, $10)",
                   {model, alias, newest + 1, OptionalInt(move.version), OptionalInt(move.previous),
                    now_us, move.action, move.submitter, move.comment, TextsToJson(move.passed)})
          .status());
  LBW_RETURN_IF_ERROR(TrimMoves(session, model, limits.max_moves_per_model));
  return Alias{model, alias, move.version.value_or(0), absl::FromUnixMicros(now_us)};
}

AliasMove MoveBy(const AliasChange& change, std::string_view action) {
  AliasMove move;
  move.action = std::string(action);
  move.submitter = change.submitter;
  move.comment = change.comment;
  return move;
}

// What was required and found, one a rule.
absl::StatusOr<std::vector<std::string>> JudgeAll(Session& session, std::string_view model,
                                                  int64_t version, const AliasChange& change) {
  std::vector<std::string> passed;
  for (const PromotionRule& rule : change.require) {
    Candidate candidate;
    candidate.version_name = base::VersionName(model, version);
    LBW_ASSIGN_OR_RETURN(const Dataset dataset, RequireReadyDataset(session, rule.dataset));
    candidate.content = dataset.pack_artifact;
    LBW_ASSIGN_OR_RETURN(candidate.evaluations, ReadFigures(session, model, version, rule.dataset));
    if (rule.against_version) {
      candidate.against_name = base::VersionName(model, *rule.against_version);
      LBW_ASSIGN_OR_RETURN(candidate.against,
                           ReadFigures(session, model, *rule.against_version, rule.dataset));
    }
    LBW_ASSIGN_OR_RETURN(std::string found, Judge(rule, candidate));
    passed.push_back(std::move(found));
  }
  return passed;
}

absl::StatusOr<std::vector<AliasStep>> ReadSteps(Session& session, const AliasKey& key) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT action, version, previous FROM alias_moves WHERE model = $1 AND "
                      "alias = $2 ORDER BY number",
                      {std::string(key.model), std::string(key.alias)}));
  std::vector<AliasStep> steps;
  steps.reserve(rows.size());
  for (const Row& row : rows) {
    const auto kind =
        row.Text(0) == "rollback" ? AliasStep::Kind::kRollback : AliasStep::Kind::kMove;
    steps.push_back({kind, row.OptionalInt(1), row.OptionalInt(2)});
  }
  return steps;
}

absl::Status RequireRoom(const RegistryLimits& limits, const ModelFacts& facts) {
  const auto aliases = static_cast<int64_t>(facts.aliases.size());
  if (aliases < limits.max_aliases_per_model) return absl::OkStatus();
  return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kLimitExceeded,
                     base::StrCat("too many aliases of ", base::ModelName(facts.model), ": ",
                                  aliases, " limit=", limits.max_aliases_per_model));
}

// A rollback's version: gone is a state of the history here, not a wrong argument.
absl::Status RequireRollbackVersion(const ModelFacts& facts, const AliasKey& key, int64_t version) {
  const absl::Status ready = RequireReady(facts, version);
  if (ready.ok()) return ready;
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kVersionNotReady,
                     base::StrCat("cannot roll ", NameOf(key), " back: ",
                                  base::Std(ready.message()), "; set it to another version"));
}

}  // namespace

absl::Status CheckMover(const AliasChange& change) {
  LBW_RETURN_IF_ERROR(CheckLength("submitter", change.submitter, kMostSubmitter));
  return CheckLength("comment", change.comment, kMostComment);
}

absl::Status CheckAliasChange(std::string_view alias, const AliasChange& change) {
  if (!base::IsValidName(alias)) {
    return Invalid("alias", base::reason::kBadName, "alias must match [a-z0-9]([a-z0-9_.-]{0,62})");
  }
  if (alias.substr(0, kReservedPrefix.size()) == kReservedPrefix) {
    return Invalid("alias", base::reason::kReserved,
                   "aliases that start with \"job-\" are reserved for the checkpoints of running "
                   "jobs");
  }
  LBW_RETURN_IF_ERROR(CheckMover(change));
  if (change.require.size() > kMostRules) {
    return Invalid(
        "require", base::reason::kLimitExceeded,
        base::StrCat("too many rules in require: ", change.require.size(), " limit=", kMostRules));
  }
  for (size_t i = 0; i < change.require.size(); ++i) {
    LBW_RETURN_IF_ERROR(CheckRule(change.require[i], base::StrCat("require[", i, "]")));
  }
  return absl::OkStatus();
}

absl::StatusOr<Alias> SetAliasRow(Session& session, const RegistryLimits& limits,
                                  const AliasKey& key, int64_t version, const AliasChange& change) {
  LBW_ASSIGN_OR_RETURN(const ModelFacts facts, ReadFacts(session, key.model));
  LBW_RETURN_IF_ERROR(RequireReady(facts, version));
  AliasMove move = MoveBy(change, "set");
  move.version = version;
  LBW_ASSIGN_OR_RETURN(move.passed, JudgeAll(session, key.model, version, change));
  LBW_ASSIGN_OR_RETURN(const std::optional<Alias> found, FindAlias(session, key));
  if (!found) {
    LBW_RETURN_IF_ERROR(RequireRoom(limits, facts));
  } else {
    if (found->version == version) return *found;
    move.previous = found->version;
  }
  return Move(session, limits, key, move);
}

absl::StatusOr<Alias> RollbackAliasRow(Session& session, const RegistryLimits& limits,
                                       const AliasKey& key, const AliasChange& change) {
  LBW_ASSIGN_OR_RETURN(const ModelFacts facts, ReadFacts(session, key.model));
  LBW_ASSIGN_OR_RETURN(const std::vector<AliasStep> steps, ReadSteps(session, key));
  AliasMove move = MoveBy(change, "rollback");
  LBW_ASSIGN_OR_RETURN(move.previous, Pointee(session, key));
  if (steps.empty() && !move.previous) {
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       base::StrCat("there is no ", NameOf(key)));
  }
  move.version = RollbackTarget(steps);
  if (!move.version) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kNoPrevious,
                       base::StrCat(NameOf(key),
                                    " has nothing to go back to: before the oldest "
                                    "move that is not undone it did not exist"));
  }
  LBW_RETURN_IF_ERROR(RequireRollbackVersion(facts, key, *move.version));
  if (!move.previous) LBW_RETURN_IF_ERROR(RequireRoom(limits, facts));
  return Move(session, limits, key, move);
}

absl::Status DeleteAliasRow(Session& session, const RegistryLimits& limits, const AliasKey& key,
                            const AliasChange& change) {
  LBW_RETURN_IF_ERROR(RequireModel(session, key.model));
  AliasMove move = MoveBy(change, "delete");
  LBW_ASSIGN_OR_RETURN(move.previous, Pointee(session, key));
  if (!move.previous) {
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       base::StrCat("there is no ", NameOf(key)));
  }
  return Move(session, limits, key, move).status();
}

absl::Status CreateStable(Session& session, const RegistryLimits& limits, std::string_view model) {
  const AliasKey key{model, "stable"};
  LBW_ASSIGN_OR_RETURN(const std::optional<int64_t> pointee, Pointee(session, key));
  if (pointee) return absl::OkStatus();
  AliasMove move = MoveBy({}, "create");
  move.version = 1;
  return Move(session, limits, key, move).status();
}

absl::Status DeleteAliasesOf(Session& session, const RegistryLimits& limits, std::string_view model,
                             int64_t version) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT alias FROM aliases WHERE model = $1 AND version = $2 ORDER BY alias",
                      {std::string(model), version}));
  AliasMove move = MoveBy({}, "delete");
  move.previous = version;
  move.comment = base::StrCat(base::VersionName(model, version), " was deleted");
  for (const Row& row : rows) {
    LBW_RETURN_IF_ERROR(Move(session, limits, {model, row.Text(0)}, move).status());
  }
  return absl::OkStatus();
}

absl::Status DropAliases(Session& session, std::string_view model) {
  const std::string name(model);
  LBW_RETURN_IF_ERROR(session.Execute("DELETE FROM aliases WHERE model = $1", {name}).status());
  return session.Execute("DELETE FROM alias_moves WHERE model = $1", {name}).status();
}

absl::StatusOr<std::vector<NumberedMove>> ReadMoves(Session& session, const AliasKey& key,
                                                    int64_t before, int64_t limit) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT number, version, previous, time_us, action, submitter, comment, "
                      "passed_json FROM alias_moves WHERE model = $1 AND alias = $2 AND number < "
                      "$3 ORDER BY number DESC LIMIT $4",
                      {std::string(key.model), std::string(key.alias), before, limit}));
  std::vector<NumberedMove> moves;
  moves.reserve(rows.size());
  for (const Row& row : rows) {
    AliasMove move;
    move.model = std::string(key.model);
    move.alias = std::string(key.alias);
    move.version = row.OptionalInt(1);
    move.previous = row.OptionalInt(2);
    move.move_time = absl::FromUnixMicros(row.Int(3));
    move.action = row.Text(4);
    move.submitter = row.Text(5);
    move.comment = row.Text(6);
    move.passed = TextsFromJson(row.Text(7));
    moves.push_back({row.Int(0), std::move(move)});
  }
  return moves;
}

}  // namespace lbw::registry
