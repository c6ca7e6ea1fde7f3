#include "config/yaml_file.h"

#include <yaml-cpp/yaml.h>

#include <exception>

#include "base/status.h"

namespace lbw::config {
namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxEntries = 1'000;

base::Error Bad(std::string_view file, int line, std::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                     base::StrCat(file, ":", line, ": ", what));
}

class Flattener {
 public:
  explicit Flattener(std::string_view file) : file_(file) {}

  absl::Status Walk(const YAML::Node& map, const std::string& prefix, int depth) {
    if (depth > kMaxDepth) {
      return Bad(file_, LineOf(map), absl::StrCat("nested too deep: limit=", kMaxDepth));
    }
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) return Bad(file_, LineOf(entry.first), "a key must be text");
      const std::string key = absl::StrCat(prefix, prefix.empty() ? "" : ".", entry.first.Scalar());
      LBW_RETURN_IF_ERROR(Take(entry.second, key, LineOf(entry.first), depth));
    }
    return absl::OkStatus();
  }

  std::vector<FileValue> Release() { return std::move(values_); }

 private:
  static int LineOf(const YAML::Node& node) { return node.Mark().line + 1; }

  absl::Status Take(const YAML::Node& node, const std::string& key, int line, int depth) {
    if (node.IsMap()) return Walk(node, key, depth + 1);
    if (!node.IsScalar()) {
      return Bad(file_, line,
                 absl::StrCat(key, node.IsSequence() ? " is a list" : " is empty",
                              "; it must have one value"));
    }
    for (const FileValue& earlier : values_) {
      if (earlier.key == key) {
        return Bad(file_, line,
                   absl::StrCat(key, " stands there twice, first in line ", earlier.line));
      }
    }
    if (values_.size() == kMaxEntries) {
      return Bad(file_, line, absl::StrCat("too many keys: limit=", kMaxEntries));
    }
    values_.push_back(FileValue{key, node.Scalar(), line});
    return absl::OkStatus();
  }

  const std::string_view file_;
  std::vector<FileValue> values_;
};

}  // namespace

absl::StatusOr<std::vector<FileValue>> ParseYaml(std::string_view text, std::string_view file) {
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (root.IsNull() || !root.IsDefined()) return std::vector<FileValue>();
    if (!root.IsMap())
      return Bad(file, 1, "it must hold keys and values, such as `listen: 127.0.0.1:8500`");
    Flattener flattener(file);
    LBW_RETURN_IF_ERROR(flattener.Walk(root, "", 1));
    return flattener.Release();
  } catch (const YAML::Exception& error) {
    return Bad(file, error.mark.line + 1, base::StrCat("not YAML: ", error.msg));
  } catch (const std::exception& error) {
    return Bad(file, 1, base::StrCat("not YAML: ", error.what()));
  }
}

}  // namespace lbw::config
