#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>
#include <vector>

#include "base/strings.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/folder_dataset.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/dataset_view.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/table.h"
#include "client/cpp/watch.h"
#include "google/protobuf/empty.pb.h"
#include "lbw/v1/dataset.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw dataset create faces voc.zip            the format is found out from the files
  lbw dataset create faces VOCdevkit/VOC2007  a folder is packed first
  lbw dataset create masks voc.tar.gz --classes mask,no_mask --map HaveMask=mask,NoMask=no_mask
  lbw dataset create cifar10 cifar-10-binary.tar.gz --format cifar
  lbw dataset create shots photos --format pictures   no labels: to calibrate on, to compare on
  lbw dataset get faces
  lbw dataset defects faces --kind box_outside
  lbw dataset show faces --out sheet.png --class mask --seed 7)";

struct DatasetArguments {
  std::string name;
  std::string path;
  std::string format;
  std::vector<std::string> classes;
  std::vector<std::string> map;
  bool no_wait = false;
  bool keep_archive = false;
  std::string kind;
  std::string out;
  std::string split;
  std::string class_name;
  uint32_t columns = 0;
  uint32_t rows = 0;
  uint64_t seed = 0;
  bool force = false;
};

absl::Status InvalidArgument(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

absl::StatusOr<v1::CreateDatasetRequest> BuildRequest(const Session& session,
                                                      const DatasetArguments& arguments) {
  v1::CreateDatasetRequest request;
  LBW_ASSIGN_OR_RETURN(const std::string name, ParseDatasetArgument(arguments.name));
  request.set_dataset_id(ShortName(name));
  LBW_ASSIGN_OR_RETURN(const v1::DatasetFormat format, ParseDatasetFormat(arguments.format));
  request.set_format(format);
  for (const std::string& label : arguments.classes) request.add_classes(label);
  for (const std::string& entry : arguments.map) {
    const size_t mark = entry.find('=');
    if (mark == 0 || mark == std::string::npos || mark + 1 == entry.size()) {
      return InvalidArgument(
          base::StrCat("--map is NAME-IN-THE-FILES=CLASS,...: '", Printable(entry), "'"));
    }
    (*request.mutable_class_map())[entry.substr(0, mark)] = entry.substr(mark + 1);
  }
  request.set_submitter(session.submitter());
  return request;
}

// Told before gigabytes are uploaded for nothing. A dataset that FAILED is the server's to judge.
absl::Status CheckIsNew(Connection& connection, const std::string& name) {
  const auto there = GetDataset(connection, name);
  if (there.status().code() == absl::StatusCode::kNotFound) return absl::OkStatus();
  LBW_RETURN_IF_ERROR(there.status());
  if (there->state() == v1::DATASET_STATE_FAILED) return absl::OkStatus();
  return base::Error(absl::StatusCode::kAlreadyExists, base::reason::kAlreadyExists,
                     base::StrCat(name, " exists and is ", DatasetStateWord(there->state()),
                                  "; take another name, or: lbw dataset delete ", ShortName(name)));
}

absl::Status Show(Session& session, const v1::Dataset& dataset) {
  if (session.wants_json()) return session.PrintJson(dataset);
  session.out() << RenderDataset(dataset);
  return absl::OkStatus();
}

absl::Status Create(Session& session, const DatasetArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(v1::CreateDatasetRequest request, BuildRequest(session, arguments));
  std::error_code error;
  const bool is_folder = std::filesystem::is_directory(arguments.path, error);
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_RETURN_IF_ERROR(CheckIsNew(*connection, base::DatasetName(request.dataset_id())));
  if (is_folder) {
    LBW_ASSIGN_OR_RETURN(const TemporaryFile archive, PackToFile(session, arguments.path));
    LBW_ASSIGN_OR_RETURN(const v1::Artifact artifact,
                         UploadPacked(session, *connection, archive, arguments.path));
    request.set_artifact(artifact.name());
  } else {
    LBW_ASSIGN_OR_RETURN(*request.mutable_artifact(), UploadOrResolve(session, arguments.path));
  }
  LBW_ASSIGN_OR_RETURN(v1::Dataset dataset, CreateDataset(*connection, request));
  if (arguments.no_wait) {
    session.Note(base::StrCat("its check: lbw job watch ", ShortName(dataset.job())));
    return Show(session, dataset);
  }
  LBW_RETURN_IF_ERROR(WaitForJob(session, *connection, dataset.job()).status());
  LBW_ASSIGN_OR_RETURN(dataset, GetDataset(*connection, dataset.name()));
  if (is_folder && !arguments.keep_archive) {
    DeleteArchive(session, *connection, request.artifact());
  }
  return Show(session, dataset);
}

absl::Status List(Session& session, const DatasetArguments&) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::DatasetService::NewStub(connection->channel());
  v1::ListDatasetsRequest request;
  v1::ListDatasetsResponse all;
  do {
    LBW_ASSIGN_OR_RETURN(auto page, connection->Unary<v1::ListDatasetsResponse>(
                                        Patience::kAnswer, [&](auto* context, auto* response) {
                                          return stub->ListDatasets(context, request, response);
                                        }));
    request.set_page_token(page.next_page_token());
    page.clear_next_page_token();
    all.MergeFrom(page);
  } while (!request.page_token().empty());
  if (session.wants_json()) return session.PrintJson(all);
  session.out() << RenderDatasetList(all.datasets());
  return absl::OkStatus();
}

absl::Status Get(Session& session, const DatasetArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(const std::string name, ParseDatasetArgument(arguments.name));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_ASSIGN_OR_RETURN(const v1::Dataset dataset, GetDataset(*connection, name));
  return Show(session, dataset);
}

