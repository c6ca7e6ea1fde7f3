// Published weights on real pictures, through both kinds of job: the figures that independent tools
// found for them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/status.h"
#include "base/strings.h"
#include "model/import_model.h"
#include "support/test_data.h"
#include "tasks/tasks.h"
#include "unit/tasks/tasks_fixture.h"

namespace lbw::tasks {
namespace {

namespace fs = std::filesystem;

std::string Example(const std::string& name) {
  return ReadFileText(std::string(LBW_SOURCE_DIR) + "/server/model/examples/" + name);
}

class RealData : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto data = testing::TestDataDir();
    if (!data) GTEST_SKIP() << "LBW_TEST_DATA is not set";
    data_ = *data;
  }
  std::string Bundle(const std::string& onnx, const std::string& spec) {
    auto imported =
        model::ImportOnnxModel(ReadFileText(data_ + onnx), model::ParseSpec(Example(spec)).value());
    EXPECT_TRUE(imported.ok()) << imported.status();
    return rig_.AddBundle(imported->model);
  }
  // Through a check; answers the pack's digest. extra: further fields of the spec.
  std::string Pack(const std::map<std::string, std::string>& files, const std::string& extra) {
    const std::string archive = rig_.AddBlob(TarOf(files));
    ScriptedLink link;
    const auto result =
        rig_.Run(kCheckDataset,
                 {base::StrCat(R"({"dataset": "datasets/d", "source_artifact": "artifacts/)",
                               archive, R"(", )", extra, "}"),
                  base::StrCat(R"({"archive": ")", archive, R"("})")},
                 link);
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return "";
    return MessageOf(*result, "dataset")["pack_artifact"].get<std::string>().substr(10);
  }
  Json Evaluate(const std::string& bundle, const std::string& pack, const std::string& split) {
    ScriptedLink link;
    const auto result = rig_.Run(
        kEvaluate,
        {base::StrCat(R"({"version": "models/m/versions/1", "dataset": "datasets/d", "split": ")",
                      split, R"("})"),
         base::StrCat(R"({"bundle": ")", bundle, R"(", "pack": ")", pack, R"("})"), "", 2},
        link);
    EXPECT_TRUE(result.ok()) << result.status();
    return MessageOf(result.value_or("{}"), "evaluation");
  }

  TaskRig rig_;
  std::string data_;
};

TEST_F(RealData, FaceMasksReachTheFiguresOfTheOtherTool) {
  std::map<std::string, std::string> files;
  const fs::path root = data_ + "/facemask_trainval";
  const std::string list = ReadFileText((root / "ImageSets/Main/val.txt").string());
  files["ImageSets/Main/val.txt"] = list;
  std::istringstream names(list);
  for (std::string name; names >> name;) {
    for (const std::string& file :
         {"JPEGImages/" + name + ".jpg", "Annotations/" + name + ".xml"}) {
      files[file] = ReadFileText((root / file).string());
    }
  }
  const std::string pack = Pack(files, R"("classes": ["mask", "no_mask"],
                     "class_map": {"HaveMask": "mask", "NoMask": "no_mask"})");
  const Json evaluation = Evaluate(
      Bundle("/weights_aizoo_ssd/face_mask_detection.onnx", "face_mask_ssd.yaml"), pack, "val");
  EXPECT_EQ(evaluation["pictures"], "75");
  EXPECT_NEAR(evaluation["voc"]["map_50"].get<double>(), 0.8957, 5e-5);
  EXPECT_NEAR(evaluation["voc"]["map_11"].get<double>(), 0.8580, 5e-5);
}

TEST_F(RealData, ResNet20ReachesItsAccuracy) {
  const std::string pack =
      Pack({{"test_batch.bin", ReadFileText(data_ + "/cifar10_test_share2000/test_share.bin")}},
           R"("format": "DATASET_FORMAT_CIFAR")");
  const Json evaluation = Evaluate(
      Bundle("/weights_cifar_resnet/resnet20-12fca82f.onnx", "cifar_resnet.yaml"), pack, "");
  EXPECT_EQ(evaluation["metric"], "top1");
  EXPECT_NEAR(evaluation["classification"]["top1"].get<double>(), 0.803, 1e-6);
  EXPECT_GT(evaluation["classification"]["top_k"].get<double>(), 0.95);
}

}  // namespace
}  // namespace lbw::tasks
