#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "base/strings.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/transfer.h"
#include "lbw/v1/model.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw model export face/2 --format packed --out face.lbw4.safetensors
      codes and exponents, the smallest file
  lbw model export face/2 --format safetensors --out face.q4.safetensors
      the low-bit values as floats, for any runtime that reads safetensors)";

struct ExportArguments {
  std::string model;
  std::string format;
  std::string out;
};

absl::Status Export(Session& session, const ExportArguments& arguments) {
  LBW_RETURN_IF_ERROR(CheckOutFile(arguments.out, "--out"));
  v1::ExportVersionRequest request;
  if (arguments.format == "packed") {
    request.set_format(v1::EXPORT_FORMAT_PACKED);
  } else if (arguments.format == "safetensors") {
    request.set_format(v1::EXPORT_FORMAT_SAFETENSORS);
  } else {
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
        base::StrCat("--format must be packed or safetensors: '", arguments.format, "'"));
  }
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_ASSIGN_OR_RETURN(*request.mutable_version(),
                       ResolveVersionArgument(*connection, arguments.model));
  const auto stub = v1::ModelService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(const v1::Artifact artifact,
                       RunToFile<v1::ExportVersionResponse>(
                           session, *connection, arguments.out, [&](grpc::ClientContext* context) {
                             return stub->ExportVersion(context, request);
                           }));
  if (session.wants_json()) return session.PrintJson(artifact);
  session.out() << "wrote " << arguments.out << " from " << ShortName(request.version()) << ", "
                << HumanBytes(artifact.size_bytes()) << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddModelExportCommand(CLI::App& model, Command& command) {
  auto* sub = model.add_subcommand("export", "write a version's weights to a file");
  sub->footer(kExamples);
  const auto arguments = std::make_shared<ExportArguments>();
  sub->add_option("MODEL", arguments->model, "NAME, NAME/VERSION or NAME@ALIAS")->required();
  sub->add_option("--format", arguments->format, "packed or safetensors")->required();
  sub->add_option("--out", arguments->out, "file to write")->required();
  sub->callback([&command, arguments] {
    command = [arguments](Session& session) { return Export(session, *arguments); };
  });
}

}  // namespace lbw::client
