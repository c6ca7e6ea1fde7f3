#include "train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "model/build_model.h"
#include "nlohmann/json.hpp"
#include "quant/quantize.h"

namespace lbw::train {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSide = 64;
constexpr int64_t kBatch = 4;

model::Model TinyDetector() {
  auto model = model::BuildModel({.arch = "ssd_tiny", .width_multiplier = 0.25, .seed = 7},
                                 R"({"input": {"size": [64, 64]}, "classes": ["bright", "dark"]})");
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

// Grey noise with one bright or dark square a picture.
struct Batch {
  std::vector<float> values;
  BatchTruth truth;
};
Batch MakeBatch(uint64_t seed) {
  base::Random random(seed);
  Batch batch;
  batch.values.resize(static_cast<size_t>(kBatch * 3 * kSide * kSide));
  for (float& value : batch.values) value = random.Between(-0.2F, 0.2F);
  for (int64_t n = 0; n < kBatch; ++n) {
    const auto size = static_cast<int64_t>(8 + random.Below(24));
    const auto x = static_cast<int64_t>(random.Below(static_cast<size_t>(kSide - size)));
    const auto y = static_cast<int64_t>(random.Below(static_cast<size_t>(kSide - size)));
    const bool dark = random.Chance(0.5F);
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t row = y; row < y + size; ++row) {
        for (int64_t col = x; col < x + size; ++col) {
          batch.values[static_cast<size_t>(((n * 3 + c) * kSide + row) * kSide + col)] =
              dark ? -1.0F : 1.0F;
        }
      }
    }
    const float side = static_cast<float>(kSide);
    const float half = static_cast<float>(size) / 2;
    TruthBox box;
    box.box = {(static_cast<float>(x) + half) / side, (static_cast<float>(y) + half) / side,
               static_cast<float>(size) / side, static_cast<float>(size) / side};
    box.class_index = dark ? 1 : 0;
    batch.truth.boxes.push_back({box});
  }
  return batch;
}

absl::StatusOr<StepFacts> StepOn(Trainer& trainer, uint64_t seed) {
  const Batch batch = MakeBatch(seed);
  return trainer.Step({absl::MakeConstSpan(batch.values), kBatch, &batch.truth});
}

TrainOptions FloatOptions() {
  TrainOptions options;
  options.batch = kBatch;
  options.device = "cpu";
  options.optimizer.rate = 3e-2;
  options.optimizer.bias_rate = 3e-3;
  options.optimizer.warmup_steps = 5;
  options.ema = 0.9;
  return options;
}

std::vector<LayerStart> StartsOf(model::Model& model, const model::Model& floating, int bits) {
  model::QuantizeOptions options;
  options.tensor.bits = bits;
  EXPECT_TRUE(model::QuantizeModel(model, options, {}).ok());
  std::vector<LayerStart> starts;
  for (const auto& [name, constant] : model.constants) {
    const auto* codes = std::get_if<quant::QuantizedTensor>(&constant);
    if (codes == nullptr) continue;
    const auto& weights = std::get<base::Tensor>(floating.constants.find(name)->second);
    const absl::Span<const float> values = weights.as<float>();
    starts.push_back({name, *codes, {values.begin(), values.end()}, {}});
  }
  return starts;
}

TrainOptions GridOptions() {
  TrainOptions options = FloatOptions();
  options.batch_norm = BatchNorm::kFrozen;
  options.loss.labels = 0.3;
  options.loss.distill = 1;
  return options;
}

std::unique_ptr<Trainer> OpenFloat(const model::Model& model, int64_t steps) {
  auto trainer = Trainer::Open({model, nullptr, {}}, FloatOptions(), steps);
  EXPECT_TRUE(trainer.ok()) << trainer.status();
  return *std::move(trainer);
}

std::unique_ptr<Trainer> OpenGrid(const model::Model& floating, const TrainOptions& options,
                                  int64_t steps) {
  model::Model model = floating;
  std::vector<LayerStart> starts = StartsOf(model, floating, 3);
  auto trainer = Trainer::Open({std::move(model), &floating, std::move(starts)}, options, steps);
  EXPECT_TRUE(trainer.ok()) << trainer.status();
  return *std::move(trainer);
}

