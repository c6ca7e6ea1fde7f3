#include "base/reason.h"

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::base {
namespace {

// Clients act on reasons: one that was published keeps its name and its place for ever.
TEST(Reasons, AreThoseOfTheGoldenListInItsOrder) {
  std::ifstream golden(std::string(LBW_SOURCE_DIR) + "/tests/golden/error_reasons.txt");
  ASSERT_TRUE(golden.is_open());
  std::vector<std::string> expected;
  for (std::string line; std::getline(golden, line);) expected.push_back(line);
  std::vector<std::string> actual;
  for (const Reason& reason : kAllReasons) actual.emplace_back(reason.text);
  EXPECT_EQ(actual, expected);
}

TEST(Reasons, AreUpperSnakeCaseAndDifferent) {
  std::set<std::string_view> seen;
  for (const Reason& reason : kAllReasons) {
    EXPECT_THAT(std::string(reason.text), testing::MatchesRegex("[A-Z][A-Z_]*[A-Z]"));
    EXPECT_TRUE(seen.insert(reason.text).second) << reason.text;
  }
}

}  // namespace
}  // namespace lbw::base
