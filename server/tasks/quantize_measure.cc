#include "tasks/quantize_measure.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "eval/bootstrap.h"
#include "tasks/class_map.h"
#include "tasks/judge.h"

namespace lbw::tasks {
namespace {

constexpr int32_t kResamples = 1'000;
constexpr double kLevel = 0.95;
constexpr double kTwoSided = 1.959963984540054;  // of the normal distribution, at kLevel

Json IntervalJson(double low, double high) {
  return {{"low", low}, {"high", high}, {"level", kLevel}};
}

// Mean and half the width of its interval: normal, over pictures.
struct MeanOf {
  double mean = 0;
  double half = 0;
};
MeanOf MeanWithInterval(const std::vector<double>& values) {
  MeanOf out;
  const auto n = static_cast<double>(values.size());
  if (values.empty()) return out;
  out.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - out.mean) * (value - out.mean);
  if (values.size() > 1) out.half = kTwoSided * std::sqrt(squares / (n - 1) / n);
  return out;
}

}  // namespace

Json ToJson(const Measured& measured) {
  Json json;
  json["what"] = measured.what;
  Put(json, "value", measured.value);
  if (measured.low && measured.high) json["interval"] = IntervalJson(*measured.low, *measured.high);
  Put(json, "drop", measured.drop);
  if (measured.drop_low && measured.drop_high) {
    json["drop_interval"] = IntervalJson(*measured.drop_low, *measured.drop_high);
  }
  Put(json, "agreement", measured.agreement);
  json["pictures"] = base::StrCat(measured.pictures);
  return json;
}

absl::StatusOr<Measured> MeasuredFromJson(const Json& json) {
  Measured out;
  LBW_ASSIGN_OR_RETURN(out.what, TextOf(json, "what"));
  LBW_ASSIGN_OR_RETURN(out.value, NumberOf(json, "value"));
  LBW_ASSIGN_OR_RETURN(out.drop, NumberOf(json, "drop"));
  LBW_ASSIGN_OR_RETURN(out.agreement, NumberOf(json, "agreement"));
  LBW_ASSIGN_OR_RETURN(out.pictures, IntegerOf(json, "pictures"));
  LBW_ASSIGN_OR_RETURN(const Json interval, ObjectOf(json, "interval"));
  LBW_ASSIGN_OR_RETURN(out.low, NumberOf(interval, "low"));
  LBW_ASSIGN_OR_RETURN(out.high, NumberOf(interval, "high"));
  LBW_ASSIGN_OR_RETURN(const Json drop, ObjectOf(json, "drop_interval"));
  LBW_ASSIGN_OR_RETURN(out.drop_low, NumberOf(drop, "low"));
  LBW_ASSIGN_OR_RETURN(out.drop_high, NumberOf(drop, "high"));
  return out;
}

absl::StatusOr<std::unique_ptr<Measure>> Measure::Open(const dataset::Pack& pack,
                                                       const MeasureAsked& asked,
                                                       const model::ModelSpec& spec,
                                                       absl::Span<const size_t> calibrated_on) {
  std::unique_ptr<Measure> measure(new Measure(pack, asked, spec));
  LBW_RETURN_IF_ERROR(measure->ChoosePictures(calibrated_on));
  const dataset::Dataset& data = pack.dataset();
  for (const size_t index : measure->subject_.pictures) {
    const dataset::Picture& picture = data.pictures[index];
    measure->labelled_ =
        measure->labelled_ ||
        (measure->classifier_ ? picture.label.has_value() : !picture.annotations.empty());
  }
  if (measure->labelled_) LBW_RETURN_IF_ERROR(CheckTask(spec, data));
  if (measure->labelled_) {
    LBW_RETURN_IF_ERROR(measure->TakeTruths());
  } else {
    measure->TakeNoTruths();
  }
  return measure;
}

