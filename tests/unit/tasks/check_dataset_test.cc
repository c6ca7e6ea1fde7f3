#include "tasks/check_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/status.h"
#include "base/strings.h"
#include "dataset/pack.h"
#include "detect/image/image.h"
#include "jobs/child_link.h"
#include "support/temp_dir.h"
#include "tasks/dataset_report.h"
#include "tasks/tasks.h"
#include "unit/tasks/tasks_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Order = jobs::JobLink::Order;

std::string Xml(const std::string& boxes) {
  return "<annotation><size><width>160</width><height>160</height><depth>3</depth></size>" + boxes +
         "</annotation>";
}
std::string Box(const std::string& name, int x_max) {
  return base::StrCat("<object><name>", name,
                      "</name><difficult>0</difficult><bndbox><xmin>10</xmin><ymin>10</ymin><xmax>",
                      x_max, "</xmax><ymax>40</ymax></bndbox></object>");
}

class CheckDatasetTest : public ::testing::Test {
 protected:
  CheckDatasetTest() {
    const DiscSet set = MakeDiscSet(3);
    for (int i = 0; i < 3; ++i) {
      files_[base::StrCat("set/JPEGImages/p", i, ".png")] = set.pictures[static_cast<size_t>(i)];
    }
    files_["set/Annotations/p0.xml"] = Xml(Box("HaveMask", 50) + Box("NoMask", 60));
    files_["set/Annotations/p1.xml"] = Xml(Box("HaveMask", 500));  // beyond the picture
    files_["set/Annotations/p2.xml"] = Xml(Box("NoMask", 70));
    files_["set/ImageSets/Main/train.txt"] = "p0\n";
    files_["set/ImageSets/Main/val.txt"] = "p1\np2\n";
  }
  TaskRig::Assignment Assign(const std::string& archive) const {
    return {base::StrCat(R"({"dataset": "datasets/d", "source_artifact": "artifacts/)", archive,
                         R"(", "format": "DATASET_FORMAT_UNSPECIFIED", "classes": [],)",
                         R"( "class_map": {"HaveMask": "mask", "NoMask": "no_mask"}})"),
            base::StrCat(R"({"archive": ")", archive, R"("})")};
  }
  absl::StatusOr<std::string> Run() {
    return rig_.Run(kCheckDataset, Assign(rig_.AddBlob(TarOf(files_))), link_);
  }

  TaskRig rig_;
  ScriptedLink link_;
  std::map<std::string, std::string> files_;
};

TEST_F(CheckDatasetTest, MakesAPackAndCountsWhatIsInIt) {
  const auto result = Run();
  ASSERT_TRUE(result.ok()) << result.status();
  const Json dataset = MessageOf(*result, "dataset");
  EXPECT_EQ(dataset["name"], "datasets/d");
  EXPECT_EQ(dataset["format"], "DATASET_FORMAT_VOC");
  EXPECT_EQ(dataset["task"], "DATASET_TASK_DETECTION");
  EXPECT_EQ(dataset["pixel_rule"], "inclusive");
  EXPECT_EQ(dataset["pictures"], "3");
  EXPECT_EQ(dataset["boxes"], "4");
  ASSERT_THAT(dataset["splits"], SizeIs(2));
  ASSERT_THAT(dataset["classes"], SizeIs(2));
  uint64_t boxes = 0;
  for (const Json& one : dataset["classes"]) {
    EXPECT_THAT(one["name"].get<std::string>(), ::testing::AnyOf("mask", "no_mask"));
    boxes += std::stoull(one["boxes"].get<std::string>());
  }
  EXPECT_EQ(boxes, 4U);

  const std::string sha = dataset["pack_artifact"].get<std::string>().substr(10);
  const auto pack = dataset::Pack::Open(rig_.blobs().Open(sha).value());
  ASSERT_TRUE(pack.ok()) << pack.status();
  ASSERT_THAT(pack->dataset().pictures, SizeIs(3));
  EXPECT_EQ(dataset["pack_bytes"], base::StrCat(rig_.ReadBlob(sha).size()));
  for (size_t i = 0; i < 3; ++i) {
    const std::string& name = pack->dataset().pictures[i].name;
    const auto file =
        name.find("JPEGImages") == std::string::npos ? "set/JPEGImages/" + name : "set/" + name;
    const auto found = files_.find(files_.count(name) != 0 ? name : file);
    ASSERT_NE(found, files_.end()) << name;
    EXPECT_EQ(pack->ReadPicture(i).value(), found->second) << name;
  }
}

TEST_F(CheckDatasetTest, ListsEveryDefectInABlob) {
  const auto result = Run();
  ASSERT_TRUE(result.ok()) << result.status();
  const Json counts = MessageOf(*result, "dataset")["defects"];
  bool counted = false;
  for (const Json& one : counts) {
    if (one["kind"] != "box_outside") continue;
    counted = true;
    EXPECT_EQ(one["count"], "1");
    EXPECT_EQ(one["repaired"], "1");
  }
  EXPECT_TRUE(counted) << counts;
  const Json whole = Json::parse(*result);
  const Json list = Json::parse(rig_.ReadBlob(whole["defects_blob"].get<std::string>()));
  EXPECT_EQ(list["not_kept"], "0");
  bool listed = false;
  for (const Json& one : list["defects"]) {
    if (one["kind"] != "box_outside") continue;
    listed = true;
    EXPECT_THAT(one["file"].get<std::string>(), HasSubstr("p1"));
    EXPECT_EQ(one["action"], "repaired");
  }
  EXPECT_TRUE(listed) << list;
}

