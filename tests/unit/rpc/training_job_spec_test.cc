#include "rpc/training_job_spec.h"

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/json.h"
#include "tasks/train_spec.h"

namespace lbw::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

// Conv 3 -> 4, 3x3, per channel.
model::Model Outline() {
  model::Model model;
  model.graph.inputs = {{"x", base::DType::kF32, {graph::kBatch, 3, 8, 8}}};
  model.graph.nodes = {{"conv", "Conv", {"x", "w"}, {"y"}, {}}};
  model.graph.outputs = {{"y", base::DType::kF32, {graph::kBatch, 4, 6, 6}}};
  quant::QuantizedTensor weights;
  weights.shape = {4, 3, 3, 3};
  model.constants.emplace("w", weights);
  return model;
}

v1::Dataset MakeDataset(const std::string& name, const std::vector<std::string>& splits) {
  v1::Dataset dataset;
  dataset.set_name("datasets/" + name);
  dataset.set_task(v1::DATASET_TASK_DETECTION);
  dataset.set_pack_artifact("artifacts/" + std::string(64, name[0]));
  dataset.set_pixel_rule("continuous");
  for (const char* label : {"red", "green"}) dataset.add_classes()->set_name(label);
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

v1::Dataset Pictures(const std::string& name) {
  v1::Dataset dataset = MakeDataset(name, {"all"});
  dataset.clear_classes();
  dataset.mutable_splits(0)->set_boxes(0);
  dataset.set_boxes(0);
  return dataset;
}

TrainingFacts Facts() {
  TrainingFacts facts;
  facts.version.model = "m";
  facts.version.number = 3;
  facts.version.bundle = std::string(64, 'c');
  facts.version.head_kind = "ssd";
  facts.version.classes = {"red", "green"};
  facts.outline = Outline();
  facts.heads = {"ssd", "logits"};
  facts.dataset = MakeDataset("d", {"train", "val", "test"});
  facts.threads = 3;
  return facts;
}

v1::FineTuneSpec Grid(uint32_t bits = 4) {
  v1::FineTuneSpec asked;
  asked.mutable_options()->set_bits(bits);
  return asked;
}

void ExpectError(const absl::Status& status, absl::StatusCode code, const std::string& reason,
                 const std::string& field) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_EQ(base::GetErrorDetails(status).reason, reason) << status;
  EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre(field)) << status;
}

TEST(FillInTrain, SaysEverything) {
  const auto spec = FillIn(v1::TrainSpec(), Facts());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->version(), "models/m/versions/3");
  EXPECT_EQ(spec->data().dataset(), "datasets/d");
  EXPECT_EQ(spec->data().split(), "train");
  EXPECT_EQ(spec->data().eval_dataset(), "datasets/d");
  EXPECT_EQ(spec->data().eval_split(), "val");
  EXPECT_TRUE(spec->data().augment().has_flip());
  EXPECT_EQ(spec->options().epochs(), 30U);
  EXPECT_EQ(spec->options().threads(), 3U);
  EXPECT_EQ(spec->evaluate().threads(), 3U);
  EXPECT_EQ(spec->evaluate().pixel_rule(), "continuous");
  EXPECT_EQ(TrainingPicturesOf(spec->data(), Facts()), 100U);
  EXPECT_EQ(EvaluatedPicturesOf(spec->data(), spec->evaluate(), Facts()), 100U);
  const auto read = tasks::ParseTrainSpec(ToCanonicalJson(*spec));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->data.eval_split, "val");
  EXPECT_EQ(read->options.epochs, 30);
  EXPECT_EQ(read->options.threads, 3);
  // Filling in again changes nothing.
  const auto again = FillIn(*spec, Facts());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(ToCanonicalJson(*again), ToCanonicalJson(*spec));
}

TEST(FillInTrain, WithoutASplitThatIsCalledTrainItIsWhatIsNotEvaluatedOn) {
  TrainingFacts facts = Facts();
  facts.dataset = MakeDataset("d", {"a", "b", "test"});
  const auto spec = FillIn(v1::TrainSpec(), facts);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->data().split(), "");
  EXPECT_EQ(spec->data().eval_split(), "test");
  EXPECT_EQ(TrainingPicturesOf(spec->data(), facts), 200U);
  facts.dataset = MakeDataset("d", {"all"});
  const auto all = FillIn(v1::TrainSpec(), facts);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->data().split(), "");
  EXPECT_EQ(all->data().eval_split(), "none");
  EXPECT_EQ(all->data().eval_dataset(), "");
  EXPECT_FALSE(all->has_evaluate());
  EXPECT_EQ(TrainingPicturesOf(all->data(), facts), 100U);
}

