// A checkpoint shaped like ResNet-50: 161 parameters, 25,557,032 weights, names as PyTorch's model
// zoo has them.
//
// The weights are random but spread as trained ones are: fan-in scaled, a mixture of normal and
// Laplace, channels that differ in scale, and some dead channels (zeros, or 1e-20 to 1e-38).
#ifndef LBW_TESTS_TOOLS_QUANT_ORACLE_RESNET50_H_
#define LBW_TESTS_TOOLS_QUANT_ORACLE_RESNET50_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/io.h"
#include "base/tensor.h"

namespace lbw::oracle {

struct Parameter {
  std::string name;
  base::Shape shape;
};

std::vector<Parameter> ResNet50Parameters();

// One tensor from the seed; does not depend on the others.
base::Tensor RandomParameter(const Parameter& parameter, uint64_t seed);

// Writes all of them as F32 safetensors, one tensor in memory at a time. Errors: the sink's.
absl::Status WriteResNet50(base::ByteSink& sink, uint64_t seed);

}  // namespace lbw::oracle

#endif  // LBW_TESTS_TOOLS_QUANT_ORACLE_RESNET50_H_
