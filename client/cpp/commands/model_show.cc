#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <ostream>
#include <vector>

#include "absl/strings/str_join.h"
#include "base/strings.h"
#include "client/cpp/calibration_view.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/evaluation_view.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/table.h"
#include "client/cpp/training_view.h"
#include "lbw/v1/model.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw model list
  lbw model get face        its versions, aliases and where each version came from
  lbw model get face/2      one version with its evaluations and quantization report
  lbw model get face/2 --layers      every epoch of its training, every layer of its calibration
  lbw model get face@stable --json)";

std::string StateWord(v1::VersionState state) {
  switch (state) {
    case v1::VERSION_STATE_CREATING:
      return "CREATING";
    case v1::VERSION_STATE_READY:
      return "READY";
    case v1::VERSION_STATE_FAILED:
      return "FAILED";
    case v1::VERSION_STATE_DELETING:
      return "DELETING";
    default:
      return "-";
  }
}

std::string WeightsWord(const v1::ModelVersion& version) {
  return version.has_quantization() ? DescribeWeights(version.quantization()) : "float";
}

std::string OriginWord(const v1::ModelVersion& version) {
  if (!version.parent_version().empty()) return ShortName(version.parent_version());
  if (version.source_artifact().empty()) return version.job().empty() ? "built in" : "-";
  return base::StrCat("artifact ", ShortName(version.source_artifact()));
}

std::vector<std::string> AliasesOf(const v1::Model& model, const std::string& version) {
  std::vector<std::string> names;
  for (const v1::Alias& alias : model.aliases()) {
    if (alias.version() == version) {
      names.push_back(alias.name().substr(alias.name().rfind('/') + 1));
    }
  }
  return names;
}

absl::Status List(Session& session) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::ModelService::NewStub(connection->channel());
  v1::ListModelsResponse all;
  v1::ListModelsRequest request;
  do {
    LBW_ASSIGN_OR_RETURN(auto page, connection->Unary<v1::ListModelsResponse>(
                                        Patience::kAnswer, [&](auto* context, auto* response) {
                                          return stub->ListModels(context, request, response);
                                        }));
    request.set_page_token(page.next_page_token());
    page.clear_next_page_token();
    all.MergeFrom(page);
  } while (!request.page_token().empty());
  if (session.wants_json()) return session.PrintJson(all);
  Table table({{"name"},
               {"versions", Align::kRight},
               {"newest"},
               {"state"},
               {"head"},
               {"created"},
               {"aliases"}});
  for (const v1::Model& model : all.models()) {
    std::vector<std::string> aliases;
    for (const v1::Alias& alias : model.aliases()) {
      aliases.push_back(base::StrCat(alias.name().substr(alias.name().rfind('/') + 1), "=",
                                     alias.version().substr(alias.version().rfind('/') + 1)));
    }
    const bool has_versions = model.versions_size() > 0;
    const v1::ModelVersion& newest =
        has_versions ? model.versions(0) : v1::ModelVersion::default_instance();
    table.AddRow({ShortName(model.name()), base::StrCat(model.versions_size()),
                  has_versions ? WeightsWord(newest) : "-", StateWord(newest.state()),
                  newest.head_kind().empty() ? "-" : newest.head_kind(),
                  TimeCell(model.create_time()), absl::StrJoin(aliases, " ")});
  }
  session.out() << table.Render();
  return absl::OkStatus();
}

// The newest evaluation of each version, in a word; a server that knows none of them has none.
std::map<std::string, std::string> NewestEvaluations(Connection& connection,
                                                     const v1::Model& model) {
  std::map<std::string, std::string> words;
  const auto list = ListEvaluations(connection, model.name(), "");
  if (!list.ok()) return words;
  for (const v1::Evaluation& one : list->evaluations()) {
    words.emplace(one.version(), EvaluationWord(one));
  }
  return words;
}

absl::Status ShowModel(Session& session, Connection& connection, const v1::Model& model) {
  if (session.wants_json()) return session.PrintJson(model);
  std::map<std::string, std::string> evaluations = NewestEvaluations(connection, model);
  session.out() << "model " << ShortName(model.name()) << ", created "
                << TimeCell(model.create_time()) << "\n";
  Table table({{"version"},
               {"state"},
               {"weights"},
               {"from"},
               {"size", Align::kRight},
               {"head"},
               {"created"},
               {"evaluation"},
               {"aliases"}});
  for (const v1::ModelVersion& version : model.versions()) {
    const std::string& evaluation = evaluations[version.name()];
    table.AddRow({ShortName(version.name()), StateWord(version.state()), WeightsWord(version),
                  OriginWord(version), HumanBytes(version.bundle_bytes()), version.head_kind(),
                  TimeCell(version.create_time()), evaluation.empty() ? "-" : evaluation,
                  absl::StrJoin(AliasesOf(model, version.name()), " ")});
  }
  session.out() << table.Render();
  for (const v1::ModelVersion& version : model.versions()) {
    if (!version.error().empty()) {
      session.out() << ShortName(version.name()) << " failed: " << Printable(version.error())
                    << "\n";
    }
  }
  return absl::OkStatus();
}

