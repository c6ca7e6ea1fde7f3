#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "base/strings.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/format.h"
#include "client/cpp/json.h"
#include "client/cpp/names.h"
#include "client/cpp/transfer.h"
#include "lbw/v1/quantization.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw quantize resnet.safetensors --bits 4 --out resnet.lbw4.safetensors
      every floating tensor of two or more dimensions to 4 bits, one exponent a channel
  lbw quantize face.onnx --bits 6 --keep-float '*conv1*' --out face.lbw6.safetensors
      the first convolution stays float
  lbw quantize resnet.safetensors --bits 4 --layers rules.yaml --dry-run
      tells what each rule would catch; writes nothing
  lbw quantize resnet.safetensors --bits 3 --scheme threshold --mu 0.75 --out t.safetensors
      the paper's thresholds instead of the least squared error
A rules file is a YAML list, the first match wins:
  - {match: "*conv1.weight", keep: float}
  - {match: "@outputs", bits: 8, scheme: uniform}
  - {match: "*.bias", keep: float})";

struct QuantizeArguments {
  std::string file;
  QuantizeFlags flags;
  std::string out;
  std::string report;
  bool dry_run = false;
};

absl::StatusOr<v1::QuantizeArtifactResult> CallQuantize(
    Session& session, const v1::QuantizeArtifactRequest& request) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::QuantizationService::NewStub(connection->channel());
  v1::QuantizeArtifactResult result;
  LBW_RETURN_IF_ERROR(RunWithProgress<v1::QuantizeArtifactResponse>(
      session, *connection,
      [&](grpc::ClientContext* context) { return stub->QuantizeArtifact(context, request); },
      [&](v1::QuantizeArtifactResponse& update) {
        if (!update.has_result()) return false;
        result = std::move(*update.mutable_result());
        return true;
      }));
  return result;
}

void PrintResult(Session& session, const QuantizeArguments& arguments,
                 const v1::QuantizeArtifactRequest& request,
                 const v1::QuantizeArtifactResult& result) {
  PrintReport(session, result.report(),
              request.dry_run() ? ReportKind::kDryRun : ReportKind::kMeasured);
  PrintRuleMatches(session, result.rule_matches(), request.options(),
                   request.dry_run() ? RuleDetail::kNames : RuleDetail::kCounts);
  for (const std::string& name : result.dropped()) {
    session.Note(base::StrCat("left out, no node reads it: ", Printable(name)));
  }
  if (request.dry_run()) return;
  session.out() << "wrote " << arguments.out << ", " << HumanBytes(result.artifact().size_bytes())
                << ", artifact " << ShortName(result.artifact().name()) << "\n";
}

absl::Status Quantize(Session& session, const QuantizeArguments& arguments) {
  if (arguments.out.empty() && !arguments.dry_run) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       "--out OUT.safetensors is required without --dry-run");
  }
  if (!arguments.dry_run) LBW_RETURN_IF_ERROR(CheckOutFile(arguments.out, "--out"));
  if (!arguments.report.empty()) {
    LBW_RETURN_IF_ERROR(CheckOutFile(arguments.report, "--report"));
  }
  v1::QuantizeArtifactRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_options(), ReadOptions(arguments.flags));
  LBW_ASSIGN_OR_RETURN(const std::string artifact, UploadOrResolve(session, arguments.file));
  request.set_artifact(artifact);
  request.set_dry_run(arguments.dry_run);
  LBW_ASSIGN_OR_RETURN(const auto result, CallQuantize(session, request));
  if (!arguments.dry_run) {
    LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
    LBW_RETURN_IF_ERROR(
        DownloadArtifact(*connection, result.artifact().name(), arguments.out, session.progress())
            .status());
  }
  if (!arguments.report.empty()) {
    LBW_ASSIGN_OR_RETURN(const std::string json, ToJson(result.report()));
    LBW_RETURN_IF_ERROR(WriteFile(arguments.report, json));
  }
  if (session.wants_json()) {
    WarnIdleRules(session, result.rule_matches(), request.options());
    return session.PrintJson(result);
  }
  PrintResult(session, arguments, request, result);
  return absl::OkStatus();
}

}  // namespace

void AddQuantizeCommand(CLI::App& app, Command& command) {
  auto* sub =
      app.add_subcommand("quantize", "quantize a file of weights to zero and signed powers of two");
  sub->footer(kExamples);
  const auto arguments = std::make_shared<QuantizeArguments>();
  sub->add_option("FILE", arguments->file, "safetensors or ONNX file, or an artifact of the server")
      ->required();
  AddQuantizeFlags(*sub, arguments->flags);
  sub->add_option("--out", arguments->out, "packed safetensors file to write");
  sub->add_option("--report", arguments->report,
                  "JSON file to write the report of every tensor to");
  sub->add_flag("--dry-run", arguments->dry_run, "tell what would be done; write nothing");
  sub->callback([&command, arguments] {
    command = [arguments](Session& session) { return Quantize(session, *arguments); };
  });
}

}  // namespace lbw::client
