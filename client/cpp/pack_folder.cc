#include "client/cpp/pack_folder.h"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/io.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/format.h"

namespace lbw::client {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBytes = 1 << 20;
constexpr size_t kMaxSkippedNames = 100;

struct File {
  std::string name;  // inside the archive
  std::string path;  // on disk
  uint64_t size = 0;
};

absl::Status Fail(absl::StatusCode code, base::Reason reason, const std::string& message) {
  return base::Error(code, reason, message);
}

bool IsLeftOut(const std::string& name) { return name.starts_with(".") || name == "__MACOSX"; }

bool IsInside(const fs::path& path, const fs::path& folder) {
  const auto ends = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return ends.first == folder.end();
}

// Collects the folder's files.
class Walk {
 public:
  Walk(fs::path root, const PackLimits& limits, Canceller& canceller, PackedFolder& packed)
      : root_(std::move(root)), limits_(limits), canceller_(canceller), packed_(packed) {}

  absl::StatusOr<std::vector<File>> Run() {
    LBW_RETURN_IF_ERROR(Folder(root_, ""));
    std::sort(files_.begin(), files_.end(),
              [](const File& a, const File& b) { return a.name < b.name; });
    return std::move(files_);
  }

 private:
  absl::Status Folder(const fs::path& folder, const std::string& prefix) {
    LBW_RETURN_IF_ERROR(canceller_.Check());
    std::error_code error;
    fs::directory_iterator entries(folder, error);
    // Links to folders are not followed, so that no walk is endless.
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
      const std::string name = entries->path().filename().string();
      if (IsLeftOut(name)) continue;
      LBW_RETURN_IF_ERROR(Entry(*entries, prefix + name));
    }
    if (!error) return absl::OkStatus();
    return Fail(absl::StatusCode::kInternal, base::reason::kStoreFailed,
                base::StrCat("cannot read the folder ", folder.string(), ": ", error.message()));
  }

  absl::Status Entry(const fs::directory_entry& entry, const std::string& name) {
    std::error_code error;
    const fs::file_status own = entry.symlink_status(error);
    if (fs::is_directory(own)) return Folder(entry.path(), name + "/");
    if (fs::is_symlink(own)) {
      const fs::path target = fs::canonical(entry.path(), error);
      if (error) return Skip(name, "a link that leads nowhere");
      if (!fs::is_regular_file(target, error)) return Skip(name, "a link to what is no file");
      if (!IsInside(target, root_)) return Skip(name, "a link out of the folder");
    } else if (!fs::is_regular_file(own)) {
      return Skip(name, "no regular file");
    }
    const uint64_t size = fs::file_size(entry.path(), error);
    if (error) {
      return Fail(absl::StatusCode::kInternal, base::reason::kStoreFailed,
                  base::StrCat("cannot read ", entry.path().string(), ": ", error.message()));
    }
    if (files_.size() >= limits_.max_files) {
      return Fail(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                  base::StrCat(root_.string(),
                               " holds more files than a dataset may: limit=", limits_.max_files));
    }
    packed_.bytes += size;
    files_.push_back({name, entry.path().string(), size});
    return absl::OkStatus();
  }

  absl::Status Skip(const std::string& name, const std::string& why) {
    ++packed_.skipped_count;
    if (packed_.skipped.size() < kMaxSkippedNames) {
      packed_.skipped.push_back(base::StrCat(Printable(name), ": ", why));
    }
    return absl::OkStatus();
  }

  const fs::path root_;
  const PackLimits& limits_;
  Canceller& canceller_;
  PackedFolder& packed_;
  std::vector<File> files_;
};

struct FreeArchive {
  void operator()(archive* writer) const { archive_write_free(writer); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

// The tar on disk.
class Tar {
 public:
  explicit Tar(const std::string& path) : path_(path), writer_(archive_write_new()) {}

  absl::Status Open() {
    archive* const writer = writer_.get();
    if (archive_write_set_format_pax_restricted(writer) != ARCHIVE_OK ||
        archive_write_set_format_option(writer, "pax", "hdrcharset", "BINARY") != ARCHIVE_OK ||
        archive_write_open_filename(writer, path_.c_str()) != ARCHIVE_OK) {
      return Failed();
    }
    return absl::OkStatus();
  }

  absl::Status Begin(const File& file) {
    const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), file.name.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(file.size));
    archive_entry_set_mtime(entry.get(), 0, 0);
    archive_entry_set_uid(entry.get(), 0);
    archive_entry_set_gid(entry.get(), 0);
    return archive_write_header(writer_.get(), entry.get()) < ARCHIVE_WARN ? Failed()
                                                                           : absl::OkStatus();
  }

