#include "store/folder_blob_store.h"

#include <optional>
#include <utility>

#include "base/digest.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::store {
namespace {

base::Error NoBlob(std::string_view sha256) {
  return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                     base::StrCat("no blob ", sha256.substr(0, 64)));
}

std::string Folder(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

// Small pieces are gathered, so that a file of many tensors is not written in many calls.
class FolderBlobStore::Writer final : public BlobWriter {
 public:
  struct Place {
    std::string path;
    std::unique_ptr<File> file;
    std::unique_ptr<FileLock> lock;  // tells sweepers that somebody writes it
  };
  Writer(FolderBlobStore& store, Place place)
      : store_(store),
        path_(std::move(place.path)),
        lock_(std::move(place.lock)),
        file_(std::move(place.file)) {}
  ~Writer() override {
    file_.reset();
    if (!committed_)
      RemoveIfThere(store_.files_, path_).IgnoreError();  // what stays, the next Open sweeps
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  absl::Status Append(absl::Span<const std::byte> data) override {
    LBW_RETURN_IF_ERROR(broken_);
    if (sealed_) {
      return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kInternal,
                         "the blob is sealed");
    }
    digest_.Update(data);
    size_bytes_ += data.size();
    if (pending_.size() + data.size() > kBufferBytes) LBW_RETURN_IF_ERROR(Flush());
    if (data.size() > kBufferBytes) return Put(data);
    pending_.append(reinterpret_cast<const char*>(data.data()), data.size());
    return absl::OkStatus();
  }

  absl::StatusOr<BlobInfo> Seal() override {
    LBW_RETURN_IF_ERROR(broken_);
    if (sealed_) return *sealed_;
    LBW_RETURN_IF_ERROR(Flush());
    broken_ = file_->Sync();
    LBW_RETURN_IF_ERROR(broken_);
    file_.reset();
    sealed_ = BlobInfo{digest_.FinishHex(), size_bytes_};
    return *sealed_;
  }

  absl::StatusOr<BlobInfo> Commit() override {
    LBW_ASSIGN_OR_RETURN(const BlobInfo info, Seal());
    if (committed_) return info;
    // Between finding an old blob and making it young nobody may unlink it.
    LBW_ASSIGN_OR_RETURN(const std::unique_ptr<Hold> hold, store_.Acquire(Access::kName));
    const absl::Status touched = store_.files_.Touch(store_.PathOf(info.sha256));
    if (touched.ok()) {
      // Whoever renamed it may not have synced its folder yet.
      LBW_RETURN_IF_ERROR(store_.files_.SyncFolder(Folder(store_.PathOf(info.sha256))));
      LBW_RETURN_IF_ERROR(RemoveIfThere(store_.files_, path_));
    } else if (absl::IsNotFound(touched)) {
      LBW_RETURN_IF_ERROR(store_.MoveIntoPlace(path_, info.sha256));
    } else {
      return touched;
    }
    committed_ = true;
    return info;
  }

 private:
  static constexpr size_t kBufferBytes = size_t{256} << 10;

  absl::Status Put(absl::Span<const std::byte> data) {
    broken_ = file_->WriteAt(written_, data);
    if (broken_.ok()) written_ += data.size();
    return broken_;
  }
  absl::Status Flush() {
    if (pending_.empty()) return absl::OkStatus();
    LBW_RETURN_IF_ERROR(Put(base::AsBytes(pending_)));
    pending_.clear();
    return absl::OkStatus();
  }

  FolderBlobStore& store_;
  const std::string path_;
  const std::unique_ptr<FileLock> lock_;
  std::unique_ptr<File> file_;
  base::Sha256 digest_;
  std::string pending_;
  uint64_t size_bytes_ = 0;
  uint64_t written_ = 0;
  absl::Status broken_;
  std::optional<BlobInfo> sealed_;
  bool committed_ = false;
};

FolderBlobStore::FolderBlobStore(FileSystem& files, const std::string& folder)
    : files_(files),
      blobs_(folder + "/blobs"),
      tmp_(folder + "/tmp"),
      lock_(folder + "/blobs.lock") {}

absl::StatusOr<std::unique_ptr<FolderBlobStore>> FolderBlobStore::Open(FileSystem& files,
                                                                       const std::string& folder) {
  std::unique_ptr<FolderBlobStore> store(new FolderBlobStore(files, folder));
  LBW_RETURN_IF_ERROR(files.MakeFolder(store->blobs_));
  LBW_RETURN_IF_ERROR(files.MakeFolder(store->tmp_));
  LBW_RETURN_IF_ERROR(files.SyncFolder(folder));
  LBW_ASSIGN_OR_RETURN(const std::vector<FileInfo> left, files.List(store->tmp_));
  for (const FileInfo& file : left) {
    if (file.is_folder) continue;
    const std::string path = store->tmp_ + "/" + file.name;
    const absl::StatusOr<std::unique_ptr<FileLock>> lock =
        files.LockFile(path, FileSystem::Lock::kTry);
    if (absl::IsNotFound(lock.status())) continue;
    LBW_RETURN_IF_ERROR(lock.status());
    if (*lock != nullptr) LBW_RETURN_IF_ERROR(RemoveIfThere(files, path));
  }
  return store;
}

std::string FolderBlobStore::PathOf(std::string_view sha256) const {
  return base::StrCat(blobs_, "/", sha256.substr(0, 2), "/", sha256);
}

absl::Status FolderBlobStore::MakeFolderOf(std::string_view sha256) {
  const std::string folder = base::StrCat(blobs_, "/", sha256.substr(0, 2));
  if (files_.Stat(folder).ok()) return absl::OkStatus();
  LBW_RETURN_IF_ERROR(files_.MakeFolder(folder));
  return files_.SyncFolder(blobs_);
}

absl::Status FolderBlobStore::MoveIntoPlace(const std::string& path, std::string_view sha256) {
  LBW_RETURN_IF_ERROR(MakeFolderOf(sha256));
  const std::string place = PathOf(sha256);
  LBW_RETURN_IF_ERROR(files_.Rename(path, place));
  return files_.SyncFolder(Folder(place));
}

absl::StatusOr<std::unique_ptr<BlobWriter>> FolderBlobStore::NewBlob() {
  // Between making a file and locking it a sweeper may take it; then there is another name.
  constexpr int kMostTries = 8;
  for (int i = 0; i < kMostTries; ++i) {
    Writer::Place place;
    place.path = base::StrCat(tmp_, "/", base::NewId());
    LBW_ASSIGN_OR_RETURN(place.file, files_.OpenFile(place.path, FileSystem::Open::kCreateNew));
    absl::StatusOr<std::unique_ptr<FileLock>> lock =
        files_.LockFile(place.path, FileSystem::Lock::kTry);
    if (absl::IsNotFound(lock.status()) || (lock.ok() && *lock == nullptr)) continue;
    LBW_RETURN_IF_ERROR(lock.status());
    if (!files_.Stat(place.path).ok()) continue;
    place.lock = *std::move(lock);
    return std::make_unique<Writer>(*this, std::move(place));
  }
  return base::Error(absl::StatusCode::kInternal, base::reason::kStoreFailed,
                     base::StrCat("temporary files in ", tmp_, " vanish as they are made"));
}

absl::StatusOr<std::unique_ptr<BlobStore::Hold>> FolderBlobStore::Acquire(Access access) {
  class LockHold final : public Hold {
   public:
    explicit LockHold(std::unique_ptr<FileLock> lock) : lock_(std::move(lock)) {}

   private:
    const std::unique_ptr<FileLock> lock_;
  };
  LBW_ASSIGN_OR_RETURN(
      std::unique_ptr<FileLock> lock,
      files_.LockFile(lock_, access == Access::kName ? FileSystem::Lock::kShared
                                                     : FileSystem::Lock::kExclusive));
  return std::make_unique<LockHold>(std::move(lock));
}

absl::Status FolderBlobStore::AdoptFile(const std::string& path, std::string_view sha256) {
  LBW_CHECK(base::IsSha256Hex(sha256));
  const absl::Status moved = MoveIntoPlace(path, sha256);
  if (!absl::IsNotFound(moved)) return moved;
  LBW_ASSIGN_OR_RETURN(const bool there, Exists(sha256));
  // Moved by an earlier call, whose sync of the folder may have failed.
  return there ? files_.SyncFolder(Folder(PathOf(sha256))) : moved;
}

absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> FolderBlobStore::Open(
    std::string_view sha256) const {
  // A digest becomes part of a path only after it was seen to be one.
  if (!base::IsSha256Hex(sha256)) return NoBlob(sha256);
  auto reader = files_.OpenReader(PathOf(sha256));
  if (absl::IsNotFound(reader.status())) return NoBlob(sha256);
  return reader;
}

absl::StatusOr<bool> FolderBlobStore::Exists(std::string_view sha256) const {
  LBW_ASSIGN_OR_RETURN(const std::optional<absl::Time> modified, ModifiedTime(sha256));
  return modified.has_value();
}

absl::StatusOr<std::optional<absl::Time>> FolderBlobStore::ModifiedTime(
    std::string_view sha256) const {
  if (!base::IsSha256Hex(sha256)) return std::optional<absl::Time>();
  const absl::StatusOr<FileInfo> info = files_.Stat(PathOf(sha256));
  if (absl::IsNotFound(info.status())) return std::optional<absl::Time>();
  LBW_RETURN_IF_ERROR(info.status());
  return std::optional<absl::Time>(info->modified);
}

absl::Status FolderBlobStore::Remove(std::string_view sha256) {
  if (!base::IsSha256Hex(sha256)) return absl::OkStatus();
  const std::string path = PathOf(sha256);
  const absl::Status removed = files_.Remove(path);
  if (absl::IsNotFound(removed)) return absl::OkStatus();
  LBW_RETURN_IF_ERROR(removed);
  return files_.SyncFolder(Folder(path));
}

absl::StatusOr<std::vector<BlobStore::Listed>> FolderBlobStore::List() const {
  std::vector<Listed> blobs;
  LBW_ASSIGN_OR_RETURN(const std::vector<FileInfo> folders, files_.List(blobs_));
  for (const FileInfo& folder : folders) {
    if (!folder.is_folder) continue;
    LBW_ASSIGN_OR_RETURN(const std::vector<FileInfo> files,
                         files_.List(blobs_ + "/" + folder.name));
    for (const FileInfo& file : files) {
      const bool is_blob =
          base::IsSha256Hex(file.name) && file.name.compare(0, 2, folder.name) == 0;
      if (!file.is_folder && is_blob) blobs.push_back({file.name, file.size_bytes, file.modified});
    }
  }
  return blobs;
}

}  // namespace lbw::store
