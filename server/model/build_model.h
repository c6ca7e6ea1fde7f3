// Built-in architectures: a name and a short spec become a Model with fresh weights.
//
// Threads: pure.
#ifndef LBW_MODEL_BUILD_MODEL_H_
#define LBW_MODEL_BUILD_MODEL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"

namespace lbw::model {

struct BuildOptions {
  std::string arch;  // of ArchNames()
  double width_multiplier = 1;
  uint64_t seed = 0;  // of the weights
};
// "ssd_tiny"
std::vector<std::string_view> ArchNames();
// spec: input and classes, in the format of ParseSpec; a head is refused, for the architecture
// brings its own; `nms` may stand in it. Where size is left out it is [128, 128], where mean and
// scale are, 128 and 1 / 128: then the picture's bytes are the first layer's 8-bit codes.
// Errors: kInvalidArgument - BAD_ARGUMENT: no such architecture (lists those known), a size, a
//         number of classes or a width multiplier out of its range; BAD_SPEC.
absl::StatusOr<Model> BuildModel(const BuildOptions& options, std::string_view spec);
// For people: "built-in architecture ssd_tiny, width multiplier 1, seed 0".
std::string Describe(const BuildOptions& options);

}  // namespace lbw::model

#endif  // LBW_MODEL_BUILD_MODEL_H_
