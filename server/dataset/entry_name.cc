#include "dataset/entry_name.h"

#include "absl/strings/ascii.h"
#include "base/status.h"
#include "dataset/text.h"

namespace lbw::dataset {
namespace {

// Calls visit(part) between slashes until it returns false; tells whether it never did.
template <typename Visit>
bool EveryPart(std::string_view path, Visit visit) {
  while (true) {
    const size_t slash = path.find('/');
    if (!visit(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

absl::Status Refuse(std::string_view name, std::string_view why) {
  return BadArchive(base::StrCat("entry '", Shown(name), "' ", why));
}

bool IsAbsolute(std::string_view name) {
  if (name.front() == '/') return true;
  return name.size() >= 3 && absl::ascii_isalpha(static_cast<unsigned char>(name[0])) &&
         name[1] == ':' && name[2] == '/';
}

}  // namespace

absl::Status BadArchive(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArchive, message);
}

absl::StatusOr<std::string> NormalizeEntryName(std::string_view name) {
  if (name.empty()) return BadArchive("an entry has no name");
  if (name.size() > kMaxEntryNameBytes) {
    return Refuse(name, base::StrCat("has too long a name: bytes=", name.size(),
                                     " limit=", kMaxEntryNameBytes));
  }
  if (!IsUtf8(name)) return Refuse(name, "has a name that is not UTF-8");
  if (HasControlCharacter(name)) return Refuse(name, "has control characters in its name");
  if (name.find('\\') != std::string_view::npos) return Refuse(name, "has a backslash in its name");
  if (IsAbsolute(name)) return Refuse(name, "has an absolute path");
  std::string result;
  const bool inside = EveryPart(name, [&result](std::string_view part) {
    if (part == "..") return false;
    if (part.empty() || part == ".") return true;
    if (!result.empty()) result += '/';
    result += part;
    return true;
  });
  if (!inside) return Refuse(name, "has '..' in its path");
  return result;
}

bool IsLitter(std::string_view normalized) {
  return !EveryPart(normalized, [](std::string_view part) {
    return !(part.substr(0, 1) == "." || part == "__MACOSX" || part == "Thumbs.db" ||
             part == "desktop.ini");
  });
}

}  // namespace lbw::dataset
