// The decoders behind NewDecoder, and what they share. Private to the room.
#ifndef LBW_DETECT_HEADS_H_
#define LBW_DETECT_HEADS_H_

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "detect/decoder.h"
#include "detect/nms.h"

namespace lbw::detect {

absl::StatusOr<std::unique_ptr<Decoder>> NewSsdDecoder(const DecoderContext& context);
absl::StatusOr<std::unique_ptr<Decoder>> NewLogitsDecoder(const DecoderContext& context);

absl::Status BadSpec(std::string_view message);
// The activation that decoding applies to a role.
Activation EffectiveActivation(const HeadSpec& head);
// Checks a role's values and slices; `required` role names stand in messages.
absl::Status CheckRole(std::string_view name, const Role& role);

// A call's options over a spec's, checked. wanted: one flag a class; empty: all.
struct ResolvedOptions {
  NmsOptions nms;
  std::vector<char> wanted;
  int64_t top_k = 5;

  bool Wants(int32_t class_index) const {
    return wanted.empty() || wanted[static_cast<size_t>(class_index)] != 0;
  }
};
// Errors: kInvalidArgument, BAD_ARGUMENT with the field.
absl::StatusOr<ResolvedOptions> ResolveOptions(const DecodeOptions& options, const NmsSpec& spec,
                                               int64_t classes);

}  // namespace lbw::detect

#endif  // LBW_DETECT_HEADS_H_
