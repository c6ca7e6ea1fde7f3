#include "rpc/training_options.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kPath[] = "spec.fine_tune.training";

TrainingDefaults Defaults(TrainingColumn column, bool has_labels = true) {
  TrainingDefaults defaults;
  defaults.column = column;
  defaults.has_labels = has_labels;
  defaults.threads = 3;
  return defaults;
}

v1::TrainingOptions Filled(TrainingColumn column, bool has_labels = true) {
  const auto filled = FillInTraining({}, Defaults(column, has_labels), kPath);
  EXPECT_TRUE(filled.ok()) << filled.status();
  return filled.ok() ? *filled : v1::TrainingOptions();
}

// The three columns of training.proto, row by row.
TEST(FillInTraining, DefaultsDependOnWhatIsTrained) {
  const v1::TrainingOptions in_float = Filled(TrainingColumn::kFloat);
  EXPECT_EQ(in_float.epochs(), 30U);
  EXPECT_DOUBLE_EQ(in_float.rate(), 3e-3);
  EXPECT_DOUBLE_EQ(in_float.bias_rate(), 3e-4);
  EXPECT_DOUBLE_EQ(in_float.labels(), 1);
  EXPECT_DOUBLE_EQ(in_float.distill(), 0);
  EXPECT_EQ(in_float.batch_norm(), v1::BATCH_NORM_MODE_TRAIN);
  const v1::TrainingOptions on_grid = Filled(TrainingColumn::kGrid);
  EXPECT_EQ(on_grid.epochs(), 4U);
  EXPECT_DOUBLE_EQ(on_grid.rate(), 3e-3);
  EXPECT_DOUBLE_EQ(on_grid.bias_rate(), 3e-4);
  EXPECT_DOUBLE_EQ(on_grid.labels(), 0);
  EXPECT_DOUBLE_EQ(on_grid.distill(), 1);
  EXPECT_EQ(on_grid.batch_norm(), v1::BATCH_NORM_MODE_FROZEN);
  const v1::TrainingOptions ternary = Filled(TrainingColumn::kTernary);
  EXPECT_EQ(ternary.epochs(), 16U);
  EXPECT_DOUBLE_EQ(ternary.rate(), 1e-3);
  EXPECT_DOUBLE_EQ(ternary.bias_rate(), 9e-4);
  EXPECT_DOUBLE_EQ(ternary.labels(), 0.3);
  EXPECT_DOUBLE_EQ(ternary.distill(), 1);
  EXPECT_DOUBLE_EQ(Filled(TrainingColumn::kTernary, false).labels(), 0);
}

TEST(FillInTraining, FillsInEverythingElse) {
  const v1::TrainingOptions filled = Filled(TrainingColumn::kGrid);
  EXPECT_EQ(filled.batch(), 16U);
  EXPECT_TRUE(filled.has_steps_an_epoch());
  EXPECT_EQ(filled.threads(), 3U);
  EXPECT_EQ(filled.loader_threads(), 1U);
  EXPECT_EQ(filled.device(), "auto");
  EXPECT_DOUBLE_EQ(filled.ema(), 0.98);
  EXPECT_EQ(filled.optimizer(), v1::OPTIMIZER_KIND_ADAM);
  EXPECT_DOUBLE_EQ(filled.scale_rate(), 6e-3);
  EXPECT_DOUBLE_EQ(filled.momentum(), 0.9);
  EXPECT_TRUE(filled.has_weight_decay());
  EXPECT_TRUE(filled.has_clip_norm());
  EXPECT_EQ(filled.schedule(), v1::RATE_SCHEDULE_COSINE);
  EXPECT_EQ(filled.warmup_steps(), 20U);
  EXPECT_DOUBLE_EQ(filled.step_gamma(), 0.1);
  EXPECT_DOUBLE_EQ(filled.focal_alpha(), 0.25);
  EXPECT_DOUBLE_EQ(filled.focal_gamma(), 2);
  EXPECT_DOUBLE_EQ(filled.negatives(), 3);
  EXPECT_DOUBLE_EQ(filled.box_weight(), 1);
  EXPECT_EQ(filled.evaluate_every(), 1U);
  EXPECT_TRUE(filled.has_checkpoint_steps());
}

TEST(FillInTraining, KeepsWhatWasAskedAlsoAZero) {
  v1::TrainingOptions asked;
  asked.set_warmup_steps(0);
  asked.set_ema(0);
  asked.set_evaluate_every(0);
  asked.set_rate(0);
  asked.set_device("cuda:1");
  const auto filled = FillInTraining(asked, Defaults(TrainingColumn::kGrid), kPath);
  ASSERT_TRUE(filled.ok()) << filled.status();
  EXPECT_EQ(filled->warmup_steps(), 0U);
  EXPECT_DOUBLE_EQ(filled->ema(), 0);
  EXPECT_EQ(filled->evaluate_every(), 0U);
  EXPECT_DOUBLE_EQ(filled->rate(), 0);
  EXPECT_EQ(filled->device(), "cuda:1");
}

