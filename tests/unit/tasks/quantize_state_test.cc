#include "tasks/quantize_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/io.h"
#include "base/status.h"
#include "unit/tasks/calibration_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// Layers of a real calibration: codes with real scales, other widths, an 8-bit layer, groups.
QuantizeState Sample() {
  NetMaker net;
  net.Conv("a", "image", {4, 3, 3, 3});
  net.Conv("b", "a", {4, 1, 3, 3}, 4);
  net.Node("ConvTranspose", "c", {"b", net.Constant("c.w", {4, 2, 2, 2})}, {{"group", int64_t{2}}});
  net.Conv("d", "c", {2, 4, 1, 1});
  const model::Model model = net.Finish({"d"});
  Bench bench;
  const auto walk = bench.Walk(model, RandomPictures(3, 6, 2), bench.Options());
  ChoiceOptions options = ChoicesAt(2);
  options.scale = quant::ScaleKind::kReal;
  options.quantize.rules.resize(2);
  options.quantize.rules[0].match = "b.w";
  options.quantize.rules[0].bits = 5;
  options.quantize.rules[0].code_book = quant::CodeBook::kPaper;
  options.quantize.rules[1].match = "d.w";
  options.quantize.rules[1].bits = 8;
  options.quantize.rules[1].scheme = quant::Scheme::kUniform;
  QuantizeState state;
  state.steps = {77, 3, 100};
  state.isa = "avx9";
  state.threads = 5;
  state.finished["attempt uniform 4"] = {{"output_error", 0.1 + 0.2}};
  state.calibration = "plan 12 B";
  state.solved = CalibrateNetwork(*walk, model,
                                  ChooseLayers(model, walk->layers(), options).value(), {}, 1, {})
                     ->solved;
  PartialRun& boxes = state.runs["float"];
  boxes.done = 8;
  boxes.run.found = {{7, {{1, 2, 3, 4.5F}, 2, 0.25F}}, {0, {{0, 0, 1, 1}, 0, 1}}};
  PartialRun& classes = state.runs["widths 4434"];
  classes.done = 2;
  classes.run.judged = {{1, 0, 3}};
  classes.run.judged_pictures = {1};
  return state;
}

std::string Written(const QuantizeState& state) {
  base::StringSink sink;
  const absl::Status status = WriteQuantizeState(state, "origin", sink);
  EXPECT_TRUE(status.ok()) << status;
  return sink.Take();
}

TEST(QuantizeState, ReadsBackBitForBit) {
  const QuantizeState state = Sample();
  const auto read = ReadQuantizeState(base::StringReader(Written(state)), "origin");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->steps.step, 77);
  EXPECT_EQ(read->steps.beats, 3);
  EXPECT_EQ(read->steps.units, 100);
  EXPECT_EQ(read->isa, "avx9");
  EXPECT_EQ(read->threads, 5);
  ASSERT_THAT(read->runs, SizeIs(2));
  EXPECT_EQ(read->runs.at("float").done, 8);
  ASSERT_THAT(read->runs.at("float").run.found, SizeIs(2));
  EXPECT_EQ(read->runs.at("float").run.found[0].detection.score, 0.25F);
  ASSERT_THAT(read->runs.at("widths 4434").run.judged, SizeIs(1));
  EXPECT_EQ(read->runs.at("widths 4434").run.judged[0].rank, 3);
  EXPECT_EQ(read->finished, state.finished);
  EXPECT_EQ(read->calibration, state.calibration);
  ASSERT_THAT(read->solved, SizeIs(4));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(read->solved[i].weight, state.solved[i].weight);
    EXPECT_EQ(read->solved[i].tensor, state.solved[i].tensor) << i;
    EXPECT_EQ(read->solved[i].bias_change, state.solved[i].bias_change);
    EXPECT_EQ(read->solved[i].figures.samples, state.solved[i].figures.samples);
    EXPECT_EQ(read->solved[i].figures.dead_rows, state.solved[i].figures.dead_rows);
    EXPECT_EQ(read->solved[i].figures.output_power, state.solved[i].figures.output_power);
    EXPECT_EQ(read->solved[i].figures.nearest_error, state.solved[i].figures.nearest_error);
    EXPECT_EQ(read->solved[i].figures.error, state.solved[i].figures.error);
    EXPECT_EQ(read->solved[i].figures.plain, state.solved[i].figures.plain);
  }
  EXPECT_EQ(Written(*read), Written(state)) << "equal states are equal bytes";
}

TEST(QuantizeState, OneWithNothingInIt) {
  const auto read = ReadQuantizeState(base::StringReader(Written({})), "origin");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->steps.step, 0);
  EXPECT_THAT(read->runs, IsEmpty());
  EXPECT_THAT(read->solved, IsEmpty());
}

TEST(QuantizeState, RefusesBoxesOfPicturesThatAreNotDone) {
  QuantizeState state = Sample();
  state.runs["float"].done = 7;
  EXPECT_FALSE(ReadQuantizeState(base::StringReader(Written(state)), "origin").ok());
  state.runs["float"].done = 8;
  state.runs["widths 4434"].done = 1;
  EXPECT_FALSE(ReadQuantizeState(base::StringReader(Written(state)), "origin").ok());
}

TEST(QuantizeState, RefusesAnotherOrigin) {
  const auto read = ReadQuantizeState(base::StringReader(Written(Sample())), "elsewhere");
  EXPECT_EQ(read.status().code(), absl::StatusCode::kFailedPrecondition);
}

// A status or a state, never a crash.
TEST(QuantizeState, HostileBytesAreAStatus) {
  const std::string bytes = Written(Sample());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ReadQuantizeState(base::StringReader(bytes.substr(0, size)), "origin").ok())
        << size;
  }
  size_t refused = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int flip : {1, 0x80, 0xFF}) {
      std::string broken = bytes;
      broken[i] = static_cast<char>(broken[i] ^ flip);
      refused += ReadQuantizeState(base::StringReader(std::move(broken)), "origin").ok() ? 0U : 1U;
    }
  }
  EXPECT_GT(refused, bytes.size() / 2);
}

}  // namespace
}  // namespace lbw::tasks
