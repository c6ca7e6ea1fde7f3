#include "tasks/quantize_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/status.h"
#include "base/strings.h"
#include "lbw/v1/calibration.pb.h"
#include "lbw/v1/common.pb.h"
#include "unit/tasks/calibration_rig.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

Measured WithDrop(double drop, double low, double high) {
  Measured measured;
  measured.drop = drop;
  measured.drop_low = low;
  measured.drop_high = high;
  measured.pictures = 75;
  return measured;
}

TEST(DropVerdict, SaysWhatThePicturesCannotProve) {
  EXPECT_EQ(DropVerdict(WithDrop(0.004, -0.011, 0.019), 0.005),
            "the drop is 0.004, within 0.005; with 95 % confidence it lies between -0.011 and "
            "0.019: 75 pictures cannot prove 0.005");
  const std::string sure = DropVerdict(WithDrop(0.001, -0.001, 0.003), 0.005);
  EXPECT_THAT(sure, HasSubstr("within 0.005"));
  EXPECT_THAT(sure, Not(HasSubstr("cannot prove")));
  const std::string missed = DropVerdict(WithDrop(0.01, 0.002, 0.02), 0.005);
  EXPECT_THAT(missed, HasSubstr("above 0.005"));
  EXPECT_THAT(missed, Not(HasSubstr("cannot prove")));
}

TEST(DropVerdict, WithoutAFigure) {
  EXPECT_THAT(DropVerdict(Measured(), 0.005), HasSubstr("could not be measured"));
  Measured alone;
  alone.drop = 0.002;
  EXPECT_EQ(DropVerdict(alone, 0.005), "the drop is 0.002, within 0.005");
}

TEST(UniformAttempt, AddsUpTheLayersThatOfferTheWidth) {
  std::vector<FreeLayer> free(2);
  free[0].widths = {{2, 10, 0.5}, {4, 20, 0.1}};
  free[1].widths = {{4, 40, 0.2}};
  const Attempt four = UniformAttempt(free, 4);
  EXPECT_EQ(four.name, "uniform 4");
  EXPECT_EQ(four.key, "widths 44");
  EXPECT_THAT(four.bits, ElementsAre(4, 4));
  EXPECT_EQ(four.bytes, 60U);
  EXPECT_DOUBLE_EQ(four.predicted, 0.3);
  EXPECT_THAT(UniformAttempt(free, 2).bits, ElementsAre(2));
}

// Two plans of equal bytes are two plans.
TEST(UniformAttempt, IsKeyedByWidthsAndNotByBytes) {
  std::vector<FreeLayer> free(1);
  free[0].widths = {{2, 10, 0.5}, {3, 10, 0.1}};
  EXPECT_EQ(UniformAttempt(free, 2).bytes, UniformAttempt(free, 3).bytes);
  EXPECT_NE(UniformAttempt(free, 2).key, UniformAttempt(free, 3).key);
}

TEST(PredictValue, IsLinearInTheErrorBetweenWhatIsKnown) {
  EXPECT_FALSE(PredictValue({}, 0.1).has_value());
  EXPECT_FALSE(PredictValue({{0, 0.9}}, 0.1).has_value()) << "the float network alone";
  EXPECT_FALSE(PredictValue({{0.1, 0.9}}, 0.1).has_value()) << "without the float network";
  EXPECT_NEAR(*PredictValue({{0, 0.9}, {0.2, 0.5}}, 0.1), 0.7, 1e-12);
  EXPECT_NEAR(*PredictValue({{0.2, 0.5}, {0, 0.9}}, 0.3), 0.3, 1e-12) << "beyond: the same line";
  EXPECT_EQ(*PredictValue({{0, 0.9}, {0.2, 0.5}}, 9), 0);
  EXPECT_NEAR(*PredictValue({{0, 0.9}, {0.2, 0.8}, {0.4, 0.4}}, 0.3), 0.6, 1e-12);
  EXPECT_EQ(*PredictValue({{0, 0.9}, {0.2, 0.8}, {0.4, 0.4}}, 0.2), 0.8);
  EXPECT_EQ(*PredictValue({{0, 0.9}, {0.2, 0.8}}, 0), 0.9);
}

