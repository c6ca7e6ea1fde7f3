#include "tasks/evaluate.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "dataset/pack.h"
#include "tasks/class_map.h"
#include "tasks/cpu.h"
#include "tasks/evaluate_report.h"
#include "tasks/evaluate_spec.h"
#include "tasks/evaluate_state.h"
#include "tasks/json.h"
#include "tasks/predict.h"
#include "tasks/report_size.h"

namespace lbw::tasks {
namespace {

constexpr double kCheckpointEverySeconds = 20;
constexpr double kMapEverySeconds = 1;
constexpr int kDecodeThreads = 2;

base::Error WrongHead(std::string_view message) {
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kNotTheRightHead,
                     message);
}

// One version, and how its classes are the dataset's.
struct Contender {
  std::unique_ptr<Network> network;
  ClassMap classes;
};

class Evaluation {
 public:
  Evaluation(const jobs::JobContext& context, EvaluateSpec spec)
      : context_(context), link_(*context.link), spec_(std::move(spec)) {}

  absl::Status Open(engine::ExecutorFactory& engine);
  absl::Status Resume();
  absl::Status Run();
  absl::StatusOr<std::string> Result() const;

 private:
  absl::StatusOr<Contender> Load(const std::string& bundle, engine::ExecutorFactory& engine);
  absl::Status ReadTruth();
  absl::Status RunBatch(size_t first, size_t count);
  absl::Status Take(Contender& contender, RunState& run, std::vector<PreparedPicture> pictures,
                    size_t first);
  absl::Status Judge(const Contender& contender, const Predicted& predicted, int32_t index,
                     RunState& run);
  std::string Fingerprint() const;
  absl::Status Checkpoint();
  absl::Status Obey();
  void Report();
  detect::DecodeOptions DecodeOptionsOf(const Contender& contender) const;
  int Threads() const;
  std::vector<PreparedPicture> Prepare(const Network& network, size_t first, size_t count);

  const jobs::JobContext& context_;
  jobs::JobLink& link_;
  const EvaluateSpec spec_;
  std::string pack_sha256_;
  std::unique_ptr<dataset::Pack> pack_;
  std::vector<size_t> pictures_;  // indices into the pack
  std::vector<int32_t> labels_;   // classifiers: of pictures_
  Truth truth_;
  Contender main_;
  Contender against_;
  EvaluateState state_;
  base::ThreadPool decoders_{{.name = "decode", .threads = kDecodeThreads, .max_queue = 4096}};

  base::Stopwatch watch_;  // of this attempt
  int64_t done_at_start_ = 0;
  int64_t done_at_checkpoint_ = 0;
  base::Stopwatch since_checkpoint_;
  base::Stopwatch since_map_;
  std::optional<double> running_map_;
};

int Evaluation::Threads() const {
  if (spec_.options.threads > 0) return static_cast<int>(spec_.options.threads);
  if (context_.threads > 0) return context_.threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

absl::StatusOr<Contender> Evaluation::Load(const std::string& bundle,
                                           engine::ExecutorFactory& engine) {
  Contender contender;
  LBW_ASSIGN_OR_RETURN(contender.network,
                       Network::Load(*context_.blobs, bundle, engine, Threads()));
  const bool classification = pack_->dataset().task == dataset::Task::kClassification;
  if (contender.network->is_classifier() != classification) {
    return WrongHead(
        base::StrCat("the dataset is for ", classification ? "classification" : "detection",
                     " and the version's head is ", contender.network->spec().head.kind));
  }
  LBW_ASSIGN_OR_RETURN(contender.classes,
                       MapClasses(contender.network->spec().classes, pack_->dataset().classes));
  for (const std::string& note : contender.classes.notes) {
    link_.Say(jobs::JobLink::Severity::kInfo, note);
  }
  return contender;
}

absl::Status Evaluation::Open(engine::ExecutorFactory& engine) {
  LBW_ASSIGN_OR_RETURN(const Json inputs, ParseObject(context_.inputs_json, "the job's inputs"));
  LBW_ASSIGN_OR_RETURN(const std::string bundle, TextOf(inputs, "bundle"));
  LBW_ASSIGN_OR_RETURN(pack_sha256_, TextOf(inputs, "pack"));
  LBW_ASSIGN_OR_RETURN(const std::string against, TextOf(inputs, "against_bundle"));
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<base::RandomAccessReader> reader,
                       context_.blobs->Open(pack_sha256_));
  LBW_ASSIGN_OR_RETURN(dataset::Pack pack, dataset::Pack::Open(std::move(reader)));
  pack_ = std::make_unique<dataset::Pack>(std::move(pack));
  LBW_RETURN_IF_ERROR(ReadTruth());
  LBW_ASSIGN_OR_RETURN(main_, Load(bundle, engine));
  if (!against.empty()) {
    LBW_ASSIGN_OR_RETURN(against_, Load(against, engine));
  }
  return absl::OkStatus();
}

absl::Status Evaluation::ReadTruth() {
  const dataset::Dataset& data = pack_->dataset();
  LBW_ASSIGN_OR_RETURN(pictures_, pack_->PicturesOf(spec_.split));
  if (spec_.options.max_pictures > 0 &&
      pictures_.size() > static_cast<size_t>(spec_.options.max_pictures)) {
    pictures_.resize(static_cast<size_t>(spec_.options.max_pictures));
  }
  if (pictures_.empty()) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                       base::StrCat("split ", spec_.split, " of the dataset has no pictures"));
  }
  truth_.labels = data.classes;
  truth_.pictures = static_cast<int32_t>(pictures_.size());
  truth_.task = data.task;
  truth_.format = data.format;
  const bool inclusive = data.pixel_rule == dataset::PixelRule::kInclusive;
  truth_.pixels = spec_.options.pixel_rule.value_or(inclusive ? eval::PixelRule::kInclusive
                                                              : eval::PixelRule::kContinuous);
  for (size_t i = 0; i < pictures_.size(); ++i) {
    const dataset::Picture& picture = data.pictures[pictures_[i]];
    labels_.push_back(picture.label.value_or(-1));
    for (const dataset::Annotation& annotation : picture.annotations) {
      eval::TruthBox box;
      box.image_index = static_cast<int32_t>(i);
      box.box = annotation.box;
      box.class_index = annotation.class_index;
      box.difficult = annotation.difficult;
      box.crowd = annotation.crowd;
      box.area_px2 = annotation.area_px2;
      truth_.boxes.push_back(box);
    }
  }
  return absl::OkStatus();
}

