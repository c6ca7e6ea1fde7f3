#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <vector>

#include "absl/strings/str_join.h"
#include "base/strings.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/evaluation_view.h"
#include "client/cpp/names.h"
#include "client/cpp/promotion.h"
#include "client/cpp/table.h"
#include "client/cpp/watch.h"
#include "google/protobuf/empty.pb.h"
#include "lbw/v1/dataset.grpc.pb.h"
#include "lbw/v1/model.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw model alias face stable 2     'face' alone now means version 2
  lbw model alias face stable 2 --require dataset=faces,min=0.85
      only if the newest evaluation of version 2 on the dataset reaches it
  lbw model alias face stable 3 --require dataset=faces,max-drop=0.01,against=1 --evaluate
      at most 0.01 below version 1; evaluations that are missing are run first
  lbw model rollback face stable    back to what it was before its last move
  lbw model history face stable
  lbw model alias face canary --delete)";

struct AliasArguments {
  std::string model;
  std::string alias;
  std::string version;
  std::vector<std::string> require;
  std::string comment;
  bool evaluate = false;
  bool remove = false;
};

absl::Status InvalidArgument(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

absl::StatusOr<std::string> AliasNameOf(const AliasArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(const std::string model, ParseModelId(arguments.model));
  if (base::IsValidName(arguments.alias)) return base::AliasName(model, arguments.alias);
  return InvalidArgument(
      base::StrCat("an alias is 1 to 63 of a-z 0-9 _ . -: '", arguments.alias, "'"));
}

// Runs the evaluations that a rule needs and the server does not have.
class MissingEvaluations {
 public:
  MissingEvaluations(Session& session, Connection& connection)
      : session_(session), connection_(connection) {}

  absl::Status Run(const v1::PromotionRule& rule, const std::string& version) {
    LBW_ASSIGN_OR_RETURN(const std::string pack, PackOf(rule.dataset()));
    LBW_ASSIGN_OR_RETURN(const v1::EvaluateSpec wanted, FilledIn(WantedBy(rule, version)));
    LBW_ASSIGN_OR_RETURN(const auto own, ListEvaluations(connection_, version, rule.dataset()));
    const v1::Evaluation* const found = NewestFor(wanted, pack, own.evaluations());
    if (!rule.has_max_drop()) {
      return found != nullptr ? absl::OkStatus() : Evaluate(wanted).status();
    }
    LBW_ASSIGN_OR_RETURN(const std::string against,
                         ResolveVersionArgument(connection_, rule.against()));
    LBW_ASSIGN_OR_RETURN(const auto others, ListEvaluations(connection_, against, rule.dataset()));
    v1::Evaluation one;
    if (found != nullptr) {
      one = *found;
    } else {
      LBW_ASSIGN_OR_RETURN(one, Evaluate(wanted));
    }
    if (NewestLike(one, others.evaluations()) != nullptr) return absl::OkStatus();
    v1::EvaluateSpec like = WantedBy(rule, against);
    like.set_split(one.split());
    *like.mutable_options() = one.options();
    return Evaluate(like).status();
  }

 private:
  absl::StatusOr<std::string> PackOf(const std::string& dataset) {
    v1::GetDatasetRequest request;
    request.set_name(dataset);
    const auto stub = v1::DatasetService::NewStub(connection_.channel());
    LBW_ASSIGN_OR_RETURN(const auto found, connection_.Unary<v1::Dataset>(
                                               Patience::kAnswer, [&](auto* context, auto* one) {
                                                 return stub->GetDataset(context, request, one);
                                               }));
    return found.pack_artifact();
  }

  // As the server would have it.
  absl::StatusOr<v1::EvaluateSpec> FilledIn(const v1::EvaluateSpec& spec) {
    v1::CreateJobRequest request;
    *request.mutable_spec()->mutable_evaluate() = spec;
    request.set_validate_only(true);
    LBW_ASSIGN_OR_RETURN(const v1::Job job, CreateJob(connection_, std::move(request)));
    return job.spec().evaluate();
  }

  absl::StatusOr<v1::Evaluation> Evaluate(const v1::EvaluateSpec& spec) {
    const std::string& version = spec.version();
    v1::CreateJobRequest request;
    *request.mutable_spec()->mutable_evaluate() = spec;
    request.set_submitter(session_.submitter());
    LBW_ASSIGN_OR_RETURN(const v1::Job job, CreateJob(connection_, std::move(request)));
    session_.Note(base::StrCat("evaluating ", ShortName(version), " on ", ShortName(spec.dataset()),
                               ": ", job.name()));
    LBW_ASSIGN_OR_RETURN(const v1::Job ended, WaitForJob(session_, connection_, job.name()));
    LBW_ASSIGN_OR_RETURN(auto evaluation, EvaluationOf(connection_, ended));
    session_.Note(base::StrCat(ShortName(version), ": ", EvaluationWord(evaluation)));
    return evaluation;
  }

  Session& session_;
  Connection& connection_;
};

absl::Status DeleteAlias(Session& session, const std::string& name) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::ModelService::NewStub(connection->channel());
  v1::DeleteAliasRequest request;
  request.set_name(name);
  request.set_submitter(session.submitter());
  LBW_ASSIGN_OR_RETURN(const auto empty, connection->Unary<google::protobuf::Empty>(
                                             Patience::kNone, [&](auto* context, auto* response) {
                                               return stub->DeleteAlias(context, request, response);
                                             }));
  if (session.wants_json()) return session.PrintJson(empty);
  session.out() << "deleted " << ShortName(name) << "\n";
  return absl::OkStatus();
}

