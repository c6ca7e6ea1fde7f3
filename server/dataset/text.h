// Names and messages that come from files: checked, and made fit to be shown. Private to the room.
//
// Threads: pure.
#ifndef LBW_DATASET_TEXT_H_
#define LBW_DATASET_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace lbw::dataset {

// The bytes that the first character of text takes: 1..4, 0 where text is empty or does not begin
// with well-formed UTF-8. Source: The Unicode Standard, table 3-7 (no overlong forms, no
// surrogates).
size_t FirstCharacterBytes(std::string_view text);

bool IsUtf8(std::string_view text);

// C0, DEL or C1 (U+0080..U+009F); text must be UTF-8.
bool HasControlCharacter(std::string_view text);

// As it may stand in a message: control characters and bytes that are no UTF-8 as \xNN; what is
// longer than max_bytes (at least 16) loses its middle to "...". The result is UTF-8.
std::string Shown(std::string_view text, size_t max_bytes = 200);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_TEXT_H_