  absl::Status Write(absl::Span<const std::byte> bytes) {
    const la_ssize_t written = archive_write_data(writer_.get(), bytes.data(), bytes.size());
    return written == static_cast<la_ssize_t>(bytes.size()) ? absl::OkStatus() : Failed();
  }

  absl::Status Close() {
    return archive_write_close(writer_.get()) == ARCHIVE_OK ? absl::OkStatus() : Failed();
  }

 private:
  absl::Status Failed() {
    const char* const text = archive_error_string(writer_.get());
    const bool is_full = archive_errno(writer_.get()) == ENOSPC;
    const std::string hint = is_full ? "; TMPDIR names another folder for it" : "";
    return Fail(is_full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal,
                base::reason::kStoreFailed,
                base::StrCat("cannot write the archive ", path_, ": ",
                             text == nullptr ? "unknown error" : text, hint));
  }

  const std::string path_;
  const std::unique_ptr<archive, FreeArchive> writer_;
};

absl::Status Changed(const File& file) {
  return Fail(absl::StatusCode::kFailedPrecondition, base::reason::kBadFile,
              base::StrCat(Printable(file.path), " changed while it was packed; pack it again"));
}

absl::Status AddFile(const File& file, Tar& tar, std::vector<std::byte>& buffer) {
  LBW_ASSIGN_OR_RETURN(const auto reader, base::OpenFileReader(file.path));
  if (reader->size() != file.size) return Changed(file);
  LBW_RETURN_IF_ERROR(tar.Begin(file));
  for (uint64_t offset = 0; offset < file.size;) {
    const uint64_t length = std::min<uint64_t>(buffer.size(), file.size - offset);
    const absl::Span<std::byte> piece(buffer.data(), length);
    if (absl::Status status = reader->ReadAt(offset, piece); !status.ok()) {
      return status.code() == absl::StatusCode::kDataLoss ? Changed(file) : status;
    }
    LBW_RETURN_IF_ERROR(tar.Write(piece));
    offset += length;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PackedFolder> PackFolder(const std::string& folder, const std::string& archive,
                                        const PackLimits& limits, Canceller& canceller,
                                        ProgressSink& progress) {
  std::error_code error;
  const fs::path root = fs::canonical(folder, error);
  if (error) {
    return Fail(absl::StatusCode::kNotFound, base::reason::kNotFound,
                base::StrCat("no such folder: ", Printable(folder)));
  }
  if (!fs::is_directory(root, error)) {
    return Fail(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                base::StrCat(Printable(folder), " is no folder"));
  }
  PackedFolder packed;
  LBW_ASSIGN_OR_RETURN(const std::vector<File> files, Walk(root, limits, canceller, packed).Run());
  if (files.empty()) {
    return Fail(absl::StatusCode::kInvalidArgument, base::reason::kBadDataset,
                base::StrCat("there are no files in ", Printable(folder)));
  }
  Tar tar(archive);
  LBW_RETURN_IF_ERROR(tar.Open());
  std::vector<std::byte> buffer(kReadBytes);
  uint64_t done = 0;
  for (const File& file : files) {
    LBW_RETURN_IF_ERROR(canceller.Check());
    LBW_RETURN_IF_ERROR(AddFile(file, tar, buffer));
    done += file.size;
    progress.Update({"pack", done, packed.bytes, "bytes", file.name});
  }
  LBW_RETURN_IF_ERROR(tar.Close());
  progress.Clear();
  packed.files = files.size();
  return packed;
}

absl::StatusOr<TemporaryFile> TemporaryFile::Create() {
  std::error_code error;
  const fs::path folder = fs::temp_directory_path(error);
  std::string path = (folder / "lbw-XXXXXX").string();
  const int file = error ? -1 : ::mkstemp(path.data());
  if (file < 0) {
    const bool is_full = !error && errno == ENOSPC;
    return base::Error(is_full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal,
                       base::reason::kStoreFailed,
                       base::StrCat("cannot make a temporary file ", path, ": ",
                                    error ? error.message() : std::string(std::strerror(errno))));
  }
  ::close(file);
  return TemporaryFile(std::move(path));
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : path_(std::exchange(other.path_, std::string())) {}

TemporaryFile::~TemporaryFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace lbw::client