TEST(FillInTrain, AnotherDatasetMayBeEvaluatedOn) {
  TrainingFacts facts = Facts();
  facts.eval = MakeDataset("e", {"only"});
  const auto spec = FillIn(v1::TrainSpec(), facts);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->data().eval_dataset(), "datasets/e");
  EXPECT_EQ(spec->data().eval_split(), "only");
  EXPECT_EQ(EvaluatedPicturesOf(spec->data(), spec->evaluate(), facts), 100U);
  facts.eval = MakeDataset("e", {"x", "y"});
  const absl::Status which = FillIn(v1::TrainSpec(), facts).status();
  ExpectError(which, absl::StatusCode::kInvalidArgument, "BAD_ARGUMENT",
              "spec.train.data.eval_split");
  EXPECT_THAT(std::string(which.message()), HasSubstr("it has: x, y"));
  v1::TrainSpec asked;
  asked.mutable_data()->set_eval_split("y");
  asked.mutable_data()->set_max_pictures(40);
  asked.mutable_evaluate()->set_max_pictures(30);
  const auto limited = FillIn(asked, facts);
  ASSERT_TRUE(limited.ok()) << limited.status();
  EXPECT_EQ(limited->data().eval_split(), "y");
  EXPECT_EQ(TrainingPicturesOf(limited->data(), facts), 40U);
  EXPECT_EQ(EvaluatedPicturesOf(limited->data(), limited->evaluate(), facts), 30U);
}

