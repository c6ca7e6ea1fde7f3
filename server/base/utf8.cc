#include "base/utf8.h"

namespace lbw::base {
namespace {

// Bytes of the character that begins with c; 0 where none does.
size_t LengthFrom(unsigned char c) {
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return 2;
  if (c >= 0xE0 && c <= 0xEF) return 3;
  if (c >= 0xF0 && c <= 0xF4) return 4;
  return 0;
}

// Whether c may be the second byte behind first.
bool MayFollow(unsigned char first, unsigned char c) {
  if (first == 0xE0) return c >= 0xA0 && c <= 0xBF;
  if (first == 0xED) return c >= 0x80 && c <= 0x9F;
  if (first == 0xF0) return c >= 0x90 && c <= 0xBF;
  if (first == 0xF4) return c >= 0x80 && c <= 0x8F;
  return c >= 0x80 && c <= 0xBF;
}

}  // namespace

Utf8Character FirstUtf8Character(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t length = LengthFrom(first);
  if (length == 0) return {};
  for (size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {i, false, true};
    const auto c = static_cast<unsigned char>(text[i]);
    if (i == 1 ? !MayFollow(first, c) : !IsUtf8Continuation(text[i])) return {i, false, false};
  }
  return {length, true, false};
}

size_t Utf8Length(std::string_view text) {
  if (text.empty()) return 0;
  const Utf8Character first = FirstUtf8Character(text);
  return first.valid ? first.bytes : 0;
}

std::string_view CutUtf8(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most;
  while (end > 0 && IsUtf8Continuation(text[end])) --end;
  return text.substr(0, end);
}

}  // namespace lbw::base
