#include "registry/ready_version.h"

#include <cstddef>
#include <string>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "registry/registry_rows.h"
#include "store/artifact_rows.h"

namespace lbw::registry {
namespace {

using store::Session;

size_t TextBytes(const Version& version) {
  size_t bytes = version.quantization_json.size() + version.report_json.size() +
                 version.spec_json.size() + version.head_kind.size() + version.error.size();
  for (const std::string& text : version.classes) bytes += text.size();
  for (const std::string& text : version.import_notes) bytes += text.size();
  return bytes;
}

absl::Status PutBundle(Session& session, const Version& version) {
  store::ArtifactRow row;
  row.artifact.sha256 = version.bundle;
  row.artifact.size_bytes = version.bundle_bytes;
  row.artifact.format = BundleFormat(version);
  row.artifact.display_name = BundleDisplayName(version);
  row.origin = store::ArtifactOrigin::kBundle;
  LBW_RETURN_IF_ERROR(store::PutArtifact(session, row).status());
  return AddReference(session, version.bundle, base::VersionName(version.model, version.number));
}

absl::Status ParentIsGone(const MadeVersion& made) {
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kNotFound,
                     base::StrCat(base::VersionName(made.model, made.parent),
                                  ", which the new version was made of, was deleted meanwhile"));
}

absl::StatusOr<ModelFacts> FactsOf(Session& session, const MadeVersion& made) {
  absl::StatusOr<ModelFacts> facts = ReadFacts(session, made.model);
  if (absl::IsNotFound(facts.status())) return ParentIsGone(made);
  return facts;
}

absl::StatusOr<Version> ParentOf(Session& session, const ModelFacts& facts,
                                 const MadeVersion& made) {
  const absl::Status ready = RequireReady(facts, made.parent);
  if (absl::IsNotFound(ready)) return ParentIsGone(made);
  LBW_RETURN_IF_ERROR(ready);
  LBW_ASSIGN_OR_RETURN(Version parent, ReadSummary(session, made.model, made.parent));
  // A model that was deleted and made anew counts from 1 again.
  if (parent.create_time > made.parent_seen) return ParentIsGone(made);
  return parent;
}

}  // namespace

std::string BundleDisplayName(const Version& version) {
  return base::StrCat(version.model, "-", version.number, ".safetensors");
}

store::ArtifactFormat BundleFormat(const Version& version) {
  return version.quantized ? store::ArtifactFormat::kPackedSafetensors
                           : store::ArtifactFormat::kSafetensors;
}

absl::Status CheckTexts(const RegistryLimits& limits, const Version& version) {
  const size_t bytes = TextBytes(version);
  if (bytes <= limits.max_text_bytes) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                     base::StrCat("the version's texts are too long: bytes=", bytes,
                                  " limit=", limits.max_text_bytes))
      .Field("version");
}

absl::StatusOr<int64_t> TakeNumber(Session& session, const RegistryLimits& limits,
                                   const ModelFacts& facts) {
  const auto versions = static_cast<int64_t>(facts.versions.size());
  if (versions >= limits.max_versions_per_model) {
    return TooMany(base::StrCat("versions of ", base::ModelName(facts.model)), versions,
                   limits.max_versions_per_model);
  }
  LBW_ASSIGN_OR_RETURN(
      const int64_t number,
      Count(session, "SELECT next_version FROM models WHERE name = $1", {facts.model}));
  LBW_RETURN_IF_ERROR(
      session
          .Execute("UPDATE models SET next_version = $2 WHERE name = $1", {facts.model, number + 1})
          .status());
  return number;
}

absl::StatusOr<Version> AddReadyVersionRow(Session& session, const RegistryLimits& limits,
                                           const MadeVersion& made) {
  LBW_ASSIGN_OR_RETURN(const ModelFacts facts, FactsOf(session, made));
  LBW_ASSIGN_OR_RETURN(Version version, ParentOf(session, facts, made));
  version.parent = made.parent;
  version.source_artifact.clear();
  version.import_notes.clear();
  version.bundle = made.bundle;
  version.bundle_bytes = made.bundle_bytes;
  version.quantized = made.quantized;
  version.quantization_json = made.quantization_json;
  version.report_json = made.report_json;
  version.job = made.job;
  version.create_time = absl::FromUnixMicros(session.NowUs());
  LBW_RETURN_IF_ERROR(CheckTexts(limits, version));
  LBW_ASSIGN_OR_RETURN(version.number, TakeNumber(session, limits, facts));
  LBW_RETURN_IF_ERROR(InsertVersion(session, version));
  LBW_RETURN_IF_ERROR(PutBundle(session, version));
  return FillVersion(session, version);
}

}  // namespace lbw::registry
