// Pieces of a network through LibTorch. Internal to the room; free of torch's headers.
#ifndef LBW_ENGINE_TORCH_TORCH_PIECES_H_
#define LBW_ENGINE_TORCH_TORCH_PIECES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "engine/pieces.h"
#include "graph/graph.h"

namespace lbw::engine {

// picture: [1, C, H, W]. graph is copied, constants are looked at during the call only.
// Errors: those of graph::InferShapes.
absl::StatusOr<std::unique_ptr<PieceCompiler>> NewTorchPieceCompiler(
    const graph::Graph& graph, const graph::Constants& constants, const base::Shape& picture);

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_TORCH_PIECES_H_