absl::Status Measure::ChoosePictures(absl::Span<const size_t> calibrated_on) {
  LBW_ASSIGN_OR_RETURN(std::vector<size_t> pictures, pack_.PicturesOf(asked_.split));
  split_ = asked_.split;
  const std::set<size_t> seen(calibrated_on.begin(), calibrated_on.end());
  std::vector<size_t> others;
  for (const size_t picture : pictures) {
    if (seen.count(picture) == 0) others.push_back(picture);
  }
  if (!others.empty() && others.size() < pictures.size()) {
    pictures = std::move(others);
    split_ = asked_.split.empty() ? "not calibrated on"
                                  : base::StrCat(asked_.split, ", not calibrated on");
  }
  if (asked_.max_pictures > 0 && pictures.size() > static_cast<size_t>(asked_.max_pictures)) {
    pictures.resize(static_cast<size_t>(asked_.max_pictures));
  }
  if (pictures.empty()) {
    return base::Error(
        absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
        base::StrCat("nothing to measure on: split \"", asked_.split, "\" has no pictures"));
  }
  subject_.truth.pictures = static_cast<int32_t>(pictures.size());
  subject_.pictures = std::move(pictures);
  return absl::OkStatus();
}

// The truths of the chosen pictures, numbered anew.
absl::Status Measure::TakeTruths() {
  LBW_ASSIGN_OR_RETURN(const ClassMap map, MapClasses(spec_.classes, pack_.dataset().classes));
  to_dataset_ = map.to_dataset;
  EvaluateSpec whole;
  whole.options = asked_.options;
  whole.options.max_pictures = 0;
  LBW_ASSIGN_OR_RETURN(const Subject all, ReadSubject(pack_, whole));
  std::map<size_t, int32_t> number;
  for (size_t i = 0; i < subject_.pictures.size(); ++i) {
    number[subject_.pictures[i]] = static_cast<int32_t>(i);
  }
  const int32_t pictures = subject_.truth.pictures;
  subject_.truth = all.truth;
  subject_.truth.pictures = pictures;
  subject_.truth.boxes.clear();
  subject_.labels.assign(subject_.pictures.size(), -1);
  for (size_t i = 0; i < all.pictures.size(); ++i) {
    const auto found = number.find(all.pictures[i]);
    if (found != number.end()) subject_.labels[static_cast<size_t>(found->second)] = all.labels[i];
  }
  for (const eval::TruthBox& box : all.truth.boxes) {
    const auto found = number.find(all.pictures[static_cast<size_t>(box.image_index)]);
    if (found == number.end()) continue;
    subject_.truth.boxes.push_back(box);
    subject_.truth.boxes.back().image_index = found->second;
  }
  return absl::OkStatus();
}

// Classes are the model's own.
void Measure::TakeNoTruths() {
  subject_.truth.labels = spec_.classes;
  subject_.truth.task = classifier_ ? dataset::Task::kClassification : dataset::Task::kDetection;
  subject_.labels.assign(subject_.pictures.size(), -1);
  to_dataset_.resize(spec_.classes.size());
  std::iota(to_dataset_.begin(), to_dataset_.end(), 0);
}

absl::Status Measure::Run(absl::Span<const Running> all, int threads, const Visit& visit) const {
  const detect::DecodeOptions options = DecodeOptionsOf(spec_, asked_.options);
  int64_t step = 8;
  for (const Running& one : all) step = std::min(step, one.network->batch());
  int64_t first = pictures();
  for (const Running& one : all) {
    const bool fits =
        one.run->done == pictures() || (one.run->done < pictures() && one.run->done % step == 0);
    if (!fits) *one.run = {};
    first = std::min(first, one.run->done);
  }
  StageSeconds seconds;
  for (; first < pictures(); first += step) {
    if (visit) LBW_RETURN_IF_ERROR(visit(first));
    const int64_t count = std::min(step, pictures() - first);
    const std::vector<PreparedPicture> prepared =
        ReadPictures(pack_,
                     absl::MakeConstSpan(subject_.pictures)
                         .subspan(static_cast<size_t>(first), static_cast<size_t>(count)),
                     spec_.input, threads);
    for (const Running& one : all) {
      if (one.run->done != first) continue;
      LBW_ASSIGN_OR_RETURN(const std::vector<Predicted> predicted,
                           one.network->Run(prepared, options, seconds));
      for (size_t i = 0; i < predicted.size(); ++i) {
        if (!predicted[i].status.ok()) continue;
        TakePredicted(predicted[i], {classifier_, to_dataset_, subject_},
                      static_cast<int32_t>(first) + static_cast<int32_t>(i), one.run->run);
      }
      one.run->done = first + count;
    }
  }
  return absl::OkStatus();
}