using SearchJobTest = QuantizeFixture;

Json BudgetSpec(uint64_t bytes) {
  Json spec = QuantizeSpecJson(0);
  spec["widths"]["budget_bytes"] = base::StrCat(bytes);
  spec["measure"] = {{"skip", true}};
  return spec;
}

// Bytes of a uniform width, as the curve tells them.
uint64_t BytesOf(const Json& plan, const std::string& what) {
  for (const Json& point : plan["curve"]) {
    if (point["what"] == what) return std::stoull(point["bytes"].get<std::string>());
  }
  ADD_FAILURE() << what << " is not on the curve";
  return 0;
}

TEST_F(SearchJobTest, FindsWidthsWithinABudget) {
  const Json wide = rig_.Result(rig_.Assign(BudgetSpec(1'000'000)));
  const Json& all = Calibration(wide)["plan"];
  EXPECT_LE(std::stoull(all["bytes"].get<std::string>()), BytesOf(all, "uniform 6"));
  EXPECT_LT(all["measured_error"].get<double>(), 0.01);
  const uint64_t budget = (BytesOf(all, "uniform 3") + BytesOf(all, "uniform 4")) / 2;

  const TaskRig::Assignment assignment = rig_.Assign(BudgetSpec(budget));
  const Json result = rig_.Result(assignment);
  lbw::v1::QuantizationResult message;
  EXPECT_TRUE(ParsesInto(result["quantization"], message));
  const auto& plan = message.calibration().plan();
  EXPECT_LE(plan.bytes(), budget);
  EXPECT_EQ(plan.budget_bytes(), budget);
  double uniform_error = -1;
  for (const auto& point : plan.curve()) {
    if (point.what() == "uniform 3") uniform_error = point.measured_error();
  }
  EXPECT_GT(uniform_error, 0);
  EXPECT_LE(plan.measured_error(), uniform_error) << "never worse than the uniform width that fits";
  // What stands in the bundle is what is told.
  const model::Model made = rig_.Bundle(result);
  for (const auto& layer : message.calibration().layers()) {
    EXPECT_EQ(
        std::get<quant::QuantizedTensor>(made.constants.find(layer.name())->second).options.bits,
        static_cast<int>(layer.bits()));
    EXPECT_EQ(layer.widths_size(), 5);
    for (int i = 1; i < layer.widths_size() && layer.columns() > 8; ++i) {
      EXPECT_GT(layer.widths(i).bytes(), layer.widths(i - 1).bytes());
    }
    EXPECT_GE(layer.widths(0).error(), layer.widths(4).error());
  }
  lbw::v1::QuantizationOptions options;
  EXPECT_TRUE(ParsesInto(result["options"], options));
  EXPECT_GE(options.bits(), 2U);
  EXPECT_EQ(Timeless(Interrupted(assignment, &SolvedOne)), Timeless(result));
}

