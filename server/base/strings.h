// Between std::string_view, which this code speaks, and absl::string_view, which is a type of its
// own in Debian's abseil (it is built for C++14): absl::StrCat, SimpleAtoi and friends do not take
// a std::string_view.
//
//   base::StrCat("no model ", name, ": limit=", limit)     name a std::string_view, std::string,
//   absl::string_view or literal absl::SimpleAtoi(base::Absl(text), &number)
#ifndef LBW_BASE_STRINGS_H_
#define LBW_BASE_STRINGS_H_

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace lbw::base {

inline absl::string_view Absl(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}
inline std::string_view Std(absl::string_view text) {
  return std::string_view(text.data(), text.size());
}

namespace internal {
template <typename T>
const T& ForAbsl(const T& value) {
  return value;
}
inline absl::string_view ForAbsl(const std::string_view& text) { return Absl(text); }
}  // namespace internal

// absl::StrCat and absl::StrAppend that take std::string_view too.
template <typename... T>
std::string StrCat(const T&... values) {
  return absl::StrCat(internal::ForAbsl(values)...);
}
template <typename... T>
void StrAppend(std::string* out, const T&... values) {
  absl::StrAppend(out, internal::ForAbsl(values)...);
}

}  // namespace lbw::base

#endif  // LBW_BASE_STRINGS_H_
