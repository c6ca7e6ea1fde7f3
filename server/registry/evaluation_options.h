// How two evaluations were asked differently, by the texts of their options. Pure.
#ifndef LBW_REGISTRY_EVALUATION_OPTIONS_H_
#define LBW_REGISTRY_EVALUATION_OPTIONS_H_

#include <string>
#include <string_view>

namespace lbw::registry {

// "max_pictures=5, not 0; score_threshold=0.5, not 0.02": every option in which `found` differs
// from `wanted`; "" where none does. Both are Evaluation::options_json: an option that is left out
// is as 0, "" or false. threads and checkpoint_pictures are not looked at: how fast and how safely
// an evaluation ran changes no figure. A text that is no JSON object differs from every other text.
std::string OptionsDifference(std::string_view found, std::string_view wanted);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_EVALUATION_OPTIONS_H_
