#include "config/nearest.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lbw::config {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(EditDistance("", ""), 0U);
  EXPECT_EQ(EditDistance("abc", ""), 3U);
  EXPECT_EQ(EditDistance("", "abc"), 3U);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3U);
  EXPECT_EQ(EditDistance("listen", "litsen"), 1U);
  EXPECT_EQ(EditDistance("ca", "abc"), 3U);
}

TEST(Nearest, HintsAtWhatIsCloseAndAtNothingElse) {
  const std::vector<std::string_view> names = {"listen", "admin", "serving.queue_calls"};
  EXPECT_EQ(Nearest("litsen", names), "listen");
  EXPECT_EQ(Nearest("serving.queue_call", names), "serving.queue_calls");
  EXPECT_EQ(Nearest("zzzzzz", names), "");
  EXPECT_EQ(Nearest("", names), "");
  EXPECT_EQ(Nearest(std::string(100'000, 'a'), names), "");
}

}  // namespace
}  // namespace lbw::config
