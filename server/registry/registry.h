// Models, immutable versions, aliases, and what each version came from.
//
// A version is a bundle (a safetensors blob) and a row. States: CREATING -> READY | FAILED; READY |
// FAILED -> DELETING. A version that is CREATING when the server starts had lost its maker and
// becomes FAILED. Threads: every method may be called concurrently.
#ifndef LBW_REGISTRY_REGISTRY_H_
#define LBW_REGISTRY_REGISTRY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/ids.h"
#include "registry/promotion.h"
#include "store/database.h"

namespace lbw::registry {

enum class VersionState : uint8_t { kCreating, kReady, kFailed, kDeleting };

struct Version {
  std::string model;
  int64_t number = 0;  // from 1, never used again
  VersionState state = VersionState::kCreating;
  absl::Time create_time;
  // sha256 of the imported file; empty for a quantized version and a built-in architecture.
  std::string source_artifact;
  std::optional<int64_t> parent;  // number of the version it was quantized from
  std::string bundle;             // sha256
  uint64_t bundle_bytes = 0;
  bool quantized = false;
  // Opaque to this room: protojson of the API's messages, stored as the caller gave them.
  std::string quantization_json;  // QuantizationOptions; empty for a float version
  std::string report_json;        // QuantizationReport and rule matches; empty for a float version
  std::string spec_json;
  int64_t max_batch = 0;  // 0 = any
  std::string head_kind;
  std::vector<std::string> classes;
  std::string error;
  std::vector<std::string> import_notes;
  std::string job;  // that made it; "" where a call did
};

struct Alias {
  std::string model;
  std::string alias;
  int64_t version = 0;
  absl::Time update_time;
};

struct Model {
  std::string name;
  absl::Time create_time;
  std::vector<Alias> aliases;     // by name
  std::vector<Version> versions;  // newest first, without report_json
};

// What a version that is being made already knows.
struct VersionDraft {
  std::string model;
  std::string source_artifact;
  std::optional<int64_t> parent;
  bool quantized = false;
  std::string quantization_json;
  std::string job;  // such a version stays CREATING when the server starts: its job goes on
};

// A version that a job made of another.
struct MadeVersion {
  std::string model;
  int64_t parent = 0;
  absl::Time parent_seen;  // a parent that is younger is not the one that the job read
  bool quantized = true;
  std::string bundle;  // sha256
  uint64_t bundle_bytes = 0;
  std::string quantization_json;
  std::string report_json;
  std::string job;
};

// Who moves an alias, and on what condition.
struct AliasChange {
  std::vector<PromotionRule> require;  // all must hold, in the transaction that moves it
  std::string submitter;
  std::string comment;  // at most 256 characters
};

// One entry of an alias's history.
struct AliasMove {
  std::string model;
  std::string alias;
  std::optional<int64_t> version;   // unset: deleted
  std::optional<int64_t> previous;  // unset: it was new
  absl::Time move_time;
  std::string action;  // "create", "set", "rollback", "delete"
  std::string submitter;
  std::string comment;
  std::vector<std::string> passed;  // what was required and found
};

class Registry {
 public:
  virtual ~Registry() = default;

  // Makes the model and its version 1 (CREATING). Errors: kInvalidArgument, BAD_NAME;
  // kAlreadyExists; kResourceExhausted, LIMIT_EXCEEDED - too many models.
  virtual absl::StatusOr<Version> CreateModel(const VersionDraft& draft) = 0;
  // Adds the next version (CREATING). Errors: kNotFound - no such model or parent;
  // kFailedPrecondition, VERSION_NOT_READY - the parent; kResourceExhausted, LIMIT_EXCEEDED.
  virtual absl::StatusOr<Version> CreateVersion(const VersionDraft& draft) = 0;
  // CREATING -> READY with everything filled in but what the draft told (source_artifact, parent,
  // quantized stay as drafted). The bundle and the source must be stored artifacts; the version
  // references both from here on, so that they cannot be deleted. Version 1 also gets the alias
  // "stable". Errors: kNotFound; kFailedPrecondition, VERSION_NOT_READY - it is not CREATING;
  // kFailedPrecondition, NOT_FOUND - an artifact is not there; kInvalidArgument, LIMIT_EXCEEDED.
  virtual absl::StatusOr<Version> PublishVersion(const Version& version) = 0;
  // Gives up a version that could not be made: its row goes away, and the model's too when it was
  // created for it. Errors: kNotFound; kFailedPrecondition, VERSION_NOT_READY - it is not CREATING.
  virtual absl::Status AbandonVersion(std::string_view model, int64_t number) = 0;
  // The next version of the model, READY at once, inside the transaction that ends the job which
  // made it. Spec, classes, head and batch are the parent's. Makes the row of the bundle, whose
  // blob is durable and held by the caller; the version references it. Errors:
  // kFailedPrecondition, NOT_FOUND - the parent was deleted (it does not matter whether another
  // has its name since); kFailedPrecondition, VERSION_NOT_READY - the parent;
  // kResourceExhausted and kInvalidArgument, LIMIT_EXCEEDED.
  virtual absl::StatusOr<Version> AddReadyVersion(store::Session& session,
                                                  const MadeVersion& made) = 0;

