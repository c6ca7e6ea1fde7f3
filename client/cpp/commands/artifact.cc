#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <ostream>

#include "base/strings.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/table.h"
#include "client/cpp/transfer.h"
#include "google/protobuf/empty.pb.h"
#include "lbw/v1/artifact.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw artifact upload resnet.safetensors      resumes where a broken upload stopped
  lbw artifact list
  lbw artifact tensors 3f2a91                 any beginning of the SHA-256 that is unique
  lbw artifact tensors resnet.safetensors     or the file's name
  lbw artifact download 3f2a91 --out copy.safetensors
  lbw artifact delete 3f2a91)";

constexpr char kReferenceHelp[] =
    "SHA-256 or at least 6 characters of it, artifacts/SHA-256, or a file's name";

std::string FormatWord(v1::ArtifactFormat format) {
  switch (format) {
    case v1::ARTIFACT_FORMAT_SAFETENSORS:
      return "safetensors";
    case v1::ARTIFACT_FORMAT_PACKED_SAFETENSORS:
      return "packed";
    case v1::ARTIFACT_FORMAT_ONNX:
      return "onnx";
    case v1::ARTIFACT_FORMAT_OTHER:
      return "other";
    default:
      return "-";
  }
}

absl::Status ShowArtifact(Session& session, const v1::Artifact& artifact) {
  if (session.wants_json()) return session.PrintJson(artifact);
  Table table({{""}, {""}});
  table.AddRow({"name", artifact.name()});
  table.AddRow({"file", artifact.display_name()});
  table.AddRow({"format", FormatWord(artifact.format())});
  table.AddRow({"size", base::StrCat(HumanBytes(artifact.size_bytes()), " (", artifact.size_bytes(),
                                     " bytes)")});
  table.AddRow({"created", TimeCell(artifact.create_time())});
  session.out() << table.Render();
  return absl::OkStatus();
}

absl::Status Upload(Session& session, const std::string& file, const std::string& name) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  UploadOptions options;
  options.display_name = name;
  LBW_ASSIGN_OR_RETURN(const v1::Artifact artifact,
                       UploadFile(*connection, file, options, session.progress()));
  return ShowArtifact(session, artifact);
}

absl::Status List(Session& session) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::ArtifactService::NewStub(connection->channel());
  v1::ListArtifactsResponse all;
  v1::ListArtifactsRequest request;
  request.set_page_size(1000);
  do {
    LBW_ASSIGN_OR_RETURN(auto page, connection->Unary<v1::ListArtifactsResponse>(
                                        Patience::kAnswer, [&](auto* context, auto* response) {
                                          return stub->ListArtifacts(context, request, response);
                                        }));
    request.set_page_token(page.next_page_token());
    page.clear_next_page_token();
    all.MergeFrom(page);
  } while (!request.page_token().empty());
  if (session.wants_json()) return session.PrintJson(all);
  Table table({{"sha256"}, {"size", Align::kRight}, {"format"}, {"created"}, {"file"}});
  for (const v1::Artifact& artifact : all.artifacts()) {
    table.AddRow({ShortName(artifact.name()), HumanBytes(artifact.size_bytes()),
                  FormatWord(artifact.format()), TimeCell(artifact.create_time()),
                  artifact.display_name()});
  }
  session.out() << table.Render();
  return absl::OkStatus();
}

absl::Status Get(Session& session, const std::string& reference) {
  v1::GetArtifactRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_name(), ResolveArtifact(session, reference));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::ArtifactService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(
      const auto artifact,
      connection->Unary<v1::Artifact>(Patience::kAnswer, [&](auto* context, auto* response) {
        return stub->GetArtifact(context, request, response);
      }));
  return ShowArtifact(session, artifact);
}

