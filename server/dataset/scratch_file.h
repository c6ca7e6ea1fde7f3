// A file without a name: written end to end, read anywhere, gone with its last user. Private to the
// room.
#ifndef LBW_DATASET_SCRATCH_FILE_H_
#define LBW_DATASET_SCRATCH_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/io.h"

namespace lbw::dataset {

// Threads: Append and Skip one at a time, before anything is read; ReadAt concurrently after
// Finish.
class ScratchFile final : public base::RandomAccessReader {
 public:
  // Made at path (which must not exist) and unlinked at once, so that nothing of it outlives the
  // process. Errors: kInternal, STORE_FAILED; kResourceExhausted, OUT_OF_ROOM.
  static absl::StatusOr<std::unique_ptr<ScratchFile>> Create(const std::string& path);
  ~ScratchFile() override;
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  // Errors: kResourceExhausted, OUT_OF_ROOM - the disk is full; kInternal, STORE_FAILED.
  absl::Status Append(absl::Span<const std::byte> data);
  // Appends zeros that take no room on the disk.
  absl::Status Skip(uint64_t bytes);
  // Everything is with the file. Errors: as Append.
  absl::Status Finish();

  uint64_t size() const override { return size_; }
  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> out) const override;

 private:
  explicit ScratchFile(int fd) : fd_(fd) {}
  absl::Status Flush();
  absl::Status Write(absl::Span<const std::byte> data);

  const int fd_;
  uint64_t size_ = 0;
  std::string pending_;  // the last bytes of size_
};

}  // namespace lbw::dataset

#endif  // LBW_DATASET_SCRATCH_FILE_H_
