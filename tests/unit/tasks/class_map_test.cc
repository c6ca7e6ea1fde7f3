#include "tasks/class_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(MapClasses, ByNameInAnyOrder) {
  const auto map = MapClasses({"mask", "no_mask"}, {"no_mask", "mask"});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT(map->to_dataset, ElementsAre(1, 0));
  EXPECT_THAT(map->notes, IsEmpty());
}

TEST(MapClasses, ASubsetIsEnoughAndTheRestIsNoted) {
  const auto map = MapClasses({"cat", "dog", "cow"}, {"dog"});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT(map->to_dataset, ElementsAre(-1, 0, -1));
  ASSERT_THAT(map->notes, SizeIs(1));
  EXPECT_THAT(map->notes[0], HasSubstr("cow"));
}

TEST(MapClasses, CaseSpacesAndDashesDoNotMatterButAreNoted) {
  const auto map = MapClasses({"no_mask", "Potted-Plant"}, {"potted plant", "No Mask"});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT(map->to_dataset, ElementsAre(1, 0));
  EXPECT_THAT(map->notes, SizeIs(2));
}

TEST(MapClasses, OtherWordsDoNotMatch) {
  const absl::Status status = MapClasses({"mask", "no_mask"}, {"HaveMask", "NoMask"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("HaveMask"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("no_mask"));
}

TEST(MapClasses, NumbersGoByIndexOnlyWhereTheCountsAreEqual) {
  const auto map = MapClasses({"cat", "dog"}, {"0", "1"});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT(map->to_dataset, ElementsAre(0, 1));
  EXPECT_THAT(map->notes, SizeIs(1));
  EXPECT_FALSE(MapClasses({"cat", "dog", "cow"}, {"0", "1"}).ok());
}

// "No Mask" may not take the class that is called exactly as another of the dataset, whichever
// comes first: its objects would be found by nobody, and the figure would be wrong in silence.
TEST(MapClasses, TwoOfTheDatasetNeverMeanOneOfTheModel) {
  EXPECT_FALSE(MapClasses({"no_mask", "mask"}, {"no_mask", "No Mask"}).ok());
  EXPECT_FALSE(MapClasses({"no_mask", "mask"}, {"No Mask", "no_mask"}).ok());
}

// Which of the two is meant nobody knows.
TEST(MapClasses, ASimilarNameMustBeTheOnlyOne) {
  EXPECT_FALSE(MapClasses({"a b", "a_b"}, {"A-B"}).ok());
  const auto exact = MapClasses({"a b", "a_b"}, {"a_b"});
  ASSERT_TRUE(exact.ok()) << exact.status();
  EXPECT_THAT(exact->to_dataset, ElementsAre(-1, 0));
}

}  // namespace
}  // namespace lbw::tasks
