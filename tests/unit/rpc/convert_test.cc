#include "rpc/convert.h"

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/tensor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

v1::QuantizationOptions Options(uint32_t bits) {
  v1::QuantizationOptions options;
  options.set_bits(bits);
  return options;
}

void ExpectRefused(const v1::QuantizationOptions& options, const std::string& field,
                   const std::string& value) {
  const auto result = FromProto(options, "options");
  ASSERT_FALSE(result.ok()) << options.ShortDebugString();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr(value));
  const base::ErrorDetails details = base::GetErrorDetails(result.status());
  EXPECT_EQ(details.reason, "BAD_OPTIONS");
  EXPECT_THAT(details.fields, ElementsAre(field));
}

TEST(QuantizationOptionsFromProto, FillsInTheDefaults) {
  const auto result = FromProto(Options(4), "options");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->tensor.bits, 4);
  EXPECT_EQ(result->tensor.code_book, quant::CodeBook::kFull);
  EXPECT_EQ(result->tensor.granularity, quant::Granularity::kChannel);
  EXPECT_EQ(result->tensor.scheme, quant::Scheme::kExact);
  EXPECT_TRUE(result->rules.empty());
}

TEST(QuantizationOptionsFromProto, RefusesBitsOutsideTheGrid) {
  for (const uint32_t bits : {0U, 1U, 7U, 9U, 4'000'000'000U}) {
    ExpectRefused(Options(bits), "options.bits", std::to_string(bits));
  }
}

TEST(QuantizationOptionsFromProto, RefusesUnknownEnumValuesAndNamesThem) {
  v1::QuantizationOptions options = Options(4);
  options.set_code_book(static_cast<v1::CodeBook>(77));
  ExpectRefused(options, "options.code_book", "77");
  options = Options(4);
  options.set_granularity(static_cast<v1::Granularity>(78));
  ExpectRefused(options, "options.granularity", "78");
  options = Options(4);
  options.set_scheme(static_cast<v1::Scheme>(79));
  ExpectRefused(options, "options.scheme", "79");
  options = Options(4);
  options.add_rules()->set_match("*");
  options.mutable_rules(0)->set_scheme(static_cast<v1::Scheme>(80));
  ExpectRefused(options, "options.rules[0].scheme", "80");
}

TEST(QuantizationOptionsFromProto, RefusesMuThatIsNoThreshold) {
  v1::QuantizationOptions options = Options(4);
  options.set_scheme(v1::SCHEME_THRESHOLD);
  for (const double mu : {0.0, -1.0, 16.5, std::numeric_limits<double>::quiet_NaN(),
                          std::numeric_limits<double>::infinity()}) {
    options.set_mu_ratio(mu);
    ExpectRefused(options, "options.mu_ratio", "mu_ratio");
  }
  options.set_mu_ratio(16.0);
  EXPECT_TRUE(FromProto(options, "options").ok());
  options.set_scheme(v1::SCHEME_EXACT);
  ExpectRefused(options, "options.mu_ratio", "threshold");
}

TEST(QuantizationOptionsFromProto, KeepsRulesInOrderAndWhatTheyLeaveOut) {
  v1::QuantizationOptions options = Options(4);
  options.add_rules()->set_match("*conv1.weight");
  options.mutable_rules(0)->set_keep_float(true);
  v1::LayerRule* second = options.add_rules();
  second->set_match("@outputs");
  second->set_bits(6);
  second->set_code_book(v1::CODE_BOOK_PAPER);
  const auto result = FromProto(options, "options");
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->rules.size(), 2U);
  EXPECT_TRUE(result->rules[0].keep_float);
  EXPECT_FALSE(result->rules[0].bits.has_value());
  EXPECT_EQ(result->rules[1].bits, 6);
  EXPECT_EQ(result->rules[1].code_book, quant::CodeBook::kPaper);
  EXPECT_FALSE(result->rules[1].granularity.has_value());
}

model::QuantizeOutcome OutcomeOfOneTensor() {
  const std::vector<float> values = {1.0F, -0.5F, 0.3F, 0.0F};
  const base::Tensor tensor = base::Tensor::FromF32({2, 2}, values);
  auto result = quant::QuantizeTensor(tensor.view(), {});
  LBW_CHECK(result.ok());
  model::QuantizeOutcome outcome;
  outcome.reports.push_back(result->report);
  outcome.reports.back().name = "w";
  outcome.caught = {{}, {"w"}};
  return outcome;
}

TEST(ReportToText, RoundTripsThroughAVersion) {
  quant::LayerRule rule;
  rule.match = "*.bias";
  registry::Version version;
  version.model = "m";
  version.number = 3;
  version.parent = 1;
  version.quantized = true;
  version.report_json = ReportToText(OutcomeOfOneTensor(), {rule});
  version.quantization_json = OptionsToText(Options(4));
  v1::ModelVersion out;
  ToProto(version, Detail::kFull, &out);
  EXPECT_EQ(out.name(), "models/m/versions/3");
  EXPECT_EQ(out.parent_version(), "models/m/versions/1");
  EXPECT_EQ(out.quantization().bits(), 4U);
  ASSERT_EQ(out.report().tensors_size(), 1);
  EXPECT_EQ(out.report().tensors(0).name(), "w");
  EXPECT_EQ(out.report().tensors(0).code_book(), "full");
  EXPECT_EQ(out.report().totals().tensors_quantized(), 1U);
  ASSERT_EQ(out.rule_matches_size(), 2);
  EXPECT_EQ(out.rule_matches(0).match(), "*.bias");
  EXPECT_EQ(out.rule_matches(1).rule_index(), -1);
  v1::ModelVersion summary;
  ToProto(version, Detail::kSummary, &summary);
  EXPECT_FALSE(summary.has_report());
}

