#include "unit/tasks/calibration_rig.h"

#include <google/protobuf/util/json_util.h>

#include "base/io.h"
#include "base/random.h"
#include "base/status.h"
#include "tasks/tasks.h"

namespace lbw::tasks {

DiscSet MakeSplitDiscSet(int train, int val) {
  DiscSet set = MakeDiscSet(train + val);
  set.dataset.splits = {"train", "val"};
  for (size_t i = 0; i < set.dataset.pictures.size(); ++i) {
    set.dataset.pictures[i].splits = {i < static_cast<size_t>(train) ? 0 : 1};
  }
  return set;
}

Json QuantizeSpecJson(int bits) {
  Json spec = Json::parse(R"({
      "version": "models/discs/versions/1", "options": {},
      "calibration": {"dataset": "datasets/d", "split": "train", "count": 4, "seed": "3",
                      "scale": "SCALE_KIND_REAL", "positions": 100, "damping": 0.01, "sweeps": 3},
      "measure": {"dataset": "datasets/d", "split": "val",
                  "options": {"score_threshold": 0.05, "iou_threshold": 0.4,
                              "max_detections": 50}}})");
  spec["options"]["bits"] = bits;
  return spec;
}

model::Model ShakenDiscModel() {
  model::Model model = DiscModel();
  base::Random random(5);
  for (auto& [name, constant] : model.constants) {
    auto* weights = std::get_if<base::Tensor>(&constant);
    if (weights == nullptr || weights->shape().size() != 4) continue;
    for (float& value : weights->mutable_as<float>()) value *= 1 + 0.1F * random.Bell();
  }
  return model;
}

CalibrationRig::CalibrationRig() : model(ShakenDiscModel()), set(MakeSplitDiscSet(4, 6)) {}

TaskRig::Assignment CalibrationRig::Assign(const Json& spec) {
  Json inputs;
  inputs["bundle"] = rig.AddBundle(model);
  inputs["pack"] = rig.AddPack(set.dataset, set.pictures);
  inputs["measure_pack"] = inputs["pack"];
  return {spec.dump(), inputs.dump()};
}

absl::StatusOr<std::string> CalibrationRig::Run(const TaskRig::Assignment& assignment,
                                                ScriptedLink& link) {
  return rig.Run(kQuantize, assignment, link);
}

Json CalibrationRig::Result(const TaskRig::Assignment& assignment) {
  ScriptedLink link;
  const auto result = Run(assignment, link);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? Json::parse(*result) : Json::object();
}

model::Model CalibrationRig::Bundle(const Json& result) {
  auto read =
      model::ReadBundle(base::StringReader(rig.ReadBlob(result["bundle"].get<std::string>())));
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? *std::move(read) : model::Model();
}

const Json& QuantizeFixture::Calibration(const Json& result) {
  return result["quantization"]["calibration"];
}

std::vector<std::string> QuantizeFixture::Measured(const Json& result) {
  std::vector<std::string> what;
  for (const Json& one : Calibration(result)["measurements"]) what.push_back(one["what"]);
  return what;
}

const Json& QuantizeFixture::Measurement(const Json& result, const std::string& what) {
  static const Json none;
  for (const Json& one : Calibration(result)["measurements"]) {
    if (one["what"] == what) return one;
  }
  ADD_FAILURE() << "no measurement " << what;
  return none;
}

std::string QuantizeFixture::Timeless(Json result) {
  result["quantization"]["calibration"].erase("timings");
  return result.dump();
}

bool QuantizeFixture::SolvedOne(const ScriptedLink& link) {
  return !link.progress().empty() && link.progress().back().stage.rfind("calibrate", 0) == 0;
}

absl::Status QuantizeFixture::Fails(const Json& spec) {
  ScriptedLink link;
  return rig_.Run(rig_.Assign(spec), link).status();
}

Json QuantizeFixture::Interrupted(TaskRig::Assignment assignment,
                                  const std::function<bool(const ScriptedLink&)>& stop) {
  using Order = jobs::JobLink::Order;
  for (attempts_ = 1; attempts_ < 60; ++attempts_) {
    ScriptedLink link;
    link.script = [&](size_t) { return stop(link) ? Order::kStop : Order::kGoOn; };
    assignment.threads = 1 + attempts_ % 2;
    const auto result = rig_.Run(assignment, link);
    EXPECT_TRUE(link.warnings().empty());
    if (result.ok()) return Json::parse(*result);
    EXPECT_EQ(jobs::ObeyedOrder(result.status()), Order::kStop) << result.status();
    if (!link.checkpoints().empty()) assignment.checkpoint = link.checkpoints().back().sha256;
  }
  ADD_FAILURE() << "it never ends";
  return Json::object();
}

::testing::AssertionResult ParsesInto(const Json& json, google::protobuf::Message& message) {
  const auto status = google::protobuf::util::JsonStringToMessage(json.dump(), &message);
  if (status.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << status.ToString() << "\n" << json.dump(1).substr(0, 2000);
}

}  // namespace lbw::tasks
