#include "dataset/budget.h"

#include "base/checked.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/text.h"

namespace lbw::dataset {
namespace {

// Nodes of the maps by name and digest that the readers and the check keep, as libstdc++ has them.
constexpr uint64_t kNodes = 512;
constexpr uint64_t kPicture = 2 * sizeof(RawPicture) + 2 * sizeof(Picture) + kNodes;
// COCO's own form of a box stands beside what is made of it.
constexpr uint64_t kBox = 80 + 2 * sizeof(RawBox) + sizeof(Annotation);

}  // namespace

absl::Status BeyondLimit(std::string_view what, std::string_view file, uint64_t value,
                         uint64_t limit) {
  return base::Error(
      absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
      base::StrCat(what, ": ", Shown(file), " brings it to ", value, ", limit=", limit));
}

absl::Status CheckNameLength(std::string_view where, std::string_view name,
                             const DatasetLimits& limits) {
  if (name.size() <= limits.max_class_name_bytes) return absl::OkStatus();
  constexpr size_t kShown = 40;
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                     base::StrCat(Shown(where), ": the name '", Shown(name, kShown),
                                  "' is longer than the limit: bytes=", name.size(),
                                  " limit=", limits.max_class_name_bytes));
}

absl::Status Budget::Keep(uint64_t bytes, std::string_view file) {
  kept_bytes_ = base::CheckedAdd(kept_bytes_, bytes).value_or(UINT64_MAX);
  if (kept_bytes_ <= limits_.max_kept_bytes) return absl::OkStatus();
  return BeyondLimit("bytes of annotations in memory", file, kept_bytes_, limits_.max_kept_bytes);
}

absl::Status Budget::KeepPicture(const RawPicture& picture) {
  const std::string& file =
      picture.annotation_file.empty() ? picture.wanted : picture.annotation_file;
  if (++pictures_ > limits_.max_pictures) {
    return BeyondLimit("number of pictures", file, static_cast<uint64_t>(pictures_),
                       static_cast<uint64_t>(limits_.max_pictures));
  }
  uint64_t texts = 4 * (picture.wanted.size() + picture.path.size()) +
                   picture.annotation_file.size() + picture.label.value_or("").size() +
                   (picture.png ? picture.png->size() : 0);
  for (const std::string& split : picture.splits) texts += sizeof(std::string) + split.size();
  return Keep(kPicture + texts, file);
}

absl::Status Budget::KeepBox(uint64_t text_bytes, std::string_view file) {
  if (++boxes_ > limits_.max_boxes) {
    return BeyondLimit("number of boxes", file, static_cast<uint64_t>(boxes_),
                       static_cast<uint64_t>(limits_.max_boxes));
  }
  return Keep(kBox + text_bytes, file);
}

}  // namespace lbw::dataset
