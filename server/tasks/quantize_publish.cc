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
#include "tasks/publish_parts.h"
#include "tasks/quantize_spec.h"
#include "tasks/report_size.h"

namespace lbw::tasks {
namespace {

constexpr size_t kMostComparisonBytes = size_t{8} << 20;

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
  LBW_RETURN_IF_ERROR(TakeBundle(blobs, result, made));
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
