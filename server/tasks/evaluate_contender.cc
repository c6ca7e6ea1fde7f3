#include "tasks/evaluate_contender.h"

#include <algorithm>

#include "absl/synchronization/blocking_counter.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

detect::DecodeOptions DecodeOptionsOf(const Network& network, const EvaluateOptions& asked) {
  detect::DecodeOptions options;
  if (network.is_classifier()) {
    // All of them, so that the rank of the label is known.
    options.top_k = std::min<int64_t>(1000, static_cast<int64_t>(network.spec().classes.size()));
    return options;
  }
  options.score_threshold = asked.score_threshold;
  options.iou_threshold = asked.iou_threshold;
  options.max_detections = asked.max_detections;
  options.per_class = asked.per_class_nms;
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Contender>> Contender::Load(const EvaluateFiles& files,
                                                           const std::string& bundle,
                                                           const EvaluateOptions& options,
                                                           engine::ExecutorFactory& engine,
                                                           int threads) {
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<Network> network,
                       Network::Load(*files.blobs, bundle, engine, threads));
  const dataset::Dataset& data = files.pack->dataset();
  const bool classification = data.task == dataset::Task::kClassification;
  if (network->is_classifier() != classification) {
    return base::Error(
        absl::StatusCode::kFailedPrecondition, base::reason::kNotTheRightHead,
        base::StrCat("the dataset is for ", classification ? "classification" : "detection",
                     " and the version's head is ", network->spec().head.kind));
  }
  LBW_ASSIGN_OR_RETURN(ClassMap classes, MapClasses(network->spec().classes, data.classes));
  const detect::DecodeOptions decode = DecodeOptionsOf(*network, options);
  return std::unique_ptr<Contender>(
      new Contender(*files.pack, std::move(network), std::move(classes), decode));
}

std::vector<PreparedPicture> Contender::Prepare(absl::Span<const size_t> pictures,
                                                base::ThreadPool& decoders) const {
  std::vector<PreparedPicture> prepared(pictures.size());
  absl::BlockingCounter left(static_cast<int>(pictures.size()));
  for (size_t i = 0; i < pictures.size(); ++i) {
    const auto work = [&, i] {
      const absl::StatusOr<std::string> encoded = pack_.ReadPicture(pictures[i]);
      if (encoded.ok()) {
        prepared[i] = network_->Prepare(*encoded);
      } else {
        prepared[i].status = encoded.status();
      }
      left.DecrementCount();
    };
    if (!decoders.Submit(work).ok()) work();
  }
  left.Wait();
  return prepared;
}

absl::StatusOr<Contender::Failures> Contender::Judge(absl::Span<const PreparedPicture> pictures,
                                                     size_t first, const Subject& subject,
                                                     RunState& run) {
  Failures failures;
  const auto step = static_cast<size_t>(network_->batch());
  for (size_t begin = 0; begin < pictures.size(); begin += step) {
    const size_t count = std::min(step, pictures.size() - begin);
    LBW_ASSIGN_OR_RETURN(const std::vector<Predicted> predicted,
                         network_->Run(pictures.subspan(begin, count), options_, seconds_));
    for (size_t i = 0; i < count; ++i) {
      const auto index = static_cast<int32_t>(first + begin + i);
      if (!predicted[i].status.ok()) {
        failures.emplace_back(index, predicted[i].status);
      } else if (network_->is_classifier()) {
        TakeRank(predicted[i], index, subject, run);
      } else {
        TakeBoxes(predicted[i], index, run);
      }
    }
  }
  return failures;
}

void Contender::TakeBoxes(const Predicted& predicted, int32_t index, RunState& run) const {
  for (const detect::Detection& detection : predicted.detections) {
    const int32_t mapped = classes_.to_dataset[static_cast<size_t>(detection.class_index)];
    if (mapped < 0) continue;
    run.found.push_back({index, {detection.box, mapped, detection.score}});
  }
}

void Contender::TakeRank(const Predicted& predicted, int32_t index, const Subject& subject,
                         RunState& run) const {
  eval::JudgedPicture judged;
  judged.label = subject.labels[static_cast<size_t>(index)];
  // Where it is not among them.
  judged.rank = static_cast<int32_t>(subject.truth.labels.size()) - 1;
  // Classes that the dataset does not have stand in nobody's way.
  int32_t rank = 0;
  bool first = true;
  for (const detect::ClassScore& score : predicted.classes) {
    const int32_t mapped = classes_.to_dataset[static_cast<size_t>(score.class_index)];
    if (mapped < 0) continue;
    if (std::exchange(first, false)) judged.predicted = mapped;
    if (mapped == judged.label) judged.rank = rank;
    ++rank;
  }
  run.judged.push_back(judged);
  run.judged_pictures.push_back(index);
}

}  // namespace lbw::tasks
