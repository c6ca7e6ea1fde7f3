// The whole chain on the disc detector: create, quantize, detect, export; checked against an
// independent scalar forward pass.
#include <algorithm>
#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include "base/io.h"
#include "component/server_fixture.h"
#include "detect/image/image.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/disc_detector.h"
#include "support/disc_scene.h"
#include "tensorfile/packed.h"

namespace lbw::testing {
namespace {

using ::testing::SizeIs;

std::string ScenePng(const DiscScene& scene) {
  detect::Image image;
  image.width = scene.width;
  image.height = scene.height;
  image.rgb = scene.rgb;
  auto png = detect::EncodeImage(image, detect::ImageFormat::kPng);
  EXPECT_TRUE(png.ok()) << png.status();
  return *png;
}

v1::DetectResponse Detect(ServerFixture& fixture, const v1::DetectRequest& request) {
  v1::DetectResponse response;
  grpc::ClientContext context;
  const grpc::Status status = fixture.detection().Detect(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

// The artifact that an export answers.
std::string Export(ServerFixture& fixture, const std::string& version, v1::ExportFormat format) {
  v1::ExportVersionRequest request;
  request.set_version(version);
  request.set_format(format);
  grpc::ClientContext context;
  auto stream = fixture.models().ExportVersion(&context, request);
  v1::ExportVersionResponse update;
  std::string artifact;
  while (stream->Read(&update)) {
    if (update.has_artifact()) artifact = update.artifact().name();
  }
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return artifact;
}

// The weights that a float export of a version holds.
NamedArrays ExportedWeights(ServerFixture& fixture, const std::string& version) {
  const base::StringReader reader(
      fixture.Download(Export(fixture, version, v1::EXPORT_FORMAT_SAFETENSORS)));
  const auto file = tensorfile::SafetensorsFile::Open(reader);
  EXPECT_TRUE(file.ok()) << file.status();
  NamedArrays weights;
  for (const tensorfile::TensorEntry& entry : file->tensors()) {
    if (entry.dtype != base::DType::kF32) continue;
    const auto tensor = file->Read(entry);
    EXPECT_TRUE(tensor.ok()) << tensor.status();
    const auto values = tensor->as<float>();
    weights[entry.name] = {entry.shape, std::vector<float>(values.begin(), values.end())};
  }
  return weights;
}

void ExpectSameBoxes(const v1::DetectResult& result, const std::vector<ScalarBox>& expected) {
  ASSERT_THAT(result.detections(), SizeIs(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    const v1::Detection& got = result.detections(static_cast<int>(i));
    EXPECT_EQ(got.class_index(), static_cast<uint32_t>(expected[i].class_index));
    EXPECT_NEAR(got.score(), expected[i].score, 1e-4);
    const auto clip = [](double v) { return std::clamp(v, 0.0, 1.0) * kDiscInput; };
    EXPECT_NEAR(got.box().x_min(), clip(expected[i].x_min), 0.02);
    EXPECT_NEAR(got.box().y_min(), clip(expected[i].y_min), 0.02);
    EXPECT_NEAR(got.box().x_max(), clip(expected[i].x_max), 0.02);
    EXPECT_NEAR(got.box().y_max(), clip(expected[i].y_max), 0.02);
  }
}

TEST(Chain, EveryVersionAnswersAsTheScalarForwardPassOfItsOwnWeights) {
  ServerFixture fixture;
  const std::string model = fixture.CreateDiscModel();
  v1::ModelVersion six;
  v1::ModelVersion four;
  ASSERT_TRUE(fixture.Quantize(model, 6, &six).ok());
  ASSERT_TRUE(fixture.Quantize(model, 4, &four).ok());
  EXPECT_EQ(six.name(), "models/discs/versions/2");
  EXPECT_EQ(six.parent_version(), "models/discs/versions/1");
  EXPECT_EQ(four.report().totals().tensors_quantized(), 5U);
  for (int version = 1; version <= 3; ++version) {
    const std::string name = model + "/versions/" + std::to_string(version);
    const NamedArrays weights = ExportedWeights(fixture, name);
    v1::DetectRequest request;
    request.set_model(name);
    std::vector<DiscScene> scenes;
    for (uint64_t seed = 100; seed < 106; ++seed) {
      scenes.push_back(DrawDiscScene(seed, kDiscInput));
      request.add_images(ScenePng(scenes.back()));
    }
    const v1::DetectResponse response = Detect(fixture, request);
    EXPECT_EQ(response.model_version(), name);
    ASSERT_THAT(response.results(), SizeIs(scenes.size()));
    for (size_t i = 0; i < scenes.size(); ++i) {
      SCOPED_TRACE(name + " scene " + std::to_string(i));
      ExpectSameBoxes(response.results(static_cast<int>(i)),
                      ScalarDecode(ScalarForward(weights, SceneAsInput(scenes[i])), 0.5));
      EXPECT_GE(response.results(static_cast<int>(i)).detections_size(), 3);
    }
  }
}

TEST(Chain, TheFloatVersionFindsEveryDisc) {
  ServerFixture fixture;
  const std::string model = fixture.CreateDiscModel();
  int discs = 0;
  int found = 0;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const DiscScene scene = DrawDiscScene(seed, kDiscInput);
    v1::DetectRequest request;
    request.set_model(model);
    request.add_images(ScenePng(scene));
    const v1::DetectResponse response = Detect(fixture, request);
    discs += static_cast<int>(scene.discs.size());
    for (const v1::Detection& detection : response.results(0).detections()) {
      found += std::any_of(scene.discs.begin(), scene.discs.end(), [&](const Disc& disc) {
        const double x = (detection.box().x_min() + detection.box().x_max()) / 2;
        const double y = (detection.box().y_min() + detection.box().y_max()) / 2;
        return std::hypot(x - disc.cx, y - disc.cy) < 3 &&
               static_cast<uint32_t>(disc.class_index) == detection.class_index();
      });
    }
  }
  EXPECT_EQ(found, discs);
}

TEST(Chain, OptionsOfTheCallDecideWhatComesBack) {
  ServerFixture fixture;
  v1::DetectRequest request;
  request.set_model(fixture.CreateDiscModel());
  request.add_images(ScenePng(DrawDiscScene(3, 320)));
  const int all = Detect(fixture, request).results(0).detections_size();
  ASSERT_GT(all, 1);
  request.mutable_options()->set_max_detections(1);
  EXPECT_EQ(Detect(fixture, request).results(0).detections_size(), 1);
  request.mutable_options()->clear_max_detections();
  request.mutable_options()->set_score_threshold(1.0F);
  EXPECT_EQ(Detect(fixture, request).results(0).detections_size(), 0);
  request.mutable_options()->clear_score_threshold();
  request.mutable_options()->add_classes("red");
  for (const v1::Detection& detection : Detect(fixture, request).results(0).detections()) {
    EXPECT_EQ(detection.label(), "red");
  }
  request.mutable_options()->set_annotate(v1::IMAGE_FORMAT_PNG);
  request.mutable_options()->set_include_outputs(true);
  const v1::DetectResponse response = Detect(fixture, request);
  EXPECT_EQ(response.results(0).image_width(), 320U);
  const auto drawn = detect::DecodeImage(base::AsBytes(response.results(0).annotated_image()));
  ASSERT_TRUE(drawn.ok()) << drawn.status();
  EXPECT_EQ(drawn->width, 320);
  ASSERT_EQ(response.results(0).outputs_size(), 2);
  for (const v1::OutputTensor& output : response.results(0).outputs()) {
    EXPECT_EQ(output.shape(0), kDiscAnchors);
  }
}

TEST(Chain, ABadPictureDoesNotFailItsNeighbours) {
  ServerFixture fixture;
  v1::DetectRequest request;
  request.set_model(fixture.CreateDiscModel());
  const std::string png = ScenePng(DrawDiscScene(3, 320));
  request.add_images(png);
  request.add_images("no picture");
  request.add_images(png.substr(0, png.size() / 2));
  request.add_images(png);
  const v1::DetectResponse response = Detect(fixture, request);
  ASSERT_EQ(response.results_size(), 4);
  EXPECT_FALSE(response.results(0).has_error());
  EXPECT_EQ(response.results(1).error().code(), 3);
  EXPECT_EQ(response.results(2).error().code(), 3);
  EXPECT_FALSE(response.results(3).has_error());
  EXPECT_EQ(response.results(0).detections_size(), response.results(3).detections_size());
}

TEST(Chain, ModelsVersionsAndAliasesSurviveARestart) {
  ServerFixture fixture;
  const std::string model = fixture.CreateDiscModel();
  v1::ModelVersion version;
  ASSERT_TRUE(fixture.Quantize(model, 4, &version).ok());
  v1::SetAliasRequest alias;
  alias.set_name(model + "/aliases/canary");
  alias.set_version(version.name());
  v1::Alias set;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(fixture.models().SetAlias(&context, alias, &set).ok());
  }
  v1::DetectRequest request;
  request.set_model(alias.name());
  request.add_images(ScenePng(DrawDiscScene(3, 160)));
  const v1::DetectResponse before = Detect(fixture, request);
  EXPECT_EQ(before.model_version(), version.name());
  fixture.Restart();
  const v1::DetectResponse after = Detect(fixture, request);
  EXPECT_EQ(after.model_version(), version.name());
  ASSERT_EQ(after.results(0).detections_size(), before.results(0).detections_size());
  for (int i = 0; i < after.results(0).detections_size(); ++i) {
    EXPECT_EQ(after.results(0).detections(i).SerializeAsString(),
              before.results(0).detections(i).SerializeAsString());
  }
}

TEST(Chain, ThePackedExportIsTheBundleAndReadsBack) {
  ServerFixture fixture;
  const std::string model = fixture.CreateDiscModel();
  v1::ModelVersion version;
  ASSERT_TRUE(fixture.Quantize(model, 3, &version).ok());
  const std::string artifact = Export(fixture, version.name(), v1::EXPORT_FORMAT_PACKED);
  EXPECT_EQ(artifact, version.bundle_artifact());
  const base::StringReader reader(fixture.Download(artifact));
  const auto file = tensorfile::PackedFile::Open(reader);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->is_packed());
  const tensorfile::LogicalTensor* weight = file->Find("cls_0.weight");
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->options.bits, 3);
}

}  // namespace
}  // namespace lbw::testing