TEST_F(CheckDatasetTest, TellsOfEveryPhase) {
  ASSERT_TRUE(Run().ok());
  std::vector<std::string> stages;
  int64_t step = -1;
  for (const jobs::JobLink::Progress& progress : link_.progress()) {
    if (stages.empty() || stages.back() != progress.stage) stages.push_back(progress.stage);
    EXPECT_GE(progress.step, step) << "a job's step does not fall";
    step = progress.step;
  }
  EXPECT_THAT(stages, ElementsAre("unpack", "read", "check", "pack"));
  EXPECT_EQ(link_.progress().back().step, link_.progress().back().total_steps);
}

// A step that does not move for five minutes is a job that is killed as stalled.
TEST_F(CheckDatasetTest, ReadingAndPackingManyBoxesMoveTheStep) {
  constexpr int kBoxes = 9'000;  // a picture may have 10,000
  std::string coco = R"({"images":[)";
  for (int i = 0; i < 3; ++i) {
    base::StrAppend(&coco, i == 0 ? "" : ",", R"({"id":)", i, R"(,"file_name":"p)", i, R"(.png"})");
  }
  coco += R"(],"categories":[{"id":1,"name":"NoMask"}],"annotations":[)";
  for (int i = 0; i < 3 * kBoxes; ++i) {
    base::StrAppend(&coco, i == 0 ? "" : ",", R"({"id":)", i, R"(,"image_id":)", i % 3,
                    R"(,"category_id":1,"bbox":[1,2,30,40]})");
  }
  std::map<std::string, std::string> files = {{"a.json", coco + "]}"}};
  for (int i = 0; i < 3; ++i) {
    const std::string name = base::StrCat("p", i, ".png");
    files[name] = files_.at("set/JPEGImages/" + name);
  }
  files_ = files;
  const auto result = Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(MessageOf(*result, "dataset")["boxes"], base::StrCat(3 * kBoxes));
  std::map<std::string, int> moves;
  int64_t before = 0;
  for (const jobs::JobLink::Progress& progress : link_.progress()) {
    if (progress.step > before) ++moves[progress.stage];
    before = progress.step;
  }
  EXPECT_GE(moves["read"], 3 * kBoxes / 4'096);
  EXPECT_GE(moves["pack"], 3 * 6) << "for each picture in each column of boxes";
}

// There is nothing to keep: every order to end ends it, wherever it is.
TEST_F(CheckDatasetTest, ObeysAtEveryPicture) {
  const std::string archive = rig_.AddBlob(TarOf(files_));
  ScriptedLink counting;
  size_t calls = 0;
  counting.script = [&](size_t call) {
    calls = call + 1;
    return Order::kGoOn;
  };
  ASSERT_TRUE(rig_.Run(kCheckDataset, Assign(archive), counting).ok());
  ASSERT_GE(calls, 4U);
  for (const Order order : {Order::kCancel, Order::kStop, Order::kPause}) {
    for (size_t at = 0; at < calls; ++at) {
      ScriptedLink link;
      link.script = [&](size_t call) { return call == at ? order : Order::kGoOn; };
      const auto result = rig_.Run(kCheckDataset, Assign(archive), link);
      EXPECT_EQ(jobs::ObeyedOrder(result.status()), order) << at;
      EXPECT_THAT(link.checkpoints(), SizeIs(0));
    }
  }
}

TEST_F(CheckDatasetTest, HostileOrEmptyArchivesAreRefused) {
  const auto reason = [&](const std::string& bytes) {
    const absl::Status status =
        rig_.Run(kCheckDataset, Assign(rig_.AddBlob(bytes)), link_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return base::GetErrorDetails(status).reason;
  };
  EXPECT_EQ(reason("no archive"), "BAD_ARCHIVE");
  EXPECT_EQ(reason(TarOf({{"../out.txt", "x"}})), "BAD_ARCHIVE");
  EXPECT_EQ(reason(TarOf({{"notes/readme.txt", "x"}})), "BAD_DATASET");
}

TEST_F(CheckDatasetTest, SameArchiveSamePack) {
  const auto one = Run();
  const auto other = Run();
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_EQ(*one, *other);
}

TEST_F(CheckDatasetTest, TheSamePackWithOneThreadAndTwo) {
  for (int i = 0; i < 20; ++i) {
    const std::string name = base::StrCat("q", i);
    files_[base::StrCat("set/JPEGImages/", name, ".png")] = files_.at("set/JPEGImages/p0.png");
    files_[base::StrCat("set/Annotations/", name, ".xml")] = Xml(Box("NoMask", 40 + i));
  }
  files_["set/JPEGImages/q7.png"].resize(100);
  TaskRig::Assignment assignment = Assign(rig_.AddBlob(TarOf(files_)));
  const auto one = rig_.Run(kCheckDataset, assignment, link_);
  assignment.threads = 2;
  const auto two = rig_.Run(kCheckDataset, assignment, link_);
  ASSERT_TRUE(one.ok() && two.ok()) << one.status() << two.status();
  EXPECT_EQ(*one, *two) << "digests of pack and defects among it";
  EXPECT_EQ(MessageOf(*one, "dataset")["pictures"], "22");
}

// The disk has room for so much: whatever step reaches that, the check leaves nothing behind.
TEST_F(CheckDatasetTest, EndsBeforeTheDiskIsFullAndLeavesNothing) {
  const std::string archive = rig_.AddBlob(TarOf(files_));
  const TaskRig::Assignment assignment = Assign(archive);
  const size_t before = rig_.blobs().List()->size();
  constexpr uint64_t kTotal = uint64_t{1} << 30;
  uint64_t pictures = 0;
  for (int i = 0; i < 3; ++i) {
    pictures += files_.at(base::StrCat("set/JPEGImages/p", i, ".png")).size();
  }
  std::vector<std::string> refused;
  int kept = 0;
  for (uint64_t looks = 0; kept == 0 && looks < 50; ++looks) {
    const testing::TempDir folder;
    jobs::JobContext context;
    context.kind = std::string(kCheckDataset);
    context.spec_json = assignment.spec;
    context.inputs_json = assignment.inputs;
    context.scratch_folder = folder.path();
    context.blobs = &rig_.blobs();
    context.link = &link_;
    CheckBounds bounds;
    bounds.limits.reserve_bytes = 100;
    bounds.limits.reserve_percent = 0;
    // Every look finds room for the pictures once; then there is none.
    uint64_t left = looks;
    bounds.space = [&](const std::string& path) -> absl::StatusOr<dataset::DiskSpace> {
      EXPECT_EQ(path, folder.path());
      if (left == 0) return dataset::DiskSpace{100, kTotal};
      --left;
      return dataset::DiskSpace{100 + pictures + 100, kTotal};
    };
    const auto result = RunCheckDataset(context, bounds);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
    if (result.ok()) {
      ++kept;
      continue;
    }
    EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted) << result.status();
    EXPECT_EQ(base::GetErrorDetails(result.status()).reason, "OUT_OF_ROOM");
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("free=100 bytes"));
    EXPECT_EQ(rig_.blobs().List()->size(), before);
    refused.emplace_back(result.status().message());
  }
  EXPECT_EQ(kept, 1);
  ASSERT_GE(refused.size(), 3U);
  EXPECT_THAT(refused.front(), HasSubstr("entry 'set/"));
  EXPECT_THAT(refused.back(), ::testing::AnyOf(HasSubstr("the pack"), HasSubstr("the list of")));
}

