// The metadata of one quantized tensor: what `lbw.tensor.X` says, as JSON and back.
//
// Threads:   pure.
#ifndef LBW_TENSORFILE_PACKED_METADATA_H_
#define LBW_TENSORFILE_PACKED_METADATA_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/dtype.h"
#include "base/tensor.h"
#include "quant/quantize.h"
#include "tensorfile/safetensors.h"

namespace lbw::tensorfile {

inline constexpr std::string_view kFormatKey = "lbw.format";
inline constexpr std::string_view kFormatVersion = "1";
inline constexpr std::string_view kTensorKeyPrefix = "lbw.tensor.";

struct PackedMetadata {
  base::Shape shape;
  quant::TensorOptions options;  // in their stored form, valid for shape
  base::DType source_dtype = base::DType::kF32;
  bool operator==(const PackedMetadata&) const = default;
};

// Canonical: keys sorted, no white space; "code_book" only for a grid, "groups" only where not 1.
std::string PackedMetadataToJson(const PackedMetadata& metadata);

// Errors: kInvalidArgument, BAD_FILE - JSON that does not fit, an unknown key, a missing one,
//         values that contradict each other; LIMIT_EXCEEDED.
absl::StatusOr<PackedMetadata> PackedMetadataFromJson(std::string_view json,
                                                      const ReadLimits& limits);

}  // namespace lbw::tensorfile

#endif  // LBW_TENSORFILE_PACKED_METADATA_H_
