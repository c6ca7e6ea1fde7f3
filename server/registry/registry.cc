#include "registry/registry.h"

#include <functional>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/strings.h"
#include "registry/aliases.h"
#include "registry/checkpoint_version.h"
#include "registry/ready_version.h"
#include "registry/registry_rows.h"
#include "registry/resolve.h"
#include "store/paging.h"

namespace lbw::registry {
namespace {

using store::Session;

base::Error Invalid(std::string_view field, base::Reason reason, std::string_view message) {
  base::Error error(absl::StatusCode::kInvalidArgument, reason, message);
  error.Field(field);
  return error;
}

base::Error Precondition(base::Reason reason, std::string_view message) {
  return base::Error(absl::StatusCode::kFailedPrecondition, reason, message);
}

absl::Status CheckName(std::string_view field, std::string_view name) {
  if (base::IsValidName(name)) return absl::OkStatus();
  return Invalid(field, base::reason::kBadName,
                 base::StrCat(field, " must match [a-z0-9]([a-z0-9_.-]{0,62})"));
}

absl::Status RequireCreating(const Version& version) {
  if (version.state == VersionState::kCreating) return absl::OkStatus();
  return Precondition(base::reason::kVersionNotReady,
                      base::StrCat(base::VersionName(version.model, version.number),
                                   " is not CREATING: state=", Name(version.state)));
}

class DatabaseRegistry final : public Registry {
 public:
  DatabaseRegistry(store::Database& database, const RegistryLimits& limits)
      : database_(database), limits_(limits) {}

  absl::Status Recover();

  absl::StatusOr<Version> CreateModel(const VersionDraft& draft) override;
  absl::StatusOr<Version> CreateVersion(const VersionDraft& draft) override;
  absl::StatusOr<Version> PublishVersion(const Version& version) override;
  absl::Status AbandonVersion(std::string_view model, int64_t number) override;
  absl::StatusOr<Version> AddReadyVersion(Session& session, const MadeVersion& made) override {
    return AddReadyVersionRow(session, limits_, made);
  }

  absl::StatusOr<Model> GetModel(std::string_view model) override;
  absl::StatusOr<Version> GetVersion(std::string_view model, int64_t number) override;
  absl::StatusOr<ModelPage> ListModels(int page_size, std::string_view token) override;
  absl::StatusOr<Version> Resolve(const base::ModelRef& ref) override {
    return ResolveBy(ResolveNumber, ref);
  }
  absl::StatusOr<Version> ResolveFloat(const base::ModelRef& ref) override {
    return ResolveBy(ResolveFloatNumber, ref);
  }
  absl::StatusOr<Version> ResolveCheckpoint(std::string_view model, std::string_view job) override {
    return Ask<Version>([&](Session& session) { return CheckpointVersion(session, model, job); });
  }

  absl::StatusOr<Alias> SetAlias(std::string_view model, std::string_view alias, int64_t version,
                                 const AliasChange& change) override;
  absl::StatusOr<Alias> RollbackAlias(std::string_view model, std::string_view alias,
                                      const AliasChange& change) override;
  absl::StatusOr<AliasMoves> ListAliasMoves(std::string_view model, std::string_view alias,
                                            int page_size, std::string_view token) override;
  absl::Status DeleteAlias(std::string_view model, std::string_view alias,
                           const AliasChange& change) override;
  absl::Status DeleteVersion(std::string_view model, int64_t number, Force force) override;
  absl::Status DeleteModel(std::string_view model, Force force) override;
  absl::StatusOr<int64_t> CountModels() override;

 private:
  using Rule = absl::StatusOr<int64_t> (*)(const ModelFacts&, const base::ModelRef&);

  // A transaction that answers a value.
  template <typename T>
  absl::StatusOr<T> Ask(const std::function<absl::StatusOr<T>(Session&)>& fn) {
    absl::StatusOr<T> result = absl::InternalError("not run");
    LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) {
      result = fn(session);
      return result.status();
    }));
    return result;
  }
  absl::StatusOr<Version> ResolveBy(Rule rule, const base::ModelRef& ref);
  absl::StatusOr<Version> Draft(Session& session, const VersionDraft& draft, int64_t number);
  absl::Status CheckUnused(const ModelFacts& facts, int64_t number) const;
  absl::Status RemoveVersion(Session& session, std::string_view model, int64_t number);
  absl::Status RemoveModel(Session& session, std::string_view model);

  store::Database& database_;
  const RegistryLimits limits_;
};

