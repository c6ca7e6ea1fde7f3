#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/transfer.h"
#include "lbw/v1/quantization.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw dequantize resnet.lbw4.safetensors --out resnet.q4.safetensors
      the low-bit values as F32, for runtimes that do not read packed files
  lbw dequantize resnet.lbw4.safetensors --source-dtype --out resnet.q4.safetensors
      each tensor in the type it had before)";

struct DequantizeArguments {
  std::string file;
  std::string out;
  bool source_dtype = false;
};

absl::Status Dequantize(Session& session, const DequantizeArguments& arguments) {
  LBW_RETURN_IF_ERROR(CheckOutFile(arguments.out, "--out"));
  v1::DequantizeArtifactRequest request;
  LBW_ASSIGN_OR_RETURN(const std::string packed, UploadOrResolve(session, arguments.file));
  request.set_artifact(packed);
  request.set_source_dtype(arguments.source_dtype);
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::QuantizationService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(const v1::Artifact artifact,
                       RunToFile<v1::DequantizeArtifactResponse>(
                           session, *connection, arguments.out, [&](grpc::ClientContext* context) {
                             return stub->DequantizeArtifact(context, request);
                           }));
  if (session.wants_json()) return session.PrintJson(artifact);
  session.out() << "wrote " << arguments.out << ", " << HumanBytes(artifact.size_bytes())
                << ", artifact " << ShortName(artifact.name()) << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddDequantizeCommand(CLI::App& app, Command& command) {
  auto* sub = app.add_subcommand("dequantize", "write a packed file back as float safetensors");
  sub->footer(kExamples);
  const auto arguments = std::make_shared<DequantizeArguments>();
  sub->add_option("PACKED", arguments->file,
                  "packed safetensors file, or an artifact of the server")
      ->required();
  sub->add_option("--out", arguments->out, "float safetensors file to write")->required();
  sub->add_flag("--source-dtype", arguments->source_dtype,
                "each tensor in the type it had before quantization, instead of F32");
  sub->callback([&command, arguments] {
    command = [arguments](Session& session) { return Dequantize(session, *arguments); };
  });
}

}  // namespace lbw::client
