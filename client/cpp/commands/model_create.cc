#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <ostream>

#include "base/strings.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "lbw/v1/model.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw model create face --onnx face.onnx --spec face.yaml
  lbw model create face --onnx face.onnx --spec face.yaml --dry-run
      checks file and spec, tells what the import would do, stores nothing
  lbw model create face --onnx face2.onnx --add-version
      the next version of a model there is, with the spec of its newest float version
  lbw model create scenes --arch ssd_tiny --spec scenes.yaml --seed 7
      a detector to train: a built-in architecture with fresh weights; its spec needs classes only
A spec (YAML) tells what the graph does not:
  input:   {size: [260, 260], resize: stretch, color: rgb, mean: [0, 0, 0], scale: 0.00392156862745098}
  classes: [mask, no_mask]
  head:    {kind: ssd, outputs: {boxes: loc_branch_concat, scores: cls_branch_concat}, ...})";

struct CreateArguments {
  std::string name;
  std::string onnx;
  std::string arch;
  std::optional<double> width_multiplier;  // with arch, as seed is
  std::optional<uint64_t> seed;
  std::string spec;
  bool dry_run = false;
  bool add_version = false;
};

void PrintVersion(Session& session, const v1::ModelVersion& version, bool dry_run) {
  session.out() << (dry_run ? "would create " : "created ") << ShortName(version.name())
                << ": head " << (version.head_kind().empty() ? "-" : Printable(version.head_kind()))
                << ", " << version.classes_size()
                << (version.classes_size() == 1 ? " class" : " classes");
  if (version.max_batch() > 0) session.out() << ", batches of at most " << version.max_batch();
  session.out() << "\n";
  for (const std::string& note : version.import_notes()) {
    session.out() << "  note: " << Printable(note) << "\n";
  }
}

base::Error Bad(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

absl::Status CheckArguments(const CreateArguments& arguments) {
  if (arguments.onnx.empty() == arguments.arch.empty()) {
    return Bad(arguments.onnx.empty() ? "one of --onnx FILE and --arch NAME is needed"
                                      : "--onnx and --arch exclude each other");
  }
  if (!arguments.arch.empty() && arguments.add_version) {
    return Bad(
        "--add-version goes with --onnx: a built-in architecture is a model's first version");
  }
  if (arguments.arch.empty() && (arguments.width_multiplier || arguments.seed)) {
    return Bad("--width-multiplier and --seed go with --arch");
  }
  if (arguments.add_version && arguments.dry_run) {
    return Bad("--dry-run does not go with --add-version");
  }
  if (arguments.spec.empty() && !arguments.add_version) {
    return Bad("--spec SPEC.yaml is required for a new model");
  }
  return absl::OkStatus();
}

absl::Status AddVersion(Session& session, const CreateArguments& arguments,
                        const std::string& spec) {
  v1::CreateVersionRequest request;
  LBW_ASSIGN_OR_RETURN(const std::string model, ParseModelId(arguments.name));
  request.set_model(base::ModelName(model));
  request.set_spec(spec);
  LBW_ASSIGN_OR_RETURN(*request.mutable_artifact(), UploadOrResolve(session, arguments.onnx));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::ModelService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(
      const auto version,
      connection->Unary<v1::ModelVersion>(Patience::kNone, [&](auto* context, auto* response) {
        return stub->CreateVersion(context, request, response);
      }));
  if (session.wants_json()) return session.PrintJson(version);
  PrintVersion(session, version, false);
  return absl::OkStatus();
}

// The artifact, which is uploaded where it has to be, or the architecture.
absl::Status SetOrigin(Session& session, const CreateArguments& arguments,
                       v1::CreateModelRequest& request) {
  if (arguments.arch.empty()) {
    LBW_ASSIGN_OR_RETURN(*request.mutable_artifact(), UploadOrResolve(session, arguments.onnx));
    return absl::OkStatus();
  }
  v1::BuiltInArchitecture& architecture = *request.mutable_architecture();
  architecture.set_name(arguments.arch);
  if (arguments.width_multiplier) architecture.set_width_multiplier(*arguments.width_multiplier);
  architecture.set_seed(arguments.seed.value_or(0));
  return absl::OkStatus();
}

absl::Status Create(Session& session, const CreateArguments& arguments) {
  LBW_RETURN_IF_ERROR(CheckArguments(arguments));
  std::string spec;
  if (!arguments.spec.empty()) {
    LBW_ASSIGN_OR_RETURN(spec, ReadTextFile(arguments.spec, "--spec"));
  }
  if (arguments.add_version) return AddVersion(session, arguments, spec);
  v1::CreateModelRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_model_id(), ParseModelId(arguments.name));
  request.set_spec(std::move(spec));
  request.set_validate_only(arguments.dry_run);
  LBW_RETURN_IF_ERROR(SetOrigin(session, arguments, request));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::ModelService::NewStub(connection->channel());
  auto model = connection->Unary<v1::Model>(Patience::kNone, [&](auto* context, auto* response) {
    return stub->CreateModel(context, request, response);
  });
  // Another ONNX file could be its next version; an architecture could not.
  if (model.status().code() == absl::StatusCode::kAlreadyExists && arguments.arch.empty()) {
    return base::Error(absl::StatusCode::kAlreadyExists, base::reason::kAlreadyExists,
                       base::StrCat(base::Std(model.status().message()),
                                    "; --add-version makes its next version"));
  }
  LBW_RETURN_IF_ERROR(model.status());
  if (session.wants_json()) return session.PrintJson(*model);
  for (const v1::ModelVersion& version : model->versions()) {
    PrintVersion(session, version, arguments.dry_run);
  }
  return absl::OkStatus();
}

}  // namespace

void AddModelCreateCommand(CLI::App& model, Command& command) {
  auto* sub =
      model.add_subcommand("create", "make a model of an ONNX file or a built-in architecture");
  sub->footer(kExamples);
  const auto arguments = std::make_shared<CreateArguments>();
  sub->add_option("NAME", arguments->name, "the model's name: a-z 0-9 _ . -")->required();
  sub->add_option("--onnx", arguments->onnx, "ONNX file, or an artifact of the server");
  sub->add_option("--arch", arguments->arch, "built-in architecture with fresh weights: ssd_tiny");
  sub->add_option("--width-multiplier", arguments->width_multiplier,
                  "with --arch: of every layer's channels, 0.25 to 4 (1)");
  // Without the check a negative number would be read as a large one.
  sub->add_option("--seed", arguments->seed, "with --arch: of the weights (0)")
      ->check(CLI::NonNegativeNumber);
  sub->add_option("--spec", arguments->spec, "the model's spec, YAML or JSON");
  sub->add_flag("--dry-run", arguments->dry_run, "check and tell; store nothing");
  sub->add_flag("--add-version", arguments->add_version, "add a version to a model there is");
  sub->callback([&command, arguments] {
    command = [arguments](Session& session) { return Create(session, *arguments); };
  });
}

}  // namespace lbw::client
