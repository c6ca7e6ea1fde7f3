#include "client/cpp/pictures.h"

#include <limits>

#include "gmock/gmock.h"

namespace lbw::client {
namespace {

using ::testing::ElementsAre;

TEST(PlanCalls, BoundsPicturesAndBytes) {
  const std::vector<uint64_t> many(130, 10);
  EXPECT_THAT(PlanCalls(many, {64, 1000}),
              ElementsAre(PictureRange{0, 64}, PictureRange{64, 128}, PictureRange{128, 130}));
  EXPECT_THAT(PlanCalls({400, 600, 1, 999, 1}, {64, 1000}),
              ElementsAre(PictureRange{0, 2}, PictureRange{2, 4}, PictureRange{4, 5}));
  EXPECT_THAT(PlanCalls({}, {64, 1000}), ElementsAre());
}

TEST(PlanCalls, APictureOverTheLimitIsAlone) {
  const uint64_t huge = std::numeric_limits<uint64_t>::max();
  EXPECT_THAT(PlanCalls({1, 1001, 1, huge, 0}, {64, 1000}),
              ElementsAre(PictureRange{0, 1}, PictureRange{1, 2}, PictureRange{2, 3},
                          PictureRange{3, 4}, PictureRange{4, 5}));
}

TEST(AnnotatedNames, KeepBaseNamesAndNeverCollide) {
  EXPECT_THAT(AnnotatedNames({"a/x.png", "b/x.jpg", "x.tar.jpeg", "c/x", "x-2.png"}, ".jpg"),
              ElementsAre("x.jpg", "x-2.jpg", "x.tar.jpg", "x-3.jpg", "x-2-2.jpg"));
}

TEST(AppendResponse, KeepsTheOrderAndTheFirstVersion) {
  v1::DetectResponse whole;
  for (const char* label : {"a", "b"}) {
    v1::DetectResponse part;
    part.set_model_version(std::string("v") + label);
    part.set_queue_us(std::numeric_limits<uint32_t>::max() - 1);
    part.add_results()->add_detections()->set_label(label);
    AppendResponse(std::move(part), whole);
  }
  EXPECT_EQ(whole.model_version(), "va");
  EXPECT_EQ(whole.queue_us(), std::numeric_limits<uint32_t>::max());
  ASSERT_EQ(whole.results_size(), 2);
  EXPECT_EQ(whole.results(1).detections(0).label(), "b");
}

}  // namespace
}  // namespace lbw::client
