#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "base/strings.h"
#include "client/cpp/commands/calibrate.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/format.h"
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
  lbw model quantize face --bits 4 --calibrate photos/
      64 pictures of a folder, without labels: nearly all of the float version's accuracy
  lbw model quantize face --bits 3 --calibrate faces --split train --measure faces:val --plot q.png
  lbw model quantize face --calibrate faces --budget-bytes 300k
      each layer's own bits, together within the budget; or --max-drop 0.005
  lbw model quantize face --bits 3 --scheme threshold --mu auto --calibrate faces
      the paper's thresholds, their free parameter chosen by tests
  lbw model quantize face --bits 4 --calibrate faces --dry-run      what it would take
Then: lbw model compare face/2 --images photos/, lbw detect face/2 photo.jpg, and
lbw model alias face stable 2 to make it the default.)";

struct QuantizeArguments : CalibrateArguments {
  bool has_bits = false;
};

absl::Status InvalidArgument(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

absl::StatusOr<v1::QuantizationOptions> PlainOptions(const QuantizeArguments& arguments) {
  QuantizeFlags flags = arguments.grid;
  if (!arguments.flags.mu.empty()) {
    LBW_ASSIGN_OR_RETURN(const MuArgument mu, ParseMu(arguments.flags.mu));
    if (mu.ratios.size() != 1) {
      return InvalidArgument(base::StrCat("--mu ", Printable(arguments.flags.mu),
                                          " is chosen by tests on pictures; it needs --calibrate"));
    }
    flags.mu = mu.ratios.front();
  }
  return ReadOptions(std::move(flags));
}

absl::Status Quantize(Session& session, const QuantizeArguments& arguments) {
  const bool dry_run = arguments.job.dry_run;
  v1::QuantizeVersionRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_options(), PlainOptions(arguments));
  request.set_dry_run(dry_run);
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
  PrintReport(session, version.report(), dry_run ? ReportKind::kDryRun : ReportKind::kMeasured);
  PrintRuleMatches(session, version.rule_matches(), request.options(),
                   dry_run ? RuleDetail::kNames : RuleDetail::kCounts);
  if (dry_run) return absl::OkStatus();
  session.out() << "created " << ShortName(version.name()) << " from "
                << ShortName(version.parent_version()) << ": " << DescribeOptions(request.options())
                << "\n";
  return absl::OkStatus();
}

absl::Status Run(Session& session, const QuantizeArguments& arguments) {
  if (!arguments.has_bits && !arguments.flags.searches_widths()) {
    return InvalidArgument(
        "--bits is required, but where --budget-bytes or --max-drop choose each layer's");
  }
  return arguments.flags.calibrate.empty() ? Quantize(session, arguments)
                                           : Calibrate(session, arguments);
}

}  // namespace

void AddModelQuantizeCommand(CLI::App& model, Command& command) {
  auto* sub = model.add_subcommand("quantize", "make a low-bit version of a float version");
  sub->footer(kExamples);
  const auto arguments = std::make_shared<QuantizeArguments>();
  sub->add_option("MODEL", arguments->model, "NAME, NAME/VERSION or NAME@ALIAS")->required();
  auto* bits = sub->add_option("--bits", arguments->grid.bits,
                               "bits a weight: 2..6, or 8 with --scheme uniform");
  AddGridFlags(*sub, arguments->grid);
  sub->add_option("--mu", arguments->flags.mu,
                  "threshold scheme: mu as a ratio of max|w|, 0.75 by default; auto, or several "
                  "as in 0.5,0.75: chosen by tests, with --calibrate");
  AddCalibrateFlags(*sub, *arguments);
  sub->add_flag("--dry-run", arguments->job.dry_run,
                "tell what would be done, with --calibrate what it would take; store nothing");
  sub->callback([&command, arguments, bits] {
    arguments->has_bits = bits->count() > 0;
    command = [arguments](Session& session) { return Run(session, *arguments); };
  });
}

}  // namespace lbw::client
