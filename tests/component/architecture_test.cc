// Built-in architectures: from a name and a list of classes to a version that is served, quantized
// and exported; and the network itself through executor and decoder.
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "component/server_fixture.h"
#include "detect/image/image.h"
#include "engine/executor.h"
#include "engine/torch/torch_executor.h"
#include "gmock/gmock.h"
#include "graph/rounding_points.h"
#include "gtest/gtest.h"
#include "model/build_model.h"

namespace lbw::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kSpec[] = "classes: [disc, ring]\nhead: {nms: {score: 0.005}}\n";

v1::CreateModelRequest Request(const std::string& model) {
  v1::CreateModelRequest request;
  request.set_model_id(model);
  request.set_spec(kSpec);
  request.mutable_architecture()->set_name("ssd_tiny");
  request.mutable_architecture()->set_width_multiplier(0.5);
  request.mutable_architecture()->set_seed(7);
  return request;
}

grpc::Status Create(ServerFixture& fixture, const v1::CreateModelRequest& request,
                    v1::Model* model) {
  grpc::ClientContext context;
  return fixture.models().CreateModel(&context, request, model);
}

std::string NoisePng() {
  base::Random random(3);
  detect::Image image;
  image.width = 90;
  image.height = 70;
  image.rgb.resize(size_t{3} * 90 * 70);
  for (auto& value : image.rgb) value = static_cast<uint8_t>(random.Below(256));
  auto png = detect::EncodeImage(image, detect::ImageFormat::kPng);
  EXPECT_TRUE(png.ok()) << png.status();
  return *png;
}

