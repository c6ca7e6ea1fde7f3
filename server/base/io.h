// Random-access sources and sequential sinks of bytes: how rooms read and write files that live in
// a store they do not know.
#ifndef LBW_BASE_IO_H_
#define LBW_BASE_IO_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace lbw::base {

// Threads: every method may be called concurrently.
class RandomAccessReader {
 public:
  virtual ~RandomAccessReader() = default;
  virtual uint64_t size() const = 0;
  // Fills all of out from offset on.
  // Errors: kOutOfRange - offset + out.size() > size(); kDataLoss, kInternal - the medium failed.
  virtual absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> out) const = 0;
};

// Threads: one at a time.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // Appends all of data, or fails; after a failure nothing more may be appended.
  // Errors: kResourceExhausted - no room; kInternal - the medium failed.
  virtual absl::Status Append(absl::Span<const std::byte> data) = 0;
};

// Reads from memory that it owns.
class StringReader final : public RandomAccessReader {
 public:
  explicit StringReader(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t size() const override { return bytes_.size(); }
  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> out) const override;

 private:
  const std::string bytes_;
};

class StringSink final : public ByteSink {
 public:
  absl::Status Append(absl::Span<const std::byte> data) override;
  const std::string& bytes() const { return bytes_; }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Opens a file on disk for reading (pread).
// Errors: kNotFound, kInternal (names path and errno).
absl::StatusOr<std::unique_ptr<RandomAccessReader>> OpenFileReader(const std::string& path);

// Reads everything. Errors: those of ReadAt; kInvalidArgument - larger than max_bytes.
absl::StatusOr<std::string> ReadAll(const RandomAccessReader& reader, uint64_t max_bytes);

inline absl::Span<const std::byte> AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace lbw::base

#endif  // LBW_BASE_IO_H_
