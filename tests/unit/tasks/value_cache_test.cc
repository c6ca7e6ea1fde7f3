#include "tasks/value_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "base/status.h"
#include "support/temp_dir.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;

base::Tensor Value(float first) {
  return base::Tensor::FromF32({1, 3}, std::vector<float>{first, first + 1, first + 2});
}

std::vector<float> Read(const ValueCache& cache, const std::string& key, size_t picture) {
  base::Tensor room;
  const auto view = cache.View(key, picture, room);
  EXPECT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->shape, (base::Shape{1, 3}));
  std::vector<float> values(3);
  std::memcpy(values.data(), view->bytes.data(), view->bytes.size());
  return values;
}

class ValueCacheTest : public ::testing::Test {
 protected:
  bool FolderIsEmpty() const { return std::filesystem::is_empty(folder_.path()); }
  testing::TempDir folder_;
};

TEST_F(ValueCacheTest, GivesBackWhatWasPutFromMemoryAndFromFiles) {
  // Room for the first key alone: two pictures of 12 bytes.
  ValueCache cache({2, 24, folder_.path()});
  ASSERT_TRUE(cache.Declare("memory", {1, 3}).ok());
  EXPECT_EQ(cache.memory_bytes(), 24U);
  ASSERT_TRUE(cache.Declare("file", {1, 3}).ok());
  EXPECT_EQ(cache.memory_bytes(), 24U);
  EXPECT_TRUE(FolderIsEmpty()) << "an open file has no name";
  for (const char* key : {"memory", "file"}) {
    ASSERT_TRUE(cache.Put(key, 1, Value(5)).ok());
    ASSERT_TRUE(cache.Put(key, 0, Value(-2)).ok());
    EXPECT_THAT(Read(cache, key, 0), ElementsAre(-2, -1, 0));
    EXPECT_THAT(Read(cache, key, 1), ElementsAre(5, 6, 7));
  }
  // Put again: the new value stands.
  ASSERT_TRUE(cache.Put("file", 0, Value(9)).ok());
  EXPECT_THAT(Read(cache, "file", 0), ElementsAre(9, 10, 11));
  EXPECT_THAT(Read(cache, "file", 1), ElementsAre(5, 6, 7));
}

TEST_F(ValueCacheTest, DroppingMakesRoom) {
  ValueCache cache({2, 24, folder_.path()});
  ASSERT_TRUE(cache.Declare("a", {1, 3}).ok());
  ASSERT_TRUE(cache.Declare("a", {1, 3}).ok()) << "twice is once";
  EXPECT_EQ(cache.memory_bytes(), 24U);
  ASSERT_TRUE(cache.Declare("b", {1, 3}).ok());
  EXPECT_THAT(cache.keys(), ElementsAre("a", "b"));
  cache.Drop("b");
  EXPECT_EQ(cache.memory_bytes(), 24U) << "it lay in a file";
  cache.Drop("a");
  cache.Drop("never there");
  EXPECT_EQ(cache.memory_bytes(), 0U);
  EXPECT_FALSE(cache.Has("a"));
  ASSERT_TRUE(cache.Declare("c", {1, 3}).ok());
  EXPECT_EQ(cache.memory_bytes(), 24U);
}

TEST_F(ValueCacheTest, TellsThatNoFileCanBeMadeOrRead) {
  ValueCache nowhere({1, 0, folder_.File("missing")});
  EXPECT_FALSE(nowhere.Declare("a", {1, 3}).ok());
  EXPECT_FALSE(nowhere.Has("a"));
  ValueCache cache({1, 0, folder_.path()});
  ASSERT_TRUE(cache.Declare("a", {1, 3}).ok());
  base::Tensor room;
  EXPECT_TRUE(absl::IsInternal(cache.View("a", 0, room).status())) << "nothing was put";
}

TEST_F(ValueCacheTest, ThreadsPutAndViewPicturesOfTheirOwn) {
  constexpr size_t kPictures = 64;
  for (const uint64_t memory : {uint64_t{0}, uint64_t{1} << 20}) {
    ValueCache cache({kPictures, memory, folder_.path()});
    ASSERT_TRUE(cache.Declare("a", {1, 3}).ok());
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&cache, t] {
        for (size_t p = t; p < kPictures; p += 4) {
          EXPECT_TRUE(cache.Put("a", p, Value(static_cast<float>(p))).ok());
          EXPECT_EQ(Read(cache, "a", p)[2], static_cast<float>(p) + 2);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (size_t p = 0; p < kPictures; ++p) {
      EXPECT_EQ(Read(cache, "a", p)[0], static_cast<float>(p));
    }
  }
}

TEST_F(ValueCacheTest, BorrowsWhatTheCallerHas) {
  const std::vector<std::vector<float>> values = {{1, 2, 3}, {4, 5, 6}};
  ValueCache cache({2, 0, "/nowhere"});
  cache.Borrow("a", {1, 3}, values);
  EXPECT_TRUE(cache.Has("a"));
  EXPECT_EQ(cache.memory_bytes(), 0U);
  base::Tensor room;
  const base::TensorView view = cache.View("a", 1, room).value();
  EXPECT_EQ(static_cast<const void*>(view.bytes.data()), values[1].data()) << "no copy";
  EXPECT_EQ(view.elements(), 3);
  EXPECT_THAT(view.shape, ElementsAre(1, 3));
  cache.Drop("a");
  EXPECT_FALSE(cache.Has("a"));
  EXPECT_EQ(cache.memory_bytes(), 0U);
}

}  // namespace
}  // namespace lbw::tasks
