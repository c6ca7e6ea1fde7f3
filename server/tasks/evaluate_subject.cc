#include "tasks/evaluate_subject.h"

#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

eval::TruthBox BoxOf(const dataset::Annotation& annotation, int32_t image_index) {
  eval::TruthBox box;
  box.image_index = image_index;
  box.box = annotation.box;
  box.class_index = annotation.class_index;
  box.difficult = annotation.difficult;
  box.crowd = annotation.crowd;
  box.area_px2 = annotation.area_px2;
  return box;
}

}  // namespace

absl::StatusOr<Subject> ReadSubject(const dataset::Pack& pack, const EvaluateSpec& spec) {
  const dataset::Dataset& data = pack.dataset();
  Subject subject;
  LBW_ASSIGN_OR_RETURN(subject.pictures, pack.PicturesOf(spec.split));
  if (spec.options.max_pictures > 0 &&
      subject.pictures.size() > static_cast<size_t>(spec.options.max_pictures)) {
    subject.pictures.resize(static_cast<size_t>(spec.options.max_pictures));
  }
  if (subject.pictures.empty()) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                       base::StrCat("split ", spec.split, " of the dataset has no pictures"));
  }
  Truth& truth = subject.truth;
  truth.labels = data.classes;
  truth.pictures = static_cast<int32_t>(subject.pictures.size());
  truth.task = data.task;
  truth.format = data.format;
  const bool inclusive = data.pixel_rule == dataset::PixelRule::kInclusive;
  truth.pixels = spec.options.pixel_rule.value_or(inclusive ? eval::PixelRule::kInclusive
                                                            : eval::PixelRule::kContinuous);
  for (size_t i = 0; i < subject.pictures.size(); ++i) {
    const dataset::Picture& picture = data.pictures[subject.pictures[i]];
    subject.labels.push_back(picture.label.value_or(-1));
    for (const dataset::Annotation& annotation : picture.annotations) {
      truth.boxes.push_back(BoxOf(annotation, static_cast<int32_t>(i)));
    }
  }
  return subject;
}

}  // namespace lbw::tasks
