// Runs a Graph on batches of pictures.
//
// Every executor must agree with the torch executor within a written tolerance.
#ifndef LBW_ENGINE_EXECUTOR_H_
#define LBW_ENGINE_EXECUTOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancel.h"
#include "base/tensor.h"
#include "engine/pieces.h"
#include "graph/graph.h"
#include "graph/rounding_points.h"

namespace lbw::engine {

struct CompileOptions {
  // Values to return from Run, in this order: any values of the graph. Empty: the graph's outputs.
  std::vector<std::string> fetch;
  // Height and width of the picture input.
  int64_t height = 0;
  int64_t width = 0;
  int threads = 1;  // that one Run may use
  // Values that are rounded to their 8-bit codes and back: each key's value becomes
  // scale * (clamp(round(x / scale) + zero_point) - zero_point), round half to even, as soon as it
  // is computed, so that every reader and a fetch get the rounded value; no other value is
  // rounded. Weights, sums and storage stay f32. Empty: nothing is rounded. With the points of
  // graph::FindRoundingPoints this is the oracle of an int8 executor: layer by layer, on the same
  // input codes, its codes are at most 1 apart. Keys that no fetched value depends on are checked
  // and not computed. NaN stays NaN. For Compile; OpenPieces does not look at it.
  graph::Activations emulate;
};

// A compiled graph with its weights.
// Threads: one Run at a time, always from the same thread (OpenMP makes a team for every calling
// thread); const methods from any.
class Executor {
 public:
  virtual ~Executor() = default;
  // input [N, C, H, W] f32 with H, W as compiled, N >= 1 and at most the graph's max_batch;
  // borrowed for the call. Returns the fetched values, each [N, ...], caller owns. The cancel token
  // is asked between nodes. Errors: kInvalidArgument - shape or type; kCancelled,
  // kDeadlineExceeded; kResourceExhausted - out of memory; kInternal.
  virtual absl::StatusOr<std::vector<base::Tensor>> Run(const base::TensorView& input,
                                                        const base::CancelToken& cancel) = 0;
  // Bytes that the compiled form holds (weights; not the activations of a Run).
  virtual uint64_t resident_bytes() const = 0;
  // [N = kBatch, ...] of each fetched value.
  virtual const std::vector<graph::ValueInfo>& outputs() const = 0;
};

// Compiles graphs; one implementation an engine. Threads: Compile may be called concurrently.
class ExecutorFactory {
 public:
  virtual ~ExecutorFactory() = default;
  // graph and constants are copied as far as they are needed.
  // Errors: kInvalidArgument - BAD_GRAPH, UNSUPPORTED_OPERATOR, BAD_ARGUMENT (a key of emulate that
  // is no computed F32 value of the graph, or whose range is none); kResourceExhausted.
  virtual absl::StatusOr<std::unique_ptr<Executor>> Compile(const graph::Graph& graph,
                                                            const graph::Constants& constants,
                                                            const CompileOptions& options) = 0;
  // For pieces of the graph on single pictures of options' size. Same errors.
  virtual absl::StatusOr<std::unique_ptr<PieceCompiler>> OpenPieces(
      const graph::Graph& graph, const graph::Constants& constants,
      const CompileOptions& options) = 0;
};

}  // namespace lbw::engine

#endif  // LBW_ENGINE_EXECUTOR_H_
