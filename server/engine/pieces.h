// A network run in pieces, so that what lies between its layers can be looked at and kept: what
// calibration walks along. Unlike an Executor a piece takes any values and runs one picture.
#ifndef LBW_ENGINE_PIECES_H_
#define LBW_ENGINE_PIECES_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/tensor.h"
#include "graph/graph.h"

namespace lbw::engine {

// Some neighbouring nodes, compiled for one picture.
// Precision: the same bits for the same inputs on one machine, whatever runs beside it.
// Threads:   Run may be called concurrently; each call uses its own thread alone.
class Piece {
 public:
  virtual ~Piece() = default;
  // Values that Run is given, in this order.
  virtual const std::vector<std::string>& inputs() const = 0;
  // inputs: f32, of the inferred shapes, borrowed. Returns the fetched values; caller owns.
  // Errors: kResourceExhausted - out of memory; kInternal.
  virtual absl::StatusOr<std::vector<base::Tensor>> Run(
      absl::Span<const base::TensorView> inputs) const = 0;
};

struct PieceRange {
  size_t first = 0;  // nodes first .. end-1
  size_t end = 0;
  // Made by these nodes, or known before them; no constants.
  std::vector<std::string> fetch;
};

// One graph for pictures of one size.
// Threads: const methods may be called concurrently.
class PieceCompiler {
 public:
  virtual ~PieceCompiler() = default;
  // For one picture.
  virtual const graph::InferredShapes& shapes() const = 0;
  // constants: those of the graph, in any form and with any values in the shapes that the graph was
  // opened with; copied as far as they are needed. Nodes that the fetched values do not need are
  // left out. Errors: kInvalidArgument - BAD_GRAPH, UNSUPPORTED_OPERATOR; kResourceExhausted.
  virtual absl::StatusOr<std::unique_ptr<Piece>> Compile(const graph::Constants& constants,
                                                         const PieceRange& range) const = 0;
};

}  // namespace lbw::engine

#endif  // LBW_ENGINE_PIECES_H_
