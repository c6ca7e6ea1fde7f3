#include "tasks/publish_parts.h"

#include <cstdint>
#include <utility>

#include "absl/time/time.h"
#include "base/io.h"
#include "base/status.h"
#include "base/strings.h"
#include "tasks/evaluate_report.h"
#include "tasks/evaluate_spec.h"
#include "tasks/require_blob.h"

namespace lbw::tasks {
namespace {

constexpr uint64_t kMostBlobBytes = uint64_t{64} << 20;  // of a report

base::Error Lacks(std::string_view what) {
  return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                     base::StrCat("the job's result has no ", what));
}

// Now, as a Timestamp in JSON.
std::string TimeText(int64_t now_us) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6SZ", absl::FromUnixMicros(now_us),
                          absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<std::string> BundleOf(registry::Registry& registry, const base::ModelRef& ref) {
  LBW_ASSIGN_OR_RETURN(const registry::Version version, registry.Resolve(ref));
  return version.bundle;
}

absl::StatusOr<std::string> PackOf(registry::Datasets& datasets, const std::string& name) {
  LBW_ASSIGN_OR_RETURN(const registry::Dataset dataset, datasets.RequireReady(name));
  return dataset.pack_artifact;
}

absl::Status RequireObject(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found != object.end() && found->is_object()) return absl::OkStatus();
  return Lacks(key);
}

absl::StatusOr<Json> TakeMessage(store::BlobStore& blobs, const char* key, const Json& result) {
  LBW_ASSIGN_OR_RETURN(const std::string blob, TextOf(result, "report_blob"));
  if (blob.empty()) {
    LBW_RETURN_IF_ERROR(RequireObject(result, key));
    return result[key];
  }
  LBW_ASSIGN_OR_RETURN(const auto reader, blobs.Open(blob));
  LBW_ASSIGN_OR_RETURN(const std::string text, base::ReadAll(*reader, kMostBlobBytes));
  return ParseObject(text, "the report of a job");
}

absl::Status TakeBundle(store::BlobStore& blobs, const Json& result, registry::MadeVersion& made) {
  LBW_ASSIGN_OR_RETURN(made.bundle, TextOf(result, "bundle"));
  if (made.bundle.empty()) return Lacks("bundle");
  // An older blob of the same content may have been unlinked between the child's word and now.
  LBW_RETURN_IF_ERROR(RequireBlob(blobs, "bundle", made.bundle));
  LBW_ASSIGN_OR_RETURN(const auto reader, blobs.Open(made.bundle));
  made.bundle_bytes = reader->size();
  LBW_ASSIGN_OR_RETURN(const uint64_t told, UnsignedOf(result, "bundle_bytes"));
  if (told == made.bundle_bytes) return absl::OkStatus();
  return base::Error(absl::StatusCode::kDataLoss, base::reason::kDataLoss,
                     base::StrCat("the bundle ", made.bundle, " has ", made.bundle_bytes,
                                  " bytes where its job wrote ", told));
}

absl::Status InsertEvaluation(store::Session& session, const jobs::Job& job,
                              registry::Evaluations& evaluations, const EvaluatedAs& as,
                              Json& report) {
  report["name"] = base::EvaluationName(job.id);
  report["job"] = base::JobName(job.id);
  report["create_time"] = TimeText(session.NowUs());
  registry::Evaluation evaluation;
  evaluation.id = job.id;
  evaluation.model = as.version.model;
  evaluation.version = *as.version.version;
  evaluation.dataset = as.dataset;
  LBW_ASSIGN_OR_RETURN(const std::string pack, TextOf(report, "pack_artifact"));
  LBW_ASSIGN_OR_RETURN(evaluation.pack_artifact, base::ParseArtifactName(pack, "pack_artifact"));
  evaluation.split = as.split;
  evaluation.job = job.id;
  if (as.against.has_value()) {
    evaluation.against = base::VersionName(as.against->model, *as.against->version);
  }
  evaluation.create_time = absl::FromUnixMicros(session.NowUs());
  evaluation.options_json = ComparableOptions(as.options_json);
  LBW_ASSIGN_OR_RETURN(evaluation.metric, TextOf(report, "metric"));
  evaluation.metrics = MetricsOf(report);
  evaluation.summary_json = Dump(Summary(report));
  evaluation.result_json = Dump(report);
  return evaluations.Insert(session, evaluation);
}

}  // namespace lbw::tasks