// "face/3 <- face/1 <- artifact 3f2a91..."; stops at a version that the snapshot lacks.
std::string Lineage(const v1::Model& model, const v1::ModelVersion& version) {
  std::string text = ShortName(version.name());
  const v1::ModelVersion* here = &version;
  // No chain is longer than the list of versions.
  for (int steps = 0; steps <= model.versions_size(); ++steps) {
    base::StrAppend(&text, " <- ", OriginWord(*here));
    const std::string& parent = here->parent_version();
    here = nullptr;
    for (const v1::ModelVersion& other : model.versions()) {
      if (!parent.empty() && other.name() == parent) here = &other;
    }
    if (here == nullptr) break;
  }
  return text;
}

absl::Status ShowVersion(Session& session, const v1::Model& model, const v1::ModelVersion& version,
                         bool wants_layers) {
  if (session.wants_json()) return session.PrintJson(version);
  Table table({{""}, {""}});
  table.AddRow({"version", ShortName(version.name())});
  table.AddRow({"state", StateWord(version.state())});
  if (!version.error().empty()) table.AddRow({"error", version.error()});
  table.AddRow({"weights", WeightsWord(version)});
  table.AddRow({"lineage", Lineage(model, version)});
  table.AddRow({"aliases", absl::StrJoin(AliasesOf(model, version.name()), ", ")});
  table.AddRow({"bundle", base::StrCat(ShortName(version.bundle_artifact()), ", ",
                                       HumanBytes(version.bundle_bytes()))});
  table.AddRow({"head", version.head_kind()});
  table.AddRow({"classes", absl::StrJoin(version.classes(), ", ")});
  table.AddRow(
      {"batch", version.max_batch() == 0 ? "any" : base::StrCat("at most ", version.max_batch())});
  table.AddRow({"created", TimeCell(version.create_time())});
  if (!version.job().empty()) table.AddRow({"job", ShortName(version.job())});
  session.out() << table.Render();
  for (const std::string& note : version.import_notes()) {
    session.out() << "note: " << Printable(note) << "\n";
  }
  if (version.evaluations_size() > 0) {
    session.out() << "\n" << RenderEvaluationList(version.evaluations());
  }
  if (version.has_training()) {
    session.out() << "\n"
                  << RenderTraining(version.training(),
                                    wants_layers ? TrainingDetail::kWhole : TrainingDetail::kShort);
  }
  if (version.has_calibration()) {
    session.out() << "\n"
                  << RenderCalibration(version.calibration(), wants_layers
                                                                  ? CalibrationDetail::kWhole
                                                                  : CalibrationDetail::kShort);
  }
  if (version.report().tensors_size() > 0) {
    session.out() << "\n";
    PrintReport(session, version.report(), ReportKind::kMeasured);
    const RuleText rules =
        RenderRuleMatches(version.rule_matches(), version.quantization(), RuleDetail::kCounts);
    for (const std::string& line : rules.lines) session.out() << line << "\n";
  }
  return absl::OkStatus();
}

struct GetArguments {
  std::string model;
  bool layers = false;
};

absl::Status Get(Session& session, const GetArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(arguments.model));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_ASSIGN_OR_RETURN(const v1::Model model, GetModel(*connection, ref.model));
  if (!ref.version && !ref.alias) return ShowModel(session, *connection, model);
  LBW_ASSIGN_OR_RETURN(const std::string name, ResolveVersion(model, ref));
  LBW_ASSIGN_OR_RETURN(const v1::ModelVersion version, GetVersion(*connection, name));
  return ShowVersion(session, model, version, arguments.layers);
}

}  // namespace

void AddModelShowCommands(CLI::App& model, Command& command) {
  auto* list = model.add_subcommand("list", "all models");
  list->footer(kExamples);
  list->callback([&command] { command = [](Session& session) { return List(session); }; });
  auto* get = model.add_subcommand("get", "a model with its versions, or one version");
  get->footer(kExamples);
  const auto arguments = std::make_shared<GetArguments>();
  get->add_option("MODEL", arguments->model, "NAME, NAME/VERSION or NAME@ALIAS")->required();
  get->add_flag("--layers", arguments->layers,
                "the whole training and calibration: every epoch and layer, widths, mu");
  get->callback([&command, arguments] {
    command = [arguments](Session& session) { return Get(session, *arguments); };
  });
}

}  // namespace lbw::client
