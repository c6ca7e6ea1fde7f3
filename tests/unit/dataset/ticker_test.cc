// Long work moves a step and can be ended wherever it is: a check that does neither is killed as
// stalled.
#include "dataset/ticker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/dataset/make.h"
#include "unit/dataset/reading.h"

namespace lbw::dataset {
namespace {

TEST(Ticker, TicksAFileAndEverySoManyItemsOrBytes) {
  int ticks = 0;
  Ticker ticker([&] {
    ++ticks;
    return absl::OkStatus();
  });
  for (uint64_t i = 0; i < Ticker::kEveryItems; ++i) ASSERT_TRUE(ticker.Items().ok());
  EXPECT_EQ(ticks, 1);
  ASSERT_TRUE(ticker.File().ok());
  EXPECT_EQ(ticks, 2);
  ASSERT_TRUE(ticker.Bytes(Ticker::kEveryBytes).ok());
  EXPECT_EQ(ticks, 3);
  ASSERT_TRUE(ticker.Bytes(Ticker::kEveryBytes / 2).ok());
  EXPECT_EQ(ticks, 3);
  Ticker silent({});
  EXPECT_TRUE(silent.File().ok());
}

TEST(Ticker, StaysEnded) {
  int ticks = 0;
  Ticker ticker([&] { return ++ticks == 2 ? absl::CancelledError("enough") : absl::OkStatus(); });
  EXPECT_TRUE(ticker.File().ok());
  EXPECT_FALSE(ticker.File().ok());
  EXPECT_FALSE(ticker.Items().ok());
  EXPECT_FALSE(ticker.File().ok());
  EXPECT_EQ(ticker.status().message(), "enough");
  EXPECT_EQ(ticks, 2);
}

// Runs work, then ends it at each of its ticks in turn; answers how many there are.
template <typename Work>
int EndAtEveryTick(Work work) {
  int ticks = 0;
  const absl::Status whole = work([&] {
    ++ticks;
    return absl::OkStatus();
  });
  EXPECT_TRUE(whole.ok()) << whole;
  for (int at = 1; at <= ticks; ++at) {
    int now = 0;
    const absl::Status ended =
        work([&] { return ++now == at ? absl::CancelledError("told to end") : absl::OkStatus(); });
    EXPECT_EQ(ended, absl::CancelledError("told to end")) << at;
    EXPECT_EQ(now, at) << "nothing goes on behind it";
  }
  return ticks;
}

int TicksOfReading(const Files& files) {
  const FileTree tree = MakeFileTree(files);
  return EndAtEveryTick([&](const Tick& tick) {
    DefectList defects;
    return ReadAnnotations(tree, {}, defects, tick).status();
  });
}

std::string Lines(int count, const std::string& line) {
  std::string text;
  for (int i = 0; i < count; ++i) text += line;
  return text;
}

TEST(ReadAnnotations, AReadingThatTakesLongTellsThatItGoesOn) {
  constexpr int kBoxes = 30'000;
  std::string coco =
      R"({"images":[{"id":1,"file_name":"a.jpg"}],"categories":[{"id":1,"name":"c"}],)"
      R"("annotations":[{"id":0})";
  for (int i = 1; i < kBoxes; ++i) {
    base::StrAppend(&coco, R"(,{"id":)", i, R"(,"image_id":1,"category_id":1,"bbox":[1,2,3,4]})");
  }
  coco += "]}";
  // Parsed, then joined to their pictures.
  const int boxes = kBoxes / static_cast<int>(Ticker::kEveryItems);
  const int bytes = static_cast<int>(coco.size() / Ticker::kEveryBytes);
  EXPECT_GE(TicksOfReading({{"a.json", coco}, {"a.jpg", ""}}), boxes + bytes);

  Files voc = {{"ImageSets/Main/train.txt", "p1\n"}};
  Files yolo = {{"data.yaml", "names: [c]\n"}};
  Files folders;
  std::string csv = "path,label\n";
  for (int i = 0; i < 20; ++i) {
    voc[base::StrCat("JPEGImages/p", i, ".jpg")] = "";
    voc[base::StrCat("Annotations/p", i, ".xml")] = VocXml("", "");
    yolo[base::StrCat("images/p", i, ".jpg")] = "";
    yolo[base::StrCat("labels/p", i, ".txt")] = "0 .5 .5 1 1\n";
    yolo[base::StrCat("labels/lost", i, ".txt")] = "0 .5 .5 1 1\n";
  }
  EXPECT_GE(TicksOfReading(voc), 20);
  EXPECT_GE(TicksOfReading(yolo), 40);
  for (int i = 0; i < 9'000; ++i) folders[base::StrCat("c/p", i, ".jpg")] = "";
  EXPECT_GE(TicksOfReading(folders), 4);
  EXPECT_GE(TicksOfReading({{"l.csv", csv + Lines(200'000, "p.jpg,c\n")}, {"p.jpg", ""}}), 40);
  const std::string record(3'073, '\1');
  EXPECT_GE(TicksOfReading({{"train.bin", Lines(700, record)}}), 2);
  // Within one file of labels, whose broken lines are only named.
  EXPECT_GE(
      TicksOfReading({{"images/a.jpg", ""}, {"labels/a.txt", Lines(400'000, "0 nan 0 1 1\n")}}), 4);
}

TEST(CheckDataset, TellsThatItGoesOnBeforeTheFirstPicture) {
  const FileTree tree = MakeFileTree({{"a.jpg", Jpeg()}, {"a.xml", VocXml("a.jpg", "")}});
  DefectList defects;
  absl::StatusOr<RawDataset> raw = ReadAnnotations(tree, {}, defects);
  ASSERT_TRUE(raw.ok());
  RawBox box;
  box.class_name = "cat";
  box.corners = {1, 2, 3, 4};
  raw->pictures[0].boxes.assign(9'000, box);
  EXPECT_GE(EndAtEveryTick([&](const Tick& tick) {
              CheckSinks sinks;
              sinks.tick = tick;
              return CheckDataset(tree, *raw, {}, defects, sinks).status();
            }),
            1);
}

TEST(WritePack, APackThatTakesLongTellsThatItGoesOn) {
  auto [data, bytes] = HandMade();
  const Annotation box = data.pictures[0].annotations[0];
  data.pictures[0].annotations.assign(10'000, box);
  data.pictures[2].size_bytes = 3 << 20;
  bytes.resize(data.pictures[2].offset + data.pictures[2].size_bytes);
  const base::StringReader pictures(bytes);
  const int ticks = EndAtEveryTick([&, &dataset = data](const Tick& tick) {
    base::StringSink sink;
    return WritePack(dataset, pictures, sink, tick);
  });
  EXPECT_GE(ticks, 8 + 3) << "a column each, and each MiB";
}

}  // namespace
}  // namespace lbw::dataset
