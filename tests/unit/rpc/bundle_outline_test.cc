#include "rpc/bundle_outline.h"

#include <atomic>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "base/status.h"
#include "gtest/gtest.h"
#include "model/import_model.h"
#include "support/disc_detector.h"
#include "support/test_data.h"
#include "tasks/estimate.h"

namespace lbw::rpc {
namespace {

std::string Bundle(const model::Model& model) {
  base::StringSink sink;
  const absl::Status written = model::WriteBundle(model, sink);
  EXPECT_TRUE(written.ok()) << written;
  return sink.Take();
}

model::Model Discs() {
  const auto spec = model::ParseSpec(testing::DiscDetectorSpec());
  return model::ImportOnnxModel(testing::DiscDetectorOnnx(testing::DiscDetectorWeights()), *spec)
      .value()
      .model;
}

// Counts what is read.
class CountingReader final : public base::RandomAccessReader {
 public:
  explicit CountingReader(const std::string& bytes) : inner_(bytes) {}
  uint64_t size() const override { return inner_.size(); }
  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> out) const override {
    read_ += out.size();
    return inner_.ReadAt(offset, out);
  }
  uint64_t read() const { return read_; }

 private:
  const base::StringReader inner_;
  mutable std::atomic<uint64_t> read_{0};
};

tasks::Estimate EstimateOf(const model::Model& model) {
  tasks::EstimateInput input;
  input.model = &model;
  input.bundle_bytes = 1'000;
  input.pictures = 100;
  const auto estimate = tasks::EstimateEvaluation(input);
  EXPECT_TRUE(estimate.ok()) << estimate.status();
  return estimate.value_or(tasks::Estimate{});
}

void ExpectTheSameEstimate(const model::Model& whole, const model::Model& outline) {
  const tasks::Estimate expected = EstimateOf(whole);
  const tasks::Estimate estimate = EstimateOf(outline);
  EXPECT_GT(estimate.duration, absl::ZeroDuration());
  EXPECT_EQ(estimate.duration, expected.duration);
  EXPECT_EQ(estimate.memory_bytes, expected.memory_bytes);
  EXPECT_EQ(estimate.basis, expected.basis);
}

TEST(ReadBundleOutline, EstimatesAsTheWholeBundleDoesAlsoWhereItIsQuantized) {
  model::Model model = Discs();
  for (const bool is_float : {true, false}) {
    const auto outline = ReadBundleOutline(base::StringReader(Bundle(model)));
    ASSERT_TRUE(outline.ok()) << outline.status();
    EXPECT_EQ(outline->spec, model.spec);
    ExpectTheSameEstimate(model, *outline);
    if (!is_float) break;
    model::QuantizeOptions options;
    ASSERT_TRUE(model::QuantizeModel(model, options, [](auto, auto, auto) {
                  return absl::OkStatus();
                }).ok());
  }
}

TEST(ReadBundleOutline, DoesNotReadTheWeights) {
  const std::optional<std::string> data = testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is not set";
  const auto read = [](const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  };
  const auto spec = model::ParseSpec(
      read(std::string(LBW_SOURCE_DIR) + "/server/model/examples/face_mask_ssd.yaml"));
  ASSERT_TRUE(spec.ok()) << spec.status();
  const auto imported =
      model::ImportOnnxModel(read(*data + "/weights_aizoo_ssd/face_mask_detection.onnx"), *spec);
  ASSERT_TRUE(imported.ok()) << imported.status();
  const std::string bundle = Bundle(imported->model);
  const CountingReader reader(bundle);
  const auto outline = ReadBundleOutline(reader);
  ASSERT_TRUE(outline.ok()) << outline.status();
  ExpectTheSameEstimate(imported->model, *outline);
  EXPECT_LT(reader.read(), bundle.size() / 4);
}

// validate_only failed where the job would run: a header of 16 MiB was the most here.
TEST(ReadBundleOutline, ReadsWhatAJobReadsAlsoWhereItsHeaderIsLong) {
  constexpr size_t kPadding = size_t{17} << 20;
  const std::string bundle = Bundle(Discs());
  uint64_t length = 0;
  for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bundle[i]);
  std::string text;
  for (size_t i = 0; i < 8; ++i) {
    text.push_back(static_cast<char>((length + kPadding) >> (8 * i) & 0xFF));
  }
  text += bundle.substr(8, length) + std::string(kPadding, ' ') + bundle.substr(8 + length);
  const base::StringReader reader(text);
  ASSERT_TRUE(model::ReadBundle(reader).ok());
  const auto outline = ReadBundleOutline(reader);
  EXPECT_TRUE(outline.ok()) << outline.status();
}

TEST(ReadBundleOutline, RefusesWhatIsNoBundle) {
  EXPECT_EQ(ReadBundleOutline(base::StringReader("nonsense")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lbw::rpc