absl::Status DatabaseRegistry::Recover() {
  return database_.Transaction([](Session& session) {
    return session
        .Execute(
            "UPDATE versions SET state = 'FAILED', error = $1 WHERE state = 'CREATING' AND job = "
            "''",
            {std::string("the server stopped while this version was being made")})
        .status();
  });
}

absl::StatusOr<Version> DatabaseRegistry::Draft(Session& session, const VersionDraft& draft,
                                                int64_t number) {
  Version version;
  version.model = draft.model;
  version.number = number;
  version.create_time = absl::FromUnixMicros(session.NowUs());
  version.source_artifact = draft.source_artifact;
  version.parent = draft.parent;
  version.quantized = draft.quantized;
  version.quantization_json = draft.quantization_json;
  version.job = draft.job;
  LBW_RETURN_IF_ERROR(InsertVersion(session, version));
  return version;
}

absl::StatusOr<Version> DatabaseRegistry::CreateModel(const VersionDraft& draft) {
  LBW_RETURN_IF_ERROR(CheckName("model", draft.model));
  if (draft.parent)
    return Invalid("parent", base::reason::kBadArgument, "a model's first version has no parent");
  return Ask<Version>([&](Session& session) -> absl::StatusOr<Version> {
    LBW_ASSIGN_OR_RETURN(const int64_t models, Count(session, "SELECT COUNT(*) FROM models", {}));
    const absl::Status inserted = session
                                      .Execute(
                                          "INSERT INTO models (name, subject, create_us, "
                                          "next_version) VALUES ($1, '', $2, 2)",
                                          {draft.model, session.NowUs()})
                                      .status();
    if (absl::IsAlreadyExists(inserted)) {
      return base::Error(absl::StatusCode::kAlreadyExists, base::reason::kAlreadyExists,
                         base::StrCat(base::ModelName(draft.model), " exists already"));
    }
    LBW_RETURN_IF_ERROR(inserted);
    if (models >= limits_.max_models) return TooMany("models", models, limits_.max_models);
    return Draft(session, draft, 1);
  });
}

absl::StatusOr<Version> DatabaseRegistry::CreateVersion(const VersionDraft& draft) {
  return Ask<Version>([&](Session& session) -> absl::StatusOr<Version> {
    LBW_ASSIGN_OR_RETURN(const ModelFacts facts, ReadFacts(session, draft.model));
    if (draft.parent) LBW_RETURN_IF_ERROR(RequireReady(facts, *draft.parent));
    LBW_ASSIGN_OR_RETURN(const int64_t number, TakeNumber(session, limits_, facts));
    return Draft(session, draft, number);
  });
}

absl::StatusOr<Version> DatabaseRegistry::PublishVersion(const Version& version) {
  LBW_RETURN_IF_ERROR(CheckTexts(limits_, version));
  return Ask<Version>([&](Session& session) -> absl::StatusOr<Version> {
    LBW_ASSIGN_OR_RETURN(const Version drafted,
                         registry::ReadVersion(session, version.model, version.number));
    LBW_RETURN_IF_ERROR(RequireCreating(drafted));
    const std::string owner = base::VersionName(version.model, version.number);
    LBW_RETURN_IF_ERROR(AddReference(session, version.bundle, owner));
    if (!drafted.source_artifact.empty()) {
      LBW_RETURN_IF_ERROR(AddReference(session, drafted.source_artifact, owner));
    }
    Version filled = version;
    filled.state = VersionState::kReady;
    filled.error.clear();
    LBW_ASSIGN_OR_RETURN(Version published, FillVersion(session, filled));
    if (version.number == 1) {
      LBW_RETURN_IF_ERROR(CreateStable(session, limits_, version.model));
    }
    return published;
  });
}

