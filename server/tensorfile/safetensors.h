// safetensors files: a reader that checks everything before it allocates, and a writer of canonical
// bytes.
//
// Format:    8 bytes little-endian header length N; N bytes JSON {name: {dtype, shape,
//            data_offsets}, "__metadata__": {string: string}}; data.
//            Source: the format description of the safetensors project.
// Canonical: metadata keys sorted and first, tensors sorted by name, header padded with spaces to 8
//            bytes, data in the header's order without gaps. Equal content has one SHA-256.
#ifndef LBW_TENSORFILE_SAFETENSORS_H_
#define LBW_TENSORFILE_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/io.h"
#include "base/tensor.h"

namespace lbw::tensorfile {

struct ReadLimits {
  uint64_t max_header_bytes = 100'000'000;
  int64_t max_tensor_elements = int64_t{1} << 31;
  size_t max_tensors = 100'000;
  size_t max_rank = 64;
};

struct TensorEntry {
  std::string name;
  base::DType dtype = base::DType::kF32;
  base::Shape shape;
  uint64_t offset = 0;  // from the start of the file
  uint64_t bytes = 0;
};

// An open file. Threads: const methods may be called concurrently.
class SafetensorsFile {
 public:
  // reader is borrowed and must outlive the object.
  // Errors: kInvalidArgument, BAD_FILE - header longer than the file or the limit, not UTF-8, not
  //         JSON, a duplicate or unknown key, a shape product that overflows or contradicts the
  //         offsets, overlaps, holes, bytes after the last tensor; UNSUPPORTED_FORMAT - an element
  //         type that is not read here (8-bit floats, complex numbers); LIMIT_EXCEEDED. The
  //         message names the tensor. The reader's.
  static absl::StatusOr<SafetensorsFile> Open(const base::RandomAccessReader& reader,
                                              const ReadLimits& limits = {});

  // Sorted by name.
  const std::vector<TensorEntry>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // nullptr when there is none.
  const TensorEntry* Find(std::string_view name) const;
  // entry must be one of tensors(). Errors: the reader's.
  absl::StatusOr<base::Tensor> Read(const TensorEntry& entry) const;
  // The same into memory of the caller, entry.bytes long.
  absl::Status ReadBytes(const TensorEntry& entry, absl::Span<std::byte> out) const;

 private:
  const base::RandomAccessReader* reader_ = nullptr;
  std::vector<TensorEntry> tensors_;
  std::map<std::string, std::string> metadata_;
};

// True when the first bytes look like a safetensors header (used to tell formats apart; not a
// validation).
bool LooksLikeSafetensors(absl::Span<const std::byte> first_bytes);

// Writes a canonical file. The tensors' bytes may come one after another, so that a large file
// needs little memory.
class SafetensorsWriter {
 public:
  struct Declared {
    std::string name;
    base::DType dtype = base::DType::kF32;
    base::Shape shape;
  };
  // Declares everything; writes the header at once. sink is borrowed.
  // Errors: kInvalidArgument - a duplicate or reserved name ("__metadata__"), a name that is not
  //         UTF-8, a broken shape, a header over 100 MB; the sink's.
  static absl::StatusOr<SafetensorsWriter> Start(
      base::ByteSink& sink, std::vector<Declared> tensors,
      const std::map<std::string, std::string>& metadata);
  // The order in which Append must deliver (sorted by name).
  const std::vector<Declared>& order() const { return order_; }
  // The bytes of the next tensor, whole.
  // Errors: kFailedPrecondition - a name or size other than the next's; the sink's.
  absl::Status Append(std::string_view name, absl::Span<const std::byte> bytes);
  // Errors: kFailedPrecondition - tensors are missing.
  absl::Status Finish();

 private:
  base::ByteSink* sink_ = nullptr;
  std::vector<Declared> order_;
  size_t next_ = 0;
};

}  // namespace lbw::tensorfile

#endif  // LBW_TENSORFILE_SAFETENSORS_H_
