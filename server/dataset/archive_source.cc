#include "dataset/archive_source.h"

#include <archive.h>
#include <locale.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/checked.h"
#include "base/status.h"
#include "dataset/entry_name.h"
#include "dataset/text.h"

namespace lbw::dataset {

struct Utf8Locale::State {
  locale_t utf8 = nullptr;
  locale_t before = nullptr;
};

Utf8Locale::Utf8Locale() : state_(std::make_unique<State>()) {
  state_->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  // Without it names other than ASCII are refused, nothing worse.
  if (state_->utf8 != nullptr) state_->before = uselocale(state_->utf8);
}

Utf8Locale::~Utf8Locale() {
  if (state_->utf8 == nullptr) return;
  uselocale(state_->before);
  freelocale(state_->utf8);
}

uint64_t ExpansionBound::Of(uint64_t archive_bytes) const {
  const uint64_t grown = base::CheckedMul(archive_bytes, max_expansion).value_or(UINT64_MAX);
  return std::min(max_unpacked_bytes, std::max(kNeverABomb, grown));
}

// What libarchive calls.
struct ArchiveSource::Callbacks {
  static la_ssize_t Read(archive* archive, void* self, const void** out) {
    auto& source = *static_cast<ArchiveSource*>(self);
    *out = source.buffer_.data();
    // What is not compressed grows by names and padding only.
    const uint64_t limit = std::max(source.bound_.Of(source.bytes_read()), source.bytes_.size());
    if (source.unfiltered_bytes() > limit) {
      source.broken_ = BadArchive(
          base::StrCat("the archive expands beyond the limit: ", source.bytes_read(),
                       " bytes of it become ", source.unfiltered_bytes(), ", limit=", limit));
      return Fail(archive);
    }
    const uint64_t left = source.bytes_.size() - source.position_;
    const auto count = static_cast<size_t>(std::min<uint64_t>(left, source.buffer_.size()));
    if (count == 0) return 0;
    source.broken_ =
        source.bytes_.ReadAt(source.position_, absl::MakeSpan(source.buffer_.data(), count));
    if (!source.broken_.ok()) return Fail(archive);
    source.position_ += count;
    source.bytes_read_ += count;
    return static_cast<la_ssize_t>(count);
  }

  static la_int64_t Skip(archive*, void* self, la_int64_t request) {
    auto& source = *static_cast<ArchiveSource*>(self);
    if (request <= 0) return 0;
    const uint64_t left = source.bytes_.size() - source.position_;
    const uint64_t skipped = std::min(left, static_cast<uint64_t>(request));
    source.position_ += skipped;
    source.bytes_read_ += skipped;
    return static_cast<la_int64_t>(skipped);
  }

  static la_int64_t Seek(archive*, void* self, la_int64_t offset, int whence) {
    auto& source = *static_cast<ArchiveSource*>(self);
    const auto size = static_cast<la_int64_t>(source.bytes_.size());
    la_int64_t base = 0;
    if (whence == SEEK_CUR) base = static_cast<la_int64_t>(source.position_);
    if (whence == SEEK_END) base = size;
    la_int64_t target = 0;
    if (__builtin_add_overflow(base, offset, &target)) return ARCHIVE_FATAL;
    if (target < 0 || target > size) return ARCHIVE_FATAL;
    source.position_ = static_cast<uint64_t>(target);
    return target;
  }

 private:
  static la_ssize_t Fail(archive* archive) {
    archive_set_error(archive, EIO, "reading failed");
    return ARCHIVE_FATAL;
  }
};

ArchiveSource::ArchiveSource(const base::RandomAccessReader& bytes, const ExpansionBound& bound)
    : bytes_(bytes), bound_(bound), archive_(archive_read_new()) {}

ArchiveSource::~ArchiveSource() { archive_read_free(archive_); }

absl::StatusOr<std::unique_ptr<ArchiveSource>> ArchiveSource::Open(
    const base::RandomAccessReader& bytes, const ExpansionBound& bound) {
  std::unique_ptr<ArchiveSource> source(new ArchiveSource(bytes, bound));
  LBW_RETURN_IF_ERROR(source->Start());
  return source;
}

absl::Status ArchiveSource::Start() {
  if (archive_ == nullptr) {
    return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                       "no memory to read an archive");
  }
  // Of zip only the reader that believes the central directory: one truth, and a cut-off file has
  // none. WARN: libarchive would start a program to decompress.
  const bool ready = archive_read_support_format_zip_seekable(archive_) == ARCHIVE_OK &&
                     archive_read_support_format_tar(archive_) == ARCHIVE_OK &&
                     archive_read_support_filter_gzip(archive_) == ARCHIVE_OK &&
                     archive_read_support_filter_bzip2(archive_) == ARCHIVE_OK &&
                     archive_read_support_filter_xz(archive_) == ARCHIVE_OK &&
                     archive_read_support_filter_zstd(archive_) == ARCHIVE_OK;
  if (!ready) {
    return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                       "libarchive lacks a format: zip, tar, gzip, bzip2, xz or zstd");
  }
  archive_read_set_callback_data(archive_, this);
  archive_read_set_read_callback(archive_, &Callbacks::Read);
  archive_read_set_skip_callback(archive_, &Callbacks::Skip);
  archive_read_set_seek_callback(archive_, &Callbacks::Seek);
  if (archive_read_open1(archive_) != ARCHIVE_OK) {
    std::array<std::byte, 4> magic{};
    const bool zip = bytes_.size() >= magic.size() &&
                     bytes_.ReadAt(0, absl::MakeSpan(magic)).ok() &&
                     std::string_view(reinterpret_cast<const char*>(magic.data()), 4) ==
                         std::string_view("PK\x03\x04", 4);
    return Failure(zip ? "the zip is cut short or damaged: it has no central directory"
                       : "not a zip or tar (plain, gzip, bzip2, xz or zstd)");
  }
  // "none" at the end of the chain counts as a filter.
  if (archive_filter_count(archive_) > 2) return BadArchive("the archive is compressed repeatedly");
  return absl::OkStatus();
}

bool ArchiveSource::is_tar() const {
  return (archive_format(archive_) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
}

uint64_t ArchiveSource::bytes_read() const { return std::min(bytes_read_, bytes_.size()); }

uint64_t ArchiveSource::unfiltered_bytes() const {
  return static_cast<uint64_t>(std::max<la_int64_t>(0, archive_filter_bytes(archive_, 0)));
}

absl::Status ArchiveSource::Failure(const std::string& what) const {
  if (!broken_.ok()) return broken_;
  const char* reason = archive_error_string(archive_);
  return BadArchive(reason == nullptr ? what : base::StrCat(what, ": ", Shown(reason)));
}

}  // namespace lbw::dataset
