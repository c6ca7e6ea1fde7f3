// Between the API's messages and room registry's evaluations, promotion rules, alias moves and
// lineage. Pure.
#ifndef LBW_RPC_CONVERT_REGISTRY_H_
#define LBW_RPC_CONVERT_REGISTRY_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lbw/v1/model.pb.h"
#include "registry/evaluations.h"
#include "registry/lineage.h"
#include "registry/promotion.h"
#include "registry/registry.h"
#include "rpc/convert.h"

namespace lbw::rpc {

// kFull: with curves and confusion, which only Evaluations::Get reads.
void ToProto(const registry::Evaluation& evaluation, Detail detail, v1::Evaluation* out);
void ToProto(const registry::AliasMove& move, v1::AliasMove* out);
void ToProto(const registry::Lineage& lineage, v1::Lineage* out);

// Leaves out figures that a row keeps as 0 though nothing defined them: the value of a metric that
// the evaluation has no number for, milliseconds a picture of no pictures.
void DropUndefined(v1::Evaluation* evaluation);

// Everything but against_version, split and options_json, which need the registry's facts;
// registry::CheckRule judges figures.
// field: "require[0]". Errors: kInvalidArgument, BAD_NAME - dataset; BAD_ARGUMENT - split, metric.
absl::StatusOr<registry::PromotionRule> FromProto(const v1::PromotionRule& rule,
                                                  std::string_view field);

// Errors: kInvalidArgument, BAD_NAME - neither empty, a model nor a version; neither empty nor a
// dataset.
absl::StatusOr<registry::Evaluations::Query> QueryOf(const v1::ListEvaluationsRequest& request);

}  // namespace lbw::rpc

#endif  // LBW_RPC_CONVERT_REGISTRY_H_