TEST(FillInTrain, RefusesEachCause) {
  using absl::StatusCode;
  struct Row {
    std::string name;
    std::function<void(v1::TrainSpec&, TrainingFacts&)> spoil;
    StatusCode code;
    std::string reason;
    std::string field;
  };
  const std::vector<Row> rows = {
      {"a head without a loss", [](auto&, TrainingFacts& f) { f.version.head_kind = "boxes"; },
       StatusCode::kInvalidArgument, "UNSUPPORTED_HEAD", "spec.train.version"},
      {"a negative rate", [](v1::TrainSpec& s, auto&) { s.mutable_options()->set_rate(-1); },
       StatusCode::kInvalidArgument, "BAD_ARGUMENT", "spec.train.options.rate"},
      {"a chance of 2",
       [](v1::TrainSpec& s, auto&) { s.mutable_data()->mutable_augment()->set_flip(2); },
       StatusCode::kInvalidArgument, "BAD_ARGUMENT", "spec.train.data.augment.flip"},
      {"no such split", [](v1::TrainSpec& s, auto&) { s.mutable_data()->set_split("tain"); },
       StatusCode::kInvalidArgument, "BAD_ARGUMENT", "spec.train.data.split"},
      {"no such split to evaluate on",
       [](v1::TrainSpec& s, auto&) { s.mutable_data()->set_eval_split("vla"); },
       StatusCode::kInvalidArgument, "BAD_ARGUMENT", "spec.train.data.eval_split"},
      {"an empty split",
       [](auto&, TrainingFacts& f) { f.dataset.mutable_splits(0)->set_pictures(0); },
       StatusCode::kFailedPrecondition, "BAD_DATASET", "spec.train.data.split"},
      {"everything is evaluated on",
       [](v1::TrainSpec& s, TrainingFacts& f) {
         f.dataset = MakeDataset("d", {"all"});
         s.mutable_data()->set_eval_split("all");
       },
       StatusCode::kFailedPrecondition, "BAD_DATASET", "spec.train.data.split"},
      {"labels of classifiers",
       [](auto&, TrainingFacts& f) { f.dataset.set_task(v1::DATASET_TASK_CLASSIFICATION); },
       StatusCode::kFailedPrecondition, "NOT_THE_RIGHT_HEAD", "spec.train.data.dataset"},
      {"no labels", [](auto&, TrainingFacts& f) { f.dataset = Pictures("b"); },
       StatusCode::kFailedPrecondition, "BAD_DATASET", "spec.train.data.dataset"},
      {"other classes",
       [](v1::TrainSpec& s, TrainingFacts& f) {
         f.dataset.mutable_classes(0)->set_name("blue");
         s.mutable_data()->set_eval_split("none");
       },
       StatusCode::kFailedPrecondition, "BAD_DATASET", "spec.train.data.dataset"},
      {"other classes to evaluate on",
       [](auto&, TrainingFacts& f) {
         f.eval = MakeDataset("e", {"val"});
         f.eval->mutable_classes(0)->set_name("blue");
       },
       StatusCode::kFailedPrecondition, "BAD_DATASET", "spec.train.data.eval_dataset"},
      {"checkpoints of evaluations",
       [](v1::TrainSpec& s, auto&) { s.mutable_evaluate()->set_checkpoint_pictures(5); },
       StatusCode::kInvalidArgument, "BAD_ARGUMENT", "spec.train.evaluate.checkpoint_pictures"},
      {"a threshold of 2",
       [](v1::TrainSpec& s, auto&) { s.mutable_evaluate()->set_score_threshold(2); },
       StatusCode::kInvalidArgument, "BAD_ARGUMENT", "spec.train.evaluate.score_threshold"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    v1::TrainSpec asked;
    TrainingFacts facts = Facts();
    row.spoil(asked, facts);
    ExpectError(FillIn(asked, facts).status(), row.code, row.reason, row.field);
  }
}

TEST(FillInTrain, MessagesNameWhatThereIs) {
  TrainingFacts facts = Facts();
  facts.version.head_kind = "boxes";
  EXPECT_THAT(std::string(FillIn(v1::TrainSpec(), facts).status().message()),
              HasSubstr("head=boxes; those that can: ssd, logits"));
  facts = Facts();
  facts.dataset.mutable_classes(0)->set_name("blue");
  EXPECT_THAT(std::string(FillIn(v1::TrainSpec(), facts).status().message()),
              HasSubstr("the model has no classes blue; it has red, green"));
}

TEST(FillInFineTune, SaysEverything) {
  const auto spec = FillIn(Grid(), Facts());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->options().code_book(), v1::CODE_BOOK_FULL);
  EXPECT_EQ(spec->options().scheme(), v1::SCHEME_EXACT);
  EXPECT_EQ(spec->calibration().dataset(), "datasets/d");
  EXPECT_EQ(spec->calibration().split(), "train");
  EXPECT_EQ(spec->calibration().count(), 64U);
  EXPECT_EQ(spec->calibration().scale(), v1::SCALE_KIND_POW2);
  EXPECT_EQ(spec->training().epochs(), 4U);
  EXPECT_DOUBLE_EQ(spec->training().labels(), 0);
  EXPECT_DOUBLE_EQ(spec->low_bit().codes_until(), 1);
  EXPECT_EQ(spec->data().eval_split(), "val");
  const auto read = tasks::ParseFineTuneSpec(ToCanonicalJson(*spec));
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_TRUE(read->fine_tune.has_value());
  EXPECT_EQ(read->fine_tune->options.tensor.bits, 4);
  EXPECT_EQ(read->options.loss.distill, 1);
  const auto again = FillIn(*spec, Facts());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(ToCanonicalJson(*again), ToCanonicalJson(*spec));
}

TEST(FillInFineTune, TwoBitsWithARealScaleHaveDefaultsOfTheirOwn) {
  const auto real = FillIn(Grid(2), Facts());
  ASSERT_TRUE(real.ok()) << real.status();
  EXPECT_EQ(real->calibration().scale(), v1::SCALE_KIND_REAL);
  EXPECT_EQ(real->training().epochs(), 16U);
  EXPECT_DOUBLE_EQ(real->training().rate(), 1e-3);
  EXPECT_DOUBLE_EQ(real->training().labels(), 0.3);
  EXPECT_DOUBLE_EQ(real->low_bit().codes_until(), 0.75);
  v1::FineTuneSpec asked = Grid(2);
  asked.mutable_calibration()->set_scale(v1::SCALE_KIND_POW2);
  const auto pow2 = FillIn(asked, Facts());
  ASSERT_TRUE(pow2.ok()) << pow2.status();
  EXPECT_EQ(pow2->training().epochs(), 8U);
  EXPECT_DOUBLE_EQ(pow2->training().labels(), 0);
  EXPECT_DOUBLE_EQ(pow2->low_bit().codes_until(), 1);
}

