#include "client/cpp/training_flags.h"

#include "base/status.h"
#include "gmock/gmock.h"

namespace lbw::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

QuantizeFlags Bits(uint32_t bits) {
  QuantizeFlags grid;
  grid.bits = bits;
  return grid;
}

TEST(ApplyLoss, TermsByTheirNames) {
  v1::TrainingOptions options;
  ASSERT_TRUE(
      ApplyLoss("labels=0.3,distill=1,box=2,negatives=4,smoothing=0.1,focal,focal_alpha=0.5",
                options)
          .ok());
  EXPECT_DOUBLE_EQ(options.labels(), 0.3);
  EXPECT_DOUBLE_EQ(options.distill(), 1);
  EXPECT_DOUBLE_EQ(options.box_weight(), 2);
  EXPECT_DOUBLE_EQ(options.negatives(), 4);
  EXPECT_DOUBLE_EQ(options.label_smoothing(), 0.1);
  EXPECT_TRUE(options.focal());
  EXPECT_DOUBLE_EQ(options.focal_alpha(), 0.5);
  EXPECT_FALSE(options.has_focal_gamma());
  for (const char* text : {"", "label=1", "labels", "labels=", "labels=x", "labels=1,"}) {
    v1::TrainingOptions other;
    const absl::Status status = ApplyLoss(text, other);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(Message(status), HasSubstr("--loss")) << text;
  }
}

TEST(BuildTrainSpec, LeavesToTheServerWhatNobodySaid) {
  const auto spec = BuildTrainSpec({});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_FALSE(spec->options().has_epochs());
  EXPECT_FALSE(spec->options().has_rate());
  EXPECT_EQ(spec->options().device(), "");
  EXPECT_EQ(spec->data().ByteSizeLong(), 0U);
}

TEST(BuildTrainSpec, EveryFlagHasItsField) {
  TrainingFlags flags;
  flags.split = "train";
  flags.eval = "fresh:test";
  flags.max_pictures = 100;
  flags.no_augment = true;
  flags.epochs = 7;
  flags.batch = 8;
  flags.steps = 9;
  flags.seed = 3;
  flags.threads = 2;
  flags.loader_threads = 4;
  flags.device = "cuda:1";
  flags.autocast = true;
  flags.batch_norm = "frozen";
  flags.reestimate_batch_norm = true;
  flags.ema = 0;
  flags.optimizer = "sgd";
  flags.rate = 1e-3;
  flags.bias_rate = 1e-4;
  flags.scale_rate = 1e-5;
  flags.momentum = 0.5;
  flags.weight_decay = 0.01;
  flags.clip_norm = 10;
  flags.schedule = "step:0.5,0.75";
  flags.warmup = 0;
  flags.loss = "labels=2";
  flags.evaluate_every = 2;
  flags.checkpoint_steps = 50;
  const auto spec = BuildTrainSpec(flags);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->data().split(), "train");
  EXPECT_EQ(spec->data().eval_dataset(), "datasets/fresh");
  EXPECT_EQ(spec->data().eval_split(), "test");
  EXPECT_EQ(spec->data().max_pictures(), 100U);
  EXPECT_TRUE(spec->data().augment().off());
  const v1::TrainingOptions& options = spec->options();
  EXPECT_EQ(options.epochs(), 7U);
  EXPECT_EQ(options.batch(), 8U);
  EXPECT_EQ(options.steps_an_epoch(), 9U);
  EXPECT_EQ(options.seed(), 3U);
  EXPECT_EQ(options.threads(), 2U);
  EXPECT_EQ(options.loader_threads(), 4U);
  EXPECT_EQ(options.device(), "cuda:1");
  EXPECT_TRUE(options.autocast());
  EXPECT_EQ(options.batch_norm(), v1::BATCH_NORM_MODE_FROZEN);
  EXPECT_TRUE(options.reestimate_batch_norm());
  EXPECT_TRUE(options.has_ema());
  EXPECT_EQ(options.optimizer(), v1::OPTIMIZER_KIND_SGD);
  EXPECT_DOUBLE_EQ(options.rate(), 1e-3);
  EXPECT_DOUBLE_EQ(options.bias_rate(), 1e-4);
  EXPECT_DOUBLE_EQ(options.scale_rate(), 1e-5);
  EXPECT_DOUBLE_EQ(options.momentum(), 0.5);
  EXPECT_DOUBLE_EQ(options.weight_decay(), 0.01);
  EXPECT_DOUBLE_EQ(options.clip_norm(), 10);
  EXPECT_EQ(options.schedule(), v1::RATE_SCHEDULE_STEP);
  EXPECT_THAT(options.step_at(), ElementsAre(0.5, 0.75));
  EXPECT_TRUE(options.has_warmup_steps());
  EXPECT_DOUBLE_EQ(options.labels(), 2);
  EXPECT_EQ(options.evaluate_every(), 2U);
  EXPECT_EQ(options.checkpoint_steps(), 50U);
}

