#include "tasks/quantize_measure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "base/status.h"
#include "detect/image/image.h"
#include "engine/torch/torch_executor.h"
#include "lbw/v1/calibration.pb.h"
#include "unit/tasks/calibration_fixture.h"
#include "unit/tasks/calibration_rig.h"

namespace lbw::tasks {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class QuantizeMeasureTest : public ::testing::Test {
 protected:
  QuantizeMeasureTest() : set_(MakeSplitDiscSet(4, 6)), engine_(engine::NewTorchExecutorFactory()) {
    asked_.split = "val";
    asked_.options.score_threshold = 0.05F;
    asked_.options.iou_threshold = 0.4F;
    asked_.options.max_detections = 50;
  }
  absl::Status Open(const std::vector<size_t>& calibrated = {}) {
    pack_.emplace(
        dataset::Pack::Open(rig_.blobs().Open(rig_.AddPack(set_.dataset, set_.pictures)).value())
            .value());
    auto opened = Measure::Open(*pack_, asked_, model_.spec, calibrated);
    if (!opened.ok()) return opened.status();
    measure_ = *std::move(opened);
    return absl::OkStatus();
  }
  std::unique_ptr<Network> Make(const model::Model& model) {
    return Network::Make(model, *engine_, 1, Network::Activations::kFloat).value();
  }
  std::vector<RunState> RunBoth(const model::Model& other) {
    const auto a = Make(model_);
    const auto b = Make(other);
    PartialRun runs[2];
    const absl::Status ran = measure_->Run({{a.get(), &runs[0]}, {b.get(), &runs[1]}}, 2, {});
    EXPECT_TRUE(ran.ok()) << ran;
    EXPECT_EQ(runs[1].done, measure_->pictures());
    return {std::move(runs[0].run), std::move(runs[1].run)};
  }
  Measured Figures(const RunState& run, const RunState* reference) {
    const auto figures = measure_->Figures("it", run, reference, base::CancelToken());
    EXPECT_TRUE(figures.ok()) << figures.status();
    return figures.value_or(Measured());
  }
  // The detector with a class that it no longer finds.
  static model::Model WithoutRed(model::Model model) {
    for (const char* name : {"cls_0.bias", "cls_1.bias"}) {
      std::get<base::Tensor>(model.constants.find(name)->second).mutable_as<float>()[0] = -100;
    }
    return model;
  }

