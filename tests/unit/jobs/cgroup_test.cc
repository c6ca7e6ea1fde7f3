#include "jobs/cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lbw::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(OomCounterPaths, OfTheUnifiedHierarchy) {
  EXPECT_THAT(OomCounterPaths("0::/system.slice/lbw.service\n", "/cg"),
              ElementsAre("/cg/system.slice/lbw.service/memory.events", "/cg/memory.events"));
  EXPECT_THAT(OomCounterPaths("0::/\n", "/cg"),
              ElementsAre("/cg/memory.events", "/cg/memory.events"));
}

TEST(OomCounterPaths, OfTheMemoryController) {
  EXPECT_THAT(
      OomCounterPaths("9:name=systemd:/x\n4:cpu,memory:/a:b\n2:memoryless:/y\n0::/\n", "/cg"),
      ElementsAre("/cg/memory.events", "/cg/memory.events", "/cg/memory/a:b/memory.oom_control",
                  "/cg/memory/memory.oom_control"));
}

TEST(OomCounterPaths, OfNothing) {
  EXPECT_THAT(OomCounterPaths("", "/cg"), IsEmpty());
  EXPECT_THAT(OomCounterPaths("nonsense\n1:cpu\n", "/cg"), IsEmpty());
}

TEST(ParseOomKills, ReadsBothFormats) {
  EXPECT_EQ(ParseOomKills("low 0\nhigh 0\nmax 12\noom 2\noom_kill 3\noom_group_kill 1\n"), 3);
  EXPECT_EQ(ParseOomKills("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), 7);
  EXPECT_EQ(ParseOomKills("oom_kill_disable 0\nunder_oom 0\n"), std::nullopt);
  EXPECT_EQ(ParseOomKills("oom_kill many\n"), std::nullopt);
  EXPECT_EQ(ParseOomKills(""), std::nullopt);
}

TEST(ReadOomKills, IsTheSameTwiceWhereNothingHappens) { EXPECT_EQ(ReadOomKills(), ReadOomKills()); }

}  // namespace
}  // namespace lbw::jobs