void ExpectSame(const model::Model& a, const model::Model& b) {
  ASSERT_EQ(a.constants.size(), b.constants.size());
  for (const auto& [name, constant] : a.constants) {
    const auto found = b.constants.find(name);
    ASSERT_NE(found, b.constants.end()) << name;
    if (const auto* codes = std::get_if<quant::QuantizedTensor>(&constant)) {
      EXPECT_EQ(*codes, std::get<quant::QuantizedTensor>(found->second)) << name;
      continue;
    }
    const auto& x = std::get<base::Tensor>(constant);
    const auto& y = std::get<base::Tensor>(found->second);
    ASSERT_EQ(x.size_bytes(), y.size_bytes()) << name;
    EXPECT_EQ(std::memcmp(x.bytes().data(), y.bytes().data(), x.size_bytes()), 0) << name;
  }
}

double MeanLoss(Trainer& trainer, int64_t steps, uint64_t seed) {
  double sum = 0;
  for (int64_t i = 0; i < steps; ++i) {
    const auto facts = StepOn(trainer, seed + static_cast<uint64_t>(i));
    EXPECT_TRUE(facts.ok()) << facts.status();
    sum += facts->losses.at("loss");
  }
  return sum / static_cast<double>(steps);
}

TEST(Trainer, LossFallsInFloat) {
  const model::Model model = TinyDetector();
  const auto trainer = OpenFloat(model, 80);
  const double first = MeanLoss(*trainer, 10, 1);
  MeanLoss(*trainer, 60, 100);
  const double last = MeanLoss(*trainer, 10, 1);
  EXPECT_LT(last, 0.85 * first);
}

TEST(Trainer, LossFallsOnTheGrid) {
  const model::Model model = TinyDetector();
  const auto trainer = OpenGrid(model, GridOptions(), 60);
  const double first = MeanLoss(*trainer, 10, 1);
  MeanLoss(*trainer, 40, 100);
  EXPECT_LT(MeanLoss(*trainer, 10, 1), first);
}

