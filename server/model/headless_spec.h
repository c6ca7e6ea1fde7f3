// A spec's text without its head: what a built-in architecture is asked with. Private to the room.
//
// Threads: pure.
#ifndef LBW_MODEL_HEADLESS_SPEC_H_
#define LBW_MODEL_HEADLESS_SPEC_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "model/model.h"

namespace lbw::model {

// classes must be there; input may be left out, in the whole or in part, and of the head only nms
// may be there. What is left out is as in defaults.
// Errors: those of ParseSpec; any other part of a head is an unknown key.
absl::StatusOr<ModelSpec> ParseHeadlessSpec(std::string_view text, const ModelSpec& defaults);

}  // namespace lbw::model

#endif  // LBW_MODEL_HEADLESS_SPEC_H_
