// The sections of a spec, each from its place in the text. Private to the room.
//
// Errors:  kInvalidArgument, BAD_SPEC - as spec_node.h.
// Threads: as spec_node.h.
#ifndef LBW_MODEL_SPEC_SECTIONS_H_
#define LBW_MODEL_SPEC_SECTIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "detect/spec.h"
#include "model/spec_node.h"

namespace lbw::model {

// defaults: of keys that are left out; size must be there where theirs is 0.
absl::StatusOr<detect::InputSpec> ParseInput(const SpecNode& node,
                                             const detect::InputSpec& defaults);
absl::StatusOr<std::vector<std::string>> ParseClasses(const SpecNode& node);
absl::StatusOr<detect::HeadSpec> ParseHead(const SpecNode& node);
// Keys that are left out stay as they are in nms.
absl::Status ParseNms(const SpecNode& node, detect::NmsSpec& nms);

}  // namespace lbw::model

#endif  // LBW_MODEL_SPEC_SECTIONS_H_
