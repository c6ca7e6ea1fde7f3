#include "client/cpp/commands/folder_dataset.h"

#include <filesystem>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/dataset_view.h"
#include "client/cpp/errors.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/watch.h"
#include "google/protobuf/empty.pb.h"
#include "lbw/v1/artifact.grpc.pb.h"
#include "lbw/v1/dataset.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr size_t kMaxId = 63;

bool IsFolder(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

// A dataset that is there already, once its check has ended well.
absl::StatusOr<std::string> Settled(Session& session, Connection& connection,
                                    const v1::Dataset& dataset) {
  if (dataset.state() == v1::DATASET_STATE_CHECKING) {
    LBW_RETURN_IF_ERROR(WaitForJob(session, connection, dataset.job()).status());
  }
  session.Note(base::StrCat("the pictures are ", ShortName(dataset.name()), " on the server"));
  return dataset.name();
}

// The dataset of that content, or one to be made: empty where there is none, or one that FAILED.
absl::StatusOr<v1::Dataset> FindByContent(Connection& connection, const std::string& id,
                                          const std::string& artifact) {
  const std::string name = base::DatasetName(id);
  const absl::StatusOr<v1::Dataset> there = GetDataset(connection, name);
  if (there.status().code() == absl::StatusCode::kNotFound) return v1::Dataset();
  LBW_RETURN_IF_ERROR(there.status());
  if (there->state() == v1::DATASET_STATE_FAILED) return v1::Dataset();
  if (there->source_artifact().empty() || there->source_artifact() == artifact) return there;
  return base::Error(absl::StatusCode::kAlreadyExists, base::reason::kAlreadyExists,
                     base::StrCat(name, " holds other pictures than this folder: ",
                                  ShortName(there->source_artifact()), ", not ",
                                  ShortName(artifact), "; see: lbw dataset delete ", id));
}

std::string DatasetId(std::string_view model, std::string_view kind, std::string_view sha256) {
  const std::string ending = base::StrCat(kind, sha256.substr(0, 8));
  return base::StrCat(model.substr(0, kMaxId - ending.size()), ending);
}

}  // namespace

absl::StatusOr<v1::Dataset> GetDataset(Connection& connection, const std::string& name) {
  v1::GetDatasetRequest request;
  request.set_name(name);
  const auto stub = v1::DatasetService::NewStub(connection.channel());
  return connection.Unary<v1::Dataset>(Patience::kAnswer, [&](auto* context, auto* dataset) {
    return stub->GetDataset(context, request, dataset);
  });
}

absl::StatusOr<v1::Dataset> CreateDataset(Connection& connection,
                                          const v1::CreateDatasetRequest& request) {
  const auto stub = v1::DatasetService::NewStub(connection.channel());
  return connection.Unary<v1::Dataset>(Patience::kNone, [&](auto* context, auto* made) {
    return stub->CreateDataset(context, request, made);
  });
}

absl::StatusOr<TemporaryFile> PackToFile(Session& session, const std::string& folder) {
  LBW_ASSIGN_OR_RETURN(TemporaryFile archive, TemporaryFile::Create());
  LBW_ASSIGN_OR_RETURN(
      const PackedFolder packed,
      PackFolder(folder, archive.path(), {}, session.canceller(), session.progress()));
  for (const std::string& skipped : packed.skipped) session.Warn("left out " + skipped);
  if (packed.skipped_count > packed.skipped.size()) {
    session.Warn(base::StrCat("left out ", packed.skipped_count - packed.skipped.size(), " more"));
  }
  session.Note(
      base::StrCat("packed ", Grouped(packed.files), " files, ", HumanBytes(packed.bytes)));
  return archive;
}

absl::StatusOr<v1::Artifact> UploadPacked(Session& session, Connection& connection,
                                          const TemporaryFile& archive, const std::string& folder,
                                          std::optional<FileDigest> digest) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::canonical(folder, error);
  UploadOptions options;
  options.display_name = base::StrCat(whole.filename().string(), ".tar");
  options.digest = std::move(digest);
  return UploadFile(connection, archive.path(), options, session.progress());
}

