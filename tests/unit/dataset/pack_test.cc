#include "dataset/pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/digest.h"
#include "base/random.h"
#include "dataset/pack_index.h"
#include "unit/dataset/make.h"

namespace lbw::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void ExpectBadFile(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_FILE") << status;
}

// The dataset with the offsets that it gets in the pack.
Dataset AsPacked(Dataset dataset, uint64_t start) {
  for (Picture& picture : dataset.pictures) {
    picture.offset = start;
    start += picture.size_bytes;
  }
  return dataset;
}

// A pack around any index, its header right.
std::string AroundIndex(std::string index, const std::string& pictures) {
  while ((24 + index.size()) % 64 != 0) index += ' ';
  std::string bytes = "LBWPACK1";
  for (const uint64_t value : {static_cast<uint64_t>(index.size()),
                               static_cast<uint64_t>(base::Crc32c(base::AsBytes(index)))}) {
    for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(value >> shift & 0xFF);
  }
  return bytes + index + pictures;
}

TEST(Pack, GivesBackEveryValueAndByte) {
  const auto [dataset, pictures] = HandMade();
  const auto pack = OpenPack(PackBytes(dataset, pictures));
  ASSERT_TRUE(pack.ok()) << pack.status();
  const uint64_t start = pack->dataset().pictures[0].offset;
  EXPECT_EQ(start % 64, 0U);
  EXPECT_EQ(pack->dataset(), AsPacked(dataset, start));
  EXPECT_TRUE(std::signbit(pack->dataset().pictures[2].annotations[0].box.x_min));
  EXPECT_EQ(*pack->ReadPicture(0), "first");
  EXPECT_EQ(*pack->ReadPicture(1), "second--");
  EXPECT_EQ(*pack->ReadPicture(2), "third");
}

// These bytes outlive the process: a pack that was written stays readable, and equal content has
// one digest.
TEST(Pack, HasTheBytesOfVersion1) {
  const auto [dataset, pictures] = HandMade();
  const std::string bytes = PackBytes(dataset, pictures);
  EXPECT_EQ(bytes.substr(24, bytes.find("  ") - 24),
            R"({"v":1,"task":"detection","format":"coco","pixel_rule":"continuous",)"
            R"("classes":["cat","d\"o\\g\u000a",")"
            "\xE5\x9B\xBE"
            R"("],"splits":["train","val"],"names":["a.jpg","dir/b \"q\".png","z"],)"
            R"("widths":[640,1,40000],"heights":[480,2,7],"bytes":[5,8,5],"in":[1,3,0],)"
            R"("labels":[-1,1,-1],"boxes":[2,0,1],"x0":[1.5,0,-0.0],"y0":[2.25,0,1e-30],)"
            R"("x1":[100.1,1,3e+30],"y1":[33.333332,1,16777216],"class":[0,2,1],)"
            R"("flags":[0,3,2],"areas":[1234.5678901234,null,0.1]})");
  EXPECT_EQ(base::Sha256Hex(base::AsBytes(bytes)),
            "67e5fdacd3048bd73c88d0e8c531213c679a7b06227d843594de9b25c893a6d8");
}

TEST(Pack, DoesNotDependOnWherePicturesLay) {
  auto [dataset, pictures] = HandMade();
  const std::string bytes = PackBytes(dataset, pictures);
  dataset.pictures[0].offset = 20;
  EXPECT_EQ(PackBytes(dataset, "..xxxxx-second--thirfirst").size(), bytes.size());
  dataset.pictures[0].offset = 21;
  EXPECT_EQ(PackBytes(dataset, pictures + "first"), bytes);
}

TEST(Pack, HoldsAnEmptyDataset) {
  Dataset dataset;
  dataset.splits = {"all"};
  const auto pack = OpenPack(PackBytes(dataset, ""));
  ASSERT_TRUE(pack.ok()) << pack.status();
  EXPECT_EQ(pack->dataset(), dataset);
}