TEST(FillInFineTune, NeedsNoLabels) {
  TrainingFacts facts = Facts();
  facts.dataset = Pictures("b");
  for (const uint32_t bits : {2U, 3U}) {
    const auto spec = FillIn(Grid(bits), facts);
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_DOUBLE_EQ(spec->training().labels(), 0);
    EXPECT_DOUBLE_EQ(spec->training().distill(), 1);
    EXPECT_EQ(spec->data().eval_split(), "none");
  }
  // Other classes do not matter where nobody looks at them.
  facts = Facts();
  facts.dataset.mutable_classes(0)->set_name("blue");
  v1::FineTuneSpec asked = Grid();
  asked.mutable_data()->set_eval_split("none");
  EXPECT_TRUE(FillIn(asked, facts).ok());
  asked.mutable_training()->set_labels(0.3);
  ExpectError(FillIn(asked, facts).status(), absl::StatusCode::kFailedPrecondition, "BAD_DATASET",
              "spec.fine_tune.data.dataset");
}

TEST(FillInFineTune, CalibratesOnAnotherDatasetWhereItIsNamed) {
  TrainingFacts facts = Facts();
  facts.calibration = Pictures("b");
  const auto spec = FillIn(Grid(), facts);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->calibration().dataset(), "datasets/b");
  EXPECT_EQ(spec->calibration().split(), "");
}

TEST(FillInFineTune, RefusesEachCause) {
  using Spec = v1::FineTuneSpec;
  struct Row {
    std::string name;
    std::function<void(Spec&)> spoil;
    std::string reason;
    std::string field;
  };
  const std::vector<Row> rows = {
      {"no bits", [](Spec& s) { s.mutable_options()->set_bits(0); }, "BAD_OPTIONS",
       "spec.fine_tune.options.bits"},
      {"7 bits", [](Spec& s) { s.mutable_options()->set_bits(7); }, "BAD_OPTIONS",
       "spec.fine_tune.options.bits"},
      {"an exponent a tensor",
       [](Spec& s) { s.mutable_options()->set_granularity(v1::GRANULARITY_TENSOR); }, "BAD_OPTIONS",
       "spec.fine_tune.options"},
      {"uniform codes",
       [](Spec& s) {
         s.mutable_options()->set_bits(8);
         s.mutable_options()->set_scheme(v1::SCHEME_UNIFORM);
       },
       "BAD_OPTIONS", "spec.fine_tune.options"},
      {"a real scale of 4 bits",
       [](Spec& s) { s.mutable_calibration()->set_scale(v1::SCALE_KIND_REAL); }, "BAD_ARGUMENT",
       "spec.fine_tune.calibration.scale"},
      {"too many pictures", [](Spec& s) { s.mutable_calibration()->set_count(4'097); },
       "BAD_ARGUMENT", "spec.fine_tune.calibration.count"},
      {"a negative rate", [](Spec& s) { s.mutable_training()->set_rate(-1); }, "BAD_ARGUMENT",
       "spec.fine_tune.training.rate"},
      {"stages below", [](Spec& s) { s.mutable_low_bit()->add_stages(3); }, "BAD_ARGUMENT",
       "spec.fine_tune.low_bit.stages"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Spec asked = Grid();
    row.spoil(asked);
    ExpectError(FillIn(asked, Facts()).status(), absl::StatusCode::kInvalidArgument, row.reason,
                row.field);
  }
}

TEST(TrainingDraft, UsesAndHoldsEverythingThatTheJobReads) {
  TrainingFacts facts = Facts();
  facts.eval = MakeDataset("e", {"val"});
  facts.calibration = Pictures("b");
  const auto spec = FillIn(Grid(), facts);
  ASSERT_TRUE(spec.ok()) << spec.status();
  const auto draft = DraftOf(v1::CreateJobRequest(), *spec, facts);
  ASSERT_TRUE(draft.ok()) << draft.status();
  EXPECT_EQ(draft->kind, "fine_tune");
  EXPECT_THAT(draft->uses, UnorderedElementsAre("models/m/versions/3", "datasets/d", "datasets/e",
                                                "datasets/b"));
  EXPECT_THAT(draft->artifacts, UnorderedElementsAre(std::string(64, 'c'), std::string(64, 'd'),
                                                     std::string(64, 'e'), std::string(64, 'b')));
  facts.calibration.reset();
  v1::TrainSpec without;
  without.mutable_data()->set_eval_split("none");
  const auto train = FillIn(without, facts);
  ASSERT_TRUE(train.ok()) << train.status();
  const auto train_draft = DraftOf(v1::CreateJobRequest(), *train, facts);
  ASSERT_TRUE(train_draft.ok()) << train_draft.status();
  EXPECT_EQ(train_draft->kind, "train");
  EXPECT_THAT(train_draft->uses, UnorderedElementsAre("models/m/versions/3", "datasets/d"));
}

}  // namespace
}  // namespace lbw::rpc
