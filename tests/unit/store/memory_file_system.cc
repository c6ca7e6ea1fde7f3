#include "unit/store/memory_file_system.h"

#include <cstring>
#include <utility>

#include "base/status.h"

namespace lbw::store {
namespace {

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }
std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

absl::Status NoSuch(const std::string& path) {
  return absl::NotFoundError("no such file or folder: " + path);
}

}  // namespace

class MemoryFileSystem::OpenedFile final : public File {
 public:
  OpenedFile(MemoryFileSystem& files, std::shared_ptr<Node> node)
      : files_(files), node_(std::move(node)) {}

  absl::Status WriteAt(uint64_t offset, absl::Span<const std::byte> data) override {
    LBW_RETURN_IF_ERROR(files_.Alive());
    absl::MutexLock lock(&files_.mu_);
    const uint64_t end = offset + data.size();
    const uint64_t grows = end > node_->bytes.size() ? end - node_->bytes.size() : 0;
    const bool fits = files_.Used() + grows <= files_.capacity_;
    const size_t kept = fits ? data.size() : data.size() / 2;
    if (node_->bytes.size() < offset + kept) node_->bytes.resize(offset + kept);
    if (kept != 0) std::memcpy(node_->bytes.data() + offset, data.data(), kept);
    node_->modified = files_.now_();
    if (fits) return absl::OkStatus();
    return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                       "the disk is full");
  }
  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> out) const override {
    absl::MutexLock lock(&files_.mu_);
    if (offset + out.size() > node_->bytes.size())
      return absl::OutOfRangeError("read past the end");
    if (!out.empty()) std::memcpy(out.data(), node_->bytes.data() + offset, out.size());
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> Size() const override {
    absl::MutexLock lock(&files_.mu_);
    return node_->bytes.size();
  }
  absl::Status Truncate(uint64_t size) override {
    LBW_RETURN_IF_ERROR(files_.Alive());
    absl::MutexLock lock(&files_.mu_);
    node_->bytes.resize(size);
    return absl::OkStatus();
  }
  absl::Status Sync() override {
    LBW_RETURN_IF_ERROR(files_.Alive());
    absl::MutexLock lock(&files_.mu_);
    if (files_.failing_syncs_ > 0) {
      --files_.failing_syncs_;
      return base::Error(absl::StatusCode::kInternal, base::reason::kStoreFailed, "sync failed");
    }
    node_->durable = node_->bytes;
    return absl::OkStatus();
  }

 private:
  MemoryFileSystem& files_;
  const std::shared_ptr<Node> node_;
};

absl::Status MemoryFileSystem::Alive() const {
  return point_.Step() ? absl::OkStatus() : absl::UnavailableError("crashed");
}

MemoryFileSystem::Folder* MemoryFileSystem::Parent(const std::string& path) {
  const auto found = folders_.find(FolderOf(path));
  return found == folders_.end() ? nullptr : &found->second;
}

uint64_t MemoryFileSystem::Used() const {
  uint64_t bytes = 0;
  for (const auto& [path, folder] : folders_) {
    for (const auto& [name, node] : folder.now) bytes += node->bytes.size();
  }
  return bytes;
}

void MemoryFileSystem::Recover(Crash crash) {
  absl::MutexLock lock(&mu_);
  if (crash == Crash::kProcess) return;
  for (auto it = folders_.begin(); it != folders_.end();) {
    it = it->second.survives ? std::next(it) : folders_.erase(it);
  }
  for (auto& [path, folder] : folders_) {
    folder.now = folder.durable;
    for (auto& [name, node] : folder.now) node->bytes = node->durable;
  }
}

void MemoryFileSystem::SetCapacity(uint64_t bytes) {
  absl::MutexLock lock(&mu_);
  capacity_ = bytes;
}

void MemoryFileSystem::FailSyncs(int count) {
  absl::MutexLock lock(&mu_);
  failing_syncs_ = count;
}

std::vector<std::string> MemoryFileSystem::AllFiles() const {
  absl::MutexLock lock(&mu_);
  std::vector<std::string> paths;
  for (const auto& [path, folder] : folders_) {
    for (const auto& [name, node] : folder.now) paths.push_back(path + "/" + name);
  }
  return paths;
}

void MemoryFileSystem::Lose(const std::string& path) {
  absl::MutexLock lock(&mu_);
  Folder* const folder = Parent(path);
  LBW_CHECK(folder != nullptr && folder->now.erase(NameOf(path)) == 1);
}