TEST(Pack, KeepsTheBitsOfAnyFloat) {
  base::Random random(7);
  Dataset dataset;
  dataset.splits = {"all"};
  dataset.classes = {"c"};
  Picture picture{"p", 10, 10, {0}, {}, std::nullopt, 0, 0};
  while (picture.annotations.size() < 20'000) {
    float values[4];
    for (float& value : values) {
      do {
        value = std::bit_cast<float>(static_cast<uint32_t>(random.Next()));
      } while (!std::isfinite(value));
    }
    double area = std::bit_cast<double>(random.Next());
    if (!std::isfinite(area)) area = std::numeric_limits<double>::denorm_min();
    picture.annotations.push_back(
        {{values[0], values[1], values[2], values[3]}, 0, false, false, area});
  }
  dataset.pictures = {picture};
  const auto pack = OpenPack(PackBytes(dataset, ""));
  ASSERT_TRUE(pack.ok()) << pack.status();
  for (size_t i = 0; i < picture.annotations.size(); ++i) {
    const Annotation& wrote = picture.annotations[i];
    const Annotation& read = pack->dataset().pictures[0].annotations[i];
    ASSERT_EQ(std::bit_cast<uint32_t>(wrote.box.x_min), std::bit_cast<uint32_t>(read.box.x_min));
    ASSERT_EQ(std::bit_cast<uint32_t>(wrote.box.y_max), std::bit_cast<uint32_t>(read.box.y_max));
    ASSERT_EQ(std::bit_cast<uint64_t>(*wrote.area_px2), std::bit_cast<uint64_t>(*read.area_px2));
  }
}

TEST(Pack, RefusesEveryFlippedByteOfHeaderAndIndex) {
  const auto [dataset, pictures] = HandMade();
  const std::string bytes = PackBytes(dataset, pictures);
  const size_t end = bytes.size() - 18;  // the pictures
  for (size_t i = 0; i < end; ++i) {
    for (const char mask : {'\x01', '\x20', '\x80', '\xFF'}) {
      std::string bad = bytes;
      bad[i] = static_cast<char>(bad[i] ^ mask);
      ExpectBadFile(OpenPack(std::move(bad)).status());
    }
  }
}

TEST(Pack, RefusesEveryTruncationAndExtension) {
  const auto [dataset, pictures] = HandMade();
  const std::string bytes = PackBytes(dataset, pictures);
  for (size_t length = 0; length < bytes.size(); ++length) {
    ExpectBadFile(OpenPack(bytes.substr(0, length)).status());
  }
  ExpectBadFile(OpenPack(bytes + "x").status());
}

// A header that claims more than the file holds must not make anybody allocate it.
TEST(Pack, BelievesNoSizeOfAnIndex) {
  std::string bytes = AroundIndex("{}", "");
  for (size_t i = 0; i < 8; ++i) bytes[8 + i] = static_cast<char>(i == 7 ? 0x7F : 0xFF);
  ExpectBadFile(OpenPack(bytes).status());
  bytes = AroundIndex("{}", "");
  bytes[8 + 3] = 0x3F;  // a little under 1 GiB
  ExpectBadFile(OpenPack(bytes).status());
}

