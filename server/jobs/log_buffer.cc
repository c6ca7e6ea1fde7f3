#include "jobs/log_buffer.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"

namespace lbw::jobs {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr size_t kHalf = LogBuffer::kMostBytes / 2;

// Moves everything but a character that is cut at the end out of bytes.
std::string CleanPrefix(std::string& bytes) {
  std::string text;
  text.reserve(bytes.size());
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const base::Utf8Character character = base::FirstUtf8Character(rest);
    if (character.cut) break;
    const bool kept = character.valid && rest.front() != '\0';
    text.append(kept ? rest.substr(0, character.bytes) : kReplacement);
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

}  // namespace lbw::jobs