absl::Status Measure::FillBoxes(const RunState& run, const RunState* reference,
                                const base::CancelToken& cancel, Measured& out) const {
  const Truth& truth = subject_.truth;
  const auto classes = static_cast<int32_t>(truth.labels.size());
  const eval::BoxSet set{truth.boxes, run.found, truth.pictures, classes};
  if (reference != nullptr) {
    LBW_ASSIGN_OR_RETURN(
        out.agreement,
        MeanAgreement({run.found, reference->found, truth.pictures, classes}, cancel));
  }
  if (!labelled_) return absl::OkStatus();
  eval::BootstrapOptions options;
  options.match.pixels = truth.pixels;
  options.resamples = kResamples;
  options.level = kLevel;
  const absl::StatusOr<eval::MeanApInterval> interval = eval::BootstrapMeanAp(set, options, cancel);
  // Where nothing counts there is no figure.
  if (absl::IsInvalidArgument(interval.status())) return absl::OkStatus();
  if (!interval.ok()) return interval.status();
  out.value = interval->estimate;
  out.low = interval->low;
  out.high = interval->high;
  if (reference == nullptr) return absl::OkStatus();
  const eval::BoxSet float_set{truth.boxes, reference->found, truth.pictures, classes};
  LBW_ASSIGN_OR_RETURN(const eval::MeanApDrop drop,
                       eval::BootstrapDrop(float_set, set, options, cancel));
  out.drop = drop.drop;
  out.drop_low = drop.low;
  out.drop_high = drop.high;
  return absl::OkStatus();
}

void Measure::FillClasses(const RunState& run, const RunState* reference, Measured& out) const {
  std::map<int32_t, const eval::JudgedPicture*> others;
  if (reference != nullptr) {
    for (size_t i = 0; i < reference->judged.size(); ++i) {
      others[reference->judged_pictures[i]] = &reference->judged[i];
    }
  }
  std::vector<double> right, below, same;
  for (size_t i = 0; i < run.judged.size(); ++i) {
    const eval::JudgedPicture& one = run.judged[i];
    const auto other = others.find(run.judged_pictures[i]);
    if (other != others.end()) same.push_back(one.predicted == other->second->predicted ? 1 : 0);
    if (one.label < 0) continue;
    right.push_back(one.rank == 0 ? 1 : 0);
    if (other != others.end()) below.push_back((other->second->rank == 0 ? 1 : 0) - right.back());
  }
  if (reference != nullptr && !same.empty()) out.agreement = MeanWithInterval(same).mean;
  if (!labelled_ || right.empty()) return;
  const MeanOf value = MeanWithInterval(right);
  out.value = value.mean;
  out.low = std::max(0.0, value.mean - value.half);
  out.high = std::min(1.0, value.mean + value.half);
  if (reference == nullptr || below.empty()) return;
  const MeanOf drop = MeanWithInterval(below);
  out.drop = drop.mean;
  out.drop_low = drop.mean - drop.half;
  out.drop_high = drop.mean + drop.half;
}

absl::StatusOr<Measured> Measure::Figures(const std::string& what, const RunState& run,
                                          const RunState* reference,
                                          const base::CancelToken& cancel) const {
  Measured out;
  out.what = what;
  out.pictures = pictures();
  if (classifier_) {
    FillClasses(run, reference, out);
  } else {
    LBW_RETURN_IF_ERROR(FillBoxes(run, reference, cancel, out));
  }
  return out;
}

}  // namespace lbw::tasks