TEST(Pack, RefusesIndicesThatContradictThemselves) {
  const auto [dataset, pictures] = HandMade();
  Ticker silent({});
  const nlohmann::json good = nlohmann::json::parse(*EncodeIndex(dataset, silent));
  const std::string body = "firstsecond--third";
  ASSERT_TRUE(OpenPack(AroundIndex(good.dump(), body)).ok());
  const std::vector<std::pair<std::string, nlohmann::json>> changes = {
      {"v", 2},
      {"v", "1"},
      {"task", "segmentation"},
      {"task", 1},
      {"format", "tfrecord"},
      {"pixel_rule", nullptr},
      {"classes", {"cat", "dog"}},
      {"classes", {1, 2, 3}},
      {"splits", nlohmann::json::array()},
      {"splits", {"train"}},
      {"names", {"a.jpg", "z", "b.jpg"}},
      {"names", {"a.jpg", "a.jpg", "z"}},
      {"names", {"a.jpg", "b.jpg"}},
      {"widths", {640, 0, 7}},
      {"widths", {640, -1, 7}},
      {"widths", {640, 1.5, 7}},
      {"widths", {640, 3000000000U, 7}},
      {"widths", {640, 1, 7, 7}},
      {"bytes", {5, 8, 4}},
      {"bytes", {5, 8, 6}},
      {"bytes", {18446744073709551615U, 8, 11}},
      {"in", {1, 3, 4}},
      {"labels", {-1, 3, -1}},
      {"labels", {-1, -2, -1}},
      {"labels", {-1, 4294967296U, -1}},
      {"boxes", {2, 0, 2}},
      {"boxes", {18446744073709551615U, 2, 2}},
      {"boxes", {9000000000000000000U, 0, 1}},
      {"x0", {1.5, 0}},
      {"x0", {1.5, nullptr, 0}},
      {"class", {0, 3, 1}},
      {"class", {0, 4294967296U, 1}},
      {"flags", {0, 4, 0}},
      {"areas", {1}},
      {"extra", 1},
      {"x0", {{"deep", 1}}},
      {"x0", {{1, 2, 3}}},
  };
  for (const auto& [key, value] : changes) {
    SCOPED_TRACE(key + " = " + value.dump());
    nlohmann::json bad = good;
    bad[key] = value;
    ExpectBadFile(OpenPack(AroundIndex(bad.dump(), body)).status());
  }
  for (const auto& item : good.items()) {
    SCOPED_TRACE("without " + item.key());
    nlohmann::json bad = good;
    bad.erase(item.key());
    ExpectBadFile(OpenPack(AroundIndex(bad.dump(), body)).status());
  }
}

TEST(Pack, RefusesIndicesOfAnotherShape) {
  for (const std::string text :
       {"", "[]", "1", "null", "\"v\"", "{}", "{\"v\":1}", "{\"v\":1,\"v\":1}", "{\"x0\":[1e999]}",
        "{\"x0\":[1e39]}", "[[[[[[[[[[[[[[[", "{\"classes\":[\"\xFF\"]}"}) {
    SCOPED_TRACE(text);
    ExpectBadFile(OpenPack(AroundIndex(text, "")).status());
  }
}

TEST(Pack, SurvivesAnyIndexWithARightChecksum) {
  constexpr uint64_t kSeed = 99;
  SCOPED_TRACE(base::StrCat("seed ", kSeed));
  base::Random random(kSeed);
  const auto [dataset, pictures] = HandMade();
  Ticker silent({});
  const std::string index = *EncodeIndex(dataset, silent);
  for (int round = 0; round < 3'000; ++round) {
    std::string bad = index;
    for (size_t flips = 1 + random.Below(3); flips > 0; --flips) {
      // Characters that JSON and numbers are made of do more harm than others.
      static constexpr std::string_view kCharacters = "0123456789-+.e\"\\[]{},: null";
      bad[random.Below(bad.size())] = random.Chance(0.7F)
                                          ? kCharacters[random.Below(kCharacters.size())]
                                          : static_cast<char>(random.Next());
    }
    const auto pack = OpenPack(AroundIndex(bad, "firstsecond--third"));
    if (!pack.ok()) ExpectBadFile(pack.status());
  }
}