absl::Status DatabaseRegistry::AbandonVersion(std::string_view model, int64_t number) {
  return database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const Version version, registry::ReadVersion(session, model, number));
    LBW_RETURN_IF_ERROR(RequireCreating(version));
    LBW_RETURN_IF_ERROR(RemoveVersion(session, model, number));
    if (number != 1) return absl::OkStatus();
    LBW_ASSIGN_OR_RETURN(const ModelFacts left, ReadFacts(session, model));
    return left.versions.empty() ? RemoveModel(session, model) : absl::OkStatus();
  });
}

absl::StatusOr<Model> DatabaseRegistry::GetModel(std::string_view model) {
  return Ask<Model>([&](Session& session) -> absl::StatusOr<Model> {
    LBW_RETURN_IF_ERROR(RequireModel(session, model));
    LBW_ASSIGN_OR_RETURN(std::vector<Model> models, ReadModels(session, model, model));
    return std::move(models.front());
  });
}

absl::StatusOr<Version> DatabaseRegistry::GetVersion(std::string_view model, int64_t number) {
  return Ask<Version>(
      [&](Session& session) { return registry::ReadVersion(session, model, number); });
}

absl::StatusOr<Registry::ModelPage> DatabaseRegistry::ListModels(int page_size,
                                                                 std::string_view token) {
  if (!token.empty() && !base::IsValidName(token)) return store::BadPageToken();
  const int limit = store::PageLimit(page_size);
  return Ask<ModelPage>([&](Session& session) -> absl::StatusOr<ModelPage> {
    LBW_ASSIGN_OR_RETURN(std::vector<std::string> names, NamesAfter(session, token, limit + 1));
    ModelPage page;
    if (names.empty()) return page;
    if (names.size() > static_cast<size_t>(limit)) {
      names.pop_back();
      page.next_token = names.back();
    }
    LBW_ASSIGN_OR_RETURN(page.models, ReadModels(session, names.front(), names.back()));
    return page;
  });
}

absl::StatusOr<Version> DatabaseRegistry::ResolveBy(Rule rule, const base::ModelRef& ref) {
  return Ask<Version>([&](Session& session) -> absl::StatusOr<Version> {
    LBW_ASSIGN_OR_RETURN(const ModelFacts facts, ReadFacts(session, ref.model));
    LBW_ASSIGN_OR_RETURN(const int64_t number, rule(facts, ref));
    return ReadSummary(session, ref.model, number);
  });
}

absl::StatusOr<Alias> DatabaseRegistry::SetAlias(std::string_view model, std::string_view alias,
                                                 int64_t version, const AliasChange& change) {
  LBW_RETURN_IF_ERROR(CheckAliasChange(alias, change));
  return Ask<Alias>([&](Session& session) {
    return SetAliasRow(session, limits_, {model, alias}, version, change);
  });
}

absl::StatusOr<Alias> DatabaseRegistry::RollbackAlias(std::string_view model,
                                                      std::string_view alias,
                                                      const AliasChange& change) {
  LBW_RETURN_IF_ERROR(CheckMover(change));
  return Ask<Alias>([&](Session& session) {
    return RollbackAliasRow(session, limits_, {model, alias}, change);
  });
}

absl::StatusOr<Registry::AliasMoves> DatabaseRegistry::ListAliasMoves(std::string_view model,
                                                                      std::string_view alias,
                                                                      int page_size,
                                                                      std::string_view token) {
  int64_t before = std::numeric_limits<int64_t>::max();
  if (!token.empty() && (!absl::SimpleAtoi(base::Absl(token), &before) || before < 1))
    return store::BadPageToken();
  const int limit = store::PageLimit(page_size);
  return Ask<AliasMoves>([&](Session& session) -> absl::StatusOr<AliasMoves> {
    LBW_RETURN_IF_ERROR(RequireModel(session, model));
    LBW_ASSIGN_OR_RETURN(std::vector<NumberedMove> moves,
                         ReadMoves(session, {model, alias}, before, limit + 1));
    AliasMoves page;
    if (moves.size() > static_cast<size_t>(limit)) {
      moves.pop_back();
      page.next_token = base::StrCat(moves.back().number);
    }
    for (NumberedMove& numbered : moves) page.moves.push_back(std::move(numbered.move));
    return page;
  });
}

