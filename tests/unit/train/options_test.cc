#include "train/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::train {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// Asserts the field and a part of the message; "" as field: accepted.
void Expect(const std::function<void(TrainOptions&)>& change, const std::string& field,
            const std::string& message = "") {
  TrainOptions options;
  change(options);
  const absl::Status status = CheckOptions(options);
  if (field.empty()) {
    EXPECT_TRUE(status.ok()) << status;
    return;
  }
  ASSERT_FALSE(status.ok()) << field << " " << message;
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const base::ErrorDetails details = base::GetErrorDetails(status);
  EXPECT_EQ(details.reason, "BAD_ARGUMENT");
  EXPECT_THAT(details.fields, ElementsAre(field));
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(TrainOptions, DefaultsAreValid) { EXPECT_TRUE(CheckOptions({}).ok()); }

struct WholeCase {
  std::string name;
  std::function<void(TrainOptions&, int64_t)> set;
  int64_t low;
  int64_t high;
};

TEST(TrainOptions, WholeNumbersEndAtTheirLimits) {
  const WholeCase cases[] = {
      {"epochs", [](TrainOptions& o, int64_t x) { o.epochs = x; }, 1, 10'000},
      {"batch", [](TrainOptions& o, int64_t x) { o.batch = x; }, 1, 1'024},
      {"steps_an_epoch", [](TrainOptions& o, int64_t x) { o.steps_an_epoch = x; }, 0, 1'000'000},
      {"threads", [](TrainOptions& o, int64_t x) { o.threads = static_cast<int>(x); }, 1, 1'024},
      {"loader_threads", [](TrainOptions& o, int64_t x) { o.loader_threads = static_cast<int>(x); },
       1, 64},
      {"warmup_steps", [](TrainOptions& o, int64_t x) { o.optimizer.warmup_steps = x; }, 0,
       1'000'000},
      {"low_bit.exponent_every", [](TrainOptions& o, int64_t x) { o.low_bit.exponent_every = x; },
       0, 1'000'000},
      {"low_bit.exponent_reach",
       [](TrainOptions& o, int64_t x) { o.low_bit.exponent_reach = static_cast<int>(x); }, -1, 64},
  };
  for (const WholeCase& one : cases) {
    const std::string limits = base::StrCat(" must be ", one.low, "..", one.high);
    Expect([&](TrainOptions& o) { one.set(o, one.low); }, "");
    Expect([&](TrainOptions& o) { one.set(o, one.high); }, "");
    Expect([&](TrainOptions& o) { one.set(o, one.low - 1); }, one.name, limits);
    Expect([&](TrainOptions& o) { one.set(o, one.high + 1); }, one.name,
           base::StrCat("=", one.high + 1));
  }
}

struct RealCase {
  std::string name;
  std::function<double&(TrainOptions&)> of;
  double low;
  double high;
  bool low_in = true;
  bool high_in = true;
};

TEST(TrainOptions, RealNumbersEndAtTheirLimits) {
  const RealCase cases[] = {
      {"batch_norm_momentum", [](auto& o) -> double& { return o.batch_norm_momentum; }, 0, 1},
      {"ema", [](auto& o) -> double& { return o.ema; }, 0, 1, true, false},
      {"rate", [](auto& o) -> double& { return o.optimizer.rate; }, 0, 10},
      {"bias_rate", [](auto& o) -> double& { return o.optimizer.bias_rate; }, 0, 10},
      {"scale_rate", [](auto& o) -> double& { return o.optimizer.scale_rate; }, 0, 10},
      {"beta1", [](auto& o) -> double& { return o.optimizer.beta1; }, 0, 1, true, false},
      {"beta2", [](auto& o) -> double& { return o.optimizer.beta2; }, 0, 1, true, false},
      {"momentum", [](auto& o) -> double& { return o.optimizer.momentum; }, 0, 1, true, false},
      {"weight_decay", [](auto& o) -> double& { return o.optimizer.weight_decay; }, 0, 10},
      {"clip_norm", [](auto& o) -> double& { return o.optimizer.clip_norm; }, 0, 1e6},
      {"step_gamma", [](auto& o) -> double& { return o.optimizer.step_gamma; }, 0, 1, false},
      {"distill", [](auto& o) -> double& { return o.loss.distill; }, 0, 1'000},
      {"focal_alpha", [](auto& o) -> double& { return o.loss.focal_alpha; }, 0, 1},
      {"focal_gamma", [](auto& o) -> double& { return o.loss.focal_gamma; }, 0, 10},
      {"negatives", [](auto& o) -> double& { return o.loss.negatives; }, 0, 1'000},
      {"force_iou", [](auto& o) -> double& { return o.loss.force_iou; }, 0, 1, false},
      {"box_weight", [](auto& o) -> double& { return o.loss.box_weight; }, 0, 1'000},
      {"label_smoothing", [](auto& o) -> double& { return o.loss.label_smoothing; }, 0, 1, true,
       false},
      {"low_bit.blend_start", [](auto& o) -> double& { return o.low_bit.blend_start; }, 0, 1e6},
      {"low_bit.blend_growth", [](auto& o) -> double& { return o.low_bit.blend_growth; }, 1, 1'000},
      {"low_bit.freeze_flips", [](auto& o) -> double& { return o.low_bit.freeze_flips; }, 0, 1},
      {"low_bit.codes_until", [](auto& o) -> double& { return o.low_bit.codes_until; }, 0, 1,
       false},
      {"augment.flip", [](auto& o) -> double& { return o.augment.flip; }, 0, 1},
      {"augment.crop", [](auto& o) -> double& { return o.augment.crop; }, 0, 1},
      {"augment.crop_scale", [](auto& o) -> double& { return o.augment.crop_scale; }, 0, 1, false},
      {"augment.zoom_out", [](auto& o) -> double& { return o.augment.zoom_out; }, 0, 1},
      {"augment.zoom_scale", [](auto& o) -> double& { return o.augment.zoom_scale; }, 1, 10},
      {"augment.photometric", [](auto& o) -> double& { return o.augment.photometric; }, 0, 1},
      {"augment.shift", [](auto& o) -> double& { return o.augment.shift; }, 0, 1, true, false},
  };
  for (const RealCase& one : cases) {
    const auto set = [&](double x) { return [&one, x](TrainOptions& o) { one.of(o) = x; }; };
    Expect(set(one.low), one.low_in ? "" : one.name);
    Expect(set(one.high), one.high_in ? "" : one.name);
    Expect(set(std::nextafter(one.low, kInf)), "");
    Expect(set(std::nextafter(one.high, 0)), "");
    Expect(set(std::nextafter(one.low, -kInf)), one.name, " must be ");
    Expect(set(std::nextafter(one.high, kInf)), one.name, " must be ");
    Expect(set(kNan), one.name, "=nan");
    Expect(set(kInf), one.name, "=inf");
  }
}

TEST(TrainOptions, MessagesNameFieldLimitsAndValue) {
  Expect([](auto& o) { o.optimizer.rate = -0.5; }, "rate", "rate must be 0..10: rate=-0.5");
  Expect([](auto& o) { o.ema = 1; }, "ema", "ema must be at least 0 and below 1: ema=1");
  Expect([](auto& o) { o.low_bit.codes_until = 0; }, "low_bit.codes_until",
         "codes_until must be above 0 and at most 1: codes_until=0");
  Expect([](auto& o) { o.optimizer.clip_norm = 2e6; }, "clip_norm",
         "clip_norm must be 0..1000000: clip_norm=2000000");
}

TEST(TrainOptions, SomethingMustBeLearned) {
  Expect([](auto& o) { o.loss.labels = 0; }, "labels", "labels and distill must not both be 0");
  Expect(
      [](auto& o) {
        o.loss.labels = 0;
        o.loss.distill = 1;
      },
      "");
}

TEST(TrainOptions, IgnoredBandEndsWherePositivesBegin) {
  Expect([](auto& o) { o.loss.ignore_iou = o.loss.match_iou; }, "");
  Expect([](auto& o) { o.loss.ignore_iou = 0.6; }, "ignore_iou",
         "ignore_iou must be at most match_iou: ignore_iou=0.6 match_iou=0.5");
  Expect([](auto& o) { o.loss.match_iou = 0; }, "match_iou");
}

TEST(TrainOptions, StepsRiseAndBelongToTheirSchedule) {
  const auto with = [](Schedule schedule, std::vector<double> at) {
    return [=](TrainOptions& o) {
      o.optimizer.schedule = schedule;
      o.optimizer.step_at = at;
    };
  };
  Expect(with(Schedule::kStep, {0.5, 0.75}), "");
  Expect(with(Schedule::kStep, {}), "step_at", "count=0");
  Expect(with(Schedule::kCosine, {0.5}), "step_at", "must be empty");
  Expect(with(Schedule::kConstant, {0.5}), "step_at", "must be empty");
  Expect(with(Schedule::kStep, {0.5, 0.5}), "step_at", "step_at=0.5");
  Expect(with(Schedule::kStep, {0}), "step_at", "step_at=0");
  Expect(with(Schedule::kStep, {0.5, 1}), "step_at", "step_at=1");
  Expect(with(Schedule::kStep, {kNan}), "step_at", "step_at=nan");
  std::vector<double> many;
  for (int i = 1; i <= 65; ++i) many.push_back(i / 100.0);
  Expect(with(Schedule::kStep, many), "step_at", "count=65 limit=64");
  many.pop_back();
  Expect(with(Schedule::kStep, many), "");
}

TEST(TrainOptions, StagesFall) {
  const auto with = [](std::vector<int> stages) {
    return [=](TrainOptions& o) { o.low_bit.stages = stages; };
  };
  Expect(with({6, 4}), "");
  Expect(with({6, 5, 4, 3, 2}), "");
  Expect(with({7}), "low_bit.stages", "stages must fall, each in 2..6: stage=7");
  Expect(with({1}), "low_bit.stages", "stage=1");
  Expect(with({4, 4}), "low_bit.stages", "stage=4");
  Expect(with({3, 6}), "low_bit.stages", "stage=6");
}

TEST(TrainOptions, DeviceIsAWord) {
  for (const char* word : {"auto", "cpu", "cuda", "cuda:0", "cuda:15"}) {
    Expect([&](TrainOptions& o) { o.device = word; }, "");
  }
  for (const char* word : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:0000", "CPU", "cpu "}) {
    Expect([&](TrainOptions& o) { o.device = word; }, "device",
           base::StrCat("device=\"", word, "\""));
  }
}

}  // namespace
}  // namespace lbw::train
