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
#include "graph/graph.h"

namespace lbw::engine {

struct CompileOptions {
  // Values to return from Run, in this order: any values of the graph. Empty: the graph's outputs.
  std::vector<std::string> fetch;
  // Height and width of the picture input.
  int64_t height = 0;
  int64_t width = 0;
  int threads = 1;  // that one Run may use
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
  // Errors: kInvalidArgument - BAD_GRAPH, UNSUPPORTED_OPERATOR; kResourceExhausted.
  virtual absl::StatusOr<std::unique_ptr<Executor>> Compile(const graph::Graph& graph,
                                                            const graph::Constants& constants,
                                                            const CompileOptions& options) = 0;
};

}  // namespace lbw::engine

#endif  // LBW_ENGINE_EXECUTOR_H_