TEST(WritePack, RefusesWhatAPackCannotHold) {
  const auto [good, pictures] = HandMade();
  const auto refused = [&pictures = pictures](const Dataset& dataset, const std::string& word) {
    base::StringSink sink;
    const absl::Status status = WritePack(dataset, base::StringReader(pictures), sink);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(word));
    EXPECT_TRUE(sink.bytes().empty());
  };
  Dataset bad = good;
  std::swap(bad.pictures[0], bad.pictures[1]);
  refused(bad, "order");
  bad = good;
  bad.pictures[1].name = "a.jpg";
  refused(bad, "unique");
  bad = good;
  bad.pictures[1].name = "b\xFF";
  refused(bad, "UTF-8");
  bad = good;
  bad.pictures[0].annotations[0].box.x_min = std::numeric_limits<float>::quiet_NaN();
  refused(bad, "finite");
  bad = good;
  bad.pictures[0].annotations[0].area_px2 = std::numeric_limits<double>::infinity();
  refused(bad, "finite");
  bad = good;
  bad.pictures[0].annotations[0].class_index = 3;
  refused(bad, "class=3");
  bad = good;
  bad.pictures[0].label = 3;
  refused(bad, "label=3");
  bad = good;
  bad.pictures[1].splits = {1, 0};
  refused(bad, "rising");
  bad = good;
  bad.pictures[1].splits = {0, 2};
  refused(bad, "split=2");
  bad = good;
  bad.pictures[1].width = 0;
  refused(bad, "width=0");
  bad = good;
  bad.splits.clear();
  refused(bad, "splits=0");
  bad = good;
  bad.splits.resize(65, "s");
  refused(bad, "splits=65");
}

TEST(WritePack, PassesOnThatAPictureIsNotThere) {
  auto [dataset, pictures] = HandMade();
  dataset.pictures[2].size_bytes = 6;
  base::StringSink sink;
  const absl::Status status = WritePack(dataset, base::StringReader(pictures), sink);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'z'"));
}

TEST(Pack, KnowsThePicturesOfASplit) {
  const auto [dataset, pictures] = HandMade();
  const auto pack = OpenPack(PackBytes(dataset, pictures));
  ASSERT_TRUE(pack.ok());
  EXPECT_THAT(*pack->PicturesOf("train"), ElementsAre(0U, 1U));
  EXPECT_THAT(*pack->PicturesOf("val"), ElementsAre(1U));
  EXPECT_THAT(*pack->PicturesOf(""), ElementsAre(0U, 1U, 2U));
  const absl::Status status = pack->PicturesOf("test").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre("split"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("'test'"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("train, val"));
}

TEST(Pack, ChoosesASplitToEvaluateOn) {
  const auto choice = [](const std::vector<std::string>& splits) {
    Dataset dataset;
    dataset.splits = splits;
    return OpenPack(PackBytes(dataset, ""))->DefaultSplit();
  };
  EXPECT_EQ(choice({"train", "test", "val"}), "val");
  EXPECT_EQ(choice({"train", "test"}), "test");
  EXPECT_EQ(choice({"train"}), "");
  EXPECT_EQ(choice({"all"}), "");
}

// Every job opens the pack of its dataset first.
TEST(Pack, OpensAHundredThousandPicturesQuickly) {
  base::Random random(3);
  Dataset dataset;
  dataset.splits = {"train", "val"};
  dataset.classes = {"a", "b", "c"};
  for (int i = 0; i < 100'000; ++i) {
    Picture picture{"JPEGImages/" + std::to_string(1'000'000 + i) + ".jpg",
                    640,
                    480,
                    {i % 5 == 0 ? 1 : 0},
                    {},
                    std::nullopt,
                    0,
                    0};
    for (int b = 0; b < 5; ++b) {
      Annotation annotation;
      annotation.box = {random.Between(0, 300), random.Between(0, 200), random.Between(300, 640),
                        random.Between(200, 480)};
      annotation.class_index = b % 3;
      picture.annotations.push_back(annotation);
    }
    dataset.pictures.push_back(std::move(picture));
  }
  std::string bytes = PackBytes(dataset, "");
  const size_t size = bytes.size();
  const base::Stopwatch watch;
  const auto pack = OpenPack(std::move(bytes));
  const double seconds = static_cast<double>(watch.ElapsedNs()) * 1e-9;
  ASSERT_TRUE(pack.ok()) << pack.status();
  std::printf("100000 pictures, 500000 boxes: index of %zu bytes opened in %.3f s\n", size,
              seconds);
  // Generous, for loaded and sanitized machines; what is quadratic takes far longer.
  EXPECT_LT(seconds, 20);
}

}  // namespace
}  // namespace lbw::dataset