// Fifty seeded steps on the CPU, in float and then on the grid. The tolerance is that of sums in
// another order (other instruction sets, threads and versions of LibTorch), which grows from step
// to step; a change of a loss, a schedule or a step shows as tens of percent within a few steps.
std::vector<double> LossesOf(Trainer& trainer) {
  std::vector<double> losses;
  for (uint64_t i = 0; i < 50; ++i) {
    const auto facts = StepOn(trainer, 1'000 + i);
    EXPECT_TRUE(facts.ok()) << facts.status();
    losses.push_back(facts.ok() ? facts->losses.at("loss") : 0.0);
  }
  return losses;
}

void ExpectGolden(const std::string& key, const std::vector<double>& losses) {
  std::ifstream file(std::string(LBW_SOURCE_DIR) + "/tests/golden/train_losses.json");
  ASSERT_TRUE(file.good());
  const auto golden = nlohmann::json::parse(file).at(key).get<std::vector<double>>();
  ASSERT_EQ(golden.size(), losses.size()) << nlohmann::json(losses).dump();
  for (size_t i = 0; i < losses.size(); ++i) {
    EXPECT_NEAR(losses[i], golden[i], (0.002 + 0.0005 * static_cast<double>(i)) * golden[i])
        << key << ", step " << i + 1 << "; all: " << nlohmann::json(losses).dump();
  }
}

TEST(Trainer, LossesOfFiftySeededStepsAreTheGoldenOnes) {
  const model::Model model = TinyDetector();
  ExpectGolden("float", LossesOf(*OpenFloat(model, 50)));
  ExpectGolden("grid, 3 bits", LossesOf(*OpenGrid(model, GridOptions(), 50)));
}

// Goes on from State in the bits of a run that was not interrupted, moving averages and all.
void ExpectExactResume(const std::function<std::unique_ptr<Trainer>()>& open) {
  const auto whole = open();
  for (uint64_t i = 0; i < 12; ++i) ASSERT_TRUE(StepOn(*whole, i).ok());
  const auto first = open();
  for (uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(StepOn(*first, i).ok());
  const auto state = first->State();
  ASSERT_TRUE(state.ok()) << state.status();
  const auto second = open();
  ASSERT_TRUE(second->Restore(*state, 5).ok());
  EXPECT_EQ(second->step(), 5);
  for (uint64_t i = 5; i < 12; ++i) ASSERT_TRUE(StepOn(*second, i).ok());
  for (const auto which : {Trainer::Weights::kRaw, Trainer::Weights::kAverage}) {
    const auto a = whole->Snapshot(which);
    const auto b = second->Snapshot(which);
    ASSERT_TRUE(a.ok() && b.ok());
    ExpectSame(*a, *b);
  }
}

TEST(Trainer, GoesOnInTheSameBitsInFloat) {
  const model::Model model = TinyDetector();
  ExpectExactResume([&] { return OpenFloat(model, 12); });
}

TEST(Trainer, GoesOnInTheSameBitsOnTheGrid) {
  const model::Model model = TinyDetector();
  TrainOptions options = GridOptions();
  options.low_bit.exponent_every = 3;
  options.low_bit.freeze_flips = 0.2;
  ExpectExactResume([&] { return OpenGrid(model, options, 12); });
}

TEST(Trainer, GoesOnInTheSameBitsWithFixedCodesAndBlending) {
  const model::Model model = TinyDetector();
  TrainOptions options = GridOptions();
  options.low_bit.codes_until = 0.3;  // before the interruption
  ExpectExactResume([&] { return OpenGrid(model, options, 12); });
  options.low_bit.codes_until = 0.75;  // behind it
  options.low_bit.blend_start = 1;
  ExpectExactResume([&] { return OpenGrid(model, options, 12); });
}

TEST(Trainer, RefusesAStateThatLacksATensor) {
  const model::Model model = TinyDetector();
  const auto trainer = OpenFloat(model, 4);
  auto state = trainer->State();
  ASSERT_TRUE(state.ok());
  state->erase(state->begin());
  EXPECT_EQ(trainer->Restore(*state, 0).code(), absl::StatusCode::kDataLoss);
}

TEST(Trainer, FixedCodesStay) {
  const model::Model model = TinyDetector();
  TrainOptions options = GridOptions();
  options.low_bit.codes_until = 0.5;
  const auto trainer = OpenGrid(model, options, 12);
  for (uint64_t i = 0; i < 7; ++i) ASSERT_TRUE(StepOn(*trainer, i).ok());
  const auto before = trainer->Snapshot(Trainer::Weights::kRaw);
  for (uint64_t i = 7; i < 12; ++i) ASSERT_TRUE(StepOn(*trainer, i).ok());
  const auto after = trainer->Snapshot(Trainer::Weights::kRaw);
  ASSERT_TRUE(before.ok() && after.ok());
  bool biases_moved = false;
  for (const auto& [name, constant] : before->constants) {
    const auto& other = after->constants.find(name)->second;
    if (const auto* codes = std::get_if<quant::QuantizedTensor>(&constant)) {
      EXPECT_EQ(codes->codes, std::get<quant::QuantizedTensor>(other).codes) << name;
      continue;
    }
    const auto& x = std::get<base::Tensor>(constant);
    const auto& y = std::get<base::Tensor>(other);
    biases_moved =
        biases_moved || std::memcmp(x.bytes().data(), y.bytes().data(), x.size_bytes()) != 0;
  }
  EXPECT_TRUE(biases_moved);
}

TEST(Trainer, NamesStepAndLayerOfALossThatIsNotFiniteAndChangesNothing) {
  const model::Model model = TinyDetector();
  const auto trainer = OpenFloat(model, 4);
  ASSERT_TRUE(StepOn(*trainer, 1).ok());
  const auto before = trainer->Snapshot(Trainer::Weights::kRaw);
  Batch batch = MakeBatch(2);
  batch.values[5] = std::numeric_limits<float>::quiet_NaN();
  const auto facts = trainer->Step({absl::MakeConstSpan(batch.values), kBatch, &batch.truth});
  EXPECT_EQ(facts.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(base::GetErrorDetails(facts.status()).reason, base::reason::kTrainingDiverged.text);
  EXPECT_THAT(std::string(facts.status().message()), HasSubstr("step 2"));
  EXPECT_THAT(std::string(facts.status().message()), HasSubstr("layer "));
  const auto after = trainer->Snapshot(Trainer::Weights::kRaw);
  ASSERT_TRUE(before.ok() && after.ok());
  ExpectSame(*before, *after);
  EXPECT_EQ(trainer->step(), 1);
}

// The codes of a snapshot are those of the model that the network ran: its values are those of the
// exact projection's grid, and what is not trained stays.
TEST(Trainer, SnapshotHasTheStartsCodesBeforeTheFirstStep) {
  const model::Model model = TinyDetector();
  model::Model projected = model;
  const std::vector<LayerStart> starts = StartsOf(projected, model, 3);
  const auto trainer = OpenGrid(model, GridOptions(), 4);
  const auto snapshot = trainer->Snapshot(Trainer::Weights::kRaw);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  ExpectSame(projected, *snapshot);
}

}  // namespace
}  // namespace lbw::train
