// Reads an ONNX file into a Graph and its constants.
//
// Contract: nothing is allocated on the word of the file: sizes are checked against the bytes that
//           are there. Unused initializers are dropped and listed. Initializers keep their names
//           and shapes; a Transpose, Reshape, Identity or Cast of one stays a node that reads it
//           (FindWeights sees through it). The batch becomes symbolic where that can be proved
//           (also where an exporter wrote a leading 1 into a Reshape).
// Threads:  pure.
#ifndef LBW_GRAPH_ONNX_IMPORT_H_
#define LBW_GRAPH_ONNX_IMPORT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "graph/graph.h"

namespace lbw::graph {

struct ImportLimits {
  uint64_t max_file_bytes = uint64_t{2} << 30;
  int64_t max_tensor_elements = int64_t{1} << 31;
  size_t max_nodes = 100'000;
};

struct Imported {
  Graph graph;
  Constants constants;
  std::vector<std::string> dropped;  // initializers that no node reads
  std::vector<std::string> notes;    // what was changed or could not be proved, for people
};

// Errors: kInvalidArgument - BAD_FILE (not ONNX, cut short, an initializer whose data contradicts
// its shape, external data),
//         UNSUPPORTED_OPERATOR (names operator or attribute, and node), BAD_GRAPH (cycle, missing
//         value, attribute of the wrong type, shapes that do not fit at the picture's size),
//         LIMIT_EXCEEDED.
// picture: sizes that the file leaves open are tried as it has them.
absl::StatusOr<Imported> ImportOnnx(std::string_view bytes, const ImportLimits& limits = {},
                                    const PictureSize& picture = {});

// The same without shapes: nothing is proved of the batch (max_batch = 1 is no statement), outputs
// have no shapes, and constants are as uploaded. For those who only need names and weights, where
// no picture's size is known. Errors: those of ImportOnnx that need no shapes.
absl::StatusOr<Imported> ReadOnnx(std::string_view bytes, const ImportLimits& limits = {});

// True when the bytes could be an ONNX ModelProto (used to tell formats apart; not a validation).
bool LooksLikeOnnx(absl::Span<const std::byte> first_bytes);

}  // namespace lbw::graph

#endif  // LBW_GRAPH_ONNX_IMPORT_H_
