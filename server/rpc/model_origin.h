// What a CreateModelRequest makes its model of. Pure.
#ifndef LBW_RPC_MODEL_ORIGIN_H_
#define LBW_RPC_MODEL_ORIGIN_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "lbw/v1/model.pb.h"
#include "model/build_model.h"

namespace lbw::rpc {

struct ModelOrigin {
  std::string artifact;  // sha256; empty with an architecture
  std::optional<model::BuildOptions> architecture;
};

// Errors: kInvalidArgument - BAD_ARGUMENT: both artifact and architecture or neither, an
// architecture that there is not, a width multiplier out of range; BAD_NAME: not an artifact.
absl::StatusOr<ModelOrigin> OriginOf(const v1::CreateModelRequest& request);

}  // namespace lbw::rpc

#endif  // LBW_RPC_MODEL_ORIGIN_H_