// A plot of the value against bytes needs values.
TEST_F(SearchJobTest, ABudgetWithLabelsMeasuresWhatItTriesAndPredictsThePlan) {
  const Json wide = rig_.Result(rig_.Assign(BudgetSpec(1'000'000)));
  const Json& all = Calibration(wide)["plan"];
  EXPECT_TRUE(all["reached"].get<bool>());
  EXPECT_FALSE(all.contains("predicted_value")) << "nothing was measured";
  Json spec = BudgetSpec((BytesOf(all, "uniform 2") + BytesOf(all, "uniform 3")) / 2);
  spec["measure"] = QuantizeSpecJson(4)["measure"];
  const TaskRig::Assignment assignment = rig_.Assign(spec);
  const Json result = rig_.Result(assignment);
  const Json& plan = Calibration(result)["plan"];
  size_t values = 0;
  size_t chosen = 0;
  double other = -1;
  for (const Json& point : plan["curve"]) {
    if (point.contains("measured_error")) {
      EXPECT_TRUE(point.contains("value")) << point.dump();
    }
    values += point.contains("value") ? 1 : 0;
    chosen += point.value("chosen", false) ? 1 : 0;
    if (point.contains("value") && !point.value("chosen", false)) other = point["value"];
  }
  EXPECT_EQ(values, 2U);
  EXPECT_EQ(chosen, 1U);
  EXPECT_EQ(plan["measured_value"], Measurement(result, "calibrated")["value"]);
  const double floating = Measurement(result, "float")["value"].get<double>();
  const double predicted = plan["predicted_value"].get<double>();
  // On the line through the float network and the other one.
  EXPECT_LE((floating - predicted) * (floating - other),
            (floating - other) * (floating - other) * 4);
  EXPECT_GE((floating - predicted) * (floating - other), 0);
  EXPECT_EQ(Timeless(Interrupted(assignment, &SolvedOne)), Timeless(result));
}

TEST_F(SearchJobTest, StoppedBehindEveryLayerOfSensitivityItFindsTheSameWidths) {
  const TaskRig::Assignment assignment = rig_.Assign(BudgetSpec(1'000'000));
  const Json undisturbed = rig_.Result(assignment);
  const auto sensed = [](const ScriptedLink& link) {
    return !link.progress().empty() && link.progress().back().stage == "sensitivity";
  };
  EXPECT_EQ(Timeless(Interrupted(assignment, sensed)), Timeless(undisturbed));
  EXPECT_EQ(attempts_, 6) << "a layer an attempt, and none twice";
}

TEST_F(SearchJobTest, RefusesABudgetBelowTwoBits) {
  const absl::Status status = Fails(BudgetSpec(100));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("100"));
}

TEST_F(SearchJobTest, RulesThatNameBitsAreNotChosenFor) {
  Json spec = BudgetSpec(1'000'000);
  spec["options"]["rules"] = Json::parse(
      R"([{"match": "colour*", "bits": 5}, {"match": "loc*", "code_book": "CODE_BOOK_PAPER"}])");
  const Json result = rig_.Result(rig_.Assign(spec));
  for (const Json& layer : Calibration(result)["layers"]) {
    const bool named = layer["name"] == "colour.weight";
    if (named) {
      EXPECT_EQ(layer["bits"], 5);
    }
    EXPECT_EQ(layer.contains("widths"), !named);
  }
  spec["options"]["rules"] = Json::parse(R"([{"match": "*", "bits": 4}])");
  EXPECT_THAT(std::string(Fails(spec).message()), HasSubstr("no layer is left"));
}

TEST_F(SearchJobTest, FindsTheFewestBytesWithinADrop) {
  Json spec = QuantizeSpecJson(0);
  spec["widths"] = {{"max_drop", 0.1}, {"bits", {2, 3, 4}}};
  const TaskRig::Assignment assignment = rig_.Assign(spec);
  const Json result = rig_.Result(assignment);
  const Json& plan = Calibration(result)["plan"];
  EXPECT_LE(Measurement(result, "calibrated")["drop"].get<double>(), 0.1);
  EXPECT_EQ(plan["measured_value"], Measurement(result, "calibrated")["value"]);
  EXPECT_THAT(plan["verdict"].get<std::string>(), HasSubstr("within 0.1"));
  EXPECT_EQ(plan["reached"], true);
  const uint64_t bytes = std::stoull(plan["bytes"].get<std::string>());
  for (const Json& point : plan["curve"]) {
    if (!point.contains("drop") || point["drop"] > 0.1) continue;
    EXPECT_GE(std::stoull(point["bytes"].get<std::string>()), bytes) << point.dump();
  }
  EXPECT_EQ(Timeless(Interrupted(assignment, &SolvedOne)), Timeless(result));
}

