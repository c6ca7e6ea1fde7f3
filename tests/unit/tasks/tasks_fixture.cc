#include "unit/tasks/tasks_fixture.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/io.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/pack.h"
#include "detect/image/image.h"
#include "engine/torch/torch_executor.h"
#include "model/import_model.h"
#include "support/disc_detector.h"
#include "support/disc_scene.h"
#include "tasks/tasks.h"

namespace lbw::tasks {

jobs::JobLink::Order ScriptedLink::order() {
  const size_t call = calls_++;
  return script ? script(call) : Order::kGoOn;
}

void ScriptedLink::Say(Severity severity, std::string_view text) {
  (severity == Severity::kInfo ? infos_ : warnings_).emplace_back(text);
}

absl::Status ScriptedLink::Checkpoint(const jobs::CheckpointInfo& checkpoint) {
  checkpoints_.push_back(checkpoint);
  return absl::OkStatus();
}

TaskRig::TaskRig()
    : blobs_(store::FolderBlobStore::Open(store::RealFileSystem(), folder_.path()).value()),
      engine_(engine::NewTorchExecutorFactory()),
      runner_(NewJobRunner(*engine_)) {}

std::string TaskRig::AddBlob(std::string_view bytes) {
  const auto blob = blobs_->NewBlob().value();
  LBW_CHECK(blob->Append(base::AsBytes(bytes)).ok());
  return blob->Commit()->sha256;
}

std::string TaskRig::ReadBlob(const std::string& sha256) {
  const auto reader = blobs_->Open(sha256).value();
  return base::ReadAll(*reader, UINT64_MAX).value();
}

std::string TaskRig::AddBundle(const model::Model& model) {
  const auto blob = blobs_->NewBlob().value();
  LBW_CHECK(model::WriteBundle(model, *blob).ok());
  return blob->Commit()->sha256;
}

std::string TaskRig::AddPack(dataset::Dataset dataset, const std::vector<std::string>& pictures) {
  LBW_CHECK(pictures.size() == dataset.pictures.size());
  std::string bytes;
  for (size_t i = 0; i < pictures.size(); ++i) {
    std::array<char, 48> name;
    std::snprintf(name.data(), name.size(), "picture_%06zu.png", i);
    dataset.pictures[i].name = name.data();
    dataset.pictures[i].offset = bytes.size();
    dataset.pictures[i].size_bytes = pictures[i].size();
    bytes += pictures[i];
  }
  const base::StringReader reader(std::move(bytes));
  const auto blob = blobs_->NewBlob().value();
  const absl::Status written = dataset::WritePack(dataset, reader, *blob);
  EXPECT_TRUE(written.ok()) << written;
  return blob->Commit()->sha256;
}

absl::StatusOr<std::string> TaskRig::Run(std::string_view kind, const Assignment& assignment,
                                         ScriptedLink& link) {
  jobs::JobContext context;
  context.job = "01jtest";
  context.kind = std::string(kind);
  context.spec_json = assignment.spec;
  context.inputs_json = assignment.inputs;
  context.checkpoint = assignment.checkpoint;
  context.threads = assignment.threads;
  context.scratch_folder = folder_.File(base::StrCat("scratch-", runs_++));
  std::filesystem::create_directory(context.scratch_folder);
  context.blobs = blobs_.get();
  context.link = &link;
  return runner_->Run(context);
}

model::Model DiscModel() {
  auto imported = model::ImportOnnxModel(testing::DiscDetectorOnnx(testing::DiscDetectorWeights()),
                                         model::ParseSpec(testing::DiscDetectorSpec()).value());
  LBW_CHECK(imported.ok());
  return std::move(imported->model);
}

DiscSet MakeDiscSet(int count) {
  DiscSet set;
  set.dataset.format = dataset::Format::kVoc;
  set.dataset.pixel_rule = dataset::PixelRule::kContinuous;
  set.dataset.classes = {"red", "green", "blue"};
  set.dataset.splits = {"val"};
  for (int i = 0; i < count; ++i) {
    const testing::DiscScene scene = testing::DrawDiscScene(static_cast<uint64_t>(i) + 1, 160);
    dataset::Picture picture;
    picture.width = scene.width;
    picture.height = scene.height;
    picture.splits = {0};
    for (const testing::Disc& disc : scene.discs) {
      dataset::Annotation annotation;
      annotation.box = {
          static_cast<float>(disc.cx - disc.radius), static_cast<float>(disc.cy - disc.radius),
          static_cast<float>(disc.cx + disc.radius), static_cast<float>(disc.cy + disc.radius)};
      annotation.class_index = disc.class_index;
      picture.annotations.push_back(annotation);
    }
    set.dataset.pictures.push_back(std::move(picture));
    const detect::Image image{scene.width, scene.height, scene.rgb};
    set.pictures.push_back(detect::EncodeImage(image, detect::ImageFormat::kPng).value());
  }
  return set;
}

std::string TarOf(const std::map<std::string, std::string>& files) {
  constexpr size_t kBlock = 512;
  std::string tar;
  for (const auto& [name, content] : files) {
    LBW_CHECK(name.size() < 100);
    std::array<char, kBlock> header{};
    std::snprintf(header.data(), 100, "%s", name.c_str());
    std::snprintf(header.data() + 100, 8, "%07o", 0644);
    std::snprintf(header.data() + 108, 8, "%07o", 0);
    std::snprintf(header.data() + 116, 8, "%07o", 0);
    std::snprintf(header.data() + 124, 12, "%011zo", content.size());
    std::snprintf(header.data() + 136, 12, "%011o", 0);
    header[156] = '0';
    std::snprintf(header.data() + 257, 6, "ustar");
    header[263] = header[264] = '0';
    std::fill_n(header.begin() + 148, 8, ' ');
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    std::snprintf(header.data() + 148, 8, "%06o", sum);
    header[155] = ' ';
    tar.append(header.data(), kBlock).append(content);
    tar.append((kBlock - content.size() % kBlock) % kBlock, '\0');
  }
  return tar.append(2 * kBlock, '\0');
}

std::string ReadFileText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Json MessageOf(const std::string& result, const char* key) {
  const Json json = Json::parse(result, nullptr, false);
  EXPECT_TRUE(json.is_object() && json.contains(key)) << result;
  return json.is_object() && json.contains(key) ? json[key] : Json::object();
}

std::string WithoutTimings(const std::string& result) {
  Json json = MessageOf(result, "evaluation");
  json.erase("timings");
  return json.dump();
}

}  // namespace lbw::tasks
