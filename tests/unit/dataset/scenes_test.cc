#include "dataset/scenes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/digest.h"
#include "base/io.h"
#include "base/status.h"
#include "support/temp_dir.h"

namespace lbw::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string DigestOf(const Scene& scene) {
  return base::Sha256Hex(absl::MakeSpan(reinterpret_cast<const std::byte*>(scene.image.rgb.data()),
                                        scene.image.rgb.size()));
}

// The same bits on every machine: a change here makes every figure that was measured on scenes
// another one.
TEST(MakeScene, HasTheBitsOfItsSeed) {
  const auto scene = MakeScene({}, 1);
  ASSERT_TRUE(scene.ok()) << scene.status();
  EXPECT_EQ(DigestOf(*scene), "1239f390c5a3ff6291f5f85989d6046d448c5e1f1976af1ba4e49acefd7607b8");
  EXPECT_EQ(DigestOf(*MakeScene({}, 1)), DigestOf(*scene));
  EXPECT_EQ(MakeScene({}, 1)->annotations, scene->annotations);
  EXPECT_NE(DigestOf(*MakeScene({}, 2)), DigestOf(*scene));
}

TEST(MakeScene, KeepsBoxesInsideThePicture) {
  SceneOptions options;
  options.width = 200;
  options.height = 160;
  std::set<int32_t> classes;
  int difficult = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const auto scene = MakeScene(options, seed);
    ASSERT_TRUE(scene.ok());
    ASSERT_EQ(scene->image.rgb.size(), 200U * 160 * 3);
    EXPECT_GE(scene->annotations.size(), 1U);
    EXPECT_LE(scene->annotations.size(), 8U);
    for (const Annotation& annotation : scene->annotations) {
      EXPECT_GE(annotation.box.x_min, 1);
      EXPECT_GE(annotation.box.y_min, 1);
      EXPECT_LE(annotation.box.x_min, annotation.box.x_max);
      EXPECT_LE(annotation.box.y_min, annotation.box.y_max);
      EXPECT_LE(annotation.box.x_max, 200);
      EXPECT_LE(annotation.box.y_max, 160);
      classes.insert(annotation.class_index);
      difficult += annotation.difficult;
    }
  }
  EXPECT_THAT(classes, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_GT(difficult, 0);
}

// Without occlusion every shape is whole: nothing is difficult, no box touches the frame's outside.
TEST(MakeScene, HidesNothingWhereNothingMayBeHidden) {
  SceneOptions options;
  options.max_occlusion = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    for (const Annotation& annotation : MakeScene(options, seed)->annotations) {
      EXPECT_FALSE(annotation.difficult);
    }
  }
}

// The same scene with and without its shapes: what differs is where the boxes are, and fills them.
TEST(MakeScene, DrawsBoxesAroundWhatIsThere) {
  SceneOptions with;
  with.noise = 0;
  with.clutter = 0;
  with.max_occlusion = 0.4;
  SceneOptions without = with;
  without.min_shapes = without.max_shapes = 0;
  constexpr int64_t kShadowPx = 14;  // shadows and blur reach beyond a box
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    const Scene scene = *MakeScene(with, seed);
    const Scene empty = *MakeScene(without, seed);
    EXPECT_TRUE(empty.annotations.empty());
    std::vector<int64_t> inside(scene.annotations.size(), 0);
    int64_t outside = 0;
    for (int64_t y = 0; y < scene.image.height; ++y) {
      for (int64_t x = 0; x < scene.image.width; ++x) {
        const size_t at = static_cast<size_t>(y * scene.image.width + x) * 3;
        int difference = 0;
        for (size_t c = 0; c < 3; ++c) {
          difference = std::max(
              difference, std::abs(int{scene.image.rgb[at + c]} - int{empty.image.rgb[at + c]}));
        }
        if (difference < 12) continue;
        bool near = false;
        for (size_t i = 0; i < scene.annotations.size(); ++i) {
          const detect::BoxXyxyPx& box = scene.annotations[i].box;
          const auto px = static_cast<float>(x + 1);
          const auto py = static_cast<float>(y + 1);
          inside[i] += px >= box.x_min && px <= box.x_max && py >= box.y_min && py <= box.y_max;
          near |= px >= box.x_min - kShadowPx && px <= box.x_max + kShadowPx &&
                  py >= box.y_min - kShadowPx && py <= box.y_max + kShadowPx;
        }
        outside += near ? 0 : 1;
      }
    }
    EXPECT_EQ(outside, 0);
    for (size_t i = 0; i < inside.size(); ++i) {
      const detect::BoxXyxyPx& box = scene.annotations[i].box;
      const double area = (box.x_max - box.x_min + 1) * (box.y_max - box.y_min + 1);
      EXPECT_GT(static_cast<double>(inside[i]), 0.12 * area);
    }
  }
}

// Streams of their own: noise, clutter and light leave the shapes where they are.
TEST(MakeScene, KeepsShapesUnderOtherNoise) {
  SceneOptions options;
  const Scene first = *MakeScene(options, 5);
  options.noise = 20;
  options.clutter = 1;
  const Scene second = *MakeScene(options, 5);
  EXPECT_EQ(first.annotations, second.annotations);
  EXPECT_NE(first.image.rgb, second.image.rgb);
}

