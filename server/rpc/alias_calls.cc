// The part of ModelService that moves aliases and tells their history.
#include <string>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/call.h"
#include "rpc/convert.h"
#include "rpc/convert_registry.h"
#include "rpc/job_plan.h"
#include "rpc/json.h"
#include "rpc/model_service.h"
#include "rpc/names.h"
#include "rpc/spec_parts.h"

namespace lbw::rpc {
namespace {

constexpr size_t kMaxCommentBytes = 256;
constexpr int kMaxRules = 16;

absl::Status OtherModel(std::string_view field, std::string_view alias, std::string_view version) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat(field, " belongs to another model: name=", alias, " ", field, "=",
                                  version))
      .Field(field);
}

absl::StatusOr<registry::AliasChange> ChangeOf(std::string_view submitter,
                                               std::string_view comment) {
  LBW_RETURN_IF_ERROR(CheckText(submitter, kMaxSubmitterBytes, "submitter"));
  LBW_RETURN_IF_ERROR(CheckText(comment, kMaxCommentBytes, "comment"));
  registry::AliasChange change;
  change.submitter = std::string(submitter);
  change.comment = std::string(comment);
  return change;
}

// The version that a rule compares with, as it stands now.
absl::StatusOr<int64_t> AgainstOf(registry::Registry& registry, const v1::SetAliasRequest& request,
                                  const AliasId& alias, int index) {
  const std::string field = base::StrCat("require[", index, "].against");
  const std::string& name = request.require(index).against();
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, base::ParseModelRef(name, field));
  if (ref.model != alias.model) return OtherModel(field, request.name(), name);
  if (ref.version.has_value()) return *ref.version;
  LBW_ASSIGN_OR_RETURN(const registry::Version version, registry.Resolve(ref));
  return version.number;
}

// The same error with its fields below another place of the request.
absl::Status Moved(const absl::Status& status, std::string_view from, std::string_view to) {
  return MapFields(status, [&](std::string_view field) {
    const bool below = field.substr(0, from.size()) == from;
    return below ? base::StrCat(to, field.substr(from.size())) : std::string(field);
  });
}

// Which evaluations count: what the rule leaves out is as an evaluation of the version has it.
absl::Status FillIn(const ServiceContext& context, const v1::PromotionRule& asked,
                    std::string_view version, registry::PromotionRule& rule) {
  v1::EvaluateSpec spec;
  spec.set_version(std::string(version));
  spec.set_dataset(asked.dataset());
  spec.set_split(asked.split());
  *spec.mutable_options() = asked.options();
  LBW_ASSIGN_OR_RETURN(const v1::EvaluateSpec filled, FillInEvaluation(context, spec));
  rule.split = filled.split();
  rule.options_json = ToCanonicalJson(filled.options());
  return absl::OkStatus();
}

absl::StatusOr<registry::PromotionRule> RuleOf(const ServiceContext& context,
                                               const v1::SetAliasRequest& request,
                                               const AliasId& alias, int index) {
  const v1::PromotionRule& asked = request.require(index);
  const std::string field = base::StrCat("require[", index, "]");
  LBW_RETURN_IF_ERROR(RefuseUnknownFields(asked, field));
  LBW_ASSIGN_OR_RETURN(registry::PromotionRule rule, FromProto(asked, field));
  if (!asked.against().empty()) {
    LBW_ASSIGN_OR_RETURN(rule.against_version, AgainstOf(*context.registry, request, alias, index));
  }
  LBW_RETURN_IF_ERROR(registry::CheckRule(rule, field));
  const absl::Status filled = FillIn(context, asked, request.version(), rule);
  if (!filled.ok()) return Moved(filled, "spec.evaluate", field);
  return rule;
}

absl::Status SetAliasNow(const ServiceContext& context, const v1::SetAliasRequest& request,
                         v1::Alias* response) {
  LBW_ASSIGN_OR_RETURN(const AliasId alias, ParseAlias(request.name(), "name"));
  LBW_ASSIGN_OR_RETURN(const VersionId version, ParseVersion(request.version(), "version"));
  if (version.model != alias.model) {
    return OtherModel("version", request.name(), request.version());
  }
  LBW_ASSIGN_OR_RETURN(registry::AliasChange change,
                       ChangeOf(request.submitter(), request.comment()));
  if (request.require_size() > kMaxRules) {
    return base::Error(
               absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
               base::StrCat("too many rules: count=", request.require_size(), " limit=", kMaxRules))
        .Field("require");
  }
  for (int i = 0; i < request.require_size(); ++i) {
    LBW_ASSIGN_OR_RETURN(registry::PromotionRule rule, RuleOf(context, request, alias, i));
    change.require.push_back(std::move(rule));
  }
  LBW_ASSIGN_OR_RETURN(
      const registry::Alias moved,
      context.registry->SetAlias(alias.model, alias.alias, version.number, change));
  ToProto(moved, response);
  return absl::OkStatus();
}

absl::Status ListMovesNow(registry::Registry& registry, const v1::ListAliasMovesRequest& request,
                          v1::ListAliasMovesResponse* response) {
  LBW_ASSIGN_OR_RETURN(const AliasId alias, ParseAlias(request.alias(), "alias"));
  LBW_ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  LBW_ASSIGN_OR_RETURN(
      const registry::Registry::AliasMoves page,
      registry.ListAliasMoves(alias.model, alias.alias, page_size, request.page_token()));
  for (const registry::AliasMove& move : page.moves) ToProto(move, response->add_moves());
  response->set_next_page_token(page.next_token);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* ModelService::SetAlias(grpc::CallbackServerContext* context,
                                                 const v1::SetAliasRequest* request,
                                                 v1::Alias* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return SetAliasNow(context_, *request, response);
                  });
}

grpc::ServerUnaryReactor* ModelService::RollbackAlias(grpc::CallbackServerContext* context,
                                                      const v1::RollbackAliasRequest* request,
                                                      v1::Alias* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) -> absl::Status {
                    LBW_ASSIGN_OR_RETURN(const AliasId alias, ParseAlias(request->name(), "name"));
                    LBW_ASSIGN_OR_RETURN(const registry::AliasChange change,
                                         ChangeOf(request->submitter(), request->comment()));
                    LBW_ASSIGN_OR_RETURN(
                        const registry::Alias moved,
                        context_.registry->RollbackAlias(alias.model, alias.alias, change));
                    ToProto(moved, response);
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ModelService::ListAliasMoves(grpc::CallbackServerContext* context,
                                                       const v1::ListAliasMovesRequest* request,
                                                       v1::ListAliasMovesResponse* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return ListMovesNow(*context_.registry, *request, response);
                  });
}

grpc::ServerUnaryReactor* ModelService::DeleteAlias(grpc::CallbackServerContext* context,
                                                    const v1::DeleteAliasRequest* request,
                                                    google::protobuf::Empty*) {
  return RunUnary(context, *context_.short_work,
                  [this, request](const base::CancelToken&) -> absl::Status {
                    LBW_ASSIGN_OR_RETURN(const AliasId alias, ParseAlias(request->name(), "name"));
                    LBW_ASSIGN_OR_RETURN(const registry::AliasChange change,
                                         ChangeOf(request->submitter(), ""));
                    return context_.registry->DeleteAlias(alias.model, alias.alias, change);
                  });
}

}  // namespace lbw::rpc