// What a checkpoint belongs to: names may mean other content by now, digests do not.
std::string Evaluation::Fingerprint() const {
  return base::Sha256Hex(
      base::AsBytes(base::StrCat(context_.spec_json, "\n", context_.inputs_json)));
}

absl::Status Evaluation::Resume() {
  if (context_.checkpoint.empty()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const auto reader, context_.blobs->Open(context_.checkpoint));
  absl::StatusOr<EvaluateState> state = ReadState(*reader, Fingerprint());
  if (!state.ok() || state->done > static_cast<int64_t>(pictures_.size())) {
    link_.Say(jobs::JobLink::Severity::kWarning,
              base::StrCat("the checkpoint cannot be used, from the start again: ",
                           state.ok() ? "more pictures than the split has"
                                      : std::string(base::Std(state.status().message()))));
    return absl::OkStatus();
  }
  LBW_ASSIGN_OR_RETURN(const CheckpointHeader before, ReadHeader(*reader));
  if (before.threads != Threads() || before.isa != CpuIsa()) {
    link_.Say(jobs::JobLink::Severity::kWarning,
              base::StrCat("goes on elsewhere, not bit-exact: ", before.threads, " threads of ",
                           before.isa, " before, ", Threads(), " threads of ", CpuIsa(), " now"));
  }
  state_ = *std::move(state);
  done_at_start_ = state_.done;
  done_at_checkpoint_ = state_.done;
  return absl::OkStatus();
}

detect::DecodeOptions Evaluation::DecodeOptionsOf(const Contender& contender) const {
  detect::DecodeOptions options;
  if (contender.network->is_classifier()) {
    // All of them, so that the rank of the label is known.
    options.top_k =
        std::min<int64_t>(1000, static_cast<int64_t>(contender.network->spec().classes.size()));
    return options;
  }
  options.score_threshold = spec_.options.score_threshold;
  options.iou_threshold = spec_.options.iou_threshold;
  options.max_detections = spec_.options.max_detections;
  options.per_class = spec_.options.per_class_nms;
  return options;
}

std::vector<PreparedPicture> Evaluation::Prepare(const Network& network, size_t first,
                                                 size_t count) {
  std::vector<PreparedPicture> prepared(count);
  absl::BlockingCounter left(static_cast<int>(count));
  for (size_t i = 0; i < count; ++i) {
    const auto work = [&, i] {
      const absl::StatusOr<std::string> encoded = pack_->ReadPicture(pictures_[first + i]);
      if (encoded.ok()) {
        prepared[i] = network.Prepare(*encoded);
      } else {
        prepared[i].status = encoded.status();
      }
      left.DecrementCount();
    };
    if (!decoders_.Submit(work).ok()) work();
  }
  left.Wait();
  return prepared;
}

