// Networks measured side by side on the same pictures: the figure of the labels where there are
// some, how far each lies below the float network, and how far they agree with it.
//
// Threads: one.
#ifndef LBW_TASKS_QUANTIZE_MEASURE_H_
#define LBW_TASKS_QUANTIZE_MEASURE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/cancel.h"
#include "dataset/pack.h"
#include "tasks/evaluate_state.h"
#include "tasks/evaluate_subject.h"
#include "tasks/json.h"
#include "tasks/predict.h"
#include "tasks/quantize_spec.h"

namespace lbw::tasks {

// lbw.v1.Measurement without its output error.
struct Measured {
  std::string what;
  std::optional<double> value;
  std::optional<double> low, high;  // of value
  std::optional<double> drop;       // below the first network
  std::optional<double> drop_low, drop_high;
  std::optional<double> agreement;  // with the first network
  int64_t pictures = 0;
};
Json ToJson(const Measured& measured);
// What ToJson wrote. Errors: kInvalidArgument.
absl::StatusOr<Measured> MeasuredFromJson(const Json& json);

// What a network found on the first pictures.
struct PartialRun {
  RunState run;
  int64_t done = 0;  // pictures
};

class Measure {
 public:
  // pack, asked and spec are borrowed. calibrated_on: pictures of the pack; nothing where another
  // was calibrated on. They are left out where others remain, whatever the split is.
  // Errors: kFailedPrecondition, BAD_DATASET - no pictures; NOT_THE_RIGHT_HEAD; those of
  // MapClasses.
  static absl::StatusOr<std::unique_ptr<Measure>> Open(const dataset::Pack& pack,
                                                       const MeasureAsked& asked,
                                                       const model::ModelSpec& spec,
                                                       absl::Span<const size_t> calibrated_on);

  // "map_50" or "top1".
  std::string_view metric() const { return classifier_ ? "top1" : "map_50"; }
  bool labelled() const { return labelled_; }
  int64_t pictures() const { return static_cast<int64_t>(subject_.pictures.size()); }
  // What kind of pictures they are, for people: "val", "not calibrated on".
  const std::string& split() const { return split_; }

  // Each network over the pictures that its run lacks, to the last: they read the same input.
  // visit: asked between pictures with the number that all have done; anything but OK ends it, and
  // what was found stays in the runs. Networks that cannot read a picture leave it out. A run that
  // does not end where this one pauses (another size of batches) begins again.
  struct Running {
    Network* network;
    PartialRun* run;
  };
  using Visit = std::function<absl::Status(int64_t done)>;
  absl::Status Run(absl::Span<const Running> all, int threads, const Visit& visit) const;
  // Figures of `run` beside those of `reference`, the float network's; nullptr: it is that one.
  absl::StatusOr<Measured> Figures(const std::string& what, const RunState& run,
                                   const RunState* reference,
                                   const base::CancelToken& cancel) const;

 private:
  Measure(const dataset::Pack& pack, const MeasureAsked& asked, const model::ModelSpec& spec)
      : pack_(pack), asked_(asked), spec_(spec), classifier_(IsClassifier(spec)) {}
  absl::Status ChoosePictures(absl::Span<const size_t> calibrated_on);
  absl::Status TakeTruths();
  void TakeNoTruths();
  absl::Status FillBoxes(const RunState& run, const RunState* reference,
                         const base::CancelToken& cancel, Measured& out) const;
  void FillClasses(const RunState& run, const RunState* reference, Measured& out) const;

  const dataset::Pack& pack_;
  const MeasureAsked& asked_;
  const model::ModelSpec& spec_;
  const bool classifier_;
  bool labelled_ = false;
  std::string split_;
  Subject subject_;
  std::vector<int32_t> to_dataset_;  // the model's class -> the subject's; -1: left out
};

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_MEASURE_H_
