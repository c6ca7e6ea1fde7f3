// Hostile input through the API: each a clear error with its reason, and a server that goes on.
#include <onnx/onnx_pb.h>

#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/io.h"
#include "component/server_fixture.h"
#include "detect/image/image.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/disc_detector.h"
#include "support/disc_scene.h"

namespace lbw::testing {
namespace {

using ::testing::HasSubstr;

std::string LittleEndian64(uint64_t value) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string Safetensors(const std::string& header, const std::string& data) {
  return LittleEndian64(header.size()) + header + data;
}

std::string FloatFile(const std::vector<float>& values) {
  std::string data(values.size() * sizeof(float), '\0');
  std::memcpy(data.data(), values.data(), data.size());
  return Safetensors("{\"w\":{\"dtype\":\"F32\",\"shape\":[2," + std::to_string(values.size() / 2) +
                         "],\"data_offsets\":[0," + std::to_string(data.size()) + "]}}",
                     data);
}

class Hostile : public ::testing::Test {
 protected:
  // The status of quantizing these bytes as an artifact.
  grpc::Status Quantize(const std::string& bytes) {
    v1::QuantizeArtifactRequest request;
    request.set_artifact(fixture_.Upload(bytes));
    request.mutable_options()->set_bits(4);
    grpc::ClientContext context;
    auto stream = fixture_.quantization().QuantizeArtifact(&context, request);
    v1::QuantizeArtifactResponse update;
    while (stream->Read(&update)) {
    }
    return stream->Finish();
  }

  grpc::Status CreateModel(const std::string& onnx) {
    v1::CreateModelRequest request;
    request.set_model_id("hostile");
    request.set_artifact(fixture_.Upload(onnx));
    request.set_spec(DiscDetectorSpec());
    v1::Model model;
    grpc::ClientContext context;
    return fixture_.models().CreateModel(&context, request, &model);
  }

  v1::DetectResult DetectOne(const std::string& image) {
    v1::DetectRequest request;
    request.set_model(fixture_.CreateDiscModel("discs" + std::to_string(++models_)));
    request.add_images(image);
    v1::DetectResponse response;
    grpc::ClientContext context;
    const grpc::Status status = fixture_.detection().Detect(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.results_size() == 1 ? response.results(0) : v1::DetectResult();
  }

  // After everything: the server still does its work.
  void TearDown() override {
    EXPECT_TRUE(Quantize(FloatFile({1, 2, 3, 4})).ok());
    const DiscScene scene = DrawDiscScene(1, kDiscInput);
    detect::Image image{scene.width, scene.height, scene.rgb};
    EXPECT_FALSE(DetectOne(*detect::EncodeImage(image, detect::ImageFormat::kPng)).has_error());
  }

  ServerFixture fixture_;
  int models_ = 0;
};

void ExpectRefused(const grpc::Status& status, const std::string& reason) {
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_EQ(ReasonOf(status), reason) << status.error_message();
}

TEST_F(Hostile, SafetensorsHeaders) {
  const std::string good = "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}";
  const std::string data(16, '\1');
  ExpectRefused(Quantize(LittleEndian64(uint64_t{1} << 63) + good + data), "BAD_FILE");
  ExpectRefused(
      Quantize(Safetensors("{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                           "\"b\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[8,24]}}",
                           data + data.substr(8))),
      "BAD_FILE");
  ExpectRefused(
      Quantize(Safetensors("{\"w\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4294967296],"
                           "\"data_offsets\":[0,16]}}",
                           data)),
      "BAD_FILE");
  ExpectRefused(Quantize(Safetensors("{\"w\":{\"dtype\":\"F32\",\"shape\":[2,2],"
                                     "\"data_offsets\":[0,17]}}",
                                     data + "x")),
                "BAD_FILE");
}

TEST_F(Hostile, EveryTruncationOfASafetensorsFileIsRefused) {
  const std::string whole = FloatFile({1, 2, 3, 4});
  for (size_t length = 9; length < whole.size(); length += 5) {
    const grpc::Status status = Quantize(whole.substr(0, length));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << length;
  }
}

TEST_F(Hostile, WeightsThatAreNotFiniteAreNamed) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const grpc::Status status = Quantize(FloatFile({1, 2, 3, bad}));
    ExpectRefused(status, "NON_FINITE");
    EXPECT_THAT(status.error_message(), HasSubstr("w"));
    EXPECT_THAT(status.error_message(), HasSubstr("3"));
  }
}

TEST_F(Hostile, OnnxThatIsCutShortOrFlipped) {
  const std::string whole = DiscDetectorOnnx(DiscDetectorWeights());
  for (const double part : {0.1, 0.5, 0.9, 0.999}) {
    const auto length = static_cast<size_t>(static_cast<double>(whole.size()) * part);
    EXPECT_FALSE(CreateModel(whole.substr(0, length)).ok()) << part;
  }
  // A flipped bit is refused or harmless; the model is removed again where it was accepted.
  for (size_t i = 7; i < 400; i += 13) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    if (!CreateModel(flipped).ok()) continue;
    v1::DeleteModelRequest request;
    request.set_name("models/hostile");
    request.set_force(true);
    google::protobuf::Empty empty;
    grpc::ClientContext context;
    EXPECT_TRUE(fixture_.models().DeleteModel(&context, request, &empty).ok());
  }
}

