#include "rpc/quantize_job_spec.h"

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/json.h"
#include "tasks/quantize_spec.h"

namespace lbw::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

// Conv 3 -> 4, 3x3: 4 rows of 27; 9 bytes a row at 2 bits, 13 at 2 bits with a real factor, 13
// at 3.
model::Model Outline() {
  model::Model model;
  model.graph.inputs = {{"x", base::DType::kF32, {graph::kBatch, 3, 8, 8}}};
  model.graph.nodes = {{"conv", "Conv", {"x", "w"}, {"y"}, {}}};
  model.graph.outputs = {{"y", base::DType::kF32, {graph::kBatch, 4, 6, 6}}};
  quant::QuantizedTensor weights;
  weights.shape = {4, 3, 3, 3};
  model.constants.emplace("w", weights);
  model.spec.head.nms.iou = 0.4F;
  model.spec.head.nms.keep = 300;
  return model;
}

v1::Dataset MakeDataset(const std::string& name, const std::vector<std::string>& splits) {
  v1::Dataset dataset;
  dataset.set_name("datasets/" + name);
  dataset.set_task(v1::DATASET_TASK_DETECTION);
  dataset.set_pack_artifact("artifacts/" + std::string(64, name[0]));
  for (const std::string& split : splits) {
    v1::DatasetSplit* one = dataset.add_splits();
    one->set_name(split);
    one->set_pictures(100);
    one->set_boxes(200);
    dataset.set_pictures(dataset.pictures() + 100);
    dataset.set_boxes(dataset.boxes() + 200);
  }
  return dataset;
}

QuantizeFacts Facts() {
  QuantizeFacts facts;
  facts.version.model = "m";
  facts.version.number = 3;
  facts.version.bundle = std::string(64, 'c');
  facts.version.head_kind = "ssd";
  facts.outline = Outline();
  facts.dataset = MakeDataset("d", {"train", "val", "test"});
  facts.measure = facts.dataset;
  facts.threads = 3;
  return facts;
}

v1::QuantizeSpec Asked() {
  v1::QuantizeSpec asked;
  asked.set_version("models/m");
  asked.mutable_options()->set_bits(4);
  asked.mutable_calibration()->set_dataset("datasets/d");
  return asked;
}

// The error's message, with code and field checked.
std::string ExpectError(const absl::Status& status, absl::StatusCode code,
                        const std::string& field) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre(field)) << status;
  return std::string(status.message());
}

TEST(FillInQuantize, ChoosesEverythingThatIsLeftOut) {
  const auto spec = FillIn(Asked(), Facts());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->version(), "models/m/versions/3");
  EXPECT_EQ(spec->options().code_book(), v1::CODE_BOOK_FULL);
  EXPECT_EQ(spec->options().granularity(), v1::GRANULARITY_CHANNEL);
  EXPECT_EQ(spec->options().scheme(), v1::SCHEME_EXACT);
  EXPECT_FALSE(spec->options().has_mu_ratio());
  const v1::CalibrationOptions& calibration = spec->calibration();
  EXPECT_EQ(calibration.dataset(), "datasets/d");
  EXPECT_EQ(calibration.split(), "train");
  EXPECT_EQ(calibration.count(), 64U);
  EXPECT_EQ(calibration.seed(), 0U);
  EXPECT_EQ(calibration.scale(), v1::SCALE_KIND_POW2);
  EXPECT_EQ(calibration.positions(), 400U);
  EXPECT_EQ(calibration.damping(), 0.01);
  EXPECT_EQ(calibration.sweeps(), 3U);
  EXPECT_FALSE(spec->has_widths());
  EXPECT_FALSE(spec->has_mu());
  EXPECT_FALSE(spec->measure().skip());
  EXPECT_EQ(spec->measure().dataset(), "datasets/d");
  EXPECT_EQ(spec->measure().split(), "val");
  EXPECT_EQ(spec->measure().options().max_detections(), 300U);
  EXPECT_EQ(spec->measure().options().threads(), 3U);
}

