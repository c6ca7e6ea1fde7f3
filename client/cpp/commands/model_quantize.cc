#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/names.h"
#include "lbw/v1/model.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw model quantize face --bits 4
      the float version that NAME means becomes a 4-bit version, the model's next
  lbw model quantize face/1 --bits 4 --keep-float '*conv1*' --keep-float '@outputs'
  lbw model quantize face --bits 4 --layers rules.yaml --dry-run
      tells what each rule would catch; stores nothing
Then: lbw detect face/2 photo.jpg, and lbw model alias face stable 2 to make it the default.)";

struct QuantizeArguments {
  std::string model;
  QuantizeFlags flags;
  bool dry_run = false;
};

absl::Status Quantize(Session& session, const QuantizeArguments& arguments) {
  v1::QuantizeVersionRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_options(), ReadOptions(arguments.flags));
  request.set_dry_run(arguments.dry_run);
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(arguments.model));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  // The server knows what a bare name means here: the float ancestor, whatever the alias points at.
  request.set_version(ResourceName(ref));
  if (ref.alias) {
    LBW_ASSIGN_OR_RETURN(*request.mutable_version(),
                         ResolveVersionArgument(*connection, arguments.model));
  }
  const auto stub = v1::ModelService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(
      const auto version,
      connection->Unary<v1::ModelVersion>(Patience::kNone, [&](auto* context, auto* response) {
        return stub->QuantizeVersion(context, request, response);
      }));
  if (session.wants_json()) {
    WarnIdleRules(session, version.rule_matches(), request.options());
    return session.PrintJson(version);
  }
  PrintReport(session, version.report(),
              arguments.dry_run ? ReportKind::kDryRun : ReportKind::kMeasured);
  PrintRuleMatches(session, version.rule_matches(), request.options(),
                   arguments.dry_run ? RuleDetail::kNames : RuleDetail::kCounts);
  if (arguments.dry_run) return absl::OkStatus();
  session.out() << "created " << ShortName(version.name()) << " from "
                << ShortName(version.parent_version()) << ": " << DescribeOptions(request.options())
                << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddModelQuantizeCommand(CLI::App& model, Command& command) {
  auto* sub = model.add_subcommand("quantize", "make a low-bit version of a float version");
  sub->footer(kExamples);
  const auto arguments = std::make_shared<QuantizeArguments>();
  sub->add_option("MODEL", arguments->model, "NAME, NAME/VERSION or NAME@ALIAS")->required();
  AddQuantizeFlags(*sub, arguments->flags);
  sub->add_flag("--dry-run", arguments->dry_run, "tell what would be done; store nothing");
  sub->callback([&command, arguments] {
    command = [arguments](Session& session) { return Quantize(session, *arguments); };
  });
}

}  // namespace lbw::client
