// Constants that a node reads in another form: through Transpose, Reshape and the like.
//
// The stored constant keeps the name and the shape of the uploaded file; the nodes that move its
// elements stay in the graph. Executors fold them when they compile (passes.h).
// Threads: pure.
#ifndef LBW_GRAPH_VIEWS_H_
#define LBW_GRAPH_VIEWS_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"
#include "graph/graph.h"

namespace lbw::graph {

// Transpose, Reshape, Squeeze, Unsqueeze, Flatten, Identity and Cast: the output has the elements
// of input 0.
bool IsViewOperator(std::string_view op_type);

struct ConstantView {
  std::string constant;  // as stored
  base::DType dtype = base::DType::kF32;
  base::Shape shape;  // as the node reads it
  // For every dimension of `shape` the dimension of the constant that it is; -1 where it is none
  // of them: a Reshape merged or split dimensions, or a Cast went through integers.
  std::vector<int> axes;
};
using ConstantViews = std::map<std::string, ConstantView, std::less<>>;

// Every value that is a chain of view operators over one constant, by its name. Nodes that do not
// fit their inputs are left out: shape inference refuses them by name.
ConstantViews FindConstantViews(const Graph& graph, const Constants& constants);

// The view of a constant as it is, or of a value in `views`; nullopt for any other value.
std::optional<ConstantView> ViewOf(std::string_view value, const Constants& constants,
                                   const ConstantViews& views);

}  // namespace lbw::graph

#endif  // LBW_GRAPH_VIEWS_H_