  virtual absl::StatusOr<Model> GetModel(std::string_view model) = 0;
  virtual absl::StatusOr<Version> GetVersion(std::string_view model, int64_t number) = 0;
  struct ModelPage {
    std::vector<Model> models;  // by name
    std::string next_token;
  };
  // page_size at most 1000, 100 where it is not positive. Errors: kInvalidArgument - a token not
  // ours.
  virtual absl::StatusOr<ModelPage> ListModels(int page_size, std::string_view token) = 0;

  // What a call means: the version itself; the alias's; for a name alone "stable", else the newest
  // READY float version. Without report_json: every Detect asks this, and a report may be long.
  // Errors: kNotFound; kFailedPrecondition, VERSION_NOT_READY.
  virtual absl::StatusOr<Version> Resolve(const base::ModelRef& ref) = 0;
  // Where quantizing starts: like Resolve, but a name or an alias that leads to a quantized version
  // means its float ancestor. Errors: as Resolve; kFailedPrecondition, ALREADY_QUANTIZED - a
  // quantized version named outright (the message names the ancestor).
  virtual absl::StatusOr<Version> ResolveFloat(const base::ModelRef& ref) = 0;

  // Errors: kNotFound; kInvalidArgument, BAD_NAME, or RESERVED - "job-..."; kFailedPrecondition,
  // VERSION_NOT_READY; kResourceExhausted, LIMIT_EXCEEDED - too many aliases; those of CheckRule
  // and Judge. Setting what stands already moves nothing and writes no history (the rules are
  // judged).
  virtual absl::StatusOr<Alias> SetAlias(std::string_view model, std::string_view alias,
                                         int64_t version, const AliasChange& change) = 0;
  absl::StatusOr<Alias> SetAlias(std::string_view model, std::string_view alias, int64_t version) {
    return SetAlias(model, alias, version, AliasChange{});
  }
  // Back to what it pointed at before its last move; a second rollback goes one further. That move
  // may be its deletion, which is undone; the move that made it is not. change's rules are not
  // looked at. Errors: kNotFound; kFailedPrecondition - NO_PREVIOUS (it never pointed
  // elsewhere), VERSION_NOT_READY (that version is gone or not READY).
  virtual absl::StatusOr<Alias> RollbackAlias(std::string_view model, std::string_view alias,
                                              const AliasChange& change) = 0;
  struct AliasMoves {
    std::vector<AliasMove> moves;  // newest first
    std::string next_token;
  };
  // Also of an alias that was deleted. Errors: kNotFound - the model; kInvalidArgument - the token.
  virtual absl::StatusOr<AliasMoves> ListAliasMoves(std::string_view model, std::string_view alias,
                                                    int page_size, std::string_view token) = 0;
  virtual absl::Status DeleteAlias(std::string_view model, std::string_view alias,
                                   const AliasChange& change) = 0;
  absl::Status DeleteAlias(std::string_view model, std::string_view alias) {
    return DeleteAlias(model, alias, AliasChange{});
  }
  // Errors: kNotFound; kFailedPrecondition, IN_USE - an alias points at it, or a version was made
  // from it (kYes: neither matters, the aliases go too); kFailedPrecondition, VERSION_NOT_READY -
  // it is being made. Its bundle is marked for the store's next sweep when nothing else references
  // it.
  enum class Force { kNo, kYes };
  virtual absl::Status DeleteVersion(std::string_view model, int64_t number, Force force) = 0;
  // Errors: kNotFound; kFailedPrecondition, IN_USE - it has versions (kYes: they go too).
  virtual absl::Status DeleteModel(std::string_view model, Force force) = 0;

  // The newest checkpoint of a job that trains the model and has not ended, as what is served by
  // "models/M/aliases/job-ID": number 0, `job`, `bundle` the checkpoint's blob; no row stands
  // behind it. Errors: kNotFound - no such job, or it trains another model; kFailedPrecondition,
  // WRONG_STATE - it trains nothing, has ended (names the version that it made) or has no
  // checkpoint yet.
  virtual absl::StatusOr<Version> ResolveCheckpoint(std::string_view model,
                                                    std::string_view job) = 0;

  virtual absl::StatusOr<int64_t> CountModels() = 0;
};

struct RegistryLimits {
  int64_t max_models = 10'000;
  int64_t max_versions_per_model = 1'000;
  int64_t max_aliases_per_model = 100;
  int64_t max_moves_per_model = 10'000;      // history of all its aliases; the oldest go
  size_t max_text_bytes = size_t{64} << 20;  // a version's spec, report and other texts together
};

// database is borrowed. kServer runs recovery (CREATING without a job -> FAILED); kWorker shares
// the database with a server and does not.
enum class OpenedBy : uint8_t { kServer, kWorker };
absl::StatusOr<std::unique_ptr<Registry>> OpenRegistry(store::Database& database,
                                                       const RegistryLimits& limits,
                                                       OpenedBy opened_by = OpenedBy::kServer);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_REGISTRY_H_
