#include "registry/evaluation_options.h"

#include <gtest/gtest.h>

namespace lbw::registry {
namespace {

TEST(OptionsDifference, NamesEachOptionThatDiffers) {
  EXPECT_EQ(OptionsDifference(R"({"a":1,"b":"x"})", R"({"b":"x","a":1})"), "");
  EXPECT_EQ(OptionsDifference(R"({"a":1,"b":"x"})", R"({"a":2,"b":"y"})"),
            "a=1, not 2; b=\"x\", not \"y\"");
  EXPECT_EQ(OptionsDifference(R"({"a":0.5})", "{}"), "a=0.5, not null");
}

TEST(OptionsDifference, WhatIsLeftOutIsZero) {
  EXPECT_EQ(OptionsDifference("{}", R"({"a":0,"b":"","c":false,"d":null})"), "");
  EXPECT_EQ(OptionsDifference(R"({"a":0.0})", "{}"), "");
  EXPECT_NE(OptionsDifference(R"({"a":true})", "{}"), "");
  EXPECT_NE(OptionsDifference(R"({"a":[]})", "{}"), "");
}

TEST(OptionsDifference, HowItRanIsNotLookedAt) {
  EXPECT_EQ(OptionsDifference(R"({"threads":1})", R"({"threads":8,"checkpoint_pictures":5})"), "");
}

TEST(OptionsDifference, WhatIsNoObjectDiffersFromAllButItself) {
  EXPECT_EQ(OptionsDifference("", ""), "");
  EXPECT_NE(OptionsDifference("", "{}"), "");
  EXPECT_NE(OptionsDifference("[1]", "{}"), "");
}

}  // namespace
}  // namespace lbw::registry