absl::Status DatabaseRegistry::DeleteAlias(std::string_view model, std::string_view alias,
                                           const AliasChange& change) {
  LBW_RETURN_IF_ERROR(CheckMover(change));
  return database_.Transaction([&](Session& session) {
    return DeleteAliasRow(session, limits_, {model, alias}, change);
  });
}

absl::Status DatabaseRegistry::CheckUnused(const ModelFacts& facts, int64_t number) const {
  const std::string name = base::VersionName(facts.model, number);
  for (const auto& [alias, target] : facts.aliases) {
    if (target != number) continue;
    return Precondition(
        base::reason::kInUse,
        base::StrCat(name, " is in use: ", base::AliasName(facts.model, alias), " points at it"));
  }
  for (const auto& [child, version] : facts.versions) {
    if (version.parent != number) continue;
    return Precondition(base::reason::kInUse,
                        base::StrCat(name, " is in use: ", base::VersionName(facts.model, child),
                                     " was made from it"));
  }
  return absl::OkStatus();
}

absl::Status DatabaseRegistry::RemoveVersion(Session& session, std::string_view model,
                                             int64_t number) {
  LBW_ASSIGN_OR_RETURN(const Version version, registry::ReadVersion(session, model, number));
  LBW_RETURN_IF_ERROR(DropReferences(session, base::VersionName(model, number)));
  if (!version.bundle.empty()) LBW_RETURN_IF_ERROR(ReleaseBundle(session, version.bundle));
  LBW_RETURN_IF_ERROR(DeleteAliasesOf(session, limits_, model, number));
  return session
      .Execute("DELETE FROM versions WHERE model = $1 AND number = $2",
               {std::string(model), number})
      .status();
}

absl::Status DatabaseRegistry::RemoveModel(Session& session, std::string_view model) {
  LBW_RETURN_IF_ERROR(DropAliases(session, model));
  return session.Execute("DELETE FROM models WHERE name = $1", {std::string(model)}).status();
}

absl::Status DatabaseRegistry::DeleteVersion(std::string_view model, int64_t number, Force force) {
  return database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const ModelFacts facts, ReadFacts(session, model));
    const auto found = facts.versions.find(number);
    if (found == facts.versions.end()) {
      return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                         base::StrCat("there is no ", base::VersionName(model, number)));
    }
    if (found->second.state == VersionState::kCreating) {
      return Precondition(
          base::reason::kVersionNotReady,
          base::StrCat(base::VersionName(model, number), " is being made: state=CREATING"));
    }
    if (force == Force::kNo) LBW_RETURN_IF_ERROR(CheckUnused(facts, number));
    return RemoveVersion(session, model, number);
  });
}

absl::Status DatabaseRegistry::DeleteModel(std::string_view model, Force force) {
  return database_.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const ModelFacts facts, ReadFacts(session, model));
    if (force == Force::kNo && !facts.versions.empty()) {
      return Precondition(base::reason::kInUse,
                          base::StrCat(base::ModelName(model), " has versions: ",
                                       facts.versions.size(), "; delete them, or use force"));
    }
    LBW_RETURN_IF_ERROR(DropAliases(session, model));
    for (const auto& entry : facts.versions)
      LBW_RETURN_IF_ERROR(RemoveVersion(session, model, entry.first));
    return RemoveModel(session, model);
  });
}

absl::StatusOr<int64_t> DatabaseRegistry::CountModels() {
  return Ask<int64_t>(
      [](Session& session) { return Count(session, "SELECT COUNT(*) FROM models", {}); });
}

}  // namespace

absl::StatusOr<std::unique_ptr<Registry>> OpenRegistry(store::Database& database,
                                                       const RegistryLimits& limits,
                                                       OpenedBy opened_by) {
  auto registry = std::make_unique<DatabaseRegistry>(database, limits);
  if (opened_by == OpenedBy::kServer) LBW_RETURN_IF_ERROR(registry->Recover());
  return registry;
}

}  // namespace lbw::registry
