// Datasets out of folders on this machine: packed, uploaded, checked; and found again by their
// content, so that the same pictures are uploaded once.
#ifndef LBW_CLIENT_COMMANDS_FOLDER_DATASET_H_
#define LBW_CLIENT_COMMANDS_FOLDER_DATASET_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/connection.h"
#include "client/cpp/pack_folder.h"
#include "client/cpp/session.h"
#include "client/cpp/transfer.h"
#include "lbw/v1/artifact.pb.h"
#include "lbw/v1/dataset.pb.h"

namespace lbw::client {

absl::StatusOr<v1::Dataset> GetDataset(Connection& connection, const std::string& name);
// Sent once. Errors: those of the call.
absl::StatusOr<v1::Dataset> CreateDataset(Connection& connection,
                                          const v1::CreateDatasetRequest& request);

// Packs a folder into a temporary file; tells what was packed, warns of what was left out.
// Errors: those of PackFolder.
absl::StatusOr<TemporaryFile> PackToFile(Session& session, const std::string& folder);
// Uploads such a file under the folder's name. digest: the file's, where it is known.
absl::StatusOr<v1::Artifact> UploadPacked(Session& session, Connection& connection,
                                          const TemporaryFile& archive, const std::string& folder,
                                          std::optional<FileDigest> digest = std::nullopt);
// An archive that was only made for the upload; what still needs it keeps it. A failure is a
// warning: the dataset is there whatever becomes of the archive.
void DeleteArchive(Session& session, Connection& connection, const std::string& artifact);

// "{model}-pictures-{8 hex of sha256}"; a long model name is cut. Pure.
std::string PicturesDatasetId(std::string_view model, std::string_view sha256);
// The same with "-data-": of a folder whose format is found out.
std::string DataDatasetId(std::string_view model, std::string_view sha256);

// kPictures: what lies in the folder is pictures, whatever else there is. kFoundOut: also their
// labels, in whatever format the server finds.
enum class FolderKind { kPictures, kFoundOut };
// For which model, by its own name, and as what.
struct FolderOwner {
  std::string model;
  FolderKind kind = FolderKind::kPictures;
};

// Whether a dry run may upload and create.
enum class FolderUse { kCreate, kOnlyFind };

// "datasets/{dataset}", READY, of the pictures in a folder: the one of their content where there is
// one, else a new one.
// Errors: those of packing, upload and check; kFailedPrecondition - kOnlyFind and there is none;
//         kAlreadyExists - a dataset of that name has other content.
absl::StatusOr<std::string> DatasetOfFolder(Session& session, Connection& connection,
                                            const FolderOwner& owner, const std::string& folder,
                                            FolderUse use);

// "datasets/{dataset}" for a dataset's name or a folder: text is a folder where one is there and
// text has a '/' or names no dataset.
// Errors: those of DatasetOfFolder; kInvalidArgument, BAD_NAME - neither; kNotFound - no dataset.
absl::StatusOr<std::string> DatasetOrFolder(Session& session, Connection& connection,
                                            const FolderOwner& owner, const std::string& text,
                                            FolderUse use);

}  // namespace lbw::client

#endif  // LBW_CLIENT_COMMANDS_FOLDER_DATASET_H_