absl::Status Defects(Session& session, const DatasetArguments& arguments) {
  v1::ListDefectsRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_dataset(), ParseDatasetArgument(arguments.name));
  request.set_kind(arguments.kind);
  request.set_page_size(1000);
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::DatasetService::NewStub(connection->channel());
  v1::ListDefectsResponse all;
  do {
    LBW_ASSIGN_OR_RETURN(auto page, connection->Unary<v1::ListDefectsResponse>(
                                        Patience::kAnswer, [&](auto* context, auto* response) {
                                          return stub->ListDefects(context, request, response);
                                        }));
    request.set_page_token(page.next_page_token());
    page.clear_next_page_token();
    all.MergeFrom(page);
  } while (!request.page_token().empty());
  if (session.wants_json()) return session.PrintJson(all);
  Table table({{"file"}, {"defect"}, {"action"}, {"detail"}});
  for (const v1::DatasetDefect& one : all.defects()) {
    table.AddRow({one.file(), one.kind(), one.action(), one.detail()});
  }
  session.out() << table.Render();
  if (all.not_kept() > 0) {
    session.Note(base::StrCat("and ", Grouped(all.not_kept()), " more, which were not kept"));
  }
  return absl::OkStatus();
}

absl::Status Draw(Session& session, const DatasetArguments& arguments) {
  LBW_RETURN_IF_ERROR(CheckOutFile(arguments.out, "--out"));
  v1::RenderDatasetRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_name(), ParseDatasetArgument(arguments.name));
  request.set_split(arguments.split);
  request.set_class_name(arguments.class_name);
  request.set_columns(arguments.columns);
  request.set_rows(arguments.rows);
  request.set_seed(arguments.seed);
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::DatasetService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(auto sheet, connection->Unary<v1::RenderDatasetResponse>(
                                       Patience::kAnswer, [&](auto* context, auto* response) {
                                         return stub->RenderDataset(context, request, response);
                                       }));
  LBW_RETURN_IF_ERROR(WriteFile(arguments.out, sheet.png()));
  const size_t bytes = sheet.png().size();
  sheet.clear_png();
  if (session.wants_json()) return session.PrintJson(sheet);
  session.out() << "wrote " << arguments.out << ", " << Count(sheet.pictures(), "picture") << ", "
                << HumanBytes(bytes) << "\n";
  return absl::OkStatus();
}

absl::Status Delete(Session& session, const DatasetArguments& arguments) {
  v1::DeleteDatasetRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_name(), ParseDatasetArgument(arguments.name));
  request.set_force(arguments.force);
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::DatasetService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(const auto empty, connection->Unary<google::protobuf::Empty>(
                                             Patience::kNone, [&](auto* context, auto* response) {
                                               return stub->DeleteDataset(context, request,
                                                                          response);
                                             }));
  if (session.wants_json()) return session.PrintJson(empty);
  session.out() << "deleted " << request.name() << "\n";
  return absl::OkStatus();
}

void AddCreateOptions(CLI::App& sub, DatasetArguments& arguments) {
  sub.add_option("PATH", arguments.path, "a zip or tar (also compressed), or a folder")->required();
  sub.add_option(
      "--format", arguments.format,
      "voc, coco, yolo, folders, csv, cifar or pictures; found out from the files by default");
  sub.add_option("--classes", arguments.classes, "class names in order: a,b")
      ->delimiter(',')
      ->allow_extra_args(false);
  sub.add_option("--map", arguments.map, "names in the files -> class: HaveMask=mask,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  sub.add_flag("--no-wait,!--wait", arguments.no_wait, "return once the check is queued");
  sub.add_flag("--keep-archive", arguments.keep_archive,
               "a folder's archive stays on the server once the dataset is READY");
}

void AddShowOptions(CLI::App& sub, DatasetArguments& arguments) {
  sub.add_option("--out", arguments.out, "PNG file to write")->required();
  sub.add_option("--split", arguments.split, "only of this split");
  sub.add_option("--class", arguments.class_name, "only pictures with this class");
  sub.add_option("--columns", arguments.columns, "1..12; 6 by default");
  sub.add_option("--rows", arguments.rows, "1..12; 4 by default");
  sub.add_option("--seed", arguments.seed, "a choice by this seed; the first pictures by default");
}

using Run = absl::Status (*)(Session&, const DatasetArguments&);

void Add(CLI::App& group, Command& command, const std::string& name, const std::string& help,
         Run run) {
  auto* sub = group.add_subcommand(name, help);
  sub->footer(kExamples);
  const auto arguments = std::make_shared<DatasetArguments>();
  if (name != "list") {
    sub->add_option("NAME", arguments->name, "the dataset's name")->required();
  }
  if (name == "create") AddCreateOptions(*sub, *arguments);
  if (name == "show") AddShowOptions(*sub, *arguments);
  if (name == "defects") sub->add_option("--kind", arguments->kind, "only this kind");
  if (name == "delete") {
    sub->add_flag("--force", arguments->force, "also while a job uses it; the job fails");
  }
  sub->callback([&command, arguments, run] {
    command = [arguments, run](Session& session) { return run(session, *arguments); };
  });
}

}  // namespace

void AddDatasetCommands(CLI::App& app, Command& command) {
  auto* group = app.add_subcommand("dataset", "datasets: create, list, defects, show ...");
  group->require_subcommand(1);
  group->footer(kExamples);
  Add(*group, command, "create", "upload and check a dataset", Create);
  Add(*group, command, "list", "all datasets", List);
  Add(*group, command, "get", "one dataset: splits, classes, defects", Get);
  Add(*group, command, "defects", "every defect, by file", Defects);
  Add(*group, command, "show", "a contact sheet with boxes as a PNG", Draw);
  Add(*group, command, "delete", "delete a dataset; evaluations on it stay", Delete);
}

}  // namespace lbw::client
