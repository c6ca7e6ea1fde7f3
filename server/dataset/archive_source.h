// libarchive behind our types: one open archive whose bytes come from a reader. Private to the
// room; only archive_source.cc and archive.cc see libarchive's headers.
#ifndef LBW_DATASET_ARCHIVE_SOURCE_H_
#define LBW_DATASET_ARCHIVE_SOURCE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/io.h"

struct archive;

namespace lbw::dataset {

// While it lives, this thread's character set is UTF-8: libarchive converts names to the
// character set of the locale, and a server's locale is often "C".
class Utf8Locale {
 public:
  Utf8Locale();
  ~Utf8Locale();
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// How far an archive may grow.
struct ExpansionBound {
  static constexpr uint64_t kNeverABomb = uint64_t{1} << 30;
  uint64_t max_unpacked_bytes = 0;
  uint64_t max_expansion = 0;
  // Bytes that so many bytes of an archive may become.
  uint64_t Of(uint64_t archive_bytes) const;
};

// Threads: one at a time, always the same, under a Utf8Locale.
class ArchiveSource {
 public:
  // bytes is borrowed. bound holds for what comes out of the decompression, names and padding
  // included, at every moment: reading fails beyond it.
  // Errors: kInvalidArgument, BAD_ARCHIVE; kResourceExhausted, OUT_OF_ROOM; bytes'.
  static absl::StatusOr<std::unique_ptr<ArchiveSource>> Open(const base::RandomAccessReader& bytes,
                                                             const ExpansionBound& bound);
  ~ArchiveSource();
  ArchiveSource(const ArchiveSource&) = delete;
  ArchiveSource& operator=(const ArchiveSource&) = delete;

  archive* get() { return archive_; }
  bool is_tar() const;
  // Of the archive, so far; at most its size.
  uint64_t bytes_read() const;
  // Out of the decompression, so far.
  uint64_t unfiltered_bytes() const;
  // Why libarchive failed just now: the reader's own error where it had one.
  absl::Status Failure(const std::string& what) const;

 private:
  struct Callbacks;
  ArchiveSource(const base::RandomAccessReader& bytes, const ExpansionBound& bound);
  absl::Status Start();

  const base::RandomAccessReader& bytes_;
  const ExpansionBound bound_;
  archive* archive_;
  uint64_t position_ = 0;
  uint64_t bytes_read_ = 0;
  absl::Status broken_;  // the reader's or the bound's
  // Small: between two reads nothing bounds what a compressed run expands to.
  std::array<std::byte, size_t{64} << 10> buffer_;
};

}  // namespace lbw::dataset

#endif  // LBW_DATASET_ARCHIVE_SOURCE_H_