  TaskRig rig_;
  DiscSet set_;
  model::Model model_ = DiscModel();
  MeasureAsked asked_;
  std::unique_ptr<engine::ExecutorFactory> engine_;
  std::optional<dataset::Pack> pack_;
  std::unique_ptr<Measure> measure_;
};

TEST_F(QuantizeMeasureTest, LabelledPicturesGiveValueAndPairedDrop) {
  ASSERT_TRUE(Open().ok());
  EXPECT_TRUE(measure_->labelled());
  EXPECT_EQ(measure_->metric(), "map_50");
  EXPECT_EQ(measure_->pictures(), 6);
  EXPECT_EQ(measure_->split(), "val");
  const auto runs = RunBoth(WithoutRed(model_));
  const Measured floating = Figures(runs[0], nullptr);
  EXPECT_GT(floating.value.value(), 0.8);
  EXPECT_LE(floating.low.value(), floating.value.value());
  EXPECT_GE(floating.high.value(), floating.value.value());
  EXPECT_FALSE(floating.drop.has_value());
  EXPECT_FALSE(floating.agreement.has_value());
  const Measured worse = Figures(runs[1], &runs[0]);
  EXPECT_NEAR(worse.drop.value(), *floating.value - *worse.value, 1e-12);
  EXPECT_GT(*worse.drop, 0.2) << "one class of three";
  EXPECT_LE(*worse.drop_low, *worse.drop);
  EXPECT_GE(*worse.drop_high, *worse.drop);
  EXPECT_LT(worse.agreement.value(), 0.8);
  const Measured same = Figures(runs[0], &runs[0]);
  EXPECT_EQ(same.drop, 0);
  EXPECT_EQ(same.drop_low, 0) << "paired: what the pictures have in common cancels";
  EXPECT_EQ(same.drop_high, 0);
  EXPECT_EQ(same.agreement, 1);
}

TEST_F(QuantizeMeasureTest, UnlabelledPicturesGiveAgreementAlone) {
  for (dataset::Picture& picture : set_.dataset.pictures) picture.annotations.clear();
  ASSERT_TRUE(Open().ok());
  EXPECT_FALSE(measure_->labelled());
  const auto runs = RunBoth(WithoutRed(model_));
  const Measured worse = Figures(runs[1], &runs[0]);
  EXPECT_FALSE(worse.value.has_value());
  EXPECT_FALSE(worse.drop.has_value());
  EXPECT_LT(worse.agreement.value(), 0.8);
  EXPECT_EQ(Figures(runs[0], &runs[0]).agreement, 1);
}

// The dataset's order of classes is another, and it has one that the model lacks nothing of.
TEST_F(QuantizeMeasureTest, MapsTheModelsClassesToTheDatasets) {
  ASSERT_TRUE(Open().ok());
  const auto before = RunBoth(model_);
  const Measured own = Figures(before[0], nullptr);
  set_.dataset.classes = {"blue", "red", "green"};
  for (dataset::Picture& picture : set_.dataset.pictures) {
    for (dataset::Annotation& one : picture.annotations) {
      one.class_index = (one.class_index + 1) % 3;
    }
  }
  ASSERT_TRUE(Open().ok());
  EXPECT_NEAR(Figures(RunBoth(model_)[0], nullptr).value.value(), *own.value, 1e-9);
}

TEST_F(QuantizeMeasureTest, LeavesOutWhatWasCalibratedOn) {
  struct Row {
    const char* name;
    std::string split;
    std::vector<size_t> seen;
    int64_t pictures;
    std::string told;
  };
  const Row rows[] = {{"another split", "val", {0, 1}, 6, "val"},
                      {"the same split", "train", {0, 3}, 2, "train, not calibrated on"},
                      {"any split", "", {0, 1, 2}, 7, "not calibrated on"},
                      {"none is left", "train", {0, 1, 2, 3}, 4, "train"},
                      {"another dataset", "", {}, 10, ""},
                      {"drawn from every split", "val", {1, 4, 9}, 4, "val, not calibrated on"}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    asked_.split = row.split;
    const absl::Status opened = Open(row.seen);
    ASSERT_TRUE(opened.ok()) << opened;
    EXPECT_EQ(measure_->pictures(), row.pictures);
    EXPECT_EQ(measure_->split(), row.told);
  }
  asked_.max_pictures = 3;
  asked_.split = "";
  ASSERT_TRUE(Open(rows[2].seen).ok());
  EXPECT_EQ(measure_->pictures(), 3);
  EXPECT_GT(Figures(RunBoth(model_)[0], nullptr).value.value(), 0.8)
      << "truths are those of the pictures that are left";
}

TEST_F(QuantizeMeasureTest, RefusesNoPicturesAndAnotherTask) {
  set_.dataset.splits.emplace_back("empty");
  asked_.split = "empty";
  EXPECT_EQ(Open().code(), absl::StatusCode::kFailedPrecondition);
  asked_.split = "val";
  set_.dataset.classes = {"cat", "dog", "cow"};
  EXPECT_FALSE(Open().ok()) << "no class of the dataset is the model's";
}

TEST_F(QuantizeMeasureTest, PicturesThatCannotBeReadAreLeftOut) {
  for (size_t i = 4; i < 9; ++i) set_.pictures[i] = "no picture";
  ASSERT_TRUE(Open().ok());
  const auto runs = RunBoth(model_);
  for (const eval::FoundBox& box : runs[0].found) EXPECT_EQ(box.image_index, 5);
  EXPECT_EQ(Figures(runs[1], &runs[0]).drop, 0);
}

TEST_F(QuantizeMeasureTest, StopsWhereItIsTold) {
  ASSERT_TRUE(Open().ok());
  const auto network = Make(model_);
  PartialRun run;
  EXPECT_TRUE(absl::IsCancelled(measure_->Run(
      {{network.get(), &run}}, 1, [](int64_t) { return absl::CancelledError("enough"); })));
}

// What was found on the first pictures is not found again, whoever runs beside.
TEST_F(QuantizeMeasureTest, GoesOnBehindThePicturesThatAreDone) {
  set_ = MakeSplitDiscSet(4, 20);
  ASSERT_TRUE(Open().ok());
  const auto whole = RunBoth(WithoutRed(model_));
  const auto a = Make(model_);
  const auto b = Make(WithoutRed(model_));
  PartialRun one, other;
  ASSERT_FALSE(measure_
                   ->Run({{a.get(), &one}}, 1,
                         [](int64_t done) {
                           return done == 0 ? absl::OkStatus() : absl::CancelledError("enough");
                         })
                   .ok());
  ASSERT_GT(one.done, 0);
  ASSERT_LT(one.done, 20);
  const auto boxes = one.run.found.size();
  std::vector<int64_t> told;
  ASSERT_TRUE(measure_
                  ->Run({{a.get(), &one}}, 1,
                        [&](int64_t done) {
                          told.push_back(done);
                          return absl::OkStatus();
                        })
                  .ok());
  EXPECT_GT(told.front(), 0);
  EXPECT_GT(one.run.found.size(), boxes);
  ASSERT_TRUE(measure_->Run({{a.get(), &one}, {b.get(), &other}}, 1, {}).ok());
  EXPECT_EQ(one.run.found.size(), whole[0].found.size()) << "one that is through stands";
  EXPECT_EQ(ToJson(Figures(other.run, &one.run)), ToJson(Figures(whole[1], &whole[0])));
  PartialRun odd = one;
  odd.done = 1;
  ASSERT_TRUE(measure_->Run({{a.get(), &odd}}, 1, {}).ok());
  EXPECT_EQ(odd.run.found.size(), whole[0].found.size()) << "no picture twice";
}

TEST(Measured, ComesBackFromJson) {
  Measured all;
  all.what = "plan 12 B";
  all.value = 0.1 + 0.2;
  all.low = 0.25;
  all.high = 0.375;
  all.drop = -0.125;
  all.drop_low = -1.0 / 3;
  all.drop_high = 0.5;
  all.agreement = 1;
  all.pictures = 1234567890123;
  const Json json = ToJson(all);
  lbw::v1::Measurement message;
  EXPECT_TRUE(ParsesInto(json, message));
  EXPECT_EQ(message.interval().level(), 0.95);
  const auto read = MeasuredFromJson(Json::parse(Dump(json)));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToJson(*read), json);
  EXPECT_EQ(read->drop_low, -1.0 / 3);
  const auto nothing = MeasuredFromJson(ToJson(Measured()));
  ASSERT_TRUE(nothing.ok());
  EXPECT_FALSE(nothing->value.has_value());
  EXPECT_FALSE(nothing->drop_high.has_value());
  EXPECT_FALSE(MeasuredFromJson(Json::parse(R"({"value": []})")).ok());
}

