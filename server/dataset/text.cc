#include "dataset/text.h"

#include <array>
#include <cstdint>

namespace lbw::dataset {
namespace {

struct Range {
  uint8_t low;
  uint8_t high;
};

// What may follow a lead byte first; the bytes behind it are 80..BF.
struct Lead {
  Range lead;
  size_t bytes;
  Range second;
};
constexpr std::array<Lead, 8> kLeads = {{{{0xC2, 0xDF}, 2, {0x80, 0xBF}},
                                         {{0xE0, 0xE0}, 3, {0xA0, 0xBF}},
                                         {{0xE1, 0xEC}, 3, {0x80, 0xBF}},
                                         {{0xED, 0xED}, 3, {0x80, 0x9F}},
                                         {{0xEE, 0xEF}, 3, {0x80, 0xBF}},
                                         {{0xF0, 0xF0}, 4, {0x90, 0xBF}},
                                         {{0xF1, 0xF3}, 4, {0x80, 0xBF}},
                                         {{0xF4, 0xF4}, 4, {0x80, 0x8F}}}};

uint8_t ByteAt(std::string_view text, size_t i) { return static_cast<uint8_t>(text[i]); }

bool In(uint8_t byte, Range range) { return byte >= range.low && byte <= range.high; }

bool IsControl(std::string_view character) {
  const uint8_t first = ByteAt(character, 0);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return character.size() == 2 && first == 0xC2 && ByteAt(character, 1) < 0xA0;
}

// At most max_bytes of text from its start (or end), never part of a character.
std::string_view HeadOf(std::string_view text, size_t max_bytes) {
  size_t end = max_bytes;
  while (end > 0 && In(ByteAt(text, end), {0x80, 0xBF})) --end;
  return text.substr(0, end);
}
std::string_view TailOf(std::string_view text, size_t max_bytes) {
  size_t start = text.size() - max_bytes;
  while (start < text.size() && In(ByteAt(text, start), {0x80, 0xBF})) ++start;
  return text.substr(start);
}

}  // namespace

size_t FirstCharacterBytes(std::string_view text) {
  if (text.empty()) return 0;
  const uint8_t first = ByteAt(text, 0);
  if (first < 0x80) return 1;
  for (const Lead& lead : kLeads) {
    if (!In(first, lead.lead)) continue;
    if (text.size() < lead.bytes || !In(ByteAt(text, 1), lead.second)) return 0;
    for (size_t i = 2; i < lead.bytes; ++i) {
      if (!In(ByteAt(text, i), {0x80, 0xBF})) return 0;
    }
    return lead.bytes;
  }
  return 0;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = FirstCharacterBytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

bool HasControlCharacter(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = FirstCharacterBytes(text);
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
    size_t bytes = FirstCharacterBytes(text);
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
  return std::string(HeadOf(whole, kept / 2)) + "..." + std::string(TailOf(whole, kept - kept / 2));
}

}  // namespace lbw::dataset
