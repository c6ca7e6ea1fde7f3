#include "rpc/convert_registry.h"

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/convert_job.h"
#include "rpc/json.h"
#include "rpc/names.h"

namespace lbw::rpc {

namespace {

bool IsUndefined(const v1::Evaluation& evaluation) {
  const std::string& metric = evaluation.metric();
  if (metric == "map_50") return evaluation.has_voc() && !evaluation.voc().has_map_50();
  if (metric == "map_coco") return evaluation.has_coco() && !evaluation.coco().has_ap();
  if (metric == "top1") {
    return evaluation.has_classification() && !evaluation.classification().has_top1();
  }
  return false;
}

bool IsOfNothing(const v1::Evaluation& evaluation) {
  const v1::EvaluationTimings& timings = evaluation.timings();
  return evaluation.pictures() == 0 && timings.decode_ms() == 0 && timings.preprocess_ms() == 0 &&
         timings.compute_ms() == 0 && timings.postprocess_ms() == 0;
}

}  // namespace

void DropUndefined(v1::Evaluation* evaluation) {
  if (evaluation->value() == 0 && IsUndefined(*evaluation)) evaluation->clear_value();
  if (!evaluation->has_timings() || !IsOfNothing(*evaluation)) return;
  v1::EvaluationTimings* timings = evaluation->mutable_timings();
  timings->clear_decode_ms();
  timings->clear_preprocess_ms();
  timings->clear_compute_ms();
  timings->clear_postprocess_ms();
}

void ToProto(const registry::Evaluation& evaluation, Detail detail, v1::Evaluation* out) {
  const bool full = detail == Detail::kFull && !evaluation.result_json.empty();
  MergeJson(full ? evaluation.result_json : evaluation.summary_json, out);
  if (detail == Detail::kSummary) DropDetails(out);
  out->set_name(base::EvaluationName(evaluation.id));
  out->set_version(base::VersionName(evaluation.model, evaluation.version));
  out->set_dataset(base::DatasetName(evaluation.dataset));
  if (!evaluation.pack_artifact.empty()) {
    out->set_pack_artifact(base::ArtifactName(evaluation.pack_artifact));
  }
  out->set_split(evaluation.split);
  if (!evaluation.job.empty()) out->set_job(base::JobName(evaluation.job));
  SetTimestamp(evaluation.create_time, out->mutable_create_time());
  if (!out->has_options()) MergeJson(evaluation.options_json, out->mutable_options());
  if (!evaluation.metric.empty()) out->set_metric(evaluation.metric);
  const auto value = evaluation.metrics.find(evaluation.metric);
  out->clear_value();
  if (value != evaluation.metrics.end()) out->set_value(value->second);
  DropUndefined(out);
}

void ToProto(const registry::AliasMove& move, v1::AliasMove* out) {
  out->set_alias(base::AliasName(move.model, move.alias));
  if (move.version.has_value()) out->set_version(base::VersionName(move.model, *move.version));
  if (move.previous.has_value()) out->set_previous(base::VersionName(move.model, *move.previous));
  SetTimestamp(move.move_time, out->mutable_move_time());
  out->set_submitter(move.submitter);
  out->set_comment(move.comment);
  out->set_action(move.action);
  for (const std::string& passed : move.passed) out->add_passed(passed);
}

void ToProto(const registry::Lineage& lineage, v1::Lineage* out) {
  for (const registry::LineageNode& from : lineage.nodes) {
    v1::LineageNode* node = out->add_nodes();
    node->set_name(from.name);
    node->set_kind(from.kind);
    node->set_state(from.state);
    node->set_summary(from.summary);
    if (from.create_time.has_value()) {
      SetTimestamp(*from.create_time, node->mutable_create_time());
    }
    node->set_gone(from.gone);
  }
  for (const registry::LineageEdge& from : lineage.edges) {
    v1::LineageEdge* edge = out->add_edges();
    edge->set_from(from.from);
    edge->set_to(from.to);
    edge->set_relation(from.relation);
  }
  out->set_truncated(lineage.truncated);
}

absl::StatusOr<registry::PromotionRule> FromProto(const v1::PromotionRule& rule,
                                                  std::string_view field) {
  constexpr size_t kMaxNameBytes = 64;
  registry::PromotionRule result;
  LBW_ASSIGN_OR_RETURN(result.dataset,
                       base::ParseDatasetName(rule.dataset(), base::StrCat(field, ".dataset")));
  LBW_RETURN_IF_ERROR(CheckText(rule.split(), kMaxNameBytes, base::StrCat(field, ".split")));
  LBW_RETURN_IF_ERROR(CheckText(rule.metric(), kMaxNameBytes, base::StrCat(field, ".metric")));
  result.metric = rule.metric();
  if (rule.has_min_value()) result.min_value = rule.min_value();
  if (rule.has_max_drop()) result.max_drop = rule.max_drop();
  return result;
}

absl::StatusOr<registry::Evaluations::Query> QueryOf(const v1::ListEvaluationsRequest& request) {
  registry::Evaluations::Query query;
  if (!request.version().empty()) {
    LBW_ASSIGN_OR_RETURN(const base::ModelRef ref,
                         base::ParseModelRef(request.version(), "version"));
    if (ref.alias.has_value()) {
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadName,
                         base::StrCat("version must be \"models/{model}\" or "
                                      "\"models/{model}/versions/{n}\": \"",
                                      request.version(), "\""))
          .Field("version");
    }
    query.model = ref.model;
    query.version = ref.version.value_or(0);
  }
  if (!request.dataset().empty()) {
    LBW_ASSIGN_OR_RETURN(query.dataset, base::ParseDatasetName(request.dataset(), "dataset"));
  }
  return query;
}

}  // namespace lbw::rpc
