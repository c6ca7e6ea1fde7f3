#include "client/cpp/progress.h"

#include <sstream>

#include "gmock/gmock.h"
#include "support/fake_clock.h"

namespace lbw::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RenderProgress, BytesShowShareRateAndTimeLeft) {
  const ProgressState state = {"upload", 25 << 20, 100 << 20, "bytes", "a.onnx"};
  EXPECT_EQ(RenderProgress(state, 0, absl::Seconds(5), 200),
            "upload [######------------------]  25 % 25.0 MiB of 100 MiB, 5.00 MiB/s, 15 s left  "
            "a.onnx");
}

TEST(RenderProgress, AResumedStageCountsOnlyWhatThisRunMoved) {
  const ProgressState state = {"upload", 75 << 20, 100 << 20, "bytes", ""};
  EXPECT_THAT(RenderProgress(state, 50 << 20, absl::Seconds(5), 200), HasSubstr("5.00 MiB/s"));
}

TEST(RenderProgress, UnknownTotalAndOtherUnits) {
  EXPECT_EQ(RenderProgress({"quantize", 3, 0, "tensors", ""}, 0, absl::ZeroDuration(), 80),
            "quantize 3 tensors");
  EXPECT_EQ(RenderProgress({"quantize", 3, 4, "tensors", "conv1"}, 0, absl::ZeroDuration(), 200),
            "quantize [##################------]  75 % 3 of 4 tensors  conv1");
}

TEST(RenderProgress, IsCutToTheTerminal) {
  EXPECT_EQ(RenderProgress({"quantize", 3, 0, "tensors", ""}, 0, absl::ZeroDuration(), 8),
            "quantize");
}

TEST(TerminalProgress, DrawsAtMostTenTimesASecondAndClears) {
  lbw::testing::FakeClock clock;
  std::ostringstream out;
  TerminalProgress progress(out, 80, clock);
  progress.Update({"upload", 1, 100, "bytes", ""});
  progress.Update({"upload", 2, 100, "bytes", ""});
  EXPECT_THAT(out.str(), Not(HasSubstr("2 B of")));
  clock.Advance(absl::Milliseconds(100));
  progress.Update({"upload", 3, 100, "bytes", ""});
  EXPECT_THAT(out.str(), HasSubstr("3 B of 100 B"));
  progress.Update({"upload", 100, 100, "bytes", ""});
  EXPECT_THAT(out.str(), HasSubstr("100 %"));
  const size_t drawn = out.str().size();
  progress.Clear();
  EXPECT_EQ(out.str().substr(drawn), "\r\x1b[2K");
  progress.Clear();
  EXPECT_EQ(out.str().size(), drawn + 5);
}

}  // namespace
}  // namespace lbw::client