TEST(DetectOptionsFromProto, PassesOnlyWhatWasSet) {
  v1::DetectOptions options;
  options.set_score_threshold(0.0F);
  options.add_classes("mask");
  const auto result = FromProto(options);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->decode.score_threshold, 0.0F);
  EXPECT_FALSE(result->decode.iou_threshold.has_value());
  EXPECT_FALSE(result->annotate.has_value());
  EXPECT_THAT(result->class_names, ElementsAre("mask"));
  options.set_annotate(static_cast<v1::ImageFormat>(9));
  EXPECT_EQ(FromProto(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(DetectResponseToProto, KeepsOrderAndGivesAPictureItsOwnError) {
  serving::DetectResponse response;
  response.model = "m";
  response.version = 2;
  response.labels = std::make_shared<std::vector<std::string>>(std::vector<std::string>{"a", "b"});
  response.pictures.resize(2);
  response.pictures[0].status =
      base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadImage, "not a picture");
  response.pictures[1].width = 10;
  response.pictures[1].height = 20;
  response.pictures[1].detections.push_back({{1, 2, 3, 4}, 1, 0.75F});
  v1::DetectResponse out;
  ToProto(response, &out);
  EXPECT_EQ(out.model_version(), "models/m/versions/2");
  ASSERT_EQ(out.results_size(), 2);
  EXPECT_EQ(out.results(0).error().code(), 3);
  EXPECT_FALSE(out.results(1).has_error());
  ASSERT_EQ(out.results(1).detections_size(), 1);
  EXPECT_EQ(out.results(1).detections(0).label(), "b");
  EXPECT_EQ(out.results(1).detections(0).box().y_max(), 4.0F);
}

TEST(PageSize, HasLimits) {
  EXPECT_EQ(*PageSize(0), 100);
  EXPECT_EQ(*PageSize(1000), 1000);
  EXPECT_FALSE(PageSize(1001).ok());
  EXPECT_FALSE(PageSize(-1).ok());
}

TEST(SetTimestamp, KeepsMicrosecondsAlsoBefore1970) {
  google::protobuf::Timestamp out;
  SetTimestamp(absl::FromUnixMicros(1'500'000), &out);
  EXPECT_EQ(out.seconds(), 1);
  EXPECT_EQ(out.nanos(), 500'000'000);
  SetTimestamp(absl::FromUnixMicros(-1), &out);
  EXPECT_EQ(out.seconds(), -1);
  EXPECT_EQ(out.nanos(), 999'999'000);
}

TEST(VersionToProto, SaysHowItWasCalibratedOnlyInFull) {
  registry::Version version;
  version.model = "m";
  version.number = 2;
  version.quantized = true;
  version.job = "01job";
  version.report_json =
      R"({"calibration": {"dataset": "datasets/d", "pictures": 64}, "report": {"totals": {}}})";
  v1::ModelVersion full;
  ToProto(version, Detail::kFull, &full);
  EXPECT_EQ(full.calibration().dataset(), "datasets/d");
  EXPECT_EQ(full.calibration().pictures(), 64U);
  EXPECT_TRUE(full.has_report());
  EXPECT_EQ(full.job(), "jobs/01job");
  v1::ModelVersion summary;
  ToProto(version, Detail::kSummary, &summary);
  EXPECT_FALSE(summary.has_calibration());
}

TEST(VersionToProto, SaysHowItWasTrainedOnlyInFull) {
  registry::Version version;
  version.model = "m";
  version.number = 2;
  version.job = "01job";
  version.report_json = R"({"training": {"dataset": "datasets/d", "steps": "180"}})";
  v1::ModelVersion full;
  ToProto(version, Detail::kFull, &full);
  EXPECT_EQ(full.training().dataset(), "datasets/d");
  EXPECT_EQ(full.training().steps(), 180U);
  EXPECT_FALSE(full.has_quantization());
  v1::ModelVersion summary;
  ToProto(version, Detail::kSummary, &summary);
  EXPECT_FALSE(summary.has_training());
}

TEST(DetectResponseToProto, NamesACheckpointByItsJob) {
  serving::DetectResponse response;
  response.model = "m";
  response.version = 3;
  response.bundle = std::string(64, 'a');
  v1::DetectResponse out;
  ToProto(response, &out);
  EXPECT_EQ(out.model_version(), "models/m/versions/3");
  EXPECT_EQ(out.checkpoint(), "");
  response.version = 0;
  response.job = "01job";
  ToProto(response, &out);
  EXPECT_EQ(out.model_version(), "models/m/aliases/job-01job");
  EXPECT_EQ(out.checkpoint(), "artifacts/" + response.bundle);
}

}  // namespace
}  // namespace lbw::rpc
