#include "tasks/quantize_bench.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/digest.h"
#include "base/status.h"
#include "base/strings.h"
#include "tasks/json.h"
#include "tasks/predict.h"
#include "tasks/quantize_report.h"

namespace lbw::tasks {
namespace {

using Order = jobs::JobLink::Order;
using Severity = jobs::JobLink::Severity;

constexpr double kCheckpointEverySeconds = 20;

absl::StatusOr<std::unique_ptr<dataset::Pack>> OpenPack(store::BlobStore& blobs,
                                                        const std::string& sha256) {
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<base::RandomAccessReader> reader, blobs.Open(sha256));
  LBW_ASSIGN_OR_RETURN(dataset::Pack pack, dataset::Pack::Open(std::move(reader)));
  return std::make_unique<dataset::Pack>(std::move(pack));
}

}  // namespace

int QuantizeBench::Threads() const {
  if (spec_.calibration.threads > 0) return spec_.calibration.threads;
  if (context_.threads > 0) return context_.threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::string QuantizeBench::Origin() const {
  return base::Sha256Hex(
      base::AsBytes(base::StrCat(context_.spec_json, "\n", context_.inputs_json)));
}

absl::Status QuantizeBench::Checkpoint() {
  if (!dirty_) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const auto hold, context_.blobs->Acquire(store::BlobStore::Access::kName));
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<store::BlobWriter> blob, context_.blobs->NewBlob());
  LBW_RETURN_IF_ERROR(WriteQuantizeState(state_, Origin(), *blob));
  LBW_ASSIGN_OR_RETURN(const store::BlobInfo info, blob->Commit());
  jobs::CheckpointInfo checkpoint;
  checkpoint.sha256 = info.sha256;
  checkpoint.size_bytes = info.size_bytes;
  checkpoint.step = state_.step;
  LBW_RETURN_IF_ERROR(link_.Checkpoint(checkpoint));
  dirty_ = false;
  since_checkpoint_ = base::Stopwatch();
  return absl::OkStatus();
}

absl::Status QuantizeBench::Obey() {
  const Order order = link_.order();
  if (order == Order::kCancel) return jobs::ObeyedStatus(order);
  const bool due = since_checkpoint_.ElapsedSeconds() >= kCheckpointEverySeconds;
  if (order != Order::kGoOn || due) LBW_RETURN_IF_ERROR(Checkpoint());
  if (order == Order::kPause || order == Order::kStop) return jobs::ObeyedStatus(order);
  return absl::OkStatus();
}

base::CancelToken QuantizeBench::UntilOrdered() {
  const auto ordered = [this] {
    const Order order = link_.order();
    return order != Order::kGoOn && order != Order::kCheckpoint;
  };
  return base::CancelToken(ordered, absl::InfiniteFuture());
}

void QuantizeBench::Report(std::string_view stage, std::map<std::string, double> values) {
  jobs::JobLink::Progress progress;
  progress.step = state_.step;
  progress.total_steps = std::max(total_steps_, state_.step);
  progress.stage = std::string(stage);
  progress.values = std::move(values);
  link_.Report(progress);
}

absl::Status QuantizeBench::Open() {
  LBW_ASSIGN_OR_RETURN(const Json inputs, ParseObject(context_.inputs_json, "the job's inputs"));
  LBW_ASSIGN_OR_RETURN(const std::string bundle, TextOf(inputs, "bundle"));
  LBW_ASSIGN_OR_RETURN(pack_sha256_, TextOf(inputs, "pack"));
  LBW_ASSIGN_OR_RETURN(const std::string measure_pack, TextOf(inputs, "measure_pack"));
  LBW_ASSIGN_OR_RETURN(const auto reader, context_.blobs->Open(bundle));
  LBW_ASSIGN_OR_RETURN(model_, model::ReadBundle(*reader));
  LBW_ASSIGN_OR_RETURN(pack_, OpenPack(*context_.blobs, pack_sha256_));
  const PictureDraw draw{spec_.calibration.split, spec_.calibration.count, spec_.calibration.seed};
  LBW_ASSIGN_OR_RETURN(pictures_, ReadCalibrationPictures(*pack_, draw, model_.spec.input,
                                                          Threads(), [this] { return Obey(); }));
  for (const auto& [index, reason] : pictures_.failed) {
    link_.Say(Severity::kWarning, base::StrCat(pack_->dataset().pictures[index].name, ": ",
                                               base::Std(reason.message())));
  }
  if (pictures_.inputs.size() < static_cast<size_t>(spec_.calibration.count)) {
    notes_.push_back(base::StrCat(pictures_.inputs.size(), " pictures to calibrate on, ",
                                  spec_.calibration.count, " were asked for"));
  }
  if (!spec_.measure.skip) {
    const bool same = measure_pack == pack_sha256_;
    LBW_ASSIGN_OR_RETURN(measure_pack_, OpenPack(*context_.blobs, measure_pack));
    CalibratedOn calibrated;
    if (same) calibrated = {spec_.calibration.split, pictures_.indices};
    LBW_ASSIGN_OR_RETURN(measure_,
                         Measure::Open(*measure_pack_, spec_.measure, model_.spec, calibrated));
  }
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<LayerWalk> walk, Walk());
  layers_ = walk->layers();
  total_steps_ = static_cast<int64_t>(layers_.size()) *
                 (spec_.widths.has_value() ? (spec_.widths->max_drop ? 6 : 4)
                  : spec_.mu.has_value()   ? static_cast<int64_t>(spec_.mu->ratios.size()) + 1
                                           : 1);
  seconds_.prepare = watch_.ElapsedSeconds();
  return absl::OkStatus();
}

