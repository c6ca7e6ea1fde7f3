#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataset/formats.h"

namespace lbw::dataset {

std::optional<std::string> CanonicalNumber(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  const size_t first = std::min(text.find_first_not_of('0'), text.size() - 1);
  return std::string(text.substr(first));
}

std::vector<std::string> InClassOrder(const std::set<std::string>& names) {
  // A number of any length by its digits: the longer is the larger.
  std::vector<std::pair<std::string, std::string>> numbers;
  for (const std::string& name : names) {
    std::optional<std::string> number = CanonicalNumber(name);
    if (!number.has_value()) return {names.begin(), names.end()};
    numbers.emplace_back(*std::move(number), name);
  }
  std::sort(numbers.begin(), numbers.end(), [](const auto& a, const auto& b) {
    if (a.first.size() != b.first.size()) return a.first.size() < b.first.size();
    return a < b;
  });
  std::vector<std::string> ordered;
  for (const auto& [number, name] : numbers) ordered.push_back(name);
  return ordered;
}

}  // namespace lbw::dataset
