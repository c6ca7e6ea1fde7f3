#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "base/status.h"
#include "dataset/archive_source.h"
#include "dataset/disk_room.h"
#include "dataset/entry_name.h"
#include "dataset/file_tree.h"
#include "dataset/file_tree_builder.h"
#include "dataset/scratch_file.h"
#include "dataset/text.h"

namespace lbw::dataset {
namespace {

constexpr uint64_t kProgressBytes = uint64_t{64} << 20;
constexpr uint64_t kTarBlock = 512;

const char* KindOf(archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return "is a hard link";
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
    case AE_IFDIR:
      return nullptr;
    case AE_IFLNK:
      return "is a symbolic link";
    case AE_IFCHR:
    case AE_IFBLK:
      return "is a device";
    case AE_IFIFO:
      return "is a FIFO";
    case AE_IFSOCK:
      return "is a socket";
    default:
      return "is neither a file nor a folder";
  }
}

// One archive's way into a scratch file.
class Unpacker {
 public:
  Unpacker(ArchiveSource& source, ScratchFile& scratch, uint64_t archive_bytes,
           const DatasetLimits& limits, DiskRoom* room)
      : source_(source),
        scratch_(scratch),
        archive_bytes_(archive_bytes),
        bound_{limits.max_unpacked_bytes, limits.max_expansion},
        max_files_(limits.max_files),
        max_name_bytes_(limits.max_name_bytes),
        room_(room) {}

  absl::Status Run(const UnpackProgress& progress) {
    progress_ = &progress;
    while (true) {
      const uint64_t before = source_.unfiltered_bytes();
      archive_entry* entry = nullptr;
      const int code = archive_read_next_header(source_.get(), &entry);
      if (code == ARCHIVE_EOF) return CheckEnd(before);
      // A warning about a zip: its two headers of an entry contradict each other. About a tar:
      // attributes that do not matter here, or a name.
      const bool readable = code == ARCHIVE_OK || (code == ARCHIVE_WARN && source_.is_tar());
      if (!readable) return Contradicts(code, entry);
      LBW_RETURN_IF_ERROR(TakeEntry(entry, code == ARCHIVE_WARN));
      LBW_RETURN_IF_ERROR(Report());
    }
  }

  FileTreeBuilder& tree() { return tree_; }

 private:
  absl::Status TakeEntry(archive_entry* entry, bool warned) {
    const char* raw = archive_entry_pathname(entry);
    if (raw == nullptr || (warned && NameIsMangled())) {
      return BadArchive(base::StrCat("an entry's name is not UTF-8, after ", After()));
    }
    LBW_ASSIGN_OR_RETURN(std::string name, NormalizeEntryName(raw));
    last_name_ = name;
    if (++entries_ > max_files_) {
      return BadArchive(base::StrCat("too many entries: ", Quoted(name), " is number ", entries_,
                                     ", limit=", max_files_));
    }
    if (const char* kind = KindOf(entry)) return BadArchive(base::StrCat(Quoted(name), " ", kind));
    if (archive_entry_is_encrypted(entry) != 0) {
      return BadArchive(base::StrCat(Quoted(name), " is encrypted"));
    }
    std::optional<uint64_t> size;
    if (archive_entry_size_is_set(entry) != 0) {
      if (archive_entry_size(entry) < 0) return Damaged();
      size = static_cast<uint64_t>(archive_entry_size(entry));
      // Before anything is unpacked, and for what is skipped too: skipping decompresses.
      LBW_RETURN_IF_ERROR(Charge(*size));
    }
    if (archive_entry_filetype(entry) == AE_IFDIR || IsLitter(name)) return absl::OkStatus();
    if (name.empty()) return BadArchive("a file has no name: '.'");
    return Unpack(std::move(name), size);
  }

  absl::Status Unpack(std::string name, std::optional<uint64_t> size) {
    const uint64_t offset = scratch_.size();
    uint64_t written = 0;
    // What does not fit is not begun.
    if (room_ != nullptr) LBW_RETURN_IF_ERROR(room_->Check(size.value_or(0), Quoted(name)));
    while (true) {
      const void* data = nullptr;
      size_t count = 0;
      la_int64_t at = 0;
      const int code = archive_read_data_block(source_.get(), &data, &count, &at);
      if (code == ARCHIVE_EOF) break;
      // WARN too: a checksum that is wrong.
      if (code != ARCHIVE_OK) return Damaged();
      if (count == 0) continue;
      const auto start = static_cast<uint64_t>(at);
      if (at < 0 || start < written) return Damaged();
      const auto end = base::CheckedAdd<uint64_t>(start, count);
      if (!end || (size && *end > *size)) {
        return BadArchive(
            base::StrCat(Quoted(name), " is longer than it says: bytes=", size.value_or(0)));
      }
      if (!size) LBW_RETURN_IF_ERROR(Charge(*end - written));
      LBW_RETURN_IF_ERROR(CheckGrowth(offset + *end));
      if (start > written) LBW_RETURN_IF_ERROR(scratch_.Skip(start - written));
      if (room_ != nullptr) LBW_RETURN_IF_ERROR(room_->Take(count, Quoted(name)));
      LBW_RETURN_IF_ERROR(
          scratch_.Append(absl::MakeSpan(static_cast<const std::byte*>(data), count)));
      if (*end / kProgressBytes != written / kProgressBytes) LBW_RETURN_IF_ERROR(Report());
      written = *end;
    }
    LBW_RETURN_IF_ERROR(FillHole(name, written, size.value_or(written)));
    return Keep(std::move(name), {offset, size.value_or(written)});
  }

