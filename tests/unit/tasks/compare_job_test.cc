#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "lbw/v1/calibration.pb.h"
#include "tasks/compare.h"
#include "tasks/tasks.h"
#include "unit/tasks/calibration_rig.h"

namespace lbw::tasks {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Order = jobs::JobLink::Order;

class CompareJobTest : public ::testing::Test {
 protected:
  CompareJobTest() : other_(ShakenDiscModel()) {}
  TaskRig::Assignment Assign(int count = 5) {
    Json spec = Json::parse(R"({"version": "models/discs/versions/2",
        "reference": "models/discs/versions/1", "dataset": "datasets/d", "split": "val",
        "options": {"score_threshold": 0.05, "iou_threshold": 0.4, "max_detections": 50}})");
    spec["count"] = count;
    Json inputs;
    inputs["bundle"] = rig_.rig.AddBundle(other_);
    inputs["reference_bundle"] = rig_.rig.AddBundle(rig_.model);
    inputs["pack"] = rig_.rig.AddPack(rig_.set.dataset, rig_.set.pictures);
    return {spec.dump(), inputs.dump()};
  }
  lbw::v1::Comparison Compared(const TaskRig::Assignment& assignment) {
    lbw::v1::Comparison message;
    const auto result = rig_.rig.Run(kCompare, assignment, link_);
    EXPECT_TRUE(result.ok()) << result.status();
    if (result.ok()) {
      EXPECT_TRUE(ParsesInto(MessageOf(*result, "comparison"), message));
    }
    return message;
  }
  void Quantize(int bits) {
    model::QuantizeOptions options;
    options.tensor.bits = bits;
    ASSERT_TRUE(model::QuantizeModel(other_, options, {}).ok());
  }

  CalibrationRig rig_;
  model::Model other_;
  ScriptedLink link_;
};

TEST_F(CompareJobTest, TellsLayersAndBoxesOfAQuantizedVersion) {
  Quantize(4);
  const lbw::v1::Comparison compared = Compared(Assign());
  EXPECT_EQ(compared.version(), "models/discs/versions/2");
  EXPECT_EQ(compared.reference(), "models/discs/versions/1");
  EXPECT_EQ(compared.pictures(), 5U);
  ASSERT_EQ(compared.values_size(), 7) << "five layers, boxes and scores";
  for (const auto& value : compared.values()) {
    EXPECT_GT(value.cosine(), 0.9) << value.value();
    EXPECT_GT(value.sqnr_db(), 3) << value.value();
    EXPECT_GT(value.max_abs_difference(), 0) << value.value();
  }
  EXPECT_EQ(compared.values(0).weight(), "colour.weight");
  EXPECT_EQ(compared.values(0).value(), "colour");
  EXPECT_EQ(compared.values(6).weight(), "");
  EXPECT_EQ(compared.agreement().against(), "models/discs/versions/1");
  EXPECT_GT(compared.agreement().map_50(), 0.5);
  ASSERT_EQ(compared.compared_size(), 5);
  uint32_t matched = 0;
  for (const auto& picture : compared.compared()) {
    EXPECT_THAT(picture.name(), HasSubstr("picture_"));
    matched += picture.matched();
    if (picture.matched() > 0) {
      EXPECT_GE(picture.mean_iou(), 0.5);
      EXPECT_LE(picture.mean_iou(), 1.0);
    }
  }
  EXPECT_GT(matched, 0U);
  EXPECT_GT(link_.progress().back().step, 10) << "pictures are read, too";
  EXPECT_EQ(link_.progress().back().total_steps, link_.progress().back().step);
}

TEST_F(CompareJobTest, AVersionAgreesWithItself) {
  const lbw::v1::Comparison compared = Compared(Assign(64));
  EXPECT_EQ(compared.pictures(), 6U) << "all that there are";
  for (const auto& value : compared.values()) {
    EXPECT_FALSE(value.has_sqnr_db());
    EXPECT_NEAR(value.cosine(), 1, 1e-12);
    EXPECT_EQ(value.max_abs_difference(), 0);
  }
  EXPECT_EQ(compared.agreement().map_50(), 1);
  for (const auto& picture : compared.compared()) {
    EXPECT_EQ(picture.only_version() + picture.only_reference(), 0U);
  }
}

TEST_F(CompareJobTest, TellsOfPicturesThatCannotBeRead) {
  rig_.set.pictures[5] = "no picture";
  const lbw::v1::Comparison compared = Compared(Assign(64));
  EXPECT_EQ(compared.pictures(), 5U);
  ASSERT_EQ(compared.compared_size(), 6);
  EXPECT_EQ(compared.compared(0).name(), "picture_000005.png");
  EXPECT_NE(compared.compared(0).error(), "");
  for (std::string& picture : rig_.set.pictures) picture = "no picture";
  const auto none = rig_.rig.Run(kCompare, Assign(), link_);
  EXPECT_EQ(none.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(CompareJobTest, RefusesVersionsThatReadOrAnswerDifferently) {
  other_.spec.input.scale = {1, 1, 1};
  const auto input = rig_.rig.Run(kCompare, Assign(), link_);
  EXPECT_EQ(input.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(input.status().message()), HasSubstr("read pictures differently"));
  other_ = ShakenDiscModel();
  other_.spec.classes[2] = "violet";
  const auto classes = rig_.rig.Run(kCompare, Assign(), link_);
  EXPECT_EQ(classes.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(classes.status().message()), HasSubstr("answer differently"));
}

TEST_F(CompareJobTest, ObeysOrdersWithoutACheckpoint) {
  for (const Order order : {Order::kCancel, Order::kPause, Order::kStop}) {
    ScriptedLink link;
    link.script = [&](size_t call) { return call < 4 ? Order::kGoOn : order; };
    const auto result = rig_.rig.Run(kCompare, Assign(), link);
    EXPECT_EQ(jobs::ObeyedOrder(result.status()), order) << result.status();
    EXPECT_THAT(link.checkpoints(), IsEmpty());
  }
}

}  // namespace
}  // namespace lbw::tasks
