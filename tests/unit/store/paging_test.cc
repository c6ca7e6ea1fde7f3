#include "store/paging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace lbw::store {
namespace {

using ::testing::ElementsAre;

TEST(PageLimit, HasADefaultAndABound) {
  EXPECT_EQ(PageLimit(-1), 100);
  EXPECT_EQ(PageLimit(0), 100);
  EXPECT_EQ(PageLimit(1), 1);
  EXPECT_EQ(PageLimit(1000), 1000);
  EXPECT_EQ(PageLimit(1001), 1000);
}

TEST(PageRoom, TakesTheFirstAlwaysAndNoneBeyondItsBytes) {
  PageRoom room(10);
  EXPECT_TRUE(room.Takes(6));
  EXPECT_FALSE(room.Takes(5));
  EXPECT_TRUE(room.Takes(4));
  EXPECT_TRUE(room.Takes(0));
  EXPECT_FALSE(room.Takes(1));
  PageRoom small(10);
  EXPECT_TRUE(small.Takes(11));
  EXPECT_FALSE(small.Takes(1));
}

TEST(PageToken, BeginsBehindTheRowItWasMadeFrom) {
  const TimePlace place =
      ParsePageToken(PageTokenBehind(absl::FromUnixMicros(1'700'000'000'123'456), "a.b")).value();
  EXPECT_EQ(place.create_us, 1'700'000'000'123'456);
  EXPECT_EQ(place.id, "a.b");
}

TEST(PageToken, AnEmptyOneIsBeforeEverything) {
  const TimePlace place = ParsePageToken("").value();
  EXPECT_EQ(place.create_us, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(place.id, "");
}

TEST(PageToken, RefusesWhatNoPageAnswered) {
  EXPECT_TRUE(ParsePageToken("1." + std::string(126, 'a')).ok());
  for (const std::string& token :
       {std::string("1"), std::string("1."), std::string(".a"), std::string("x.a"),
        std::string("9223372036854775808.a"), "1." + std::string(127, 'a')}) {
    const absl::Status status = ParsePageToken(token).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << token;
    EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre("page_token")) << token;
  }
}

}  // namespace
}  // namespace lbw::store
