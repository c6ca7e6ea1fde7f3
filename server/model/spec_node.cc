#include "model/spec_node.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/escaping.h"

namespace lbw::model {
namespace {

constexpr size_t kMaxTextBytes = 256;
constexpr size_t kShownBytes = 64;

absl::Status BadSpec(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadSpec, message);
}

std::string Shown(const std::string& text) {
  std::string result = absl::CHexEscape(text.substr(0, kShownBytes));
  if (text.size() > kShownBytes) result += "...";
  return result;
}

std::string Describe(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return node.Scalar().empty() ? "an empty text" : Shown(node.Scalar());
    case YAML::NodeType::Sequence:
      return base::StrCat("a list of ", node.size());
    case YAML::NodeType::Map:
      return "a map";
    default:
      return "nothing";
  }
}

std::string Where(const std::string& path, const YAML::Node& node) {
  const std::string place = path.empty() ? "the spec" : path;
  const YAML::Mark mark = node.Mark();
  return mark.is_null() ? place : base::StrCat(place, " (line ", mark.line + 1, ")");
}

std::string Join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : base::StrCat(path, ".", key);
}

}  // namespace

absl::Status SpecNode::Expected(std::string_view what) const {
  return BadSpec(
      base::StrCat(Where(path_, node_), ": expected ", what, ", found ", Describe(node_)));
}

absl::StatusOr<int64_t> SpecNode::Int(int64_t low, int64_t high) const {
  int64_t value = 0;
  if (!is_scalar() || !YAML::convert<int64_t>::decode(node_, value) || value < low ||
      value > high) {
    return Expected(base::StrCat("an integer in ", low, "..", high));
  }
  return value;
}

absl::StatusOr<float> SpecNode::Number(float low, float high) const {
  float value = 0;
  if (!is_scalar() || !YAML::convert<float>::decode(node_, value) || !std::isfinite(value) ||
      value < low || value > high) {
    return Expected(base::StrCat("a number in [", low, ", ", high, "]"));
  }
  return value;
}

absl::StatusOr<bool> SpecNode::Bool() const {
  bool value = false;
  if (!is_scalar() || !YAML::convert<bool>::decode(node_, value)) return Expected("true or false");
  return value;
}

absl::StatusOr<std::string> SpecNode::Text() const {
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; };
  if (!is_scalar() || node_.Scalar().empty() || node_.Scalar().size() > kMaxTextBytes ||
      std::any_of(node_.Scalar().begin(), node_.Scalar().end(), is_control)) {
    return Expected(base::StrCat("a text of 1..", kMaxTextBytes, " bytes"));
  }
  return node_.Scalar();
}

absl::StatusOr<std::vector<SpecNode>> SpecNode::List(size_t least, size_t most) const {
  if (!is_list() || node_.size() < least || node_.size() > most) {
    return Expected(least == most ? base::StrCat("a list of ", least)
                                  : base::StrCat("a list of ", least, "..", most));
  }
  std::vector<SpecNode> result;
  for (const YAML::Node& item : node_) {
    result.emplace_back(item, base::StrCat(path_, "[", result.size(), "]"));
  }
  return result;
}

absl::StatusOr<SpecMap> SpecMap::Open(const SpecNode& node,
                                      absl::Span<const std::string_view> keys) {
  std::string known;
  for (const std::string_view key : keys) base::StrAppend(&known, known.empty() ? "" : ", ", key);
  if (!node.is_map()) return node.Expected(base::StrCat("a map of ", known));
  SpecMap map(node.path_);
  for (const auto& entry : node.node_) {
    if (!entry.first.IsScalar()) {
      return SpecNode(entry.first, node.path_).Expected(base::StrCat("a key out of ", known));
    }
    const std::string& key = entry.first.Scalar();
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      return BadSpec(base::StrCat(Where(Join(node.path_, Shown(key)), entry.first),
                                  ": unknown key; known here: ", known));
    }
    if (map.Find(key) != nullptr) {
      return BadSpec(base::StrCat(Where(Join(node.path_, key), entry.first), ": stands twice"));
    }
    map.entries_.emplace_back(key, SpecNode(entry.second, Join(node.path_, key)));
  }
  return map;
}

const SpecNode* SpecMap::Find(std::string_view key) const {
  for (const auto& [name, node] : entries_) {
    if (name == key) return &node;
  }
  return nullptr;
}

absl::StatusOr<SpecNode> SpecMap::Get(std::string_view key) const {
  const SpecNode* node = Find(key);
  if (node != nullptr) return *node;
  return BadSpec(base::StrCat(Join(path_, key), " is missing"));
}

}  // namespace lbw::model
