// How a layer reads its weight, as a product of rows with its inputs: what calibration sums up.
//
// A layer computes output[p, r] = scale * sum_j W[r, j] * x[p, j] + bias for every output position
// p of a picture and every row r of the stored weight (quant::RowLayout); columns j are in the
// stored tensor's own order, whatever view the node reads it through.
//
// Threads: pure.
#ifndef LBW_ENGINE_LAYER_INPUTS_H_
#define LBW_ENGINE_LAYER_INPUTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "graph/graph.h"
#include "graph/resolve.h"

namespace lbw::engine {

// One node that reads a weight.
struct WeightUse {
  enum class Kind : uint8_t {
    kConv,
    kConvTranspose,
    kRows,     // Gemm, MatMul with the weight on the right: a position is a row of the input
    kColumns,  // MatMul with the weight on the left: a column
  };
  Kind kind = Kind::kConv;
  size_t node = 0;     // index
  std::string input;   // the value that it reads
  std::string output;  // what it makes
  int64_t groups = 1;
  int64_t rows = 0;     // of a group; row r of group g is the stored row g * rows + r
  int64_t columns = 0;  // of a group
  // Stored column -> the column of the node's own order. Empty where they are the same.
  std::vector<int32_t> column;
  double output_scale = 1;        // Gemm's alpha
  graph::Window window;           // kConv, kConvTranspose
  std::vector<int64_t> in_sizes;  // spatial; kRows, kColumns: [leading, rows, columns] of the input
  std::vector<int64_t> out_sizes;
  int64_t positions = 0;  // outputs of one picture
  // Which dimension of the output the rows are.
  size_t row_dimension = 1;
};

// shapes: of the graph for one picture. weight must be one of graph::FindWeights, node the index of
// one of its nodes.
// Errors: kInvalidArgument, UNSUPPORTED_OPERATOR - a form whose inputs do not lie beside the rows:
// a transposed Gemm input, a weight with batch dimensions, rows whose elements are shuffled
// differently. BAD_GRAPH - those of graph/resolve.h.
absl::StatusOr<WeightUse> ResolveWeightUse(const graph::Graph& graph,
                                           const graph::Constants& constants,
                                           const graph::InferredShapes& shapes,
                                           const graph::Weight& weight, size_t node);

// x of one picture at some output positions.
// input: the value for one picture, whole. positions: 0 .. use.positions-1.
// out: [use.groups, positions.size(), use.columns].
void GatherInputs(const WeightUse& use, absl::Span<const float> input,
                  absl::Span<const int32_t> positions, absl::Span<float> out);

// Sums of the layer's outputs at the positions, a row: out += [sum, sum of squares], both of the
// output divided by output_scale. output: the value for one picture. sums: [groups * rows, 2].
void AddOutputSums(const WeightUse& use, absl::Span<const float> output,
                   absl::Span<const int32_t> positions, absl::Span<double> sums);

}  // namespace lbw::engine

#endif  // LBW_ENGINE_LAYER_INPUTS_H_
