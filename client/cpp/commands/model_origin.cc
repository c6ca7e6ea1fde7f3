#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/evaluation_view.h"
#include "client/cpp/lineage_view.h"
#include "client/cpp/names.h"
#include "lbw/v1/model.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw model lineage face/2              what it was made from, what was made of it
  lbw model lineage datasets/faces      also artifacts/..., jobs/..., evaluations/...
  lbw model evaluations face            of all its versions, newest first
  lbw model evaluations face/2 --dataset faces)";

struct OriginArguments {
  std::string name;
  std::string dataset;
};

absl::Status Lineage(Session& session, const OriginArguments& arguments) {
  v1::GetLineageRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_name(), ParseResourceArgument(arguments.name));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  // An alias is a name for a version; the lineage is the version's.
  if (request.name().find("/aliases/") != std::string::npos) {
    LBW_ASSIGN_OR_RETURN(*request.mutable_name(),
                         ResolveVersionArgument(*connection, request.name()));
  }
  const auto stub = v1::ModelService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(
      const auto lineage,
      connection->Unary<v1::Lineage>(Patience::kAnswer, [&](auto* context, auto* response) {
        return stub->GetLineage(context, request, response);
      }));
  if (session.wants_json()) return session.PrintJson(lineage);
  session.out() << RenderLineage(lineage, request.name());
  return absl::OkStatus();
}

absl::Status Evaluations(Session& session, const OriginArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(arguments.name));
  std::string dataset;
  if (!arguments.dataset.empty()) {
    LBW_ASSIGN_OR_RETURN(dataset, ParseDatasetArgument(arguments.dataset));
  }
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  std::string version = ResourceName(ref);
  if (ref.alias) {
    LBW_ASSIGN_OR_RETURN(version, ResolveVersionArgument(*connection, version));
  }
  LBW_ASSIGN_OR_RETURN(const auto list, ListEvaluations(*connection, version, dataset));
  if (session.wants_json()) return session.PrintJson(list);
  session.out() << RenderEvaluationList(list.evaluations());
  return absl::OkStatus();
}

using Run = absl::Status (*)(Session&, const OriginArguments&);

std::shared_ptr<OriginArguments> Add(CLI::App& sub, Command& command, const char* help, Run run) {
  sub.footer(kExamples);
  const auto arguments = std::make_shared<OriginArguments>();
  sub.add_option("NAME", arguments->name, help)->required();
  sub.callback([&command, arguments, run] {
    command = [arguments, run](Session& session) { return run(session, *arguments); };
  });
  return arguments;
}

}  // namespace

void AddModelOriginCommands(CLI::App& model, Command& command) {
  Add(*model.add_subcommand("lineage", "where something came from and what was made of it"),
      command, "NAME, NAME/VERSION, NAME@ALIAS or any resource's name", Lineage);
  auto* evaluations = model.add_subcommand("evaluations", "what was measured, newest first");
  const auto arguments =
      Add(*evaluations, command, "NAME, NAME/VERSION or NAME@ALIAS", Evaluations);
  evaluations->add_option("--dataset", arguments->dataset, "only on this dataset");
}

}  // namespace lbw::client