absl::Status Tensors(Session& session, const std::string& reference) {
  v1::ListTensorsRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_artifact(), ResolveArtifact(session, reference));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::ArtifactService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(const auto tensors,
                       connection->Unary<v1::ListTensorsResponse>(
                           Patience::kAnswer, [&](auto* context, auto* response) {
                             return stub->ListTensors(context, request, response);
                           }));
  if (session.wants_json()) return session.PrintJson(tensors);
  Table table({{"name"},
               {"type"},
               {"shape"},
               {"bytes", Align::kRight},
               {"bits", Align::kRight},
               {"scheme"},
               {"book"},
               {"granularity"}});
  const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : text; };
  uint64_t bytes = 0;
  for (const v1::TensorInfo& tensor : tensors.tensors()) {
    bytes += tensor.bytes();
    table.AddRow({tensor.name(), tensor.dtype(), Shape(tensor.shape()), HumanBytes(tensor.bytes()),
                  tensor.bits() == 0 ? "-" : std::to_string(tensor.bits()),
                  or_dash(tensor.scheme()), or_dash(tensor.code_book()),
                  or_dash(tensor.granularity())});
  }
  table.AddSeparator();
  table.AddRow(
      {Count(static_cast<uint64_t>(tensors.tensors_size()), "tensor"), "", "", HumanBytes(bytes)});
  session.out() << table.Render();
  return absl::OkStatus();
}

absl::Status Download(Session& session, const std::string& reference, std::string out) {
  LBW_RETURN_IF_ERROR(CheckOutFile(out, "--out"));
  LBW_ASSIGN_OR_RETURN(const std::string name, ResolveArtifact(session, reference));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_ASSIGN_OR_RETURN(const auto artifact,
                       DownloadArtifact(*connection, name, out, session.progress()));
  if (session.wants_json()) return session.PrintJson(artifact);
  session.out() << "wrote " << out << ", " << HumanBytes(artifact.size_bytes()) << "\n";
  return absl::OkStatus();
}

absl::Status Delete(Session& session, const std::string& reference) {
  v1::DeleteArtifactRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_name(), ResolveArtifact(session, reference));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::ArtifactService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(const auto empty, connection->Unary<google::protobuf::Empty>(
                                             Patience::kNone, [&](auto* context, auto* response) {
                                               return stub->DeleteArtifact(context, request,
                                                                           response);
                                             }));
  if (session.wants_json()) return session.PrintJson(empty);
  session.out() << "deleted " << request.name() << "\n";
  return absl::OkStatus();
}

struct ArtifactArguments {
  std::string reference;
  std::string name;
  std::string out;
};

// A subcommand with one reference to an artifact, or none.
template <typename Run>
CLI::App* Add(CLI::App& app, Command& command, const std::string& name, const std::string& help,
              Run run) {
  auto* sub = app.add_subcommand(name, help);
  sub->footer(kExamples);
  const auto arguments = std::make_shared<ArtifactArguments>();
  if (name == "upload") {
    sub->add_option("FILE", arguments->reference, "file to upload")->required();
    sub->add_option("--name", arguments->name, "name to show for it; the file's own by default");
  } else if (name != "list") {
    sub->add_option("ARTIFACT", arguments->reference, kReferenceHelp)->required();
  }
  if (name == "download") {
    sub->add_option("--out", arguments->out, "file to write")->required();
  }
  sub->callback([&command, arguments, run] {
    command = [arguments, run](Session& session) { return run(session, *arguments); };
  });
  return sub;
}

}  // namespace

void AddArtifactCommands(CLI::App& app, Command& command) {
  auto* group = app.add_subcommand("artifact", "files on the server: upload, list, download ...");
  group->require_subcommand(1);
  group->footer(kExamples);
  Add(*group, command, "upload", "upload a file; content the server has costs nothing",
      [](Session& session, const ArtifactArguments& arguments) {
        return Upload(session, arguments.reference, arguments.name);
      });
  Add(*group, command, "list", "all artifacts",
      [](Session& session, const ArtifactArguments&) { return List(session); });
  Add(*group, command, "get", "one artifact",
      [](Session& session, const ArtifactArguments& arguments) {
        return Get(session, arguments.reference);
      });
  Add(*group, command, "tensors", "the tensors of a safetensors or ONNX artifact",
      [](Session& session, const ArtifactArguments& arguments) {
        return Tensors(session, arguments.reference);
      });
  Add(*group, command, "download", "write an artifact to a file, checked against its SHA-256",
      [](Session& session, const ArtifactArguments& arguments) {
        return Download(session, arguments.reference, arguments.out);
      });
  Add(*group, command, "delete", "delete an artifact that no model was made from",
      [](Session& session, const ArtifactArguments& arguments) {
        return Delete(session, arguments.reference);
      });
}

}  // namespace lbw::client
