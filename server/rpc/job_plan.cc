#include "rpc/job_plan.h"

#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "lbw/v1/evaluation.pb.h"
#include "registry/datasets.h"
#include "registry/evaluations.h"
#include "registry/registry.h"
#include "rpc/calibration_plan.h"
#include "rpc/convert_registry.h"
#include "rpc/job_spec.h"
#include "rpc/plan_parts.h"
#include "rpc/training_plan.h"

namespace lbw::rpc {
namespace {

constexpr int kMeasuredAtMost = 20;  // the newest evaluations say enough

absl::StatusOr<EvaluateFacts> ReadFacts(const ServiceContext& context,
                                        const v1::EvaluateSpec& spec) {
  EvaluateFacts facts;
  facts.threads = context.limits.job_threads;
  LBW_ASSIGN_OR_RETURN(facts.version,
                       ResolveVersion(*context.registry, spec.version(), "spec.evaluate.version"));
  if (!spec.against().empty()) {
    LBW_ASSIGN_OR_RETURN(
        facts.against, ResolveVersion(*context.registry, spec.against(), "spec.evaluate.against"));
  }
  LBW_ASSIGN_OR_RETURN(facts.dataset,
                       ReadDataset(context, spec.dataset(), "spec.evaluate.dataset"));
  LBW_ASSIGN_OR_RETURN(facts.model_spec, model::ParseSpec(facts.version.spec_json));
  return facts;
}

std::vector<double> MeasuredMs(registry::Evaluations& evaluations, const registry::Version& version,
                               uint32_t threads) {
  registry::Evaluations::Query query;
  query.model = version.model;
  query.version = version.number;
  const auto page = evaluations.List(query, kMeasuredAtMost, "");
  std::vector<double> measured;
  if (!page.ok()) return measured;  // an estimate is not worth an error
  for (const registry::Evaluation& row : page->evaluations) {
    v1::Evaluation evaluation;
    ToProto(row, Detail::kSummary, &evaluation);
    const v1::EvaluationTimings& timings = evaluation.timings();
    const double ms = timings.decode_ms() + timings.preprocess_ms() + timings.compute_ms() +
                      timings.postprocess_ms();
    if (ms > 0 && timings.threads() == threads) measured.push_back(ms);
  }
  return measured;
}

absl::StatusOr<JobPlan> PlanEvaluate(const ServiceContext& context,
                                     const v1::CreateJobRequest& request) {
  const v1::EvaluateSpec& asked = request.spec().evaluate();
  LBW_ASSIGN_OR_RETURN(const EvaluateFacts facts, ReadFacts(context, asked));
  LBW_ASSIGN_OR_RETURN(const v1::EvaluateSpec filled, FillIn(asked, facts));
  JobPlan plan;
  LBW_ASSIGN_OR_RETURN(plan.draft, DraftOf(request, filled, facts));
  LBW_ASSIGN_OR_RETURN(plan.datasets.emplace_back(), PlannedDataset(facts.dataset));
  tasks::EstimateInput input;
  input.bundle_bytes = facts.version.bundle_bytes;
  input.pictures = PicturesOf(filled, facts.dataset);
  input.threads = static_cast<int>(filled.options().threads());
  input.measured_ms = MeasuredMs(*context.evaluations, facts.version, filled.options().threads());
  plan.estimate = [input, artifacts = context.artifacts,
                   bundle = facts.version.bundle]() -> absl::StatusOr<tasks::Estimate> {
    LBW_ASSIGN_OR_RETURN(const model::Model outline, ReadOutline(*artifacts, bundle));
    tasks::EstimateInput of_model = input;
    of_model.model = &outline;
    return tasks::EstimateEvaluation(of_model);
  };
  return plan;
}

}  // namespace

absl::StatusOr<JobPlan> PlanJob(const ServiceContext& context,
                                const v1::CreateJobRequest& request) {
  LBW_RETURN_IF_ERROR(CheckCreateRequest(request));
  if (request.spec().has_quantize()) return PlanQuantize(context, request);
  if (request.spec().has_compare()) return PlanCompare(context, request);
  if (request.spec().has_train()) return PlanTrain(context, request);
  if (request.spec().has_fine_tune()) return PlanFineTune(context, request);
  return PlanEvaluate(context, request);
}

absl::StatusOr<v1::EvaluateSpec> FillInEvaluation(const ServiceContext& context,
                                                  const v1::EvaluateSpec& asked) {
  LBW_ASSIGN_OR_RETURN(const EvaluateFacts facts, ReadFacts(context, asked));
  return FillIn(asked, facts);
}

absl::Status CheckStillThere(store::Session& session, const JobPlan& plan) {
  for (const JobPlan::Dataset& planned : plan.datasets) {
    LBW_ASSIGN_OR_RETURN(const registry::Dataset now,
                         registry::RequireReadyDataset(session, planned.name));
    if (now.pack_artifact == planned.pack) continue;
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kDatasetNotReady,
                       base::StrCat(base::DatasetName(planned.name),
                                    " was made anew while the job was being created: pack=",
                                    planned.pack, " now=", now.pack_artifact, "; ask again"));
  }
  return absl::OkStatus();
}

jobs::Job PreviewOf(const jobs::JobDraft& draft) {
  jobs::Job job;
  job.kind = draft.kind;
  job.spec_json = draft.spec_json;
  job.submitter = draft.submitter;
  job.request_id = draft.request_id;
  job.priority = draft.priority;
  job.labels = draft.labels;
  job.estimate_json = draft.estimate_json;
  job.uses = draft.uses;
  return job;
}

}  // namespace lbw::rpc