// Nothing is that good: the widest stands, and the verdict says what is missing.
TEST_F(SearchJobTest, TellsThatADropCannotBeKept) {
  Json spec = QuantizeSpecJson(0);
  spec["widths"] = {{"max_drop", 0}, {"bits", {2}}};
  const Json result = rig_.Result(rig_.Assign(spec));
  const double drop = Measurement(result, "calibrated")["drop"].get<double>();
  EXPECT_THAT(Calibration(result)["plan"]["verdict"].get<std::string>(),
              HasSubstr(drop > 0 ? "above 0" : "within 0"));
  EXPECT_EQ(Calibration(result)["plan"]["reached"], drop <= 0) << "a script must see it";
}

TEST_F(SearchJobTest, ADropNeedsLabels) {
  for (dataset::Picture& picture : rig_.set.dataset.pictures) picture.annotations.clear();
  Json spec = QuantizeSpecJson(0);
  spec["widths"]["max_drop"] = 0.01;
  const absl::Status status = Fails(spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("labels"));
}

TEST_F(SearchJobTest, FindsMuByTests) {
  Json spec = QuantizeSpecJson(4);
  spec["options"]["scheme"] = "SCHEME_THRESHOLD";
  spec["mu"]["ratios"] = {0.5, 0.75, 1.0};
  const TaskRig::Assignment assignment = rig_.Assign(spec);
  const Json result = rig_.Result(assignment);
  const Json& mu = Calibration(result)["mu"];
  ASSERT_THAT(mu, SizeIs(3));
  double best = 0;
  double chosen = -1;
  for (const Json& point : mu) {
    best = std::max(best, point["value"].get<double>());
    if (point["chosen"] == true) {
      chosen = point["value"].get<double>();
      EXPECT_EQ(result["options"]["mu_ratio"], point["ratio"]);
    }
  }
  EXPECT_EQ(chosen, best);
  EXPECT_EQ(Measurement(result, "calibrated")["value"], chosen);
  EXPECT_THAT(Measured(result), ElementsAre("float", "nearest", "exact projection, bias corrected",
                                            "calibrated", "calibrated, int8 activations"));
  for (const Json& layer : Calibration(result)["layers"]) {
    EXPECT_EQ(layer["plain"], "threshold scheme");
  }
  EXPECT_EQ(Timeless(Interrupted(assignment, &SolvedOne)), Timeless(result));
}

// Thresholds whose biases are corrected beside a projection whose biases are not would mislead.
TEST_F(SearchJobTest, MuIsComparedWithAnExactProjectionWhoseBiasesAreCorrectedToo) {
  for (const char* granularity : {"GRANULARITY_TENSOR", "GRANULARITY_CHANNEL"}) {
    Json spec = QuantizeSpecJson(3);
    spec["options"]["granularity"] = granularity;
    // Codes are projected plainly there.
    Json exact = spec;
    spec["options"]["scheme"] = "SCHEME_THRESHOLD";
    spec["mu"]["ratios"] = {0.75};
    const Json beside =
        Measurement(rig_.Result(rig_.Assign(spec)), "exact projection, bias corrected");
    const Json result = rig_.Result(rig_.Assign(exact));
    const double error = beside["output_error"].get<double>();
    const double other = Measurement(result, "calibrated")["output_error"].get<double>();
    if (std::string(granularity) == "GRANULARITY_TENSOR") {
      EXPECT_NEAR(error, other, 1e-3 * other);
      EXPECT_NEAR(beside["value"].get<double>(),
                  Measurement(result, "calibrated")["value"].get<double>(), 1e-3);
    } else {
      EXPECT_GT(error, other) << "calibrated codes are better than projected ones";
    }
  }
}

}  // namespace
}  // namespace lbw::tasks
