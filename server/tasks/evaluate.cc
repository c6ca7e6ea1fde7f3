#include "tasks/evaluate.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "dataset/pack.h"
#include "tasks/cpu.h"
#include "tasks/evaluate_contender.h"
#include "tasks/evaluate_report.h"
#include "tasks/evaluate_spec.h"
#include "tasks/evaluate_state.h"
#include "tasks/evaluate_subject.h"
#include "tasks/job_files.h"
#include "tasks/json.h"
#include "tasks/report_size.h"

namespace lbw::tasks {
namespace {

using Order = jobs::JobLink::Order;

constexpr double kCheckpointEverySeconds = 20;
constexpr double kMapEverySeconds = 1;
constexpr int kDecodeThreads = 2;

bool Ends(Order order) {
  return order == Order::kCancel || order == Order::kPause || order == Order::kStop;
}

class Evaluation {
 public:
  Evaluation(const jobs::JobContext& context, EvaluateSpec spec)
      : context_(context), link_(*context.link), spec_(std::move(spec)) {}

  absl::Status Open(engine::ExecutorFactory& engine);
  absl::Status Resume();
  absl::Status Run();
  absl::StatusOr<std::string> Result();

 private:
  absl::StatusOr<std::unique_ptr<Contender>> Load(const std::string& bundle,
                                                  engine::ExecutorFactory& engine);
  absl::Status RunBatch(size_t first, size_t count);
  void NoteFailures(const Contender::Failures& failures);
  absl::Status Checkpoint();
  absl::Status Obey();
  base::CancelToken UntilOrdered();
  void Report();
  std::optional<double> Top1SoFar() const;
  int Threads() const { return ThreadsOf(spec_.options.threads, context_); }
  int64_t Pictures() const { return static_cast<int64_t>(subject_.pictures.size()); }

  const jobs::JobContext& context_;
  jobs::JobLink& link_;
  const EvaluateSpec spec_;
  std::string pack_sha256_;
  std::unique_ptr<dataset::Pack> pack_;
  Subject subject_;
  std::unique_ptr<Contender> main_;
  std::unique_ptr<Contender> against_;
  EvaluateState state_;
  base::ThreadPool decoders_{{.name = "decode", .threads = kDecodeThreads, .max_queue = 4096}};

