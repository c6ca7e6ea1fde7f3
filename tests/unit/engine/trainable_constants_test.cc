#include "engine/torch/trainable_constants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/engine/one_node.h"
#include "unit/engine/trainable_run.h"

namespace lbw::engine {
namespace {

using namespace testing_support;  // NOLINT(google-build-using-namespace)
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

graph::InferredShapes Inferred(const Net& net) {
  base::Shape shape = net.graph.inputs[0].shape;
  shape[0] = 1;
  auto inferred = graph::InferShapes(net.graph, net.constants, {{"x", shape}});
  EXPECT_TRUE(inferred.ok()) << inferred.status();
  return inferred.ok() ? *std::move(inferred) : graph::InferredShapes();
}

std::vector<std::string> Names(const Net& net) {
  std::vector<std::string> names;
  for (const auto& one : FindTrainableConstants(net.graph, net.constants, Inferred(net))) {
    names.push_back(one.name);
  }
  return names;
}

base::Tensor Ones() { return base::Tensor::FromF32({2}, {1, 1}); }

TEST(KnownFrom, FollowsValuesAndNotShapes) {
  Net net({2});
  net.Add(MakeNode("Transpose", {"w"}, "t")).Add(MakeNode("Shape", {"w"}, "s"));
  net.Add(MakeNode("Neg", {"t"}, "u")).Add(MakeNode("Neg", {"k"}, "v"));
  net.Add(MakeNode("MatMul", {"x", "t"}, "y"));
  net.Set("w", Varied({2, 2}, 1)).Set("k", Ones());
  const graph::InferredShapes inferred = Inferred(net);
  ASSERT_EQ(inferred.known.size(), 4U);
  const auto from = KnownFrom(net.graph, inferred, {"w"});
  ASSERT_EQ(from.size(), 2U);
  EXPECT_THAT(from.at("t"), UnorderedElementsAre("w"));
  EXPECT_THAT(from.at("u"), UnorderedElementsAre("w"));
}

// A simplifier has merged equal constants: the mean is also beta.
TEST(FindTrainableConstants, LeavesOutRunningValuesThatAreReadAsAnythingElse) {
  Net net({2, 3, 3});
  net.Add(MakeNode("BatchNormalization", {"x", "g1", "zeros", "zeros", "v1"}, "a"));
  net.Add(MakeNode("BatchNormalization", {"a", "g2", "b2", "m2", "g2"}, "y"));
  net.Set("zeros", base::Tensor::FromF32({2}, {0, 0}));
  for (const char* name : {"g1", "v1", "g2", "b2", "m2"}) net.Set(name, Ones());
  EXPECT_THAT(Names(net), ElementsAre("g1", "v1", "b2", "m2"));
  // Neither normalization has both running values to itself: both keep their statistics.
  const auto trainable = MustOpen(net);
  ASSERT_NE(trainable, nullptr);
  const base::Tensor pictures = Varied({2, 2, 3, 3}, 4);
  const auto frozen = FloatsOf(MustRun(*trainable, pictures)[0]);
  const auto trained =
      FloatsOf(MustRun(*trainable, pictures, {}, Trainable::BatchNormRun::kTraining)[0]);
  EXPECT_EQ(trained, frozen);
  EXPECT_THAT(FloatsOf(*trainable->Initial("m2")), ElementsAre(1, 1));
}

TEST(FindTrainableConstants, LeavesOutWhatIsNeededWhenCompiling) {
  Net clipped({2, 3, 3});
  clipped.Add(MakeNode("Conv", {"x", "w", "b"}, "c")).Add(MakeNode("Clip", {"c", "low"}, "y"));
  clipped.Add(MakeNode("PRelu", {"c", "low"}, "z"));
  clipped.Set("w", Varied({2, 2, 1, 1}, 1)).Set("b", Ones());
  clipped.Set("low", base::Tensor::FromF32({}, {0.5F}));
  EXPECT_THAT(Names(clipped), ElementsAre("w", "b"));

  Net shaped({2, 3, 3});
  shaped.Add(MakeNode("Conv", {"x", "w", "b"}, "c"));
  shaped.Add(MakeNode("Cast", {"b"}, "i", {{"to", int64_t{7}}}));
  shaped.Add(MakeNode("Reshape", {"c", "i"}, "y"));
  shaped.Set("w", Varied({2, 2, 1, 1}, 1)).Set("b", base::Tensor::FromF32({2}, {0, -1}));
  EXPECT_THAT(Names(shaped), ElementsAre("w"));
}

TEST(FindTrainableConstants, LeavesOutConstantsThatAreNoLayers) {
  Net net({2});
  net.Add(MakeNode("Mul", {"x", "scale"}, "a")).Add(MakeNode("Add", {"a", "shift"}, "y"));
  net.Set("scale", Ones()).Set("shift", Ones());
  EXPECT_THAT(Names(net), IsEmpty());
}

}  // namespace
}  // namespace lbw::engine
