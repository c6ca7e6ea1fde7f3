#include "registry/evaluation_options.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/strings.h"

namespace lbw::registry {
namespace {

using Json = nlohmann::json;

bool ChangesNoFigure(const std::string& option) {
  return option == "threads" || option == "checkpoint_pictures";
}

// As JSON of a message leaves them out.
bool IsZero(const Json& value) {
  return value.is_null() || value == Json(0) || value == Json("") || value == Json(false);
}

std::string Text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json At(const Json& object, const std::string& option) {
  const auto found = object.find(option);
  return found == object.end() ? Json() : *found;
}

}  // namespace

std::string OptionsDifference(std::string_view found, std::string_view wanted) {
  if (found == wanted) return "";
  const Json left = Json::parse(found, nullptr, false);
  const Json right = Json::parse(wanted, nullptr, false);
  if (!left.is_object() || !right.is_object()) {
    return base::StrCat("options \"", found, "\", not \"", wanted, "\"");
  }
  std::set<std::string> options;
  for (const Json* side : {&left, &right}) {
    for (const auto& entry : side->items()) options.insert(entry.key());
  }
  std::string difference;
  for (const std::string& option : options) {
    const Json is = At(left, option);
    const Json should = At(right, option);
    if (ChangesNoFigure(option) || is == should || (IsZero(is) && IsZero(should))) continue;
    base::StrAppend(&difference, difference.empty() ? "" : "; ", option, "=", Text(is), ", not ",
                    Text(should));
  }
  return difference;
}

}  // namespace lbw::registry