  base::Stopwatch watch_;  // of this attempt
  int64_t done_at_start_ = 0;
  int64_t done_at_checkpoint_ = 0;
  base::Stopwatch since_checkpoint_;
  base::Stopwatch since_map_;
  bool map_told_ = false;
  std::optional<double> running_map_;
  Order heard_ = Order::kGoOn;  // while figures were computed
};

absl::StatusOr<std::unique_ptr<Contender>> Evaluation::Load(const std::string& bundle,
                                                            engine::ExecutorFactory& engine) {
  const EvaluateFiles files{context_.blobs, pack_.get()};
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<Contender> contender,
                       Contender::Load(files, bundle, spec_.options, engine, Threads()));
  for (const std::string& note : contender->notes()) {
    link_.Say(jobs::JobLink::Severity::kInfo, note);
  }
  return contender;
}

absl::Status Evaluation::Open(engine::ExecutorFactory& engine) {
  LBW_ASSIGN_OR_RETURN(const Json inputs, ParseObject(context_.inputs_json, "the job's inputs"));
  LBW_ASSIGN_OR_RETURN(const std::string bundle, TextOf(inputs, "bundle"));
  LBW_ASSIGN_OR_RETURN(pack_sha256_, TextOf(inputs, "pack"));
  LBW_ASSIGN_OR_RETURN(const std::string against, TextOf(inputs, "against_bundle"));
  LBW_ASSIGN_OR_RETURN(pack_, OpenPack(*context_.blobs, pack_sha256_));
  LBW_ASSIGN_OR_RETURN(subject_, ReadSubject(*pack_, spec_));
  LBW_ASSIGN_OR_RETURN(main_, Load(bundle, engine));
  if (!against.empty()) {
    LBW_ASSIGN_OR_RETURN(against_, Load(against, engine));
  }
  return absl::OkStatus();
}

absl::Status Evaluation::Resume() {
  if (context_.checkpoint.empty()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const auto reader, context_.blobs->Open(context_.checkpoint));
  absl::StatusOr<EvaluateState> state = ReadState(*reader, OriginOf(context_));
  if (!state.ok() || state->done > Pictures()) {
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

void Evaluation::NoteFailures(const Contender::Failures& failures) {
  for (const auto& [index, reason] : failures) {
    state_.failed.push_back(index);
    const size_t picture = subject_.pictures[static_cast<size_t>(index)];
    link_.Say(
        jobs::JobLink::Severity::kWarning,
        base::StrCat(pack_->dataset().pictures[picture].name, ": ", base::Std(reason.message())));
  }
}

absl::Status Evaluation::RunBatch(size_t first, size_t count) {
  const auto places = absl::MakeConstSpan(subject_.pictures).subspan(first, count);
  const std::vector<PreparedPicture> pictures = main_->Prepare(places, decoders_);
  if (against_ != nullptr) {
    const bool same = against_->network().spec().input == main_->network().spec().input;
    const std::vector<PreparedPicture> own =
        same ? std::vector<PreparedPicture>() : against_->Prepare(places, decoders_);
    // A picture that cannot be read is told of once, by the main run.
    LBW_RETURN_IF_ERROR(
        against_->Judge(same ? pictures : own, first, subject_, state_.against).status());
  }
  LBW_ASSIGN_OR_RETURN(const Contender::Failures failures,
                       main_->Judge(pictures, first, subject_, state_.main));
  NoteFailures(failures);
  const StageSeconds seconds = main_->TakeSeconds();
  state_.seconds.decode += seconds.decode;
  state_.seconds.preprocess += seconds.preprocess;
  state_.seconds.compute += seconds.compute;
  state_.seconds.postprocess += seconds.postprocess;
  state_.done += static_cast<int64_t>(count);
  return absl::OkStatus();
}

absl::Status Evaluation::Checkpoint() {
  // Nothing new: the worker has this one already.
  if (state_.done == done_at_checkpoint_) return absl::OkStatus();
  CheckpointHeader header;
  header.spec_sha256 = OriginOf(context_);
  header.threads = Threads();
  header.isa = CpuIsa();
  LBW_RETURN_IF_ERROR(WriteCheckpoint(context_, state_.done, [&](base::ByteSink& sink) {
    return WriteState(state_, header, sink);
  }));
  done_at_checkpoint_ = state_.done;
  since_checkpoint_ = base::Stopwatch();
  return absl::OkStatus();
}

absl::Status Evaluation::Obey() {
  Order order = link_.order();
  const Order heard = std::exchange(heard_, Order::kGoOn);
  if (order == Order::kGoOn || (Ends(heard) && order != Order::kCancel)) order = heard;
  if (order == Order::kCancel) return jobs::ObeyedStatus(order);
  const int64_t every = spec_.options.checkpoint_pictures;
  const bool due = every > 0 ? state_.done - done_at_checkpoint_ >= every
                             : since_checkpoint_.ElapsedSeconds() >= kCheckpointEverySeconds;
  const bool finished = state_.done == Pictures();
  if (order != Order::kGoOn || (due && !finished)) LBW_RETURN_IF_ERROR(Checkpoint());
  if (Ends(order)) return jobs::ObeyedStatus(order);
  return absl::OkStatus();
}

// Figures over many pictures take seconds: they ask it too, and Obey does what was heard.
base::CancelToken Evaluation::UntilOrdered() {
  const auto ordered = [this] {
    const Order order = link_.order();
    if (Ends(order) || (order != Order::kGoOn && !Ends(heard_))) heard_ = order;
    return Ends(order);
  };
  return base::CancelToken(ordered, absl::InfiniteFuture());
}

std::optional<double> Evaluation::Top1SoFar() const {
  const std::vector<eval::JudgedPicture>& all = state_.main.judged;
  if (all.empty()) return std::nullopt;
  const auto right = std::count_if(all.begin(), all.end(),
                                   [](const eval::JudgedPicture& one) { return one.rank == 0; });
  return static_cast<double>(right) / static_cast<double>(all.size());
}

void Evaluation::Report() {
  jobs::JobLink::Progress progress;
  progress.step = state_.done;
  progress.total_steps = Pictures();
  progress.stage = "evaluate";
  const double seconds = watch_.ElapsedSeconds();
  const auto now = static_cast<double>(state_.done - done_at_start_);
  if (seconds > 0 && now > 0) {
    progress.values["pictures_per_s"] = now / seconds;
    progress.eta =
        absl::Seconds(seconds / now * static_cast<double>(progress.total_steps - state_.done));
  }
  if (subject_.truth.task == dataset::Task::kDetection) {
    const bool last = state_.done == progress.total_steps;
    if (last || !map_told_ || since_map_.ElapsedSeconds() >= kMapEverySeconds) {
      running_map_ = RunningMap(subject_.truth, state_, UntilOrdered());
      map_told_ = true;
      since_map_ = base::Stopwatch();
    }
    if (running_map_) progress.values["map"] = *running_map_;
  } else if (const std::optional<double> top1 = Top1SoFar()) {
    progress.values["top1"] = *top1;
  }
  link_.Report(progress);
}

absl::Status Evaluation::Run() {
  watch_ = base::Stopwatch();
  since_checkpoint_ = base::Stopwatch();
  since_map_ = base::Stopwatch();
  const int64_t step = main_->network().batch();
  while (state_.done < Pictures()) {
    LBW_RETURN_IF_ERROR(Obey());
    const int64_t count = std::min(step, Pictures() - state_.done);
    LBW_RETURN_IF_ERROR(RunBatch(static_cast<size_t>(state_.done), static_cast<size_t>(count)));
    Report();
  }
  if (static_cast<int64_t>(state_.failed.size()) == Pictures()) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                       base::StrCat("none of the ", Pictures(), " pictures could be read"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Evaluation::Result() {
  absl::StatusOr<Json> figures = tasks::Report(subject_.truth, spec_, state_, UntilOrdered());
  if (Ends(heard_)) LBW_RETURN_IF_ERROR(Obey());
  if (!figures.ok()) return figures.status();
  Json report = *std::move(figures);
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
