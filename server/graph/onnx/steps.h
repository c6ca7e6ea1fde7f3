// The steps of an import. Internal to the room.
#ifndef LBW_GRAPH_ONNX_STEPS_H_
#define LBW_GRAPH_ONNX_STEPS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/tensor.h"
#include "graph/graph.h"
#include "graph/onnx/import.h"

namespace onnx {
class GraphProto;
class ModelProto;
class TensorProto;
}  // namespace onnx

namespace lbw::graph {

base::Error BadFile(std::string_view message);
// Names end up in JSON and in messages: they must be UTF-8 without control characters.
bool IsCleanText(std::string_view text);

// A tensor of the file, in its own type. Sizes are checked against the data before anything is
// allocated. where: what the message calls it.
// Errors: BAD_FILE - external or missing data, a contradiction; LIMIT_EXCEEDED;
// UNSUPPORTED_OPERATOR - an element type that no operator takes (string, complex).
absl::StatusOr<base::Tensor> ReadTensor(const onnx::TensorProto& proto, std::string_view where,
                                        const ImportLimits& limits);

// Initializers and Constant nodes become constants, the other nodes the graph's nodes, in the
// file's order; the file's tensors are freed on the way.
// Errors: those of ReadTensor; BAD_GRAPH - duplicate names; UNSUPPORTED_OPERATOR.
absl::Status ReadGraph(onnx::GraphProto& proto, const ImportLimits& limits, Imported& imported);

// Brings the nodes into topological order, otherwise as they were.
// Errors: BAD_GRAPH - names a value that nothing produces, or a node on a cycle.
absl::Status SortNodes(Graph& graph, const Constants& constants);

}  // namespace lbw::graph

#endif  // LBW_GRAPH_ONNX_STEPS_H_
