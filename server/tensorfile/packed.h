// The packed format: quantized tensors inside an ordinary safetensors file (metadata "lbw.format"
// is "1").
//
// A quantized tensor X is U8 [rows, row_bytes] `X` + I16 `X.lbw_exponent` (+ F32 `X.lbw_scale`,
// `X.lbw_bias`), or I8 `X` + F32 `X.lbw_scale` (+ `X.lbw_bias`) for 8-bit uniform. Metadata
// `lbw.tensor.X` holds {"scheme", "shape", "bits", "code_book", "granularity", "axis", "groups",
// "source_dtype"}: see README.md.
#ifndef LBW_TENSORFILE_PACKED_H_
#define LBW_TENSORFILE_PACKED_H_

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/io.h"
#include "base/tensor.h"
#include "quant/quantize.h"
#include "tensorfile/safetensors.h"

namespace lbw::tensorfile {

// A tensor of a file: as it is, or as codes.
using AnyTensor = std::variant<base::Tensor, quant::QuantizedTensor>;

// Name endings that belong to the format: ".lbw_exponent", ".lbw_scale", ".lbw_bias".
bool HasReservedSuffix(std::string_view name);

// What stands under a logical name of a packed (or plain) file.
struct LogicalTensor {
  std::string name;
  bool quantized = false;
  base::DType dtype = base::DType::kF32;  // source type where quantized
  base::Shape shape;                      // logical
  uint64_t stored_bytes = 0;              // codes, exponents, scales, bias
  quant::TensorOptions options;           // where quantized
};

// Threads: const methods may be called concurrently.
class PackedFile {
 public:
  // Also opens plain safetensors files (nothing is quantized then). Checks the metadata of every
  // tensor against the entries before anything is allocated. reader is borrowed.
  // Errors: those of SafetensorsFile::Open; kInvalidArgument, BAD_FILE - unknown format, an entry
  //         that contradicts another; LIMIT_EXCEEDED.
  static absl::StatusOr<PackedFile> Open(const base::RandomAccessReader& reader,
                                         const ReadLimits& limits = {});

  bool is_packed() const { return is_packed_; }
  // Sorted by name.
  const std::vector<LogicalTensor>& tensors() const { return tensors_; }
  const LogicalTensor* Find(std::string_view name) const;
  // File metadata without the format's own keys.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // tensor must be one of tensors(). Reads and validates; the message names the tensor.
  // Errors: kInvalidArgument, BAD_FILE - codes, exponents, scales; the reader's.
  absl::StatusOr<AnyTensor> Read(const LogicalTensor& tensor) const;

 private:
  absl::StatusOr<quant::QuantizedTensor> ReadQuantized(const LogicalTensor& tensor) const;

  SafetensorsFile file_;
  bool is_packed_ = false;
  std::vector<LogicalTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

// Writes tensors by logical name into canonical bytes. "lbw.format" is written only where something
// is quantized. tensors are borrowed for the call and must not be null.
// Errors: kInvalidArgument - a name with a reserved suffix, a metadata key that starts with
//         "lbw.tensor." or equals "lbw.format", a quantized tensor that is not valid; the sink's.
//         On an error of an argument nothing is written.
absl::Status WritePacked(base::ByteSink& sink,
                         const std::map<std::string, const AnyTensor*>& tensors,
                         const std::map<std::string, std::string>& metadata);

}  // namespace lbw::tensorfile

#endif  // LBW_TENSORFILE_PACKED_H_