// And room tasks reads the stored text as it was meant.
TEST(FillInQuantize, IsTheSameForWhatIsLeftOutAndWhatIsSaid) {
  v1::QuantizeSpec plain = Asked();
  v1::QuantizeSpec budget = Asked();
  budget.mutable_options()->clear_bits();
  budget.mutable_widths()->set_budget_bytes(1'000);
  v1::QuantizeSpec drop = Asked();
  drop.mutable_widths()->set_max_drop(0.005);
  drop.mutable_widths()->add_bits(6);
  drop.mutable_widths()->add_bits(3);
  drop.mutable_widths()->add_bits(3);
  v1::QuantizeSpec mu = Asked();
  mu.mutable_options()->set_scheme(v1::SCHEME_THRESHOLD);
  mu.mutable_mu();
  for (const v1::QuantizeSpec& asked : {plain, budget, drop, mu}) {
    const auto filled = FillIn(asked, Facts());
    ASSERT_TRUE(filled.ok()) << filled.status() << asked.ShortDebugString();
    const std::string text = ToCanonicalJson(*filled);
    EXPECT_EQ(text, ToCanonicalJson(*FillIn(*filled, Facts())));
    const auto parsed = tasks::ParseQuantizeSpec(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status() << text;
    EXPECT_EQ(parsed->options.tensor.bits, static_cast<int>(asked.options().bits()));
    EXPECT_EQ(parsed->widths.has_value(), asked.has_widths());
    EXPECT_EQ(parsed->mu.has_value(), asked.has_mu());
  }
  EXPECT_THAT(FillIn(budget, Facts())->widths().bits(), ElementsAre(2, 3, 4, 5, 6));
  EXPECT_THAT(FillIn(drop, Facts())->widths().bits(), ElementsAre(3, 6));
  EXPECT_THAT(FillIn(mu, Facts())->mu().ratios(),
              ElementsAre(0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1.25));
  EXPECT_FALSE(FillIn(mu, Facts())->options().has_mu_ratio());
  mu.clear_mu();
  EXPECT_EQ(FillIn(mu, Facts())->options().mu_ratio(), 0.75);
}

TEST(FillInQuantize, ARealScaleIsForLayersThatMayGetTwoBits) {
  struct Row {
    std::string name;
    std::function<void(v1::QuantizeSpec&)> set;
    v1::ScaleKind chosen;  // POW2: asking for REAL is refused
  };
  const std::vector<Row> rows = {
      {"2 bits", [](v1::QuantizeSpec& s) { s.mutable_options()->set_bits(2); },
       v1::SCALE_KIND_REAL},
      {"4 bits", [](v1::QuantizeSpec&) {}, v1::SCALE_KIND_POW2},
      {"a rule",
       [](v1::QuantizeSpec& s) {
         v1::LayerRule* rule = s.mutable_options()->add_rules();
         rule->set_match("@first");
         rule->set_bits(2);
       },
       v1::SCALE_KIND_REAL},
      {"widths", [](v1::QuantizeSpec& s) { s.mutable_widths()->set_budget_bytes(1'000); },
       v1::SCALE_KIND_REAL},
      {"widths above 2",
       [](v1::QuantizeSpec& s) {
         s.mutable_widths()->set_budget_bytes(1'000);
         s.mutable_widths()->add_bits(3);
       },
       v1::SCALE_KIND_POW2},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    v1::QuantizeSpec asked = Asked();
    row.set(asked);
    const auto spec = FillIn(asked, Facts());
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->calibration().scale(), row.chosen);
    asked.mutable_calibration()->set_scale(v1::SCALE_KIND_POW2);
    EXPECT_EQ(FillIn(asked, Facts())->calibration().scale(), v1::SCALE_KIND_POW2);
    asked.mutable_calibration()->set_scale(v1::SCALE_KIND_REAL);
    EXPECT_EQ(FillIn(asked, Facts()).ok(), row.chosen == v1::SCALE_KIND_REAL);
  }
}

TEST(FillInQuantize, SplitsAreTheUsualOnesOrNone) {
  struct Row {
    std::vector<std::string> splits;
    std::string calibrated;
    std::string measured;
  };
  const std::vector<Row> rows = {{{"test", "train", "val"}, "train", "val"},
                                 {{"train", "test"}, "train", "test"},
                                 {{"train"}, "train", ""},
                                 {{"all"}, "", ""},
                                 {{"a", "b"}, "", ""}};
  for (const Row& row : rows) {
    QuantizeFacts facts = Facts();
    facts.dataset = MakeDataset("d", row.splits);
    facts.measure = facts.dataset;
    const auto spec = FillIn(Asked(), facts);
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->calibration().split(), row.calibrated);
    EXPECT_EQ(spec->measure().split(), row.measured);
  }
}

TEST(FillInQuantize, NothingIsLeftOfMeasuringThatIsSkipped) {
  v1::QuantizeSpec asked = Asked();
  asked.mutable_measure()->set_skip(true);
  QuantizeFacts facts = Facts();
  facts.measure.reset();
  const auto spec = FillIn(asked, facts);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(spec->measure().skip());
  EXPECT_EQ(spec->measure().dataset(), "");
  EXPECT_EQ(MeasuredPicturesOf(*spec, facts), 0U);
  EXPECT_TRUE(tasks::ParseQuantizeSpec(ToCanonicalJson(*spec)).ok());
}

TEST(FillInQuantize, ABudgetBelowTheSmallestSizeIsToldThatSize) {
  v1::QuantizeSpec asked = Asked();
  asked.mutable_widths()->set_budget_bytes(4 * 13);
  EXPECT_TRUE(FillIn(asked, Facts()).ok()) << FillIn(asked, Facts()).status();
  asked.mutable_widths()->set_budget_bytes(4 * 13 - 1);
  const std::string message =
      ExpectError(FillIn(asked, Facts()).status(), absl::StatusCode::kInvalidArgument,
                  "spec.quantize.widths.budget_bytes");
  EXPECT_THAT(message, HasSubstr("budget_bytes=51"));
  EXPECT_THAT(message, HasSubstr("least=52"));
  asked.mutable_calibration()->set_scale(v1::SCALE_KIND_POW2);
  asked.mutable_widths()->set_budget_bytes(4 * 9);
  EXPECT_TRUE(FillIn(asked, Facts()).ok()) << FillIn(asked, Facts()).status();
}

struct BadRow {
  std::string name;
  std::function<void(v1::QuantizeSpec&, QuantizeFacts&)> spoil;
  std::string field;
  std::string reason = "BAD_ARGUMENT";
  absl::StatusCode code = absl::StatusCode::kInvalidArgument;
};

std::vector<BadRow> BadOptions() {
  using Spec = v1::QuantizeSpec;
  using Facts = QuantizeFacts;
  const auto option = [](std::string name, std::function<void(v1::QuantizationOptions&)> set,
                         const std::string& field, std::string reason = "BAD_OPTIONS") {
    return BadRow{std::move(name),
                  [set = std::move(set)](Spec& s, Facts&) { set(*s.mutable_options()); },
                  "spec.quantize.options" + field, std::move(reason)};
  };
  const auto calibration = [](std::string name, std::function<void(v1::CalibrationOptions&)> set,
                              const std::string& field) {
    return BadRow{std::move(name),
                  [set = std::move(set)](Spec& s, Facts&) { set(*s.mutable_calibration()); },
                  "spec.quantize.calibration." + field};
  };
  using Options = v1::QuantizationOptions;
  using Calibration = v1::CalibrationOptions;
  return {
      option(
          "no bits", [](Options& o) { o.clear_bits(); }, ".bits"),
      option(
          "7 bits", [](Options& o) { o.set_bits(7); }, ".bits"),
      option(
          "8 bits on a grid", [](Options& o) { o.set_bits(8); }, ".bits"),
      option(
          "mu of another scheme", [](Options& o) { o.set_mu_ratio(1); }, ".mu_ratio"),
      option(
          "an empty rule", [](Options& o) { o.add_rules(); }, ".rules[0].match"),
      option(
          "a rule's bits",
          [](Options& o) {
            o.add_rules()->set_match("w");
            o.mutable_rules(0)->set_bits(7);
          },
          ".rules[0].bits"),
      option(
          "an axis that is none",
          [](Options& o) {
            o.add_rules()->set_match("w");
            o.mutable_rules(0)->set_axis(9);
          },
          ".axis"),
      option(
          "all float",
          [](Options& o) {
            o.add_rules()->set_match("*");
            o.mutable_rules(0)->set_keep_float(true);
          },
          "", "NOTHING_TO_QUANTIZE"),
      calibration(
          "count", [](Calibration& c) { c.set_count(4'097); }, "count"),
      calibration(
          "positions", [](Calibration& c) { c.set_positions(100'001); }, "positions"),
      calibration(
          "no damping", [](Calibration& c) { c.set_damping(0); }, "damping"),
      calibration(
          "damping NaN", [](Calibration& c) { c.set_damping(std::nan("")); }, "damping"),
      calibration(
          "sweeps", [](Calibration& c) { c.set_sweeps(101); }, "sweeps"),
      calibration(
          "threads", [](Calibration& c) { c.set_threads(1'025); }, "threads"),
      calibration(
          "scale", [](Calibration& c) { c.set_scale(static_cast<v1::ScaleKind>(9)); }, "scale"),
      calibration(
          "split", [](Calibration& c) { c.set_split("trian"); }, "split"),
      {"no pictures", [](Spec&, Facts& f) { f.dataset.mutable_splits(0)->set_pictures(0); },
       "spec.quantize.calibration.split", "BAD_DATASET", absl::StatusCode::kFailedPrecondition},
  };
}

std::vector<BadRow> BadSearches() {
  using Spec = v1::QuantizeSpec;
  using Facts = QuantizeFacts;
  const auto threshold = [](Spec& s) { s.mutable_options()->set_scheme(v1::SCHEME_THRESHOLD); };
  return {
      {"widths without a goal", [](Spec& s, Facts&) { s.mutable_widths(); },
       "spec.quantize.widths"},
      {"two goals",
       [](Spec& s, Facts&) {
         s.mutable_widths()->set_budget_bytes(1'000);
         s.mutable_widths()->set_max_drop(0);
       },
       "spec.quantize.widths"},
      {"negative drop", [](Spec& s, Facts&) { s.mutable_widths()->set_max_drop(-0.1); },
       "spec.quantize.widths.max_drop"},
      {"a drop without labels",
       [](Spec& s, Facts& f) {
         s.mutable_widths()->set_max_drop(0.1);
         f.measure->mutable_splits(1)->set_boxes(0);
       },
       "spec.quantize.widths.max_drop", "BAD_DATASET", absl::StatusCode::kFailedPrecondition},
      {"a drop without measuring",
       [](Spec& s, Facts& f) {
         s.mutable_widths()->set_max_drop(0.1);
         s.mutable_measure()->set_skip(true);
         f.measure.reset();
       },
       "spec.quantize.measure.skip"},
      {"8 bits",
       [](Spec& s, Facts&) {
         s.mutable_widths()->set_budget_bytes(1'000);
         s.mutable_widths()->add_bits(8);
       },
       "spec.quantize.widths.bits"},
      {"2 bits by thresholds",
       [=](Spec& s, Facts&) {
         threshold(s);
         s.mutable_widths()->set_budget_bytes(1'000);
         s.mutable_widths()->add_bits(2);
       },
       "spec.quantize.widths.bits"},
      {"uniform widths",
       [](Spec& s, Facts&) {
         s.mutable_options()->set_scheme(v1::SCHEME_UNIFORM);
         s.mutable_widths()->set_budget_bytes(1'000);
       },
       "spec.quantize.options.scheme", "BAD_OPTIONS"},
      {"nothing left to choose",
       [](Spec& s, Facts&) {
         s.mutable_options()->add_rules()->set_match("*");
         s.mutable_options()->mutable_rules(0)->set_bits(3);
         s.mutable_widths()->set_budget_bytes(1'000);
       },
       "spec.quantize.widths"},
      {"mu and widths",
       [=](Spec& s, Facts&) {
         threshold(s);
         s.mutable_mu();
         s.mutable_widths()->set_budget_bytes(1'000);
       },
       "spec.quantize.mu"},
      {"mu of the exact scheme", [](Spec& s, Facts&) { s.mutable_mu(); }, "spec.quantize.mu"},
      {"mu beside a search",
       [=](Spec& s, Facts&) {
         threshold(s);
         s.mutable_options()->set_mu_ratio(1);
         s.mutable_mu();
       },
       "spec.quantize.options.mu_ratio"},
      {"mu without measuring",
       [=](Spec& s, Facts& f) {
         threshold(s);
         s.mutable_mu();
         s.mutable_measure()->set_skip(true);
         f.measure.reset();
       },
       "spec.quantize.measure.skip"},
      {"a ratio of 0",
       [=](Spec& s, Facts&) {
         threshold(s);
         s.mutable_mu()->add_ratios(0);
       },
       "spec.quantize.mu.ratios"},
      {"33 ratios",
       [=](Spec& s, Facts&) {
         threshold(s);
         for (int i = 1; i <= 33; ++i) s.mutable_mu()->add_ratios(i * 0.01);
       },
       "spec.quantize.mu.ratios"},
      {"2 bits by thresholds, everywhere",
       [=](Spec& s, Facts&) {
         threshold(s);
         s.mutable_options()->set_bits(2);
       },
       "spec.quantize.options.scheme", "BAD_OPTIONS"},
  };
}

std::vector<BadRow> BadMeasures() {
  using Spec = v1::QuantizeSpec;
  using Facts = QuantizeFacts;
  constexpr auto kState = absl::StatusCode::kFailedPrecondition;
  return {
      {"unknown split", [](Spec& s, Facts&) { s.mutable_measure()->set_split("vall"); },
       "spec.quantize.measure.split"},
      {"no pictures", [](Spec&, Facts& f) { f.measure->mutable_splits(1)->set_pictures(0); },
       "spec.quantize.measure.split", "BAD_DATASET", kState},
      {"an option",
       [](Spec& s, Facts&) { s.mutable_measure()->mutable_options()->set_top_k(1'001); },
       "spec.quantize.measure.options.top_k"},
      {"pictures twice",
       [](Spec& s, Facts&) { s.mutable_measure()->mutable_options()->set_max_pictures(3); },
       "spec.quantize.measure.options.max_pictures"},
      {"boxes on labels",
       [](Spec&, Facts& f) { f.measure->set_task(v1::DATASET_TASK_CLASSIFICATION); },
       "spec.quantize.measure.dataset", "NOT_THE_RIGHT_HEAD", kState},
      {"labels on boxes", [](Spec&, Facts& f) { f.version.head_kind = "logits"; },
       "spec.quantize.measure.dataset", "NOT_THE_RIGHT_HEAD", kState},
  };
}

void ExpectRefused(const std::vector<BadRow>& rows) {
  for (const BadRow& row : rows) {
    SCOPED_TRACE(row.name);
    v1::QuantizeSpec asked = Asked();
    QuantizeFacts facts = Facts();
    row.spoil(asked, facts);
    const absl::Status status = FillIn(asked, facts).status();
    ExpectError(status, row.code, row.field);
    EXPECT_EQ(base::GetErrorDetails(status).reason, row.reason) << status;
  }
}

TEST(FillInQuantize, RefusesEachOptionWithItsField) { ExpectRefused(BadOptions()); }
TEST(FillInQuantize, RefusesEachSearchWithItsField) { ExpectRefused(BadSearches()); }
TEST(FillInQuantize, RefusesEachMeasureWithItsField) { ExpectRefused(BadMeasures()); }

// Labels are not looked at by calibration; a classifier is measured by agreement without them.
TEST(FillInQuantize, PicturesWithoutLabelsCalibrateAnything) {
  QuantizeFacts facts = Facts();
  facts.dataset.set_task(v1::DATASET_TASK_CLASSIFICATION);
  EXPECT_TRUE(FillIn(Asked(), facts).ok()) << FillIn(Asked(), facts).status();
  facts = Facts();
  facts.version.head_kind = "logits";
  facts.measure->set_boxes(0);
  EXPECT_TRUE(FillIn(Asked(), facts).ok()) << FillIn(Asked(), facts).status();
}

TEST(QuantizePictures, AreWhatTheSplitsHave) {
  v1::QuantizeSpec asked = Asked();
  const QuantizeFacts facts = Facts();
  EXPECT_EQ(CalibrationPicturesOf(*FillIn(asked, facts), facts), 64U);
  EXPECT_EQ(MeasuredPicturesOf(*FillIn(asked, facts), facts), 100U);
  asked.mutable_calibration()->set_count(4'000);
  asked.mutable_measure()->set_max_pictures(7);
  EXPECT_EQ(CalibrationPicturesOf(*FillIn(asked, facts), facts), 100U);
  EXPECT_EQ(MeasuredPicturesOf(*FillIn(asked, facts), facts), 7U);
}

TEST(DraftOfQuantize, NamesWhatTheJobUsesAndHoldsOnce) {
  v1::CreateJobRequest request;
  request.set_submitter("ada");
  QuantizeFacts facts = Facts();
  const auto draft = DraftOf(request, *FillIn(Asked(), facts), facts);
  ASSERT_TRUE(draft.ok()) << draft.status();
  EXPECT_EQ(draft->kind, "quantize");
  EXPECT_EQ(draft->submitter, "ada");
  EXPECT_THAT(draft->uses, UnorderedElementsAre("models/m/versions/3", "datasets/d"));
  EXPECT_THAT(draft->artifacts, UnorderedElementsAre(std::string(64, 'c'), std::string(64, 'd')));
  facts.measure = MakeDataset("e", {"val"});
  const auto two = DraftOf(request, *FillIn(Asked(), facts), facts);
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_THAT(two->uses, UnorderedElementsAre("models/m/versions/3", "datasets/d", "datasets/e"));
  EXPECT_THAT(two->artifacts, UnorderedElementsAre(std::string(64, 'c'), std::string(64, 'd'),
                                                   std::string(64, 'e')));
  v1::QuantizeSpec stored;
  MergeJson(two->spec_json, &stored);
  EXPECT_EQ(stored.SerializeAsString(), FillIn(Asked(), facts)->SerializeAsString());
}

TEST(DraftOfQuantize, ASpecThatNoJobCouldCarryIsRefused) {
  v1::QuantizeSpec asked = Asked();
  for (int i = 0; i < 600; ++i) {
    asked.mutable_options()->add_rules()->set_match(std::string(1'000, 'x'));
    asked.mutable_options()->mutable_rules(i)->set_bits(3);
  }
  const auto spec = FillIn(asked, Facts());
  ASSERT_TRUE(spec.ok()) << spec.status();
  ExpectError(DraftOf({}, *spec, Facts()).status(), absl::StatusCode::kInvalidArgument,
              "spec.quantize.options.rules");
}

TEST(FillInQuantize, RefusesMorePicturesThanMemoryHolds) {
  QuantizeFacts facts = Facts();
  detect::InputSpec& input = facts.outline.spec.input;
  input.height = input.width = 8192;
  input.color = detect::ColorOrder::kGray;  // 256 MiB a picture
  v1::QuantizeSpec asked = Asked();
  asked.mutable_calibration()->set_count(16);
  EXPECT_TRUE(FillIn(asked, facts).ok());
  asked.mutable_calibration()->set_count(17);
  EXPECT_THAT(ExpectError(FillIn(asked, facts).status(), absl::StatusCode::kInvalidArgument,
                          "spec.quantize.calibration.count"),
              HasSubstr("count=17 bytes_a_picture=268435456 limit=4294967296"));
  facts.dataset = MakeDataset("d", {});
  facts.dataset.set_pictures(16);
  EXPECT_TRUE(FillIn(asked, facts).ok()) << "there are no more";
}

}  // namespace
}  // namespace lbw::rpc
