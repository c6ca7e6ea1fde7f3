#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "base/strings.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/names.h"
#include "google/protobuf/empty.pb.h"
#include "lbw/v1/model.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kDeleteExamples[] = R"(Examples:
  lbw model delete face/3           one version that no alias points at
  lbw model delete face --force     the model with all its versions)";

struct DeleteArguments {
  std::string model;
  bool force = false;
};

absl::Status InvalidArgument(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

// A call that answers nothing, and the line that says it worked.
template <typename F>
absl::Status RunEmpty(Session& session, Connection& connection, const std::string& line, F call) {
  LBW_ASSIGN_OR_RETURN(const auto empty,
                       connection.Unary<google::protobuf::Empty>(Patience::kNone, call));
  if (session.wants_json()) return session.PrintJson(empty);
  session.out() << line << "\n";
  return absl::OkStatus();
}

absl::Status Delete(Session& session, const DeleteArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(arguments.model));
  if (ref.alias) {
    return InvalidArgument(
        base::StrCat("name a version or a whole model; to delete the alias: ", "lbw model alias ",
                     ref.model, " ", *ref.alias, " --delete"));
  }
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::ModelService::NewStub(connection->channel());
  const std::string line = base::StrCat("deleted ", ShortName(ResourceName(ref)));
  if (ref.version) {
    v1::DeleteVersionRequest request;
    request.set_name(ResourceName(ref));
    return RunEmpty(session, *connection, line, [&](auto* context, auto* response) {
      return stub->DeleteVersion(context, request, response);
    });
  }
  v1::DeleteModelRequest request;
  request.set_name(ResourceName(ref));
  request.set_force(arguments.force);
  return RunEmpty(session, *connection, line, [&](auto* context, auto* response) {
    return stub->DeleteModel(context, request, response);
  });
}

}  // namespace

void AddModelEditCommands(CLI::App& model, Command& command) {
  auto* remove = model.add_subcommand("delete", "delete a version or a whole model");
  remove->footer(kDeleteExamples);
  const auto delete_arguments = std::make_shared<DeleteArguments>();
  remove->add_option("MODEL", delete_arguments->model, "NAME or NAME/VERSION")->required();
  remove->add_flag("--force", delete_arguments->force, "also with versions left");
  remove->callback([&command, delete_arguments] {
    command = [delete_arguments](Session& session) { return Delete(session, *delete_arguments); };
  });
}

}  // namespace lbw::client
