#include "tasks/train_bench.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "tasks/calibrated_start.h"
#include "tasks/class_map.h"
#include "tasks/cpu.h"
#include "tasks/job_files.h"
#include "tasks/judge.h"

namespace lbw::tasks {
namespace {

using Severity = jobs::JobLink::Severity;

base::Error BadDataset(std::string_view message) {
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset, message);
}

// Of a classifier shifts, of a detector crops and zooms.
dataset::Augmentation AugmentationOf(const train::AugmentOptions& options, bool classifier) {
  dataset::Augmentation out;
  if (!options.enabled) return out;
  out.flip = options.flip;
  out.photometric = options.photometric;
  if (classifier) {
    out.shift = options.shift;
    return out;
  }
  out.crop = options.crop;
  out.crop_scale = options.crop_scale;
  out.zoom_out = options.zoom_out;
  out.zoom_scale = options.zoom_scale;
  return out;
}

}  // namespace

TrainBench::TrainBench(const jobs::JobContext& context, engine::ExecutorFactory& engine,
                       TrainJobSpec spec)
    : context_(context), link_(*context.link), engine_(engine), spec_(std::move(spec)) {
  spec_.options.threads = ThreadsOf(spec_.options.threads, context_);
}

int64_t TrainBench::StepsAnEpoch() const {
  if (spec_.options.steps_an_epoch > 0) return spec_.options.steps_an_epoch;
  return std::max<int64_t>(1, static_cast<int64_t>(pictures_.size()) / spec_.options.batch);
}

absl::Status TrainBench::OpenPacks() {
  LBW_ASSIGN_OR_RETURN(const Json inputs, ParseObject(context_.inputs_json, "the job's inputs"));
  LBW_ASSIGN_OR_RETURN(const std::string bundle, TextOf(inputs, "bundle"));
  LBW_ASSIGN_OR_RETURN(pack_sha256_, TextOf(inputs, "pack"));
  LBW_ASSIGN_OR_RETURN(eval_sha256_, TextOf(inputs, "eval_pack"));
  LBW_ASSIGN_OR_RETURN(calibration_sha256_, TextOf(inputs, "calibration_pack"));
  LBW_ASSIGN_OR_RETURN(const auto reader, context_.blobs->Open(bundle));
  LBW_ASSIGN_OR_RETURN(float_, model::ReadBundle(*reader));
  LBW_ASSIGN_OR_RETURN(pack_, OpenPack(*context_.blobs, pack_sha256_));
  if (on_grid()) {
    LBW_ASSIGN_OR_RETURN(calibration_pack_, OpenPack(*context_.blobs, calibration_sha256_));
  }
  if (spec_.evaluate.skip) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(eval_pack_, OpenPack(*context_.blobs, eval_sha256_));
  LBW_ASSIGN_OR_RETURN(measure_, Measure::Open(*eval_pack_, spec_.evaluate, float_.spec, {}));
  return absl::OkStatus();
}

// The split's, or all that are not evaluated on; of a classifier those with a label.
absl::Status TrainBench::ChoosePictures() {
  const dataset::Dataset& data = pack_->dataset();
  LBW_ASSIGN_OR_RETURN(std::vector<size_t> pictures, pack_->PicturesOf(spec_.data.split));
  std::set<size_t> held_out;
  if (spec_.data.split.empty() && !spec_.evaluate.skip && eval_sha256_ == pack_sha256_) {
    LBW_ASSIGN_OR_RETURN(const std::vector<size_t> others, pack_->PicturesOf(spec_.evaluate.split));
    held_out.insert(others.begin(), others.end());
  }
  const bool labels = spec_.options.loss.labels > 0 && IsClassifier(float_.spec);
  for (const size_t index : pictures) {
    if (held_out.count(index) != 0) continue;
    if (labels && !data.pictures[index].label.has_value()) continue;
    pictures_.push_back(index);
  }
  if (spec_.data.max_pictures > 0 &&
      pictures_.size() > static_cast<size_t>(spec_.data.max_pictures)) {
    pictures_.resize(static_cast<size_t>(spec_.data.max_pictures));
  }
  if (pictures_.empty()) {
    return BadDataset(base::StrCat("nothing to train on: split \"", spec_.data.split, "\" has ",
                                   pictures.size(), " pictures, ", held_out.size(),
                                   " of the dataset are evaluated on"));
  }
  return absl::OkStatus();
}