TEST(BuildTrainSpec, FlagsGoBeforeTheFile) {
  TrainingFlags flags;
  flags.spec_file = "t.yaml";
  flags.spec_text =
      "data: {dataset: datasets/a, eval_dataset: datasets/b, eval_split: x}\n"
      "options: {epochs: 30, rate: 0.01, schedule: step, step_at: [0.1, 0.2, 0.3]}";
  flags.epochs = 5;
  flags.schedule = "step:0.5";
  flags.eval = ":val";
  const auto spec = BuildTrainSpec(flags);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->options().epochs(), 5U);
  EXPECT_DOUBLE_EQ(spec->options().rate(), 0.01);
  EXPECT_THAT(spec->options().step_at(), ElementsAre(0.5));
  EXPECT_EQ(spec->data().dataset(), "datasets/a");
  EXPECT_EQ(spec->data().eval_dataset(), "datasets/b");
  EXPECT_EQ(spec->data().eval_split(), "val");
  flags.eval = "none";
  EXPECT_EQ(BuildTrainSpec(flags)->data().eval_split(), "none");
  EXPECT_EQ(BuildTrainSpec(flags)->data().eval_dataset(), "");
  flags.eval = "c";
  EXPECT_EQ(BuildTrainSpec(flags)->data().eval_dataset(), "datasets/c");
  EXPECT_EQ(BuildTrainSpec(flags)->data().eval_split(), "");
}

TEST(BuildTrainSpec, WordsThatAreNoneNameTheOption) {
  const auto message = [](auto spoil) {
    TrainingFlags flags;
    spoil(flags);
    return Message(BuildTrainSpec(flags).status());
  };
  EXPECT_THAT(message([](TrainingFlags& f) { f.batch_norm = "on"; }),
              HasSubstr("--batch-norm must be train or frozen: 'on'"));
  EXPECT_THAT(message([](TrainingFlags& f) { f.optimizer = "lion"; }), HasSubstr("--optimizer"));
  EXPECT_THAT(message([](TrainingFlags& f) { f.schedule = "linear"; }), HasSubstr("--schedule"));
  EXPECT_THAT(message([](TrainingFlags& f) { f.schedule = "cosine:0.5"; }),
              HasSubstr("step alone"));
  EXPECT_THAT(message([](TrainingFlags& f) { f.schedule = "step:x"; }), HasSubstr("number"));
  EXPECT_THAT(message([](TrainingFlags& f) { f.eval = "faces:"; }), HasSubstr("--eval"));
  EXPECT_THAT(message([](TrainingFlags& f) { f.eval = "Faces"; }), HasSubstr("dataset"));
  EXPECT_THAT(message([](TrainingFlags& f) { f.spec_text = "epochs: 3"; }),
              HasSubstr("epochs is not known here"));
}

TEST(BuildFineTuneSpec, TakesTheGridAndTheSeedOfBoth) {
  TrainingFlags flags;
  flags.seed = 5;
  FineTuneFlags codes;
  codes.images = 32;
  codes.positions = 100;
  codes.scale = "pow2";
  codes.calibrate_split = "train";
  codes.from_projection = true;
  codes.exponent_every = 10;
  codes.blend = 1;
  codes.freeze_flips = 0.02;
  codes.codes_until = 0.5;
  codes.stages = {6, 4};
  QuantizeFlags grid = Bits(2);
  grid.code_book = "paper";
  grid.keep_float = {"*head*"};
  const auto spec = BuildFineTuneSpec(flags, codes, grid);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->options().bits(), 2U);
  EXPECT_EQ(spec->options().code_book(), v1::CODE_BOOK_PAPER);
  EXPECT_EQ(spec->options().rules_size(), 1);
  EXPECT_EQ(spec->calibration().count(), 32U);
  EXPECT_EQ(spec->calibration().positions(), 100U);
  EXPECT_EQ(spec->calibration().scale(), v1::SCALE_KIND_POW2);
  EXPECT_EQ(spec->calibration().split(), "train");
  EXPECT_EQ(spec->calibration().seed(), 5U);
  EXPECT_EQ(spec->training().seed(), 5U);
  EXPECT_TRUE(spec->low_bit().from_projection());
  EXPECT_EQ(spec->low_bit().exponent_every(), 10U);
  EXPECT_DOUBLE_EQ(spec->low_bit().blend_start(), 1);
  EXPECT_DOUBLE_EQ(spec->low_bit().freeze_flips(), 0.02);
  EXPECT_DOUBLE_EQ(spec->low_bit().codes_until(), 0.5);
  EXPECT_THAT(spec->low_bit().stages(), ElementsAre(6U, 4U));
}

TEST(BuildFineTuneSpec, BitsMayStandInTheFile) {
  TrainingFlags flags;
  flags.spec_file = "ft.yaml";
  flags.spec_text = "options: {bits: 3, code_book: paper, rules: [{match: '@first', bits: 6}]}";
  const auto from_file = BuildFineTuneSpec(flags, {}, {});
  ASSERT_TRUE(from_file.ok()) << from_file.status();
  EXPECT_EQ(from_file->options().bits(), 3U);
  EXPECT_EQ(from_file->options().code_book(), v1::CODE_BOOK_PAPER);
  EXPECT_EQ(from_file->options().rules_size(), 1);
  EXPECT_THAT(from_file->low_bit().stages(), IsEmpty());
  EXPECT_EQ(BuildFineTuneSpec(flags, {}, Bits(4))->options().bits(), 4U);
  EXPECT_THAT(Message(BuildFineTuneSpec({}, {}, {}).status()), HasSubstr("--bits must be 2..6"));
  FineTuneFlags codes;
  codes.scale = "float";
  EXPECT_THAT(Message(BuildFineTuneSpec({}, codes, Bits(2)).status()),
              HasSubstr("--scale must be pow2 or real"));
}

}  // namespace
}  // namespace lbw::client
