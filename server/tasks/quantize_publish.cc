#include "tasks/quantize_publish.h"

#include <array>
#include <cstdint>
#include <functional>
#include <utility>

#include "base/ids.h"
#include "base/io.h"
#include "base/status.h"
#include "base/strings.h"
#include "tasks/compare_spec.h"
#include "tasks/quantize_spec.h"
#include "tasks/report_size.h"
#include "tasks/require_blob.h"

namespace lbw::tasks {
namespace {

constexpr uint64_t kMostBlobBytes = uint64_t{64} << 20;  // of a report
constexpr size_t kMostComparisonBytes = size_t{8} << 20;

absl::StatusOr<std::string> BundleOf(registry::Registry& registry, const base::ModelRef& ref) {
  LBW_ASSIGN_OR_RETURN(const registry::Version version, registry.Resolve(ref));
  return version.bundle;
}

absl::StatusOr<std::string> PackOf(registry::Datasets& datasets, const std::string& name) {
  LBW_ASSIGN_OR_RETURN(const registry::Dataset dataset, datasets.RequireReady(name));
  return dataset.pack_artifact;
}

base::Error Lacks(std::string_view what) {
  return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                     base::StrCat("the job's result has no ", what));
}

absl::Status RequireObject(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found != object.end() && found->is_object()) return absl::OkStatus();
  return Lacks(key);
}

// The message under the key, also where a blob stands for it.
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

// The digest and the bytes of what the child made.
absl::Status ReadBundle(store::BlobStore& blobs, const Json& result, registry::MadeVersion& made) {
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

// What a version keeps: ModelVersion with these fields alone.
std::string ReportText(const Json& quantization, const Json& rule_matches) {
  Json report;
  report["calibration"] = quantization["calibration"];
  report["report"] = quantization["report"];
  report["rule_matches"] = rule_matches;
  return Dump(report);
}

// Leaves out lists, the longest first, until the text fits; the version has them all.
void ShrinkQuantization(Json& quantization) {
  Json& calibration = quantization["calibration"];
  const auto drop_widths = [&calibration] {
    const auto layers = calibration.find("layers");
    if (layers == calibration.end() || !layers->is_array()) return;
    for (Json& layer : *layers) {
      if (layer.is_object()) layer.erase("widths");
    }
  };
  const std::array<std::pair<const char*, std::function<void()>>, 4> steps = {
      {{"report.tensors", [&quantization] { quantization["report"].erase("tensors"); }},
       {"calibration.layers.widths", drop_widths},
       {"calibration.activations", [&calibration] { calibration.erase("activations"); }},
       {"calibration.layers", [&calibration] { calibration.erase("layers"); }}}};
  for (const auto& [what, drop] : steps) {
    if (Dump(quantization).size() <= kMostReportBytes) return;
    drop();
    Json& notes = calibration["notes"];
    if (!notes.is_array()) notes = Json::array();
    notes.push_back(
        base::StrCat("too long for a job's result: without ", what, ", which the version has"));
  }
}

}  // namespace

absl::StatusOr<std::string> PrepareQuantize(const jobs::Job& job, registry::Registry& registry,
                                            registry::Datasets& datasets) {
  LBW_ASSIGN_OR_RETURN(const QuantizeSpec spec, ParseQuantizeSpec(job.spec_json));
  Json inputs;
  LBW_ASSIGN_OR_RETURN(inputs["bundle"], BundleOf(registry, spec.version));
  LBW_ASSIGN_OR_RETURN(inputs["pack"], PackOf(datasets, spec.calibration.dataset));
  if (!spec.measure.skip) {
    LBW_ASSIGN_OR_RETURN(inputs["measure_pack"], PackOf(datasets, spec.measure.dataset));
  }
  return Dump(inputs);
}

absl::StatusOr<std::string> PrepareCompare(const jobs::Job& job, registry::Registry& registry,
                                           registry::Datasets& datasets) {
  LBW_ASSIGN_OR_RETURN(const CompareSpec spec, ParseCompareSpec(job.spec_json));
  Json inputs;
  LBW_ASSIGN_OR_RETURN(inputs["bundle"], BundleOf(registry, spec.version));
  LBW_ASSIGN_OR_RETURN(inputs["reference_bundle"], BundleOf(registry, spec.reference));
  LBW_ASSIGN_OR_RETURN(inputs["pack"], PackOf(datasets, spec.dataset));
  return Dump(inputs);
}

absl::Status ApplyQuantize(store::Session& session, const jobs::Job& job,
                           registry::Registry& registry, store::BlobStore& blobs, Json& result) {
  LBW_ASSIGN_OR_RETURN(const QuantizeSpec spec, ParseQuantizeSpec(job.spec_json));
  LBW_ASSIGN_OR_RETURN(Json quantization, TakeMessage(blobs, "quantization", result));
  LBW_RETURN_IF_ERROR(RequireObject(quantization, "report"));
  LBW_RETURN_IF_ERROR(RequireObject(quantization, "calibration"));
  LBW_RETURN_IF_ERROR(RequireObject(result, "options"));
  Json rule_matches = result.value("rule_matches", Json::array());
  if (const auto found = quantization.find("rule_matches"); found != quantization.end()) {
    rule_matches = *found;
    quantization.erase("rule_matches");
  }
  registry::MadeVersion made;
  made.model = spec.version.model;
  made.parent = *spec.version.version;
  made.parent_seen = job.create_time;
  LBW_RETURN_IF_ERROR(ReadBundle(blobs, result, made));
  made.quantization_json = Dump(result["options"]);
  made.report_json = ReportText(quantization, rule_matches);
  made.job = job.id;
  LBW_ASSIGN_OR_RETURN(const registry::Version version, registry.AddReadyVersion(session, made));
  quantization["version"] = base::VersionName(version.model, version.number);
  ShrinkQuantization(quantization);
  // The job keeps the API's JobResult; what the child told beside it was for this room.
  result = Json::object();
  result["quantization"] = std::move(quantization);
  return absl::OkStatus();
}

absl::Status ApplyCompare(const jobs::Job& job, store::BlobStore& blobs, Json& result) {
  LBW_ASSIGN_OR_RETURN(const CompareSpec spec, ParseCompareSpec(job.spec_json));
  LBW_ASSIGN_OR_RETURN(Json comparison, TakeMessage(blobs, "comparison", result));
  comparison["version"] = base::VersionName(spec.version.model, *spec.version.version);
  comparison["reference"] = base::VersionName(spec.reference.model, *spec.reference.version);
  const size_t bytes = Dump(comparison).size();
  if (bytes > kMostComparisonBytes) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("the comparison is too long to keep: bytes=", bytes,
                                    " limit=", kMostComparisonBytes));
  }
  result = Json::object();
  result["comparison"] = std::move(comparison);
  return absl::OkStatus();
}

}  // namespace lbw::tasks
