// Built-in architectures: a name and a short spec become a Model.
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
// scale are, 127.5 and 1 / 127.5.
// Errors: kInvalidArgument - BAD_ARGUMENT: no such architecture (lists those known); BAD_SPEC.
absl::StatusOr<Model> BuildModel(const BuildOptions& options, std::string_view spec);

}  // namespace lbw::model

#endif  // LBW_MODEL_BUILD_MODEL_H_