// --- classifiers ---

// Class "a" where there is more red than blue.
model::Model RedOrBlue() {
  NetMaker net;
  net.Node("GlobalAveragePool", "pool", {"image"});
  net.Node("Flatten", "flat", {"pool"});
  net.Node("Gemm", "scores", {"flat", net.Constant("w", {2, 3}, {1, 0, -1, -1, 0, 1})},
           {{"transB", int64_t{1}}});
  return net.Finish({"scores"});
}

class ClassifierMeasureTest : public QuantizeMeasureTest {
 protected:
  ClassifierMeasureTest() {
    model_ = RedOrBlue();
    set_ = {};
    set_.dataset.task = dataset::Task::kClassification;
    set_.dataset.classes = {"a", "b"};
    set_.dataset.splits = {"val"};
    // Two red ones and three blue ones; the last is labelled wrongly.
    for (int i = 0; i < 5; ++i) {
      std::vector<uint8_t> rgb(8 * 8 * 3, 0);
      for (size_t p = i < 2 ? 0 : 2; p < rgb.size(); p += 3) rgb[p] = 200;
      set_.pictures.push_back(detect::EncodeImage({8, 8, rgb}, detect::ImageFormat::kPng).value());
      dataset::Picture picture;
      picture.width = picture.height = 8;
      picture.splits = {0};
      picture.label = i < 2 || i == 4 ? 0 : 1;
      set_.dataset.pictures.push_back(picture);
    }
  }
  // Answers "b" always.
  static model::Model OnlyB() {
    model::Model model = RedOrBlue();
    model.constants.insert_or_assign(
        "w", base::Tensor::FromF32({2, 3}, std::vector<float>{0, 0, 0, 1, 1, 1}));
    return model;
  }
};

TEST_F(ClassifierMeasureTest, GivesTopOneWithIntervals) {
  const absl::Status opened = Open();
  ASSERT_TRUE(opened.ok()) << opened;
  EXPECT_EQ(measure_->metric(), "top1");
  EXPECT_TRUE(measure_->labelled());
  const auto runs = RunBoth(OnlyB());
  const Measured floating = Figures(runs[0], nullptr);
  EXPECT_DOUBLE_EQ(floating.value.value(), 0.8);
  EXPECT_LT(*floating.low, 0.8);
  EXPECT_LE(*floating.high, 1);
  const Measured other = Figures(runs[1], &runs[0]);
  EXPECT_DOUBLE_EQ(other.value.value(), 0.4);
  EXPECT_DOUBLE_EQ(other.drop.value(), 0.4);
  EXPECT_LT(*other.drop_low, 0.4);
  EXPECT_GT(*other.drop_high, 0.4);
  EXPECT_DOUBLE_EQ(other.agreement.value(), 0.6);
}

TEST_F(ClassifierMeasureTest, UnlabelledPicturesGiveAgreementAlone) {
  for (dataset::Picture& picture : set_.dataset.pictures) picture.label.reset();
  ASSERT_TRUE(Open().ok());
  EXPECT_FALSE(measure_->labelled());
  const auto runs = RunBoth(OnlyB());
  const Measured other = Figures(runs[1], &runs[0]);
  EXPECT_FALSE(other.value.has_value());
  EXPECT_DOUBLE_EQ(other.agreement.value(), 0.6);
}

TEST_F(ClassifierMeasureTest, ADetectorDoesNotFitLabelsOfClasses) {
  model_ = DiscModel();
  asked_.split = "val";
  for (dataset::Picture& picture : set_.dataset.pictures) picture.annotations.resize(1);
  const absl::Status status = Open();
  EXPECT_FALSE(status.ok());
}

}  // namespace
}  // namespace lbw::tasks