absl::Status Evaluation::Judge(const Contender& contender, const Predicted& predicted,
                               int32_t index, RunState& run) {
  if (!contender.network->is_classifier()) {
    for (const detect::Detection& detection : predicted.detections) {
      const auto model_class = static_cast<size_t>(detection.class_index);
      const int32_t mapped = contender.classes.to_dataset[model_class];
      if (mapped < 0) continue;
      run.found.push_back({index, {detection.box, mapped, detection.score}});
    }
    return absl::OkStatus();
  }
  eval::JudgedPicture judged;
  judged.label = labels_[static_cast<size_t>(index)];
  judged.rank = static_cast<int32_t>(truth_.labels.size()) - 1;  // where it is not among them
  // Classes that the dataset does not have stand in nobody's way.
  int32_t rank = 0;
  bool first = true;
  for (const detect::ClassScore& score : predicted.classes) {
    const int32_t mapped = contender.classes.to_dataset[static_cast<size_t>(score.class_index)];
    if (mapped < 0) continue;
    if (std::exchange(first, false)) judged.predicted = mapped;
    if (mapped == judged.label) judged.rank = rank;
    ++rank;
  }
  run.judged.push_back(judged);
  run.judged_pictures.push_back(index);
  return absl::OkStatus();
}

absl::Status Evaluation::Take(Contender& contender, RunState& run,
                              std::vector<PreparedPicture> pictures, size_t first) {
  StageSeconds seconds;
  const auto step = static_cast<size_t>(contender.network->batch());
  for (size_t begin = 0; begin < pictures.size(); begin += step) {
    const size_t count = std::min(step, pictures.size() - begin);
    LBW_ASSIGN_OR_RETURN(const std::vector<Predicted> predicted,
                         contender.network->Run(absl::MakeConstSpan(pictures).subspan(begin, count),
                                                DecodeOptionsOf(contender), seconds));
    for (size_t i = 0; i < count; ++i) {
      const auto index = static_cast<int32_t>(first + begin + i);
      if (predicted[i].status.ok()) {
        LBW_RETURN_IF_ERROR(Judge(contender, predicted[i], index, run));
      } else if (&run == &state_.main) {
        state_.failed.push_back(index);
        link_.Say(
            jobs::JobLink::Severity::kWarning,
            base::StrCat(pack_->dataset().pictures[pictures_[static_cast<size_t>(index)]].name,
                         ": ", base::Std(predicted[i].status.message())));
      }
    }
  }
  if (&run != &state_.main) return absl::OkStatus();
  state_.seconds.decode += seconds.decode;
  state_.seconds.preprocess += seconds.preprocess;
  state_.seconds.compute += seconds.compute;
  state_.seconds.postprocess += seconds.postprocess;
  return absl::OkStatus();
}

absl::Status Evaluation::RunBatch(size_t first, size_t count) {
  std::vector<PreparedPicture> pictures = Prepare(*main_.network, first, count);
  if (against_.network != nullptr) {
    const bool same = against_.network->spec().input == main_.network->spec().input;
    LBW_RETURN_IF_ERROR(Take(against_, state_.against,
                             same ? pictures : Prepare(*against_.network, first, count), first));
  }
  LBW_RETURN_IF_ERROR(Take(main_, state_.main, std::move(pictures), first));
  state_.done += static_cast<int64_t>(count);
  return absl::OkStatus();
}

absl::Status Evaluation::Checkpoint() {
  // Nothing new: the worker has this one already.
  if (state_.done == done_at_checkpoint_) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const auto hold, context_.blobs->Acquire(store::BlobStore::Access::kName));
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<store::BlobWriter> blob, context_.blobs->NewBlob());
  CheckpointHeader header;
  header.spec_sha256 = Fingerprint();
  header.threads = Threads();
  header.isa = CpuIsa();
  LBW_RETURN_IF_ERROR(WriteState(state_, header, *blob));
  LBW_ASSIGN_OR_RETURN(const store::BlobInfo info, blob->Commit());
  jobs::CheckpointInfo checkpoint;
  checkpoint.sha256 = info.sha256;
  checkpoint.size_bytes = info.size_bytes;
  checkpoint.step = state_.done;
  LBW_RETURN_IF_ERROR(link_.Checkpoint(checkpoint));
  done_at_checkpoint_ = state_.done;
  since_checkpoint_ = base::Stopwatch();
  return absl::OkStatus();
}

absl::Status Evaluation::Obey() {
  using Order = jobs::JobLink::Order;
  const Order order = link_.order();
  if (order == Order::kCancel) return jobs::ObeyedStatus(order);
  const int64_t every = spec_.options.checkpoint_pictures;
  const bool due = every > 0 ? state_.done - done_at_checkpoint_ >= every
                             : since_checkpoint_.ElapsedSeconds() >= kCheckpointEverySeconds;
  const bool finished = state_.done == static_cast<int64_t>(pictures_.size());
  if (order != Order::kGoOn || (due && !finished)) LBW_RETURN_IF_ERROR(Checkpoint());
  if (order == Order::kPause || order == Order::kStop) return jobs::ObeyedStatus(order);
  return absl::OkStatus();
}

