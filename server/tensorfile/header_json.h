// The JSON in safetensors files, read strictly and event by event: what does not fit the expected
// shape stops the parser at once, so that neither depth nor size of hostile text costs more than
// its length.
//
// Refused:   duplicate and unknown keys; numbers that are negative, fractional or above 2^63 - 1;
//            text that is not UTF-8; a byte order mark; NUL bytes; anything behind the closing
//            brace but white space.
// Errors:    kInvalidArgument, BAD_FILE; UNSUPPORTED_FORMAT - an element type that is not read
//            here; LIMIT_EXCEEDED - too many tensors or dimensions.
// Threads:   pure.
#ifndef LBW_TENSORFILE_HEADER_JSON_H_
#define LBW_TENSORFILE_HEADER_JSON_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/dtype.h"
#include "base/tensor.h"
#include "tensorfile/safetensors.h"

namespace lbw::tensorfile {

// One tensor of a header; offsets from the start of the data.
struct HeaderTensor {
  std::string name;
  base::DType dtype = base::DType::kF32;
  base::Shape shape;
  int64_t begin = 0;
  int64_t end = 0;
};

struct Header {
  std::vector<HeaderTensor> tensors;  // in the header's order; names may repeat
  std::map<std::string, std::string> metadata;
};

absl::StatusOr<Header> ParseHeader(std::string_view json, const ReadLimits& limits);

// A JSON object whose values are strings, whole numbers or lists of whole numbers.
using FlatValue = std::variant<std::string, int64_t, std::vector<int64_t>>;
using FlatObject = std::map<std::string, FlatValue, std::less<>>;
absl::StatusOr<FlatObject> ParseFlatObject(std::string_view json, const ReadLimits& limits);

// text as a JSON string with its quotes. Errors: kInvalidArgument, BAD_ARGUMENT - not UTF-8.
absl::StatusOr<std::string> JsonString(std::string_view text);

// A name as it may stand in a message: quoted, control characters escaped, cut at 120 bytes.
std::string Quoted(std::string_view name);

}  // namespace lbw::tensorfile

#endif  // LBW_TENSORFILE_HEADER_JSON_H_