// The dataset's classes as the model's, where labels are learned.
absl::Status TrainBench::MapTruth() {
  const dataset::Dataset& data = pack_->dataset();
  to_model_.assign(data.classes.size(), -1);
  if (spec_.options.loss.labels <= 0) return absl::OkStatus();
  LBW_RETURN_IF_ERROR(CheckTask(float_.spec, data));
  LBW_ASSIGN_OR_RETURN(const ClassMap map, MapClasses(float_.spec.classes, data.classes));
  for (size_t m = 0; m < map.to_dataset.size(); ++m) {
    if (map.to_dataset[m] < 0) continue;
    to_model_[static_cast<size_t>(map.to_dataset[m])] = static_cast<int32_t>(m);
  }
  for (const std::string& note : map.notes) link_.Say(Severity::kInfo, note);
  return absl::OkStatus();
}

absl::Status TrainBench::OpenBatches() {
  dataset::BatchOptions options;
  options.pictures = pictures_;
  options.batch = spec_.options.batch;
  options.steps_an_epoch = spec_.options.steps_an_epoch;
  options.seed = spec_.options.seed;
  options.threads = spec_.options.loader_threads;
  options.augmentation = AugmentationOf(spec_.options.augment, IsClassifier(float_.spec));
  LBW_ASSIGN_OR_RETURN(batches_,
                       dataset::Batches::Open(*pack_, float_.spec.input, std::move(options)));
  return absl::OkStatus();
}

// Units of the job: pictures that are read, layers, evaluations, steps of training.
void TrainBench::Plan() {
  int64_t units = TotalSteps() + 4;
  if (on_grid()) units += spec_.fine_tune->calibration.count;
  steps_.Plan(units);
}

absl::Status TrainBench::Resume() {
  if (context_.checkpoint.empty()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const auto reader, context_.blobs->Open(context_.checkpoint));
  absl::StatusOr<TrainCheckpoint> checkpoint = ReadTrainState(*reader, OriginOf(context_));
  // Another spec's or a broken one is of no use; what can pass ends the attempt alone.
  const absl::StatusCode code = checkpoint.status().code();
  const bool useless =
      code == absl::StatusCode::kInvalidArgument || code == absl::StatusCode::kFailedPrecondition;
  if (!checkpoint.ok() && !useless) return checkpoint.status();
  if (!checkpoint.ok()) {
    link_.Say(Severity::kWarning,
              base::StrCat("the checkpoint cannot be used, from the start again: ",
                           base::Std(checkpoint.status().message())));
    return absl::OkStatus();
  }
  state_ = std::move(checkpoint->state);
  resumed_ = std::move(checkpoint->model);
  steps_.GoOnFrom(state_.steps);
  at_checkpoint_ = state_.step;
  earlier_seconds_ = told().value("seconds", Json::object()).value("total_s", 0.0);
  if (state_.isa != CpuIsa() || state_.threads != spec_.options.threads) {
    state_.bit_exact = false;
    link_.Say(Severity::kWarning,
              base::StrCat("goes on elsewhere, not bit-exact: ", state_.threads, " threads of ",
                           state_.isa, " before, ", spec_.options.threads, " threads of ", CpuIsa(),
                           " now"));
  }
  return absl::OkStatus();
}

absl::Status TrainBench::Open() {
  LBW_RETURN_IF_ERROR(OpenPacks());
  LBW_RETURN_IF_ERROR(ChoosePictures());
  LBW_RETURN_IF_ERROR(MapTruth());
  LBW_RETURN_IF_ERROR(Resume());
  Plan();
  return absl::OkStatus();
}

// Of the pictures that are trained on where it is the same split: others may be evaluated on.
absl::Status TrainBench::ReadCalibrationPictures() {
  const CalibrationAsked& asked = spec_.fine_tune->calibration;
  PictureDraw draw{asked.split, asked.count, asked.seed, {}};
  const bool same = calibration_sha256_ == pack_sha256_ && asked.split == spec_.data.split;
  if (same) draw.among = pictures_;
  steps_.Begin(asked.count);
  int64_t done = 0;
  LBW_ASSIGN_OR_RETURN(calibration_,
                       tasks::ReadCalibrationPictures(*calibration_pack_, draw, float_.spec.input,
                                                      spec_.options.threads, [&] {
                                                        steps_.Reach(done++);
                                                        Report("read pictures");
                                                        return Obey();
                                                      }));
  return absl::OkStatus();
}

absl::Status TrainBench::MakeTrainer(model::Model model, std::vector<train::LayerStart> layers) {
  train::TrainerInputs inputs;
  inputs.model = std::move(model);
  inputs.teacher = &float_;
  inputs.layers = std::move(layers);
  for (train::LayerStart& layer : inputs.layers) layer.steps_an_epoch = StepsAnEpoch();
  LBW_ASSIGN_OR_RETURN(trainer_,
                       train::Trainer::Open(std::move(inputs), spec_.options, TotalSteps()));
  state_.device = trainer_->device();
  return absl::OkStatus();
}

