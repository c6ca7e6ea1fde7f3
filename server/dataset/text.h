// Names and messages that come from files: checked, and made fit to be shown. Private to the room.
//
// Threads: pure.
#ifndef LBW_DATASET_TEXT_H_
#define LBW_DATASET_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace lbw::dataset {

bool IsUtf8(std::string_view text);

// C0, DEL or C1 (U+0080..U+009F); text must be UTF-8.
bool HasControlCharacter(std::string_view text);

// As it may stand in a message: control characters and bytes that are no UTF-8 as \xNN; what is
// longer than max_bytes (at least 16) loses its middle to "...". The result is UTF-8.
std::string Shown(std::string_view text, size_t max_bytes = 200);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_TEXT_H_