absl::Status QuantizeBench::Resume() {
  since_checkpoint_ = base::Stopwatch();
  if (context_.checkpoint.empty()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const auto reader, context_.blobs->Open(context_.checkpoint));
  absl::StatusOr<QuantizeState> state = ReadQuantizeState(*reader, Origin());
  if (!state.ok()) {
    link_.Say(Severity::kWarning,
              base::StrCat("the checkpoint cannot be used, from the start again: ",
                           base::Std(state.status().message())));
    return absl::OkStatus();
  }
  state_ = *std::move(state);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LayerWalk>> QuantizeBench::Walk() {
  WalkOptions options;
  options.threads = Threads();
  options.seed = spec_.calibration.seed;
  options.positions = spec_.calibration.positions;
  options.scratch_folder = context_.scratch_folder;
  return LayerWalk::Open(model_, engine_, pictures_.inputs, HeadValues(model_), options);
}

ChoiceOptions QuantizeBench::Choices() const {
  ChoiceOptions options;
  options.quantize = spec_.options;
  options.scale = spec_.calibration.scale;
  options.damping = spec_.calibration.damping;
  options.sweeps = spec_.calibration.sweeps;
  return options;
}

// Makes the calibration of that key the standing one.
absl::Status QuantizeBench::Calibrate(const std::string& key, const ChoiceOptions& options) {
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<LayerWalk> walk, Walk());
  LBW_ASSIGN_OR_RETURN(const LayerChoices choices, ChooseLayers(model_, walk->layers(), options));
  std::vector<SolvedLayer> before;
  if (state_.calibration == key) before = state_.solved;
  state_.calibration = key;
  state_.solved = before;
  CalibrateSteps steps;
  steps.keep_going = [this] { return Obey(); };
  steps.solved = [&](const std::vector<SolvedLayer>& solved) -> absl::Status {
    state_.solved = solved;
    ++state_.step;
    dirty_ = true;
    std::map<std::string, double> values;
    const LayerFigures& figures = solved.back().figures;
    if (const auto sqnr = OutputSqnr(figures.output_power, figures.error)) {
      values["output_sqnr_db"] = *sqnr;
    }
    if (const auto nearest = OutputSqnr(figures.output_power, figures.nearest_error)) {
      values["nearest_output_sqnr_db"] = *nearest;
    }
    values["layer"] = static_cast<double>(solved.size());
    Report(key.empty() ? "calibrate" : base::StrCat("calibrate ", key), std::move(values));
    return Obey();
  };
  LBW_ASSIGN_OR_RETURN(
      network_, CalibrateNetwork(*walk, model_, choices, std::move(before), Threads(), steps));
  standing_ = key;
  standing_options_ = options;
  seconds_.forward += network_.walk_seconds.forward;
  seconds_.gram += network_.walk_seconds.gram;
  seconds_.solve += network_.solve_seconds;
  return absl::OkStatus();
}

absl::Status QuantizeBench::Settle(const std::string& key, const ChoiceOptions& options) {
  return standing_ == key && !network_.constants.empty() ? absl::OkStatus()
                                                         : Calibrate(key, options);
}

// The standing calibration on the pictures that are measured on.
absl::StatusOr<Measured> QuantizeBench::MeasureStanding(const std::string& what) {
  const base::Stopwatch watch;
  model::Model changed = model_;
  changed.constants = network_.constants;
  std::vector<std::unique_ptr<Network>> networks;
  if (!float_run_.has_value()) {
    LBW_ASSIGN_OR_RETURN(auto floating,
                         Network::Make(model_, engine_, Threads(), Network::Activations::kFloat));
    networks.push_back(std::move(floating));
  }
  LBW_ASSIGN_OR_RETURN(auto own, Network::Make(std::move(changed), engine_, Threads(),
                                               Network::Activations::kFloat));
  networks.push_back(std::move(own));
  std::vector<Network*> borrowed;
  for (const auto& network : networks) borrowed.push_back(network.get());
  LBW_ASSIGN_OR_RETURN(std::vector<RunState> runs, measure_->Run(borrowed, Threads(), [&](int64_t) {
    Report(base::StrCat("measure ", what));
    return Obey();
  }));
  if (!float_run_.has_value()) float_run_ = std::move(runs[0]);
  absl::StatusOr<Measured> figures =
      measure_->Figures(what, runs.back(), &*float_run_, UntilOrdered());
  LBW_RETURN_IF_ERROR(Obey());
  seconds_.measure += watch.ElapsedSeconds();
  return figures;
}

}  // namespace lbw::tasks
