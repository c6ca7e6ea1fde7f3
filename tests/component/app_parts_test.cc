// The small parts that the composition root is made of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/synchronization/notification.h"
#include "app/artifact_format.h"
#include "app/cpu.h"
#include "app/periodic.h"
#include "app/port_file.h"
#include "base/io.h"
#include "support/disc_detector.h"
#include "support/temp_dir.h"
#include "tensorfile/packed.h"

namespace lbw::app {
namespace {

using store::ArtifactFormat;
using ::testing::HasSubstr;

ArtifactFormat FormatOf(std::string bytes) {
  return DetectFormat(base::StringReader(std::move(bytes)));
}

std::string Safetensors() {
  const tensorfile::AnyTensor tensor = base::Tensor::FromF32({2}, std::vector<float>{1, 2});
  base::StringSink sink;
  EXPECT_TRUE(tensorfile::WritePacked(sink, {{"x", &tensor}}, {}).ok());
  return sink.Take();
}

TEST(DetectFormat, TellsFilesApartByTheirContent) {
  EXPECT_EQ(FormatOf(Safetensors()), ArtifactFormat::kSafetensors);
  EXPECT_EQ(FormatOf(testing::DiscDetectorOnnx(testing::DiscDetectorWeights())),
            ArtifactFormat::kOnnx);
  EXPECT_EQ(FormatOf(""), ArtifactFormat::kOther);
  EXPECT_EQ(FormatOf("just text"), ArtifactFormat::kOther);
  EXPECT_EQ(FormatOf(Safetensors().substr(0, 20)), ArtifactFormat::kSafetensors);
}

TEST(DescribeCpu, NamesTheModelAndWhatMatters) {
  EXPECT_EQ(DescribeCpu("processor : 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu avx2 sse "
                        "avx512_vnni avx512f\n"),
            "Some CPU @ 2 GHz (avx2 avx512f avx512_vnni)");
  EXPECT_EQ(DescribeCpu("Features : asimd asimddp\n"), "unknown CPU (asimddp)");
  EXPECT_EQ(DescribeCpu(""), "unknown CPU");
}

TEST(Periodic, CallsUntilItIsStopped) {
  std::atomic<int> calls{0};
  absl::Notification thrice;
  Periodic periodic("test", absl::Milliseconds(1), [&] {
    if (++calls == 3) thrice.Notify();
  });
  thrice.WaitForNotification();
  periodic.Stop();
  const int after = calls;
  periodic.Stop();
  EXPECT_EQ(calls, after);
}

TEST(Periodic, StopDoesNotWaitForTheInterval) {
  Periodic periodic("test", absl::Hours(1), [] { ADD_FAILURE() << "called"; });
  periodic.Stop();
}

TEST(WritePortFile, ReplacesWhatStandsThereAndNamesWhatFails) {
  const testing::TempDir dir;
  const std::string path = dir.File("ports.json");
  std::ofstream(path) << "old";
  ASSERT_TRUE(WritePortFile(path, {{"grpc", 1}, {"admin", 2}}).ok());
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), "{\"grpc\": 1, \"admin\": 2}\n");
  const absl::Status failed = WritePortFile(dir.File("none/ports.json"), {{"grpc", 1}});
  EXPECT_THAT(std::string(failed.message()), HasSubstr("none/ports.json"));
}

}  // namespace
}  // namespace lbw::app