// A network that has seen nothing says little, so every box that scores above 0.005 counts.
void ExpectBoxesInside(ServerFixture& fixture, const std::string& model) {
  v1::DetectRequest request;
  request.set_model(model);
  request.add_images(NoisePng());
  v1::DetectResponse response;
  grpc::ClientContext context;
  const grpc::Status status = fixture.detection().Detect(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_THAT(response.results(), SizeIs(1));
  EXPECT_GT(response.results(0).detections_size(), 0);
  for (const v1::Detection& detection : response.results(0).detections()) {
    EXPECT_LT(detection.class_index(), 2U);
    EXPECT_GT(detection.score(), 0.005F);
    EXPECT_LT(detection.score(), 0.5F);
    EXPECT_GE(detection.box().x_min(), 0);
    EXPECT_LE(detection.box().x_max(), 90);
    EXPECT_GE(detection.box().y_min(), 0);
    EXPECT_LE(detection.box().y_max(), 70);
  }
}

TEST(Architecture, BecomesAVersionThatIsServedAndQuantized) {
  ServerFixture fixture;
  v1::Model model;
  const grpc::Status status = Create(fixture, Request("scenes"), &model);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(model.name(), "models/scenes");
  ASSERT_THAT(model.aliases(), SizeIs(1));
  EXPECT_EQ(model.aliases(0).version(), "models/scenes/versions/1");
  ASSERT_THAT(model.versions(), SizeIs(1));
  const v1::ModelVersion& version = model.versions(0);
  EXPECT_EQ(version.state(), v1::VERSION_STATE_READY);
  EXPECT_EQ(version.source_artifact(), "");
  EXPECT_EQ(version.head_kind(), "ssd");
  EXPECT_EQ(version.max_batch(), 0U);
  EXPECT_THAT(version.classes(), ElementsAre("disc", "ring"));
  EXPECT_THAT(version.import_notes(),
              ElementsAre("built-in architecture ssd_tiny, width multiplier 0.5, seed 7"));
  ExpectBoxesInside(fixture, "models/scenes");
  v1::ModelVersion low_bit;
  const grpc::Status quantized = fixture.Quantize("models/scenes", 4, &low_bit);
  ASSERT_TRUE(quantized.ok()) << quantized.error_message();
  EXPECT_EQ(low_bit.parent_version(), "models/scenes/versions/1");
  ExpectBoxesInside(fixture, low_bit.name());
}

TEST(Architecture, ItsLineageBeginsWithTheVersionItself) {
  ServerFixture fixture;
  v1::Model model;
  ASSERT_TRUE(Create(fixture, Request("scenes"), &model).ok());
  v1::GetLineageRequest request;
  request.set_name("models/scenes/versions/1");
  v1::Lineage lineage;
  grpc::ClientContext context;
  const grpc::Status status = fixture.models().GetLineage(&context, request, &lineage);
  ASSERT_TRUE(status.ok()) << status.error_message();
  for (const v1::LineageEdge& edge : lineage.edges()) {
    EXPECT_NE(edge.to(), request.name()) << edge.from() << " " << edge.relation();
    EXPECT_NE(edge.relation(), "imported");
  }
}

TEST(Architecture, ValidateOnlyTellsAllAndStoresNothing) {
  ServerFixture fixture;
  v1::CreateModelRequest request = Request("scenes");
  request.set_validate_only(true);
  v1::Model model;
  const grpc::Status status = Create(fixture, request, &model);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_THAT(model.versions(), SizeIs(1));
  EXPECT_THAT(model.versions(0).import_notes(), SizeIs(1));
  EXPECT_THAT(model.versions(0).spec_json(), HasSubstr("\"priors\""));
  v1::ListModelsResponse list;
  grpc::ClientContext context;
  ASSERT_TRUE(fixture.models().ListModels(&context, {}, &list).ok());
  EXPECT_THAT(list.models(), IsEmpty());
  v1::ListArtifactsResponse artifacts;
  grpc::ClientContext another;
  ASSERT_TRUE(fixture.artifacts().ListArtifacts(&another, {}, &artifacts).ok());
  EXPECT_THAT(artifacts.artifacts(), IsEmpty());
}

TEST(Architecture, TheSameRequestIsTheSameBundleAndTheNameIsTakenOnce) {
  ServerFixture fixture;
  v1::Model first;
  v1::Model second;
  ASSERT_TRUE(Create(fixture, Request("one"), &first).ok());
  ASSERT_TRUE(Create(fixture, Request("two"), &second).ok());
  EXPECT_EQ(first.versions(0).bundle_artifact(), second.versions(0).bundle_artifact());
  v1::Model model;
  const grpc::Status again = Create(fixture, Request("one"), &model);
  EXPECT_EQ(again.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(ReasonOf(again), "ALREADY_EXISTS");
}

TEST(Architecture, RefusesWhatCannotBeBuilt) {
  ServerFixture fixture;
  const auto refused = [&](const v1::CreateModelRequest& request, const std::string& reason) {
    v1::Model model;
    const grpc::Status status = Create(fixture, request, &model);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_EQ(ReasonOf(status), reason);
    return FieldOf(status);
  };
  v1::CreateModelRequest request = Request("scenes");
  request.set_artifact("artifacts/" + std::string(64, 'a'));
  EXPECT_EQ(refused(request, "BAD_ARGUMENT"), "artifact") << "both";
  request = Request("scenes");
  request.clear_architecture();
  EXPECT_EQ(refused(request, "BAD_ARGUMENT"), "artifact") << "neither";
  request = Request("scenes");
  request.mutable_architecture()->set_name("rfcn");
  EXPECT_EQ(refused(request, "BAD_ARGUMENT"), "architecture.name");
  request = Request("scenes");
  request.mutable_architecture()->set_width_multiplier(100);
  EXPECT_EQ(refused(request, "BAD_ARGUMENT"), "architecture.width_multiplier");
  request = Request("scenes");
  request.set_spec("classes: [a]\nhead: {kind: ssd}\n");
  refused(request, "BAD_SPEC");
  request = Request("Scenes!");
  EXPECT_EQ(refused(request, "BAD_NAME"), "model_id");
}

// A batch of two pictures of noise, as the spec prepares them.
base::Tensor Pictures(const model::Model& model) {
  base::Random random(5);
  const detect::InputSpec& input = model.spec.input;
  base::Tensor pictures(base::DType::kF32, {2, 3, input.height, input.width});
  for (float& value : pictures.mutable_as<float>()) {
    value = (static_cast<float>(random.Below(256)) - input.mean[0]) * input.scale[0];
  }
  return pictures;
}

std::vector<base::Tensor> RunModel(const model::Model& model, const detect::Decoder& decoder,
                                   const graph::Activations& emulate) {
  engine::CompileOptions options;
  options.fetch = decoder.inputs();
  options.height = model.spec.input.height;
  options.width = model.spec.input.width;
  options.emulate = emulate;
  const auto executor =
      engine::NewTorchExecutorFactory()->Compile(model.graph, model.constants, options);
  EXPECT_TRUE(executor.ok()) << executor.status();
  if (!executor.ok()) return {};
  const base::Tensor pictures = Pictures(model);
  auto outputs = (*executor)->Run(pictures.view(), base::CancelToken());
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  return outputs.ok() ? *std::move(outputs) : std::vector<base::Tensor>();
}

TEST(SsdTiny, AnExecutorsOutputsDecodeToFiniteBoxesAtEveryWidth) {
  auto model = model::BuildModel({.arch = "ssd_tiny", .seed = 1}, kSpec);
  ASSERT_TRUE(model.ok()) << model.status();
  const auto decoder = model::MakeDecoder(*model);
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  for (const int bits : {0, 4}) {
    if (bits > 0) {
      model::QuantizeOptions options;
      options.tensor.bits = bits;
      ASSERT_TRUE(model::QuantizeModel(*model, options, {}).ok());
    }
    const std::vector<base::Tensor> outputs = RunModel(*model, **decoder, {});
    ASSERT_THAT(outputs, SizeIs(2));
    for (const int64_t picture : {0, 1}) {
      const auto decoded = (*decoder)->Decode(outputs, picture, {});
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      EXPECT_GT(decoded->detections.size(), 0U);
      for (const detect::Detection& detection : decoded->detections) {
        EXPECT_GT(detect::Area(detection.box), 0);
        for (const float side :
             {detection.box.x_min, detection.box.y_min, detection.box.x_max, detection.box.y_max}) {
          EXPECT_TRUE(std::isfinite(side));
        }
      }
    }
  }
}

// Features keep their size through the layers: neither dying out nor blowing up.
TEST(SsdTiny, FreshWeightsGiveLogitsNearTheirBias) {
  const auto model = model::BuildModel({.arch = "ssd_tiny", .seed = 2}, "classes: [a]");
  ASSERT_TRUE(model.ok()) << model.status();
  const auto decoder = model::MakeDecoder(*model);
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  const std::vector<base::Tensor> outputs = RunModel(*model, **decoder, {});
  ASSERT_THAT(outputs, SizeIs(2));
  double squares = 0;
  for (const float value : outputs[0].as<float>()) {
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const double rms = std::sqrt(squares / static_cast<double>(outputs[0].elements()));
  EXPECT_GT(rms, 0.01);
  EXPECT_LT(rms, 1);
}

TEST(SsdTiny, RunsWithItsActivationsRounded) {
  auto model = model::BuildModel({.arch = "ssd_tiny", .seed = 3}, kSpec);
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_TRUE(model::QuantizeModel(*model, {}, {}).ok());
  const auto decoder = model::MakeDecoder(*model);
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  std::map<std::string, graph::Extremes, std::less<>> extremes;
  const auto points =
      graph::FindRoundingPoints(model->graph, model->constants, model::RoleValues(model->spec));
  for (const graph::RoundingPoint& point : points) extremes[point.value] = {0, 8};
  const auto activations = graph::ChooseActivations(
      points, extremes, graph::PictureRange(model->spec.input.mean, model->spec.input.scale));
  ASSERT_TRUE(activations.ok()) << activations.status();
  EXPECT_EQ(activations->find("image")->second.scale, 1 / 128.F);
  const std::vector<base::Tensor> plain = RunModel(*model, **decoder, {});
  const std::vector<base::Tensor> rounded = RunModel(*model, **decoder, *activations);
  ASSERT_THAT(rounded, SizeIs(2));
  ASSERT_EQ(plain[1].elements(), rounded[1].elements());
  const auto exact = plain[1].as<float>();
  const auto near = rounded[1].as<float>();
  for (size_t i = 0; i < exact.size(); ++i) ASSERT_NEAR(exact[i], near[i], 0.5);
}

}  // namespace
}  // namespace lbw::testing
