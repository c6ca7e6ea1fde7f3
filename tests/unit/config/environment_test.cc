#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "config/config.h"

namespace lbw::config {
namespace {

class Variable {
 public:
  Variable(std::string name, const char* value) : name_(std::move(name)) {
    ::setenv(name_.c_str(), value, 1);
  }
  ~Variable() { ::unsetenv(name_.c_str()); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const std::string name_;
};

TEST(ReadEnvironment, TakesOurVariablesAndLeavesTheClientsAndKubernetes) {
  const Variable ours("LBW_SERVING_THREADS", "a=b");
  const Variable odd("LBW_NONSENSE", "1");
  const Variable client("LBW_SERVER", "127.0.0.1:1");
  const Variable host("LBW_SERVICE_HOST", "10.0.0.1");
  const Variable port("LBW_SERVER_PORT", "tcp://10.0.0.1:8500");
  const Variable link("LBW_SERVER_PORT_8500_TCP_ADDR", "10.0.0.1");
  const Variable other("NOTLBW_LISTEN", "1");
  const auto environment = ReadEnvironment();
  EXPECT_EQ(environment.at("LBW_SERVING_THREADS"), "a=b");
  EXPECT_EQ(environment.count("LBW_NONSENSE"), 1U);
  EXPECT_EQ(environment.size(), 2U);
}

TEST(SetVariableIfUnset, LeavesWhatIsSetAlone) {
  const Variable set("LBW_TEST_SET", "theirs");
  EXPECT_FALSE(SetVariableIfUnset("LBW_TEST_SET", "ours"));
  EXPECT_STREQ(::getenv("LBW_TEST_SET"), "theirs");
  const Variable empty("LBW_TEST_EMPTY", "");
  EXPECT_FALSE(SetVariableIfUnset("LBW_TEST_EMPTY", "ours"));
  ::unsetenv("LBW_TEST_UNSET");
  EXPECT_TRUE(SetVariableIfUnset("LBW_TEST_UNSET", "ours"));
  EXPECT_STREQ(::getenv("LBW_TEST_UNSET"), "ours");
  ::unsetenv("LBW_TEST_UNSET");
}

}  // namespace
}  // namespace lbw::config
