#include "rpc/calibration_plan.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "registry/registry.h"
#include "rpc/compare_job_spec.h"
#include "rpc/plan_parts.h"
#include "rpc/quantize_job_spec.h"
#include "rpc/spec_parts.h"
#include "tasks/estimate.h"

namespace lbw::rpc {
namespace {

absl::StatusOr<QuantizeFacts> ReadFacts(const ServiceContext& context,
                                        const v1::QuantizeSpec& spec) {
  QuantizeFacts facts;
  facts.threads = context.limits.job_threads;
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref,
                       base::ParseModelRef(spec.version(), "spec.quantize.version"));
  LBW_ASSIGN_OR_RETURN(facts.version, context.registry->ResolveFloat(ref));
  LBW_ASSIGN_OR_RETURN(facts.dataset, ReadDataset(context, spec.calibration().dataset(),
                                                  "spec.quantize.calibration.dataset"));
  if (!spec.measure().skip()) {
    facts.measure = facts.dataset;
    if (!spec.measure().dataset().empty()) {
      LBW_ASSIGN_OR_RETURN(facts.measure, ReadDataset(context, spec.measure().dataset(),
                                                      "spec.quantize.measure.dataset"));
    }
  }
  LBW_ASSIGN_OR_RETURN(facts.outline, ReadOutline(*context.artifacts, facts.version.bundle));
  return facts;
}

// Networks that are measured: the float one, the nearest codes, the calibrated ones, and what is
// tried on the way.
int NetworksOf(const v1::QuantizeSpec& spec) {
  constexpr int kAlways = 3;
  return kAlways + spec.mu().ratios_size() +
         (spec.widths().has_max_drop() ? spec.widths().bits_size() : 0);
}

// The version's own float ancestor.
absl::StatusOr<registry::Version> FloatAncestor(registry::Registry& registry,
                                                registry::Version version) {
  if (!version.quantized) {
    return BadArgument(
        base::StrCat("reference is needed: ", base::VersionName(version.model, version.number),
                     " is float itself"),
        "spec.compare.reference");
  }
  while (version.quantized) {
    if (!version.parent.has_value()) {
      return BadArgument(
          base::StrCat("reference is needed: ", base::VersionName(version.model, version.number),
                       " has no float ancestor"),
          "spec.compare.reference");
    }
    LBW_ASSIGN_OR_RETURN(version, registry.Resolve({version.model, version.parent, std::nullopt}));
  }
  return version;
}

absl::StatusOr<CompareFacts> ReadFacts(const ServiceContext& context, const v1::CompareSpec& spec) {
  CompareFacts facts;
  facts.threads = context.limits.job_threads;
  LBW_ASSIGN_OR_RETURN(facts.version,
                       ResolveVersion(*context.registry, spec.version(), "spec.compare.version"));
  if (spec.reference().empty()) {
    LBW_ASSIGN_OR_RETURN(facts.reference, FloatAncestor(*context.registry, facts.version));
  } else {
    LBW_ASSIGN_OR_RETURN(facts.reference, ResolveVersion(*context.registry, spec.reference(),
                                                         "spec.compare.reference"));
  }
  LBW_ASSIGN_OR_RETURN(facts.dataset, ReadDataset(context, spec.dataset(), "spec.compare.dataset"));
  LBW_ASSIGN_OR_RETURN(facts.model_spec, model::ParseSpec(facts.version.spec_json));
  return facts;
}

}  // namespace

absl::StatusOr<JobPlan> PlanQuantize(const ServiceContext& context,
                                     const v1::CreateJobRequest& request) {
  const v1::QuantizeSpec& asked = request.spec().quantize();
  LBW_ASSIGN_OR_RETURN(QuantizeFacts facts, ReadFacts(context, asked));
  LBW_ASSIGN_OR_RETURN(const v1::QuantizeSpec filled, FillIn(asked, facts));
  JobPlan plan;
  LBW_ASSIGN_OR_RETURN(plan.draft, DraftOf(request, filled, facts));
  LBW_ASSIGN_OR_RETURN(plan.datasets.emplace_back(), PlannedDataset(facts.dataset));
  if (facts.measure.has_value()) {
    LBW_ASSIGN_OR_RETURN(plan.datasets.emplace_back(), PlannedDataset(*facts.measure));
  }
  tasks::QuantizeEstimateInput input;
  input.bundle_bytes = facts.version.bundle_bytes;
  input.pictures = CalibrationPicturesOf(filled, facts);
  input.positions = filled.calibration().positions();
  input.sweeps = static_cast<int>(filled.calibration().sweeps());
  input.widths = std::max(filled.widths().bits_size(), 1);
  input.measured = MeasuredPicturesOf(filled, facts);
  input.networks = NetworksOf(filled);
  input.threads = filled.calibration().threads() > 0
                      ? static_cast<int>(filled.calibration().threads())
                      : facts.threads;
  // Also what the spec was checked against: it is read once.
  plan.estimate = [input, outline = std::move(facts.outline)] {
    tasks::QuantizeEstimateInput of_model = input;
    of_model.model = &outline;
    return tasks::EstimateQuantization(of_model);
  };
  return plan;
}

absl::StatusOr<JobPlan> PlanCompare(const ServiceContext& context,
                                    const v1::CreateJobRequest& request) {
  const v1::CompareSpec& asked = request.spec().compare();
  LBW_ASSIGN_OR_RETURN(const CompareFacts facts, ReadFacts(context, asked));
  LBW_ASSIGN_OR_RETURN(const v1::CompareSpec filled, FillIn(asked, facts));
  JobPlan plan;
  LBW_ASSIGN_OR_RETURN(plan.draft, DraftOf(request, filled, facts));
  LBW_ASSIGN_OR_RETURN(plan.datasets.emplace_back(), PlannedDataset(facts.dataset));
  tasks::CompareEstimateInput input;
  input.bundle_bytes = facts.version.bundle_bytes + facts.reference.bundle_bytes;
  input.pictures = PicturesOf(filled, facts.dataset);
  input.threads = static_cast<int>(filled.options().threads());
  plan.estimate = [input, artifacts = context.artifacts,
                   bundle = facts.version.bundle]() -> absl::StatusOr<tasks::Estimate> {
    LBW_ASSIGN_OR_RETURN(const model::Model outline, ReadOutline(*artifacts, bundle));
    tasks::CompareEstimateInput of_model = input;
    of_model.model = &outline;
    return tasks::EstimateComparison(of_model);
  };
  return plan;
}

}  // namespace lbw::rpc
