// The reference executor: LibTorch on the CPU, float32. Low-bit weights are dequantized when
// compiling.
#ifndef LBW_ENGINE_TORCH_TORCH_EXECUTOR_H_
#define LBW_ENGINE_TORCH_TORCH_EXECUTOR_H_

#include <memory>

#include "engine/executor.h"

namespace lbw::engine {

std::unique_ptr<ExecutorFactory> NewTorchExecutorFactory();

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_TORCH_EXECUTOR_H_