void Evaluation::Report() {
  jobs::JobLink::Progress progress;
  progress.step = state_.done;
  progress.total_steps = static_cast<int64_t>(pictures_.size());
  progress.stage = "evaluate";
  const double seconds = watch_.ElapsedSeconds();
  const auto now = static_cast<double>(state_.done - done_at_start_);
  if (seconds > 0 && now > 0) {
    progress.values["pictures_per_s"] = now / seconds;
    progress.eta =
        absl::Seconds(seconds / now * static_cast<double>(progress.total_steps - state_.done));
  }
  if (truth_.task == dataset::Task::kDetection) {
    const bool last = state_.done == progress.total_steps;
    if (last || !running_map_ || since_map_.ElapsedSeconds() >= kMapEverySeconds) {
      running_map_ = RunningMap(truth_, state_);
      since_map_ = base::Stopwatch();
    }
    progress.values["map"] = *running_map_;
  } else if (!state_.main.judged.empty()) {
    int64_t right = 0;
    for (const eval::JudgedPicture& judged : state_.main.judged) right += judged.rank == 0 ? 1 : 0;
    progress.values["top1"] =
        static_cast<double>(right) / static_cast<double>(state_.main.judged.size());
  }
  link_.Report(progress);
}

absl::Status Evaluation::Run() {
  watch_ = base::Stopwatch();
  since_checkpoint_ = base::Stopwatch();
  since_map_ = base::Stopwatch();
  const auto step = static_cast<size_t>(main_.network->batch());
  while (state_.done < static_cast<int64_t>(pictures_.size())) {
    LBW_RETURN_IF_ERROR(Obey());
    const auto first = static_cast<size_t>(state_.done);
    LBW_RETURN_IF_ERROR(RunBatch(first, std::min(step, pictures_.size() - first)));
    Report();
  }
  if (state_.failed.size() == pictures_.size()) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                       base::StrCat("none of the ", pictures_.size(), " pictures could be read"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Evaluation::Result() const {
  LBW_ASSIGN_OR_RETURN(Json report, tasks::Report(truth_, spec_, state_));
  report["version"] = base::VersionName(spec_.version.model, *spec_.version.version);
  report["dataset"] = base::DatasetName(spec_.dataset);
  report["pack_artifact"] = base::ArtifactName(pack_sha256_);
  report["split"] = spec_.split;
  report["options"] = spec_.options_json;
  report["timings"]["device"] = base::StrCat("cpu, ", CpuIsa());
  report["timings"]["threads"] = Threads();
  for (const std::string& note : ShrinkToFit(kMostReportBytes, report)) {
    link_.Say(jobs::JobLink::Severity::kInfo, note);
  }
  Json result;
  result["evaluation"] = std::move(report);
  return Dump(result);
}

}  // namespace

absl::StatusOr<std::string> PrepareEvaluate(const jobs::Job& job, registry::Registry& registry,
                                            registry::Datasets& datasets) {
  LBW_ASSIGN_OR_RETURN(const EvaluateSpec spec, ParseEvaluateSpec(job.spec_json));
  Json inputs;
  const auto bundle = [&](const base::ModelRef& ref) -> absl::StatusOr<std::string> {
    LBW_ASSIGN_OR_RETURN(const registry::Version version, registry.Resolve(ref));
    return version.bundle;
  };
  LBW_ASSIGN_OR_RETURN(inputs["bundle"], bundle(spec.version));
  LBW_ASSIGN_OR_RETURN(const registry::Dataset dataset, datasets.RequireReady(spec.dataset));
  inputs["pack"] = dataset.pack_artifact;
  if (spec.against.has_value()) {
    LBW_ASSIGN_OR_RETURN(inputs["against_bundle"], bundle(*spec.against));
  }
  return Dump(inputs);
}

absl::StatusOr<std::string> RunEvaluate(const jobs::JobContext& context,
                                        engine::ExecutorFactory& engine) {
  LBW_ASSIGN_OR_RETURN(EvaluateSpec spec, ParseEvaluateSpec(context.spec_json));
  Evaluation evaluation(context, std::move(spec));
  LBW_RETURN_IF_ERROR(evaluation.Open(engine));
  LBW_RETURN_IF_ERROR(evaluation.Resume());
  LBW_RETURN_IF_ERROR(evaluation.Run());
  return evaluation.Result();
}

}  // namespace lbw::tasks