absl::StatusOr<std::unique_ptr<File>> MemoryFileSystem::OpenFile(const std::string& path,
                                                                 Open mode) {
  LBW_RETURN_IF_ERROR(Alive());
  absl::MutexLock lock(&mu_);
  Folder* const folder = Parent(path);
  if (folder == nullptr) return NoSuch(path);
  const auto found = folder->now.find(NameOf(path));
  if (found != folder->now.end()) {
    if (mode == Open::kCreateNew) return absl::AlreadyExistsError(path);
    return std::make_unique<OpenedFile>(*this, found->second);
  }
  if (mode == Open::kExisting) return NoSuch(path);
  auto node = std::make_shared<Node>();
  node->modified = now_();
  folder->now[NameOf(path)] = node;
  return std::make_unique<OpenedFile>(*this, std::move(node));
}

absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> MemoryFileSystem::OpenReader(
    const std::string& path) const {
  absl::MutexLock lock(&mu_);
  const auto folder = folders_.find(FolderOf(path));
  if (folder == folders_.end()) return NoSuch(path);
  const auto found = folder->second.now.find(NameOf(path));
  if (found == folder->second.now.end()) return NoSuch(path);
  return std::make_unique<base::StringReader>(found->second->bytes);
}

absl::Status MemoryFileSystem::Rename(const std::string& from, const std::string& to) {
  LBW_RETURN_IF_ERROR(Alive());
  absl::MutexLock lock(&mu_);
  Folder* const source = Parent(from);
  Folder* const target = Parent(to);
  if (source == nullptr || target == nullptr || source->now.count(NameOf(from)) == 0)
    return NoSuch(from);
  target->now[NameOf(to)] = source->now[NameOf(from)];
  source->now.erase(NameOf(from));
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::Remove(const std::string& path) {
  LBW_RETURN_IF_ERROR(Alive());
  absl::MutexLock lock(&mu_);
  Folder* const folder = Parent(path);
  return folder != nullptr && folder->now.erase(NameOf(path)) == 1 ? absl::OkStatus()
                                                                   : NoSuch(path);
}

absl::Status MemoryFileSystem::Touch(const std::string& path) {
  LBW_RETURN_IF_ERROR(Alive());
  absl::MutexLock lock(&mu_);
  Folder* const folder = Parent(path);
  if (folder == nullptr) return NoSuch(path);
  const auto found = folder->now.find(NameOf(path));
  if (found == folder->now.end()) return NoSuch(path);
  found->second->modified = now_();
  return absl::OkStatus();
}

absl::StatusOr<FileInfo> MemoryFileSystem::Stat(const std::string& path) const {
  absl::MutexLock lock(&mu_);
  if (folders_.count(path) != 0) return FileInfo{NameOf(path), true, 0, absl::InfinitePast()};
  const auto folder = folders_.find(FolderOf(path));
  if (folder == folders_.end()) return NoSuch(path);
  const auto found = folder->second.now.find(NameOf(path));
  if (found == folder->second.now.end()) return NoSuch(path);
  return FileInfo{NameOf(path), false, found->second->bytes.size(), found->second->modified};
}

absl::StatusOr<std::vector<FileInfo>> MemoryFileSystem::List(const std::string& folder) const {
  absl::MutexLock lock(&mu_);
  const auto found = folders_.find(folder);
  if (found == folders_.end()) return NoSuch(folder);
  std::vector<FileInfo> entries;
  for (const auto& [name, node] : found->second.now) {
    entries.push_back(FileInfo{name, false, node->bytes.size(), node->modified});
  }
  for (const auto& [path, child] : folders_) {
    if (path != folder && FolderOf(path) == folder) {
      entries.push_back(FileInfo{NameOf(path), true, 0, absl::InfinitePast()});
    }
  }
  return entries;
}

absl::Status MemoryFileSystem::MakeFolder(const std::string& path) {
  LBW_RETURN_IF_ERROR(Alive());
  absl::MutexLock lock(&mu_);
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    folders_[path.substr(0, slash)].survives = true;  // what lies above the data folder
  }
  folders_.try_emplace(path);
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::SyncFolder(const std::string& path) {
  LBW_RETURN_IF_ERROR(Alive());
  absl::MutexLock lock(&mu_);
  const auto found = folders_.find(path);
  if (found == folders_.end()) return NoSuch(path);
  found->second.durable = found->second.now;
  for (auto& [child_path, child] : folders_) {
    if (child_path != path && FolderOf(child_path) == path) child.survives = true;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FileLock>> MemoryFileSystem::LockFile(const std::string& path,
                                                                     Lock mode) {
  if (mode == Lock::kTry) LBW_RETURN_IF_ERROR(Stat(path).status());
  return std::make_unique<FileLock>();
}

}  // namespace lbw::store