  // What a sparse tar entry does not store at its end is zeros; a zip entry has no such thing.
  absl::Status FillHole(std::string_view name, uint64_t written, uint64_t size) {
    if (written == size) return absl::OkStatus();
    if (!source_.is_tar()) {
      return BadArchive(
          base::StrCat(Quoted(name), " is shorter than it says: bytes=", written, " of ", size));
    }
    return scratch_.Skip(size - written);
  }

  absl::Status Keep(std::string name, FileTree::Entry entry) {
    name_bytes_ += name.size();
    if (name_bytes_ > max_name_bytes_) {
      return BadArchive(base::StrCat("the names of all entries are too long: ", Quoted(name),
                                     " brings them to ", name_bytes_,
                                     " bytes, limit=", max_name_bytes_));
    }
    if (tree_.Add(std::move(name), entry)) return absl::OkStatus();
    return BadArchive(base::StrCat("two entries have the name '", Shown(last_name_), "'"));
  }

  // Counts bytes that an entry unpacks to.
  absl::Status Charge(uint64_t bytes) {
    const auto total = base::CheckedAdd(unpacked_bytes_, bytes);
    const uint64_t limit = bound_.Of(archive_bytes_);
    if (!total || *total > limit) {
      return BadArchive(base::StrCat("the archive expands beyond the limit: ", Quoted(last_name_),
                                     " brings it to more than ", unpacked_bytes_, " + ", bytes,
                                     " bytes, limit=", limit, " (archive of ", archive_bytes_,
                                     " bytes)"));
    }
    unpacked_bytes_ = *total;
    return absl::OkStatus();
  }

  // Holds what was unpacked so far against what was read so far, so that a bomb is not unpacked up
  // to what its whole size would allow.
  absl::Status CheckGrowth(uint64_t unpacked) const {
    const uint64_t limit = bound_.Of(source_.bytes_read());
    if (unpacked <= limit) return absl::OkStatus();
    return BadArchive(base::StrCat("the archive expands beyond the limit: with ",
                                   Quoted(last_name_), " ", source_.bytes_read(),
                                   " bytes of it become ", unpacked, ", limit=", limit));
  }

  // libarchive takes the end of the bytes for the end of the archive. A whole tar ends with blocks
  // of zeros, which it consumes; where only an entry's padding was consumed, they are missing.
  absl::Status CheckEnd(uint64_t before) const {
    if (!source_.is_tar()) return absl::OkStatus();
    const uint64_t aligned = base::CeilDiv(before, kTarBlock) * kTarBlock;
    if (source_.unfiltered_bytes() > aligned) return absl::OkStatus();
    return BadArchive(base::StrCat("the tar is cut short after ", After()));
  }

  absl::Status Contradicts(int code, archive_entry* entry) {
    if (code == ARCHIVE_WARN && entry != nullptr && archive_entry_pathname(entry) != nullptr) {
      last_name_ = archive_entry_pathname(entry);
    }
    return Damaged();
  }

  static std::string Quoted(std::string_view name) {
    return base::StrCat("entry '", Shown(name), "'");
  }

  bool NameIsMangled() const {
    const char* text = archive_error_string(source_.get());
    return text != nullptr && std::string_view(text).find("athname") != std::string_view::npos;
  }

  absl::Status Damaged() const {
    return source_.Failure(
        base::StrCat("the archive is damaged or cut short at or after ", After()));
  }
  std::string After() const {
    return last_name_.empty() ? std::string("its start") : Quoted(last_name_);
  }
  absl::Status Report() const {
    return *progress_ ? (*progress_)(source_.bytes_read(), archive_bytes_) : absl::OkStatus();
  }

  ArchiveSource& source_;
  ScratchFile& scratch_;
  const uint64_t archive_bytes_;
  const ExpansionBound bound_;
  const uint64_t max_files_;
  const uint64_t max_name_bytes_;
  DiskRoom* const room_;
  const UnpackProgress* progress_ = nullptr;
  FileTreeBuilder tree_;
  std::string last_name_;
  uint64_t entries_ = 0;
  uint64_t unpacked_bytes_ = 0;
  uint64_t name_bytes_ = 0;
};

}  // namespace

absl::StatusOr<FileTree> UnpackArchive(const base::RandomAccessReader& archive,
                                       const std::string& scratch_file, const DatasetLimits& limits,
                                       const UnpackProgress& progress, DiskRoom* room) {
  const Utf8Locale utf8;
  // Names and padding come on top of the files' own bytes: there only growth is held.
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<ArchiveSource> source,
                       ArchiveSource::Open(archive, {UINT64_MAX, limits.max_expansion}));
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<ScratchFile> scratch, ScratchFile::Create(scratch_file));
  Unpacker unpacker(*source, *scratch, archive.size(), limits, room);
  LBW_RETURN_IF_ERROR(unpacker.Run(progress));
  if (unpacker.tree().files() == 0) return BadArchive("the archive holds no files");
  LBW_RETURN_IF_ERROR(scratch->Finish());
  return unpacker.tree().Finish(std::move(scratch));
}

}  // namespace lbw::dataset
