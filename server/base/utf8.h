// Characters of UTF-8 in bytes that may be anything.
//
// Source:  The Unicode Standard 15.0, table 3-7: no overlong forms, no surrogates, nothing beyond
//          U+10FFFF. Threads: pure.
#ifndef LBW_BASE_UTF8_H_
#define LBW_BASE_UTF8_H_

#include <cstddef>
#include <string_view>

namespace lbw::base {

struct Utf8Character {
  // 1..4: of the character, or of what could have been its beginning.
  size_t bytes = 1;
  bool valid = false;
  bool cut = false;  // not valid, and the text ends before that can be told
};
// At the front of text, which must not be empty. U+0000 is a character.
Utf8Character FirstUtf8Character(std::string_view text);

// Bytes of the character at the front of text: 1..4, 0 where there is none.
size_t Utf8Length(std::string_view text);

// 80..BF, which begins no character.
inline bool IsUtf8Continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// The first bytes of a text of UTF-8, at most `most`, without a character cut in two.
std::string_view CutUtf8(std::string_view text, size_t most);

}  // namespace lbw::base

#endif  // LBW_BASE_UTF8_H_