// The disc detector with one thing changed.
std::string ChangedOnnx(const std::function<void(onnx::GraphProto&)>& change) {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(DiscDetectorOnnx(DiscDetectorWeights())));
  change(*model.mutable_graph());
  return model.SerializeAsString();
}

TEST_F(Hostile, OnnxGraphs) {
  ExpectRefused(CreateModel(ChangedOnnx([](onnx::GraphProto& graph) {
                  // The first convolution reads what comes out behind it.
                  graph.mutable_node(0)->set_input(0, "pool_1");
                })),
                "BAD_GRAPH");
  ExpectRefused(CreateModel(ChangedOnnx([](onnx::GraphProto& graph) {
                  graph.mutable_initializer(0)->set_dims(0, 1000);
                })),
                "BAD_FILE");
  const grpc::Status unknown = CreateModel(ChangedOnnx(
      [](onnx::GraphProto& graph) { graph.mutable_node(1)->set_op_type("Frobnicate"); }));
  ExpectRefused(unknown, "UNSUPPORTED_OPERATOR");
  EXPECT_THAT(unknown.error_message(), HasSubstr("Frobnicate"));
  EXPECT_THAT(unknown.error_message(), HasSubstr("Relu_colour_relu"));
  ExpectRefused(CreateModel("not an ONNX file"), "UNSUPPORTED_FORMAT");
}

// A PNG whose header says 30000 x 30000.
std::string HugePng() {
  const std::string ihdr("IHDR\0\0\x75\x30\0\0\x75\x30\x08\x02\0\0\0", 17);
  std::string png("\x89PNG\r\n\x1a\n\0\0\0\x0d", 12);
  png += ihdr;
  uint32_t crc = 0xFFFFFFFFU;
  for (const char c : ihdr) {
    crc ^= static_cast<uint8_t>(c);
    for (int k = 0; k < 8; ++k) crc = (crc >> 1) ^ (0xEDB88320U & (0U - (crc & 1U)));
  }
  crc = ~crc;
  for (int shift = 24; shift >= 0; shift -= 8) png += static_cast<char>(crc >> shift);
  return png + std::string(64, '\0');
}

TEST_F(Hostile, Pictures) {
  const v1::DetectResult huge = DetectOne(HugePng());
  EXPECT_EQ(huge.error().code(), 3);
  EXPECT_THAT(huge.error().message(), HasSubstr("30000"));
  const DiscScene scene = DrawDiscScene(2, 320);
  detect::Image image{scene.width, scene.height, scene.rgb};
  const std::string jpeg = *detect::EncodeImage(image, detect::ImageFormat::kJpeg);
  EXPECT_FALSE(DetectOne(jpeg).has_error());
  EXPECT_EQ(DetectOne(jpeg.substr(0, jpeg.size() / 2)).error().code(), 3);
  EXPECT_EQ(DetectOne("GIF89a and nothing else").error().code(), 3);
  EXPECT_EQ(DetectOne("").error().code(), 3);
}

TEST_F(Hostile, CallsThatNameWhatIsNotThere) {
  v1::DetectRequest request;
  request.set_model("models/nobody");
  request.add_images("x");
  v1::DetectResponse response;
  {
    grpc::ClientContext context;
    const grpc::Status status = fixture_.detection().Detect(&context, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(ReasonOf(status), "NOT_FOUND");
  }
  for (const char* name : {"", "models/", "models/UPPER", "nobody", "models/a/versions/zero",
                           "models/a/versions/-1", "models/a/b/c"}) {
    request.set_model(name);
    grpc::ClientContext context;
    const grpc::Status status = fixture_.detection().Detect(&context, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_EQ(FieldOf(status), "model") << name;
  }
}

TEST_F(Hostile, ADeadlineThatHasPassedAndACancelledCall) {
  v1::DetectRequest request;
  request.set_model(fixture_.CreateDiscModel());
  request.add_images("x");
  v1::DetectResponse response;
  {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() - std::chrono::seconds(1));
    EXPECT_EQ(fixture_.detection().Detect(&context, request, &response).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  grpc::ClientContext context;
  context.TryCancel();
  EXPECT_EQ(fixture_.detection().Detect(&context, request, &response).error_code(),
            grpc::StatusCode::CANCELLED);
}

TEST_F(Hostile, DetectArgumentsAtAndOverTheirLimits) {
  v1::DetectRequest request;
  request.set_model(fixture_.CreateDiscModel());
  v1::DetectResponse response;
  const auto call = [&] {
    grpc::ClientContext context;
    return fixture_.detection().Detect(&context, request, &response);
  };
  EXPECT_EQ(FieldOf(call()), "images");
  for (int i = 0; i < 64; ++i) request.add_images("x");
  EXPECT_TRUE(call().ok());
  request.add_images("x");
  EXPECT_EQ(FieldOf(call()), "images");
  request.clear_images();
  request.add_images("x");
  request.mutable_options()->set_score_threshold(1.5F);
  EXPECT_EQ(FieldOf(call()), "options.score_threshold");
  request.mutable_options()->set_score_threshold(std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(FieldOf(call()), "options.score_threshold");
  request.mutable_options()->clear_score_threshold();
  request.mutable_options()->set_max_detections(1001);
  EXPECT_EQ(FieldOf(call()), "options.max_detections");
  request.mutable_options()->set_max_detections(1000);
  EXPECT_TRUE(call().ok());
  request.mutable_options()->add_classes("violet");
  const grpc::Status unknown = call();
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(unknown.error_message(), HasSubstr("violet"));
}

}  // namespace
}  // namespace lbw::testing