void DeleteArchive(Session& session, Connection& connection, const std::string& artifact) {
  v1::DeleteArtifactRequest request;
  request.set_name(artifact);
  const auto stub = v1::ArtifactService::NewStub(connection.channel());
  const auto deleted = connection.Unary<google::protobuf::Empty>(
      Patience::kNone, [&](auto* context, auto* response) {
        return stub->DeleteArtifact(context, request, response);
      });
  const std::string reason = GetCallDetails(deleted.status()).reason;
  if (deleted.ok() || reason == base::reason::kInUse.text ||
      reason == base::reason::kNotFound.text) {
    return;
  }
  session.Warn(
      base::StrCat("the uploaded archive is still there: ", base::Std(deleted.status().message())));
}

std::string PicturesDatasetId(std::string_view model, std::string_view sha256) {
  return DatasetId(model, "-pictures-", sha256);
}

std::string DataDatasetId(std::string_view model, std::string_view sha256) {
  return DatasetId(model, "-data-", sha256);
}

absl::StatusOr<std::string> DatasetOfFolder(Session& session, Connection& connection,
                                            const FolderOwner& owner, const std::string& folder,
                                            FolderUse use) {
  const bool is_pictures = owner.kind == FolderKind::kPictures;
  LBW_ASSIGN_OR_RETURN(const TemporaryFile archive, PackToFile(session, folder));
  LBW_ASSIGN_OR_RETURN(const FileDigest digest,
                       HashFile(archive.path(), session.canceller(), session.progress()));
  session.progress().Clear();
  const std::string id = is_pictures ? PicturesDatasetId(owner.model, digest.sha256)
                                     : DataDatasetId(owner.model, digest.sha256);
  LBW_ASSIGN_OR_RETURN(const v1::Dataset there,
                       FindByContent(connection, id, base::ArtifactName(digest.sha256)));
  if (!there.name().empty()) return Settled(session, connection, there);
  if (use == FolderUse::kOnlyFind) {
    return base::Error(
        absl::StatusCode::kFailedPrecondition, base::reason::kDatasetNotReady,
        base::StrCat("the pictures in ", Printable(folder),
                     " are not on the server yet, and a dry run uploads nothing; first: lbw "
                     "dataset create ",
                     id, " ", Printable(folder), is_pictures ? " --format pictures" : ""));
  }
  LBW_ASSIGN_OR_RETURN(const v1::Artifact artifact,
                       UploadPacked(session, connection, archive, folder, digest));
  v1::CreateDatasetRequest request;
  request.set_dataset_id(id);
  request.set_artifact(artifact.name());
  if (is_pictures) request.set_format(v1::DATASET_FORMAT_PICTURES);
  request.set_submitter(session.submitter());
  LBW_ASSIGN_OR_RETURN(const v1::Dataset made, CreateDataset(connection, request));
  LBW_RETURN_IF_ERROR(WaitForJob(session, connection, made.job()).status());
  DeleteArchive(session, connection, artifact.name());
  session.Note(base::StrCat("made the dataset ", id));
  return made.name();
}

absl::StatusOr<std::string> DatasetOrFolder(Session& session, Connection& connection,
                                            const FolderOwner& owner, const std::string& text,
                                            FolderUse use) {
  const bool is_folder = IsFolder(text);
  const absl::StatusOr<std::string> name = ParseDatasetArgument(text);
  if (is_folder) {
    const bool is_path = text.find('/') != std::string::npos;
    const bool is_dataset = !is_path && name.ok() && GetDataset(connection, *name).ok();
    if (!is_dataset) return DatasetOfFolder(session, connection, owner, text, use);
  }
  if (name.ok()) return *name;
  return base::Error(
      absl::StatusCode::kInvalidArgument, base::reason::kBadName,
      base::StrCat("'", Printable(text), "' is neither a folder here nor a dataset's name"));
}

}  // namespace lbw::client
