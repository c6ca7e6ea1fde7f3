#include "tasks/train_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "base/io.h"
#include "base/status.h"
#include "quant/quantize.h"
#include "unit/tasks/tasks_fixture.h"

namespace lbw::tasks {
namespace {

TrainState Reached() {
  TrainState state;
  state.step = 12;
  state.steps = {20, 3, 40};
  state.isa = "avx2";
  state.threads = 2;
  state.device = "cpu";
  state.trainer.emplace("param.weight.w", base::Tensor::FromF32({3}, {1, -0.0F, 1e-40F}));
  state.trainer.emplace("opt.count", base::Tensor::FromI64({1}, {12}));
  quant::TensorOptions options;
  options.bits = 3;
  state.starts.emplace(
      "w", quant::QuantizeTensor(base::Tensor::FromF32({1, 4}, {1, 0.5F, 0, -2}).view(), options)
               ->tensor);
  state.told["history"] = {{{"epoch", "1"}, {"decides", 0.75}}};
  return state;
}

std::string Written(const TrainState& state, const model::Model& model) {
  base::StringSink sink;
  EXPECT_TRUE(WriteTrainState(state, model, "origin", sink).ok());
  return sink.Take();
}

TEST(TrainState, IsReadBackBitForBitWithTheModel) {
  const TrainState state = Reached();
  const std::string bytes = Written(state, DiscModel());
  const auto read = ReadTrainState(base::StringReader(bytes), "origin");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->state.step, 12);
  EXPECT_EQ(read->state.steps.units, 40);
  EXPECT_EQ(read->state.threads, 2);
  EXPECT_TRUE(read->state.bit_exact);
  EXPECT_EQ(read->state.told, state.told);
  EXPECT_EQ(read->state.starts, state.starts);
  EXPECT_EQ(Written(read->state, read->model), bytes);
}

TEST(TrainState, OfAnotherOriginIsRefused) {
  const std::string bytes = Written(Reached(), DiscModel());
  EXPECT_EQ(ReadTrainState(base::StringReader(bytes), "other").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(TrainState, ABundleIsNoCheckpoint) {
  base::StringSink sink;
  ASSERT_TRUE(model::WriteBundle(DiscModel(), sink).ok());
  EXPECT_EQ(
      base::GetErrorDetails(ReadTrainState(base::StringReader(sink.Take()), "").status()).reason,
      "BAD_FILE");
}

TEST(TrainState, CutAnywhereItIsAnErrorAndNoCrash) {
  const std::string bytes = Written(Reached(), DiscModel());
  for (size_t length = 0; length < bytes.size(); length += bytes.size() / 97 + 1) {
    EXPECT_FALSE(ReadTrainState(base::StringReader(bytes.substr(0, length)), "origin").ok());
  }
}

}  // namespace
}  // namespace lbw::tasks
