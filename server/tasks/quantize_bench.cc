#include "tasks/quantize_bench.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "tasks/calibration_options.h"
#include "tasks/cpu.h"
#include "tasks/job_files.h"
#include "tasks/json.h"
#include "tasks/quantize_report.h"

namespace lbw::tasks {
namespace {

using Order = jobs::JobLink::Order;
using Severity = jobs::JobLink::Severity;

}  // namespace

absl::Status QuantizeBench::Checkpoint() {
  if (!dirty_) return absl::OkStatus();
  pace_.Begin();
  state_.steps = steps_.steps();
  state_.isa = CpuIsa();
  state_.threads = Threads();
  LBW_RETURN_IF_ERROR(WriteCheckpoint(context_, steps_.step(), [&](base::ByteSink& sink) {
    return WriteQuantizeState(state_, OriginOf(context_), sink);
  }));
  dirty_ = false;
  pace_.End();
  return absl::OkStatus();
}

absl::Status QuantizeBench::Obey() {
  const Order order = link_.order();
  if (order == Order::kCancel) return jobs::ObeyedStatus(order);
  if (steps_.Beat()) Report(stage_);
  if (order != Order::kGoOn || pace_.IsDue()) LBW_RETURN_IF_ERROR(Checkpoint());
  if (order == Order::kPause || order == Order::kStop) return jobs::ObeyedStatus(order);
  return absl::OkStatus();
}

base::CancelToken QuantizeBench::UntilOrdered() {
  return tasks::UntilOrdered(link_, [this] {
    if (steps_.Beat()) Report(stage_);
  });
}

void QuantizeBench::Report(std::string_view stage, std::map<std::string, double> values) {
  jobs::JobLink::Progress progress;
  progress.step = steps_.step();
  progress.total_steps = steps_.total();
  progress.stage = std::string(stage);
  progress.values = std::move(values);
  stage_ = progress.stage;
  link_.Report(progress);
}

absl::Status QuantizeBench::ReadPictures() {
  const PictureDraw draw{spec_.calibration.split, spec_.calibration.count, spec_.calibration.seed};
  steps_.Begin(spec_.calibration.count);
  int64_t asked = 0;  // at least a picture lies between two
  LBW_ASSIGN_OR_RETURN(pictures_,
                       ReadCalibrationPictures(*pack_, draw, model_.spec.input, Threads(), [&] {
                         steps_.Reach(asked++);
                         Report("read pictures");
                         return Obey();
                       }));
  for (const auto& [index, reason] : pictures_.failed) {
    link_.Say(Severity::kWarning, base::StrCat(pack_->dataset().pictures[index].name, ": ",
                                               base::Std(reason.message())));
  }
  if (pictures_.inputs.size() < static_cast<size_t>(spec_.calibration.count)) {
    notes_.push_back(base::StrCat(pictures_.inputs.size(), " pictures to calibrate on, ",
                                  spec_.calibration.count, " were asked for"));
  }
  return absl::OkStatus();
}

absl::Status QuantizeBench::Open() {
  LBW_ASSIGN_OR_RETURN(const Json inputs, ParseObject(context_.inputs_json, "the job's inputs"));
  LBW_ASSIGN_OR_RETURN(const std::string bundle, TextOf(inputs, "bundle"));
  LBW_ASSIGN_OR_RETURN(pack_sha256_, TextOf(inputs, "pack"));
  LBW_ASSIGN_OR_RETURN(const std::string measure_pack, TextOf(inputs, "measure_pack"));
  LBW_ASSIGN_OR_RETURN(const auto reader, context_.blobs->Open(bundle));
  LBW_ASSIGN_OR_RETURN(model_, model::ReadBundle(*reader));
  LBW_ASSIGN_OR_RETURN(pack_, OpenPack(*context_.blobs, pack_sha256_));
  LBW_RETURN_IF_ERROR(ReadPictures());
  if (!spec_.measure.skip) {
    LBW_ASSIGN_OR_RETURN(measure_pack_, OpenPack(*context_.blobs, measure_pack));
    absl::Span<const size_t> calibrated_on;
    if (measure_pack == pack_sha256_) calibrated_on = pictures_.indices;
    LBW_ASSIGN_OR_RETURN(measure_,
                         Measure::Open(*measure_pack_, spec_.measure, model_.spec, calibrated_on));
  }
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<LayerWalk> walk, Walk(Trial::Codes::kCalibrated));
  layers_ = walk->layers();
  Plan();
  seconds_.prepare = watch_.ElapsedSeconds();
  return absl::OkStatus();
}