absl::Status SetAlias(Session& session, const AliasArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(const std::string name, AliasNameOf(arguments));
  if (arguments.remove != arguments.version.empty()) {
    return InvalidArgument("give either a VERSION or --delete");
  }
  if (arguments.remove) return DeleteAlias(session, name);
  if (arguments.evaluate && arguments.require.empty()) {
    return InvalidArgument("--evaluate runs what --require needs; give a --require");
  }
  LBW_ASSIGN_OR_RETURN(const std::string model, ParseModelId(arguments.model));
  LBW_ASSIGN_OR_RETURN(const int64_t version, ParseVersionOf(model, arguments.version));
  v1::SetAliasRequest request;
  request.set_name(name);
  request.set_version(base::VersionName(model, version));
  request.set_comment(arguments.comment);
  request.set_submitter(session.submitter());
  for (const std::string& text : arguments.require) {
    LBW_ASSIGN_OR_RETURN(*request.add_require(), ParsePromotionRule(model, text));
  }
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  if (arguments.evaluate) {
    MissingEvaluations missing(session, *connection);
    for (const v1::PromotionRule& rule : request.require()) {
      LBW_RETURN_IF_ERROR(missing.Run(rule, request.version()));
    }
  }
  const auto stub = v1::ModelService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(const auto alias, connection->Unary<v1::Alias>(
                                             Patience::kAnswer, [&](auto* context, auto* response) {
                                               return stub->SetAlias(context, request, response);
                                             }));
  if (session.wants_json()) return session.PrintJson(alias);
  session.out() << ShortName(alias.name()) << " is " << ShortName(alias.version()) << "\n";
  return absl::OkStatus();
}

absl::Status Rollback(Session& session, const AliasArguments& arguments) {
  v1::RollbackAliasRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_name(), AliasNameOf(arguments));
  request.set_comment(arguments.comment);
  request.set_submitter(session.submitter());
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::ModelService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(
      const auto alias,
      connection->Unary<v1::Alias>(Patience::kNone, [&](auto* context, auto* response) {
        return stub->RollbackAlias(context, request, response);
      }));
  if (session.wants_json()) return session.PrintJson(alias);
  session.out() << ShortName(alias.name()) << " is " << ShortName(alias.version()) << " again\n";
  return absl::OkStatus();
}

absl::Status History(Session& session, const AliasArguments& arguments) {
  v1::ListAliasMovesRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_alias(), AliasNameOf(arguments));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::ModelService::NewStub(connection->channel());
  v1::ListAliasMovesResponse all;
  do {
    LBW_ASSIGN_OR_RETURN(auto page, connection->Unary<v1::ListAliasMovesResponse>(
                                        Patience::kAnswer, [&](auto* context, auto* response) {
                                          return stub->ListAliasMoves(context, request, response);
                                        }));
    request.set_page_token(page.next_page_token());
    page.clear_next_page_token();
    all.MergeFrom(page);
  } while (!request.page_token().empty());
  if (session.wants_json()) return session.PrintJson(all);
  Table table({{"moved"}, {"action"}, {"to"}, {"from"}, {"by"}, {"passed"}, {"comment"}});
  const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : text; };
  for (const v1::AliasMove& move : all.moves()) {
    table.AddRow({TimeCell(move.move_time()), move.action(), or_dash(ShortName(move.version())),
                  or_dash(ShortName(move.previous())), or_dash(move.submitter()),
                  or_dash(absl::StrJoin(move.passed(), "; ")), move.comment()});
  }
  session.out() << table.Render();
  return absl::OkStatus();
}

using Run = absl::Status (*)(Session&, const AliasArguments&);

std::shared_ptr<AliasArguments> Add(CLI::App& sub, Command& command, Run run) {
  sub.footer(kExamples);
  const auto arguments = std::make_shared<AliasArguments>();
  sub.add_option("NAME", arguments->model, "the model")->required();
  sub.add_option("ALIAS", arguments->alias, "a-z 0-9 _ . -; 'stable' is what NAME means")
      ->required();
  sub.callback([&command, arguments, run] {
    command = [arguments, run](Session& session) { return run(session, *arguments); };
  });
  return arguments;
}

}  // namespace

void AddModelAliasCommands(CLI::App& model, Command& command) {
  auto* alias = model.add_subcommand("alias", "point a name such as 'stable' at a version");
  const auto set = Add(*alias, command, SetAlias);
  alias->add_option("VERSION", set->version, "its number");
  alias
      ->add_option("--require", set->require,
                   "dataset=D,min=0.85 or dataset=D,max-drop=0.01,against=VERSION; also "
                   "metric=map_50, split=val; may be repeated")
      ->allow_extra_args(false);
  alias->add_flag("--evaluate", set->evaluate, "first run the evaluations that --require lacks");
  alias->add_option("--comment", set->comment, "kept with the move");
  alias->add_flag("--delete", set->remove, "take the alias away");

  auto* rollback = model.add_subcommand("rollback", "an alias back to what it was before");
  const auto back = Add(*rollback, command, Rollback);
  rollback->add_option("--comment", back->comment, "kept with the move");
  Add(*model.add_subcommand("history", "every move of an alias, newest first"), command, History);
}

}  // namespace lbw::client