TEST(FillInTraining, RefusesEachCauseWithFieldValueAndLimit) {
  using Options = v1::TrainingOptions;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  struct Row {
    std::function<void(Options&)> spoil;
    std::string field;
    std::string message;
  };
  const std::vector<Row> rows = {
      {[](Options& o) { o.set_epochs(0); }, "epochs", "epochs must be 1..10000: epochs=0"},
      {[](Options& o) { o.set_epochs(10'001); }, "epochs", "epochs=10001"},
      {[](Options& o) { o.set_batch(1'025); }, "batch", "batch must be 1..1024: batch=1025"},
      {[](Options& o) { o.set_steps_an_epoch(1'000'001); }, "steps_an_epoch", "0..1000000"},
      {[](Options& o) { o.set_threads(1'025); }, "threads", "threads must be 1..1024"},
      {[](Options& o) { o.set_loader_threads(65); }, "loader_threads", "1..64"},
      {[](Options& o) { o.set_device("tpu"); }, "device", "device=\"tpu\""},
      {[](Options& o) { o.set_device("cuda:"); }, "device", "cuda:N"},
      {[](Options& o) { o.set_device("cuda:-1"); }, "device", "cuda:N"},
      {[](Options& o) { o.set_device("cuda:1000"); }, "device", "cuda:N"},
      {[](Options& o) { o.set_ema(1); }, "ema", "ema must be at least 0 and below 1: ema=1"},
      {[](Options& o) { o.set_rate(-0.001); }, "rate", "rate must be 0..10: rate=-0.001"},
      {[=](Options& o) { o.set_rate(kNan); }, "rate", "rate=nan"},
      {[](Options& o) { o.set_bias_rate(11); }, "bias_rate", "0..10"},
      {[](Options& o) { o.set_scale_rate(-1); }, "scale_rate", "0..10"},
      {[](Options& o) { o.set_momentum(1); }, "momentum", "below 1"},
      {[](Options& o) { o.set_weight_decay(-1); }, "weight_decay", "0..10"},
      {[](Options& o) { o.set_clip_norm(-1); }, "clip_norm", "0..1000000"},
      {[](Options& o) { o.set_step_gamma(0); }, "step_gamma", "above 0 and at most 1"},
      {[](Options& o) { o.set_labels(-0.5); }, "labels", "0..1000"},
      {[](Options& o) { o.set_distill(1'001); }, "distill", "0..1000"},
      {[](Options& o) { o.set_distill(0); }, "labels", "must not both be 0"},
      {[](Options& o) { o.set_focal_alpha(1.5); }, "focal_alpha", "0..1"},
      {[](Options& o) { o.set_focal_gamma(-1); }, "focal_gamma", "0..10"},
      {[](Options& o) { o.set_negatives(-1); }, "negatives", "0..1000"},
      {[](Options& o) { o.set_box_weight(-1); }, "box_weight", "0..1000"},
      {[](Options& o) { o.set_label_smoothing(1); }, "label_smoothing", "below 1"},
      {[](Options& o) { o.set_evaluate_every(10'001); }, "evaluate_every", "0..10000"},
      {[](Options& o) { o.set_reestimate_batch_norm(true); }, "reestimate_batch_norm", "FROZEN"},
      {[](Options& o) { o.set_optimizer(static_cast<v1::OptimizerKind>(9)); }, "optimizer",
       "unknown optimizer: optimizer=9"},
      {[](Options& o) { o.set_schedule(static_cast<v1::RateSchedule>(9)); }, "schedule", "=9"},
      {[](Options& o) { o.set_batch_norm(static_cast<v1::BatchNormMode>(9)); }, "batch_norm", "=9"},
      {[](Options& o) { o.add_step_at(0.5); }, "step_at", "belongs to the schedule STEP"},
      {[](Options& o) { o.set_schedule(v1::RATE_SCHEDULE_STEP); }, "step_at", "is needed"},
      {[](Options& o) {
         o.set_schedule(v1::RATE_SCHEDULE_STEP);
         o.add_step_at(0.5);
         o.add_step_at(0.5);
       },
       "step_at", "must rise"},
      {[](Options& o) {
         o.set_schedule(v1::RATE_SCHEDULE_STEP);
         o.add_step_at(1);
       },
       "step_at", "below 1"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.message);
    Options asked;
    row.spoil(asked);
    const absl::Status status =
        FillInTraining(asked, Defaults(TrainingColumn::kGrid), kPath).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_ARGUMENT");
    EXPECT_THAT(base::GetErrorDetails(status).fields,
                ElementsAre(std::string(kPath) + "." + row.field));
    EXPECT_THAT(std::string(status.message()), HasSubstr(row.message));
  }
}

TEST(FillInTraining, LimitsThemselvesAreAllowed) {
  v1::TrainingOptions asked;
  asked.set_epochs(10'000);
  asked.set_batch(1'024);
  asked.set_rate(10);
  asked.set_threads(1'024);
  asked.set_loader_threads(64);
  asked.set_device("cuda:999");
  asked.set_schedule(v1::RATE_SCHEDULE_STEP);
  for (int i = 1; i <= 64; ++i) asked.add_step_at(i / 65.0);
  EXPECT_TRUE(FillInTraining(asked, Defaults(TrainingColumn::kGrid), kPath).ok());
  asked.mutable_step_at()->Clear();
  for (int i = 1; i <= 65; ++i) asked.add_step_at(i / 66.0);
  EXPECT_FALSE(FillInTraining(asked, Defaults(TrainingColumn::kGrid), kPath).ok());
}

TEST(FillInAugmentation, FillsInAndNamesWhatIsOutOfRange) {
  const auto filled = FillInAugmentation({}, "a");
  ASSERT_TRUE(filled.ok()) << filled.status();
  EXPECT_DOUBLE_EQ(filled->flip(), 0.5);
  EXPECT_DOUBLE_EQ(filled->crop(), 0.5);
  EXPECT_DOUBLE_EQ(filled->crop_scale(), 0.4);
  EXPECT_DOUBLE_EQ(filled->zoom_out(), 0.25);
  EXPECT_DOUBLE_EQ(filled->zoom_scale(), 1.8);
  EXPECT_DOUBLE_EQ(filled->photometric(), 0.8);
  EXPECT_DOUBLE_EQ(filled->shift(), 0.125);
  v1::Augmentation asked;
  asked.set_crop_scale(0);
  EXPECT_THAT(base::GetErrorDetails(FillInAugmentation(asked, "a").status()).fields,
              ElementsAre("a.crop_scale"));
  asked.set_crop_scale(1);
  asked.set_zoom_scale(0.9);
  EXPECT_THAT(base::GetErrorDetails(FillInAugmentation(asked, "a").status()).fields,
              ElementsAre("a.zoom_scale"));
}

TEST(FillInLowBit, CodesOfTwoBitsAreFixedForTheLastQuarter) {
  EXPECT_DOUBLE_EQ(FillInLowBit({}, TrainingColumn::kTernary, 2, "l")->codes_until(), 0.75);
  const auto filled = FillInLowBit({}, TrainingColumn::kGrid, 3, "l");
  ASSERT_TRUE(filled.ok()) << filled.status();
  EXPECT_DOUBLE_EQ(filled->codes_until(), 1);
  EXPECT_EQ(filled->exponent_reach(), 1U);
  EXPECT_DOUBLE_EQ(filled->blend_growth(), 1.5);
  EXPECT_TRUE(filled->has_blend_start());
  EXPECT_TRUE(filled->has_freeze_flips());
}

TEST(FillInLowBit, StagesFallToTheWidthsOfTheCall) {
  const auto fits = [](std::vector<uint32_t> stages) {
    v1::LowBitTrainingOptions asked;
    asked.mutable_stages()->Assign(stages.begin(), stages.end());
    const absl::Status status = FillInLowBit(asked, TrainingColumn::kGrid, 3, "l").status();
    const std::vector<std::string> fields = base::GetErrorDetails(status).fields;
    EXPECT_EQ(fields.empty() ? "l.stages" : fields[0], "l.stages");
    return status.ok();
  };
  EXPECT_TRUE(fits({}));
  EXPECT_TRUE(fits({6, 4}));
  EXPECT_FALSE(fits({4, 6}));
  EXPECT_FALSE(fits({4, 4}));
  EXPECT_FALSE(fits({7}));
  EXPECT_FALSE(fits({4, 3}));
}

TEST(FillInLowBit, NamesWhatIsOutOfRange) {
  v1::LowBitTrainingOptions asked;
  asked.set_codes_until(0);
  EXPECT_THAT(
      base::GetErrorDetails(FillInLowBit(asked, TrainingColumn::kGrid, 3, "l").status()).fields,
      ElementsAre("l.codes_until"));
  asked.set_codes_until(1);
  asked.set_exponent_every(1'000'001);
  EXPECT_THAT(
      base::GetErrorDetails(FillInLowBit(asked, TrainingColumn::kGrid, 3, "l").status()).fields,
      ElementsAre("l.exponent_every"));
}

}  // namespace
}  // namespace lbw::rpc
