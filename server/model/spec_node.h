// A place in a spec's text: its value, its path and its line, so that every error can name them.
// Private to the room.
//
// Errors:  every method: kInvalidArgument, BAD_SPEC - "head.nms.iou (line 9): expected a number in
//          [0, 1], found 2".
// Threads: one object is used by one thread.
#ifndef LBW_MODEL_SPEC_NODE_H_
#define LBW_MODEL_SPEC_NODE_H_

#include <yaml-cpp/yaml.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/status.h"
#include "base/strings.h"
#include "model/spec_names.h"

namespace lbw::model {

class SpecNode {
 public:
  SpecNode(YAML::Node node, std::string path) : node_(std::move(node)), path_(std::move(path)) {}

  bool is_map() const { return node_.IsMap(); }
  bool is_list() const { return node_.IsSequence(); }
  bool is_scalar() const { return node_.IsScalar(); }

  absl::Status Expected(std::string_view what) const;

  // Both bounds belong to the range.
  absl::StatusOr<int64_t> Int(int64_t low, int64_t high) const;
  absl::StatusOr<float> Number(float low, float high) const;
  absl::StatusOr<bool> Bool() const;
  // 1..256 bytes without control characters.
  absl::StatusOr<std::string> Text() const;
  absl::StatusOr<std::vector<SpecNode>> List(size_t least, size_t most) const;

  template <typename T, size_t N>
  absl::StatusOr<T> OneOf(const std::array<Word<T>, N>& words) const {
    std::string known;
    for (const Word<T>& word : words) {
      if (is_scalar() && node_.Scalar() == word.text) return word.value;
      base::StrAppend(&known, known.empty() ? "" : " | ", word.text);
    }
    return Expected(known);
  }

 private:
  friend class SpecMap;

  YAML::Node node_;
  std::string path_;
};

// A map whose keys are all known.
class SpecMap {
 public:
  static absl::StatusOr<SpecMap> Open(const SpecNode& node,
                                      absl::Span<const std::string_view> keys);

  // nullptr when the key is left out.
  const SpecNode* Find(std::string_view key) const;
  absl::StatusOr<SpecNode> Get(std::string_view key) const;
  size_t size() const { return entries_.size(); }

 private:
  explicit SpecMap(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::vector<std::pair<std::string, SpecNode>> entries_;
};

}  // namespace lbw::model

#endif  // LBW_MODEL_SPEC_NODE_H_
