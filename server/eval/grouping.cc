#include "eval/grouping.h"

#include <algorithm>
#include <tuple>

#include "base/status.h"

namespace lbw::eval {
namespace {

auto Key(const Grouping::Entry& entry) {
  return std::make_tuple(entry.class_index, entry.image_index, entry.place);
}

}  // namespace

Grouping::Grouping(absl::Span<const TruthBox> truths) {
  entries_.reserve(truths.size());
  for (const TruthBox& truth : truths) {
    entries_.push_back(
        {truth.class_index, truth.image_index, static_cast<int32_t>(entries_.size())});
  }
  Sort();
}

Grouping::Grouping(absl::Span<const FoundBox> found) {
  entries_.reserve(found.size());
  for (const FoundBox& box : found) {
    entries_.push_back(
        {box.detection.class_index, box.image_index, static_cast<int32_t>(entries_.size())});
  }
  Sort();
}

void Grouping::Sort() {
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return Key(a) < Key(b); });
}

absl::Span<const Grouping::Entry> Grouping::OfClass(int32_t class_index) const {
  const auto range = std::equal_range(
      entries_.begin(), entries_.end(), Entry{class_index, 0, 0},
      [](const Entry& a, const Entry& b) { return a.class_index < b.class_index; });
  return absl::MakeConstSpan(entries_).subspan(static_cast<size_t>(range.first - entries_.begin()),
                                               static_cast<size_t>(range.second - range.first));
}

absl::Span<const Grouping::Entry> Grouping::Of(int32_t class_index, int32_t image_index) const {
  const auto range = std::equal_range(
      entries_.begin(), entries_.end(), Entry{class_index, image_index, 0},
      [](const Entry& a, const Entry& b) {
        return std::tie(a.class_index, a.image_index) < std::tie(b.class_index, b.image_index);
      });
  return absl::MakeConstSpan(entries_).subspan(static_cast<size_t>(range.first - entries_.begin()),
                                               static_cast<size_t>(range.second - range.first));
}

absl::Status CheckCrowding(const Grouping& truths, int32_t class_count) {
  for (int32_t c = 0; c < class_count; ++c) {
    int64_t run = 0;
    int32_t image = -1;
    for (const Grouping::Entry& entry : truths.OfClass(c)) {
      run = entry.image_index == image ? run + 1 : 1;
      image = entry.image_index;
      if (run <= kMaxTruthsOfClassInImage) continue;
      return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kLimitExceeded,
                         base::StrCat("truths must be at most ", kMaxTruthsOfClassInImage,
                                      " of one class in one picture: image_index=", image,
                                      " class_index=", c))
          .Field("truths");
    }
  }
  return absl::OkStatus();
}

}  // namespace lbw::eval