TEST(MakeScene, AddsNoiseOfTheSizeThatWasAsked) {
  SceneOptions options;
  options.noise = 0;
  const Scene clean = *MakeScene(options, 9);
  options.noise = 10;
  const Scene noisy = *MakeScene(options, 9);
  double sum = 0;
  double squares = 0;
  int64_t count = 0;
  for (size_t i = 0; i < clean.image.rgb.size(); ++i) {
    if (clean.image.rgb[i] < 45 || clean.image.rgb[i] > 210) continue;  // clipped ones are not fair
    const double difference = int{noisy.image.rgb[i]} - int{clean.image.rgb[i]};
    sum += difference;
    squares += difference * difference;
    ++count;
  }
  ASSERT_GT(count, 10'000);
  const double mean = sum / static_cast<double>(count);
  EXPECT_NEAR(mean, 0, 0.3);
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(count) - mean * mean), 10, 0.4);
}

TEST(MakeScene, RefusesOptionsOutOfRangeAndNamesThem) {
  const auto field_of = [](const SceneOptions& options) -> std::string {
    const absl::Status status = MakeScene(options, 1).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    const auto fields = base::GetErrorDetails(status).fields;
    return fields.empty() ? "" : fields[0];
  };
  EXPECT_EQ(field_of({.width = 31}), "width");
  EXPECT_EQ(field_of({.height = 4097}), "height");
  EXPECT_EQ(field_of({.min_shapes = -1}), "min_shapes");
  EXPECT_EQ(field_of({.min_shapes = 5, .max_shapes = 4}), "min_shapes");
  EXPECT_EQ(field_of({.max_shapes = 65}), "max_shapes");
  EXPECT_EQ(field_of({.min_size = 0.01}), "min_size");
  EXPECT_EQ(field_of({.min_size = 0.6}), "min_size");
  EXPECT_EQ(field_of({.max_size = 1.1}), "max_size");
  EXPECT_EQ(field_of({.max_occlusion = 0.91}), "max_occlusion");
  EXPECT_EQ(field_of({.noise = -1}), "noise");
  EXPECT_EQ(field_of({.noise = std::nan("")}), "noise");
  EXPECT_EQ(field_of({.clutter = 1.01}), "clutter");
  SceneOptions extreme{.width = 32, .height = 32, .min_shapes = 64, .max_shapes = 64};
  EXPECT_TRUE(MakeScene(extreme, 1).ok());
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

TEST(WriteScenes, WritesAVocFolder) {
  const testing::TempDir folder;
  const std::filesystem::path root = folder.File("set");
  SceneOptions options;
  options.width = 96;
  options.height = 64;
  const SceneSet set{.train = 3, .val = 2, .seed = 7};
  ASSERT_TRUE(WriteScenes(root.string(), options, set).ok());
  EXPECT_EQ(ReadFile(root / "ImageSets/Main/train.txt"), "train_00001\ntrain_00002\ntrain_00003\n");
  EXPECT_EQ(ReadFile(root / "ImageSets/Main/val.txt"), "val_00001\nval_00002\n");
  std::set<std::string> pictures;
  for (const char* name : {"train_00001", "train_00003", "val_00001", "val_00002"}) {
    const std::string jpeg = ReadFile(root / "JPEGImages" / (std::string(name) + ".jpg"));
    const auto image = detect::DecodeImage(base::AsBytes(jpeg));
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_EQ(image->width, 96);
    pictures.insert(jpeg);
    const std::string xml = ReadFile(root / "Annotations" / (std::string(name) + ".xml"));
    EXPECT_THAT(xml, HasSubstr(std::string("<filename>") + name + ".jpg</filename>"));
    EXPECT_THAT(xml, HasSubstr("<width>96</width><height>64</height>"));
    EXPECT_THAT(xml, HasSubstr("<difficult>"));
  }
  EXPECT_EQ(pictures.size(), 4U);
  // Never into a folder that holds anything.
  const absl::Status status = WriteScenes(root.string(), options, set);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(root.string()));
}

TEST(WriteScenes, GivesAPictureTheSameBitsInALargerSet) {
  const testing::TempDir folder;
  SceneOptions options;
  options.width = options.height = 64;
  ASSERT_TRUE(WriteScenes(folder.File("a"), options, {.train = 1, .val = 1, .seed = 3}).ok());
  ASSERT_TRUE(WriteScenes(folder.File("b"), options, {.train = 2, .val = 2, .seed = 3}).ok());
  for (const char* name :
       {"JPEGImages/train_00001.jpg", "JPEGImages/val_00001.jpg", "Annotations/val_00001.xml"}) {
    EXPECT_EQ(ReadFile(folder.File("a") + "/" + name), ReadFile(folder.File("b") + "/" + name));
  }
}

TEST(WriteScenes, RefusesBadArgumentsBeforeItWrites) {
  const testing::TempDir folder;
  EXPECT_EQ(WriteScenes(folder.File("a"), {.width = 1}, {}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(WriteScenes(folder.File("a"), {}, {.train = -1}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(folder.File("a")));
  EXPECT_EQ(WriteScenes("/proc/no/such", {}, {.train = 1}).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace lbw::dataset