TEST_F(CheckDatasetTest, HoldsTheLimitsItIsGiven) {
  const TaskRig::Assignment assignment = Assign(rig_.AddBlob(TarOf(files_)));
  const auto run = [&](int64_t max_boxes) {
    const testing::TempDir folder;
    jobs::JobContext context;
    context.spec_json = assignment.spec;
    context.scratch_folder = folder.path();
    context.blobs = &rig_.blobs();
    context.link = &link_;
    CheckBounds bounds;
    bounds.limits.max_boxes = max_boxes;
    return RunCheckDataset(context, bounds).status();
  };
  EXPECT_TRUE(run(4).ok()) << run(4);
  EXPECT_EQ(base::GetErrorDetails(run(3)).reason, "LIMIT_EXCEEDED");
}

// A summary of many classes is longer than a result may be: it travels as a blob.
TEST_F(CheckDatasetTest, ManyClassesFitIntoAResult) {
  constexpr int kClasses = 2'000;
  const detect::Image image{4, 4, std::vector<uint8_t>(48, 77)};
  const std::string png = detect::EncodeImage(image, detect::ImageFormat::kPng).value();
  files_.clear();
  for (int i = 0; i < kClasses; ++i) {
    files_[base::StrCat(std::string(80, 'c'), 1000 + i, "/p.png")] = png;
  }
  const auto result = Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LE(result->size(), jobs::kMaxResultBytes);
  const Json whole = Json::parse(*result);
  ASSERT_TRUE(whole.contains("summary_blob")) << result->substr(0, 200);
  const Json summary = Json::parse(rig_.ReadBlob(whole["summary_blob"].get<std::string>()));
  EXPECT_GT(summary.dump().size(), jobs::kMaxResultBytes);
  EXPECT_THAT(summary["classes"], SizeIs(kClasses));
  EXPECT_EQ(summary["name"], "datasets/d");
}

TEST(ParseFormat, KnowsTheApisNames) {
  EXPECT_EQ(ParseFormat("DATASET_FORMAT_CIFAR"), dataset::Format::kCifar);
  EXPECT_EQ(ParseFormat(""), dataset::Format::kAuto);
  EXPECT_EQ(ParseFormat("voc"), std::nullopt);
}

}  // namespace
}  // namespace lbw::tasks
