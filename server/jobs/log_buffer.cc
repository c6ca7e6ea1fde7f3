#include "jobs/log_buffer.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace lbw::jobs {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr size_t kHalf = LogBuffer::kMostBytes / 2;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// Bytes of the character that begins with c; 0 where none does.
size_t Length(unsigned char c) {
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return 2;
  if (c >= 0xE0 && c <= 0xEF) return 3;
  if (c >= 0xF0 && c <= 0xF4) return 4;
  return 0;
}

// Whether c may be the second byte behind first: without overlong forms, surrogates and what lies
// beyond U+10FFFF. Source: The Unicode Standard 15.0, table 3-7.
bool MayFollow(unsigned char first, unsigned char c) {
  if (first == 0xE0) return c >= 0xA0 && c <= 0xBF;
  if (first == 0xED) return c >= 0x80 && c <= 0x9F;
  if (first == 0xF0) return c >= 0x90 && c <= 0xBF;
  if (first == 0xF4) return c >= 0x80 && c <= 0x8F;
  return c >= 0x80 && c <= 0xBF;
}

struct Character {
  size_t bytes = 1;
  bool valid = false;
  bool cut = false;  // valid as far as it goes
};

Character First(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t length = Length(first);
  if (length == 0 || first == 0) return {};
  for (size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {i, false, true};
    const auto c = static_cast<unsigned char>(text[i]);
    if (i == 1 ? !MayFollow(first, c) : !IsContinuation(text[i])) return {i, false, false};
  }
  return {length, true, false};
}

// Moves everything but a character that is cut at the end out of bytes.
std::string CleanPrefix(std::string& bytes) {
  std::string text;
  text.reserve(bytes.size());
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const Character character = First(rest);
    if (character.cut) break;
    text.append(character.valid ? rest.substr(0, character.bytes) : kReplacement);
    rest.remove_prefix(character.bytes);
  }
  bytes = std::string(rest);
  return text;
}

}  // namespace

void LogBuffer::Append(std::string_view bytes) {
  if (tail_.empty()) {
    const size_t room = kHalf - std::min(kHalf, head_.size());
    head_.append(bytes.substr(0, room));
    bytes.remove_prefix(std::min(room, bytes.size()));
  }
  if (bytes.size() > kHalf) {
    dropped_ += bytes.size() - kHalf;
    bytes.remove_prefix(bytes.size() - kHalf);
  }
  const size_t over = tail_.size() + bytes.size() > kHalf ? tail_.size() + bytes.size() - kHalf : 0;
  dropped_ += over;
  tail_.erase(0, over);
  tail_.append(bytes);
}

std::string LogBuffer::Take() {
  if (dropped_ == 0) {
    std::string all = std::exchange(head_, {}) + std::exchange(tail_, {});
    std::string text = CleanPrefix(all);
    head_ = std::move(all);
    return text;
  }
  std::string text = CleanUtf8(std::exchange(head_, {}));
  base::StrAppend(&text, "\n[", std::exchange(dropped_, 0), " bytes of the log left out]\n");
  std::string tail = std::exchange(tail_, {});
  text += CleanPrefix(tail);
  head_ = std::move(tail);
  return text;
}

std::string LogBuffer::TakeAll() {
  std::string text = Take();
  text += CleanUtf8(std::exchange(head_, {}));
  return text;
}

std::string CleanUtf8(std::string_view text) {
  std::string bytes(text);
  std::string clean = CleanPrefix(bytes);
  if (!bytes.empty()) clean.append(kReplacement);
  return clean;
}

std::string_view CutUtf8(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most;
  while (end > 0 && IsContinuation(text[end])) --end;
  return text.substr(0, end);
}

}  // namespace lbw::jobs