int64_t QuantizeBench::UnitsOfMeasuring(size_t candidates) const {
  return measure_ == nullptr ? 0 : measure_->pictures() + 1 + static_cast<int64_t>(candidates);
}

// Every stage, as far as it can be told beforehand: a search may do with less.
void QuantizeBench::Plan() {
  const auto pictures = static_cast<int64_t>(pictures_.inputs.size());
  const int64_t trial = UnitsOfTrial();
  const bool drop = spec_.widths.has_value() && spec_.widths->max_drop.has_value();
  int64_t units = spec_.calibration.count + trial + pictures;
  if (spec_.widths.has_value()) {
    const int64_t measured = measures_labels() ? UnitsOfMeasuring(1) : 0;
    units += trial + (drop ? kMostDropAttempts + 1 : 2) * (trial + measured);
  } else if (spec_.mu.has_value()) {
    const auto attempts = static_cast<int64_t>(spec_.mu->ratios.size()) + 1;
    units += attempts * (trial + UnitsOfMeasuring(1));
  }
  constexpr size_t kLast = 3;  // nearest, calibrated, with rounded activations
  steps_.Plan(units + UnitsOfMeasuring(kLast));
}

absl::Status QuantizeBench::Resume() {
  if (context_.checkpoint.empty()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const auto reader, context_.blobs->Open(context_.checkpoint));
  absl::StatusOr<QuantizeState> state = ReadQuantizeState(*reader, OriginOf(context_));
  if (!state.ok()) {
    link_.Say(Severity::kWarning,
              base::StrCat("the checkpoint cannot be used, from the start again: ",
                           base::Std(state.status().message())));
    return absl::OkStatus();
  }
  state_ = *std::move(state);
  steps_.GoOnFrom(state_.steps);
  // The number of threads changes no bit.
  if (state_.isa != CpuIsa()) {
    link_.Say(Severity::kWarning,
              base::StrCat("goes on elsewhere, not bit-exact: ", state_.threads, " threads of ",
                           state_.isa, " before, ", Threads(), " threads of ", CpuIsa(), " now"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LayerWalk>> QuantizeBench::Walk(Trial::Codes codes) {
  const WalkFor purpose = codes == Trial::Codes::kProjected ? WalkFor::kMeans : WalkFor::kCodes;
  return LayerWalk::Open(
      model_, engine_, pictures_.inputs, HeadValues(model_),
      WalkOptionsOf(spec_.calibration, Threads(), context_.scratch_folder, purpose));
}

ChoiceOptions QuantizeBench::Choices() const { return ChoicesOf(spec_.options, spec_.calibration); }

absl::Status QuantizeBench::Calibrate(const Trial& trial) {
  steps_.Begin(UnitsOfTrial());
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<LayerWalk> walk, Walk(trial.codes));
  LBW_ASSIGN_OR_RETURN(const LayerChoices choices,
                       ChooseLayers(model_, walk->layers(), trial.options));
  if (state_.calibration != trial.key) state_.solved.clear();
  state_.calibration = trial.key;
  CalibrateSteps steps;
  steps.keep_going = [this] { return Obey(); };
  steps.solved = [&](const std::vector<SolvedLayer>& solved) -> absl::Status {
    state_.solved = solved;
    dirty_ = true;
    steps_.Reach(static_cast<int64_t>(solved.size()));
    std::map<std::string, double> values;
    const LayerFigures& figures = solved.back().figures;
    if (const auto sqnr = OutputSqnr(figures.output_power, figures.error)) {
      values["output_sqnr_db"] = *sqnr;
    }
    if (const auto nearest = OutputSqnr(figures.output_power, figures.nearest_error)) {
      values["nearest_output_sqnr_db"] = *nearest;
    }
    values["layer"] = static_cast<double>(solved.size());
    Report(trial.name.empty() ? "calibrate" : base::StrCat("calibrate ", trial.name),
           std::move(values));
    return Obey();
  };
  LBW_ASSIGN_OR_RETURN(network_,
                       CalibrateNetwork(*walk, model_, choices, state_.solved, Threads(), steps));
  standing_ = trial.key;
  standing_options_ = trial.options;
  seconds_.forward += network_.walk_seconds.forward;
  seconds_.gram += network_.walk_seconds.gram;
  seconds_.solve += network_.solve_seconds;
  return absl::OkStatus();
}

absl::Status QuantizeBench::Settle(const Trial& trial) {
  return standing_ == trial.key && !network_.constants.empty() ? absl::OkStatus()
                                                               : Calibrate(trial);
}

Candidate QuantizeBench::Standing(const Trial& trial) const {
  Candidate candidate{trial.key, trial.name, model_};
  candidate.model.constants = network_.constants;
  return candidate;
}

absl::StatusOr<std::optional<Measured>> QuantizeBench::KnownFigures(const std::string& key) const {
  const auto known = state_.finished.find(base::StrCat("figures ", key));
  if (known == state_.finished.end()) return std::optional<Measured>();
  LBW_ASSIGN_OR_RETURN(Measured measured, MeasuredFromJson(*known));
  return std::optional(std::move(measured));
}

// The runs of the float network and of the candidates, to their last picture.
absl::Status QuantizeBench::RunOver(std::string_view stage, const std::vector<Candidate*>& open) {
  std::vector<std::unique_ptr<Network>> networks;
  std::vector<Measure::Running> running;
  const auto add = [&](const std::string& key, model::Model model,
                       Network::Activations activations) -> absl::Status {
    PartialRun& run = state_.runs[key];
    if (run.done == measure_->pictures()) return absl::OkStatus();
    LBW_ASSIGN_OR_RETURN(auto network,
                         Network::Make(std::move(model), engine_, Threads(), activations));
    running.push_back({network.get(), &run});
    networks.push_back(std::move(network));
    return absl::OkStatus();
  };
  LBW_RETURN_IF_ERROR(add(kFloatKey, model_, Network::Activations::kFloat));
  for (Candidate* one : open) {
    LBW_RETURN_IF_ERROR(add(one->key, std::move(one->model), one->activations));
  }
  const auto all = static_cast<double>(measure_->pictures());
  LBW_RETURN_IF_ERROR(measure_->Run(running, Threads(), [&](int64_t done) {
    steps_.Reach(done);
    Report(stage, {{"measured", static_cast<double>(done) / all}});
    dirty_ = dirty_ || done > 0;
    return Obey();
  }));
  steps_.Reach(measure_->pictures());
  return Keep();
}

// Of a run that is there.
absl::StatusOr<Measured> QuantizeBench::FindFigures(std::string_view stage, const std::string& key,
                                                    const std::string& what) {
  LBW_ASSIGN_OR_RETURN(std::optional<Measured> known, KnownFigures(key));
  if (known.has_value()) return *std::move(known);
  const RunState& floating = state_.runs.at(kFloatKey).run;
  const bool is_float = key == kFloatKey;
  absl::StatusOr<Measured> figures = measure_->Figures(
      what, state_.runs.at(key).run, is_float ? nullptr : &floating, UntilOrdered());
  if (!figures.ok()) {
    // Most likely an order that it heard.
    LBW_RETURN_IF_ERROR(Obey());
    return figures.status();
  }
  state_.finished[base::StrCat("figures ", key)] = ToJson(*figures);
  if (!is_float) state_.runs.erase(key);
  std::map<std::string, double> values;
  if (figures->value) values[std::string(measure_->metric())] = *figures->value;
  Report(stage, std::move(values));
  LBW_RETURN_IF_ERROR(Keep());
  return figures;
}

absl::StatusOr<std::vector<Measured>> QuantizeBench::MeasureAll(std::string_view stage,
                                                                std::vector<Candidate> candidates) {
  const base::Stopwatch watch;
  steps_.Begin(UnitsOfMeasuring(candidates.size()));
  std::vector<Candidate*> open;
  for (Candidate& one : candidates) {
    LBW_ASSIGN_OR_RETURN(const std::optional<Measured> known, KnownFigures(one.key));
    if (!known.has_value()) open.push_back(&one);
  }
  if (!open.empty()) LBW_RETURN_IF_ERROR(RunOver(stage, open));
  std::vector<std::pair<std::string, std::string>> wanted = {{kFloatKey, kFloatKey}};
  for (const Candidate& one : candidates) wanted.emplace_back(one.key, one.what);
  std::vector<Measured> all;
  for (const auto& [key, what] : wanted) {
    LBW_ASSIGN_OR_RETURN(Measured figures, FindFigures(stage, key, what));
    all.push_back(std::move(figures));
    steps_.Reach(measure_->pictures() + static_cast<int64_t>(all.size()));
  }
  seconds_.measure += watch.ElapsedSeconds();
  return all;
}

}  // namespace lbw::tasks
