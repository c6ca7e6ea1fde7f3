#include "metrics/bounded_names.h"

#include <gtest/gtest.h>

namespace lbw::metrics {
namespace {

TEST(BoundedNames, TheFirstKeepTheirNameAndTheRestAreOther) {
  BoundedNames names(2);
  EXPECT_EQ(names.Bound("a"), "a");
  EXPECT_EQ(names.Bound("b"), "b");
  EXPECT_EQ(names.Bound("c"), "other");
  EXPECT_EQ(names.Bound("a"), "a");
  EXPECT_EQ(names.Bound("b"), "b");
}

}  // namespace
}  // namespace lbw::metrics