absl::Status TrainBench::Calibrate(model::Model& model, std::vector<train::LayerStart>& layers) {
  const base::Stopwatch watch;
  StartInputs inputs;
  inputs.model = &float_;
  inputs.engine = &engine_;
  inputs.pictures = &calibration_.inputs;
  inputs.asked = &*spec_.fine_tune;
  inputs.threads = spec_.options.threads;
  inputs.scratch_folder = context_.scratch_folder;
  StartSteps steps;
  steps.keep_going = [this] { return Obey(); };
  steps.solved = [this](size_t layer) {
    Report("calibrate", {{"layer", static_cast<double>(layer)}});
    return Obey();
  };
  LBW_ASSIGN_OR_RETURN(CalibratedStart start, MakeStart(inputs, steps));
  AddSeconds("calibrate_s", watch.ElapsedSeconds());
  told()["calibrated_layers"] = std::move(start.calibrated_layers);
  told()["calibrated_error"] = start.output_error;
  told()["notes"] = start.notes;
  // As a run that goes on has them: their order decides sums over all.
  std::sort(start.layers.begin(), start.layers.end(),
            [](const train::LayerStart& a, const train::LayerStart& b) { return a.name < b.name; });
  for (const train::LayerStart& layer : start.layers) state_.starts[layer.name] = layer.codes;
  model = std::move(start.model);
  layers = std::move(start.layers);
  return absl::OkStatus();
}

// Figures of what training begins with; those that are known are not found again.
absl::Status TrainBench::EvaluateStart(const model::Model& model) {
  steps_.Begin(2);
  if (!told().contains("float_value")) {
    LBW_ASSIGN_OR_RETURN(const std::optional<double> value, Evaluate("evaluate float", float_));
    Put(told(), "float_value", value);
    dirty_ = true;
  }
  if (!on_grid() || told().contains("start_value") || trainer_->step() > 0) {
    return absl::OkStatus();
  }
  LBW_ASSIGN_OR_RETURN(const std::optional<double> start, Evaluate("evaluate start", model));
  Put(told(), "start_value", start);
  dirty_ = true;
  return Checkpoint();
}

absl::Status TrainBench::StartAnew() {
  model::Model model = float_;
  std::vector<train::LayerStart> layers;
  if (on_grid()) LBW_RETURN_IF_ERROR(Calibrate(model, layers));
  LBW_RETURN_IF_ERROR(MakeTrainer(model, std::move(layers)));
  dirty_ = true;
  LBW_RETURN_IF_ERROR(Checkpoint());
  return EvaluateStart(model);
}

// The layers of a run that goes on: what they aimed at stands in their shadow.
absl::StatusOr<std::vector<train::LayerStart>> TrainBench::KeptStarts() const {
  std::vector<train::LayerStart> layers;
  for (const auto& [name, codes] : state_.starts) {
    const auto found = float_.constants.find(name);
    const auto* weight =
        found == float_.constants.end() ? nullptr : std::get_if<base::Tensor>(&found->second);
    if (weight == nullptr || weight->shape() != codes.shape) {
      return base::Error(absl::StatusCode::kDataLoss, base::reason::kDataLoss,
                         base::StrCat("the checkpoint's layer ", name, " is none of the version"));
    }
    train::LayerStart start;
    start.name = name;
    start.codes = codes;
    const absl::Span<const float> values = weight->as<float>();
    start.target.assign(values.begin(), values.end());
    start.dead = DeadRows(*weight, codes.options);
    layers.push_back(std::move(start));
  }
  return layers;
}

absl::Status TrainBench::GoOn() {
  LBW_ASSIGN_OR_RETURN(std::vector<train::LayerStart> layers, KeptStarts());
  const std::string device = state_.device;
  LBW_RETURN_IF_ERROR(MakeTrainer(*resumed_, std::move(layers)));
  LBW_RETURN_IF_ERROR(trainer_->Restore(state_.trainer, state_.step));
  state_.trainer.clear();
  // Sums on a GPU have no order of their own.
  const bool exact = device == state_.device && device.compare(0, 3, "cpu") == 0;
  if (!exact && state_.step > 0) {
    state_.bit_exact = false;
    link_.Say(Severity::kWarning,
              base::StrCat("goes on, not bit-exact: ", device, " before, ", state_.device, " now"));
  }
  const model::Model start = *std::exchange(resumed_, std::nullopt);
  return EvaluateStart(start);
}

absl::Status TrainBench::Start() {
  if (on_grid()) LBW_RETURN_IF_ERROR(ReadCalibrationPictures());
  return resumed_.has_value() ? GoOn() : StartAnew();
}

}  // namespace lbw::tasks
