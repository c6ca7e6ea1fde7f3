#include "dataset/text.h"

#include <cstdint>

#include "base/utf8.h"

namespace lbw::dataset {
namespace {

uint8_t ByteAt(std::string_view text, size_t i) { return static_cast<uint8_t>(text[i]); }

bool IsControl(std::string_view character) {
  const uint8_t first = ByteAt(character, 0);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return character.size() == 2 && first == 0xC2 && ByteAt(character, 1) < 0xA0;
}

// At most max_bytes of text from its end, never part of a character.
std::string_view TailOf(std::string_view text, size_t max_bytes) {
  size_t start = text.size() - max_bytes;
  while (start < text.size() && base::IsUtf8Continuation(text[start])) ++start;
  return text.substr(start);
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = base::Utf8Length(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

bool HasControlCharacter(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = base::Utf8Length(text);
    if (bytes == 0) return true;
    if (IsControl(text.substr(0, bytes))) return true;
    text.remove_prefix(bytes);
  }
  return false;
}

std::string Shown(std::string_view text, size_t max_bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string result;
  // Bounded before it is escaped: a name may be of any length.
  std::string cut;
  if (text.size() > 8 * max_bytes) {
    cut.append(text.substr(0, 4 * max_bytes)).append(text.substr(text.size() - 4 * max_bytes));
    text = cut;
  }
  while (!text.empty()) {
    size_t bytes = base::Utf8Length(text);
    if (bytes == 0 || IsControl(text.substr(0, bytes))) {
      if (bytes == 0) bytes = 1;
      for (size_t i = 0; i < bytes; ++i) {
        result += "\\x";
        result += kDigits[ByteAt(text, i) >> 4];
        result += kDigits[ByteAt(text, i) & 15];
      }
    } else {
      result += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  if (result.size() <= max_bytes) return result;
  const size_t kept = max_bytes - 3;
  const std::string_view whole = result;
  return std::string(base::CutUtf8(whole, kept / 2)) + "..." +
         std::string(TailOf(whole, kept - kept / 2));
}

}  // namespace lbw::dataset
