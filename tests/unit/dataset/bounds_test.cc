// The bounds of memory: each holds at the limit, and at one more ends the reading with an error
// that names file, value and limit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataset/budget.h"
#include "dataset/tree_stream.h"
#include "unit/dataset/reading.h"

namespace lbw::dataset {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// OK, or the message of an error of a limit.
std::string Refused(const absl::Status& status) {
  if (status.ok()) return "";
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(base::GetErrorDetails(status).reason, base::reason::kLimitExceeded.text) << status;
  return std::string(status.message());
}
std::string Refused(const Files& files, const ReadOptions& options) {
  return Refused(ReadFiles(files, options).raw.status());
}

std::string CocoOf(int images, int boxes, int categories = 1) {
  std::string text = R"({"images":[)";
  for (int i = 0; i < images; ++i) {
    text += base::StrCat(i == 0 ? "" : ",", R"({"id":)", i, R"(,"file_name":"a)", i, R"(.jpg"})");
  }
  text += R"(],"annotations":[)";
  for (int i = 0; i < boxes; ++i) {
    text += base::StrCat(i == 0 ? "" : ",", R"({"id":)", i,
                         R"(,"image_id":0,"category_id":0,"bbox":[0,0,9,)", i + 1, "]}");
  }
  text += R"(],"categories":[)";
  for (int i = 0; i < categories; ++i) {
    text += base::StrCat(i == 0 ? "" : ",", R"({"id":)", i, R"(,"name":"c)", i, R"("})");
  }
  return text + "]}";
}

TEST(Bounds, CocoListsEndAtTheFirstItemBeyondALimit) {
  const Files files = {{"x/a.json", CocoOf(3, 5, 2)}, {"a0.jpg", ""}};
  ReadOptions options;
  options.limits.max_pictures = 3;
  options.limits.max_boxes = 5;
  options.limits.max_classes = 2;
  EXPECT_EQ(Refused(files, options), "");
  options.limits.max_pictures = 2;
  EXPECT_THAT(Refused(files, options), HasSubstr("x/a.json brings it to 3, limit=2"));
  options.limits.max_pictures = 3;
  options.limits.max_boxes = 4;
  EXPECT_THAT(Refused(files, options),
              HasSubstr("number of boxes: x/a.json brings it to 5, limit=4"));
  options.limits.max_boxes = 5;
  options.limits.max_classes = 1;
  EXPECT_THAT(Refused(files, options), HasSubstr("x/a.json brings it to 2, limit=1"));
}

// The reading ends there: what follows is not even JSON.
TEST(Bounds, ACocoBombIsNotReadToItsEnd) {
  std::string bomb = R"({"images":[{"id":0,"file_name":"a.jpg"}],"annotations":[)";
  for (int i = 0; i < 1000; ++i) bomb += "{},";
  const Files files = {{"a.json", bomb + "broken"}, {"a.jpg", ""}};
  ReadOptions options;
  options.limits.max_boxes = 1000;
  EXPECT_EQ(ReadFiles(files, options).raw.status().message(),
            ReadFiles(files).raw.status().message());
  EXPECT_EQ(base::GetErrorDetails(ReadFiles(files).raw.status()).reason, "BAD_DATASET");
  options.limits.max_boxes = 999;
  EXPECT_THAT(Refused(files, options), HasSubstr("brings it to 1000, limit=999"));
}

TEST(Bounds, CocoFilesAndTheirValuesHaveALongest) {
  const std::string text =
      R"({"images":[{"id":1,"file_name":"a.jpg","note":")" + std::string(500, 'x') + R"("}]})";
  ReadOptions options;
  options.limits.max_json_bytes = text.size();
  EXPECT_EQ(Refused({{"a.json", text}, {"a.jpg", ""}}, options), "");
  options.limits.max_json_bytes = text.size() - 1;
  EXPECT_THAT(Refused({{"a.json", text}, {"a.jpg", ""}}, options),
              HasSubstr(base::StrCat("a.json is larger than the limit: bytes=", text.size())));
  options = {};
  options.limits.max_json_token_bytes = 505;  // with its quotes and the brackets behind it
  EXPECT_EQ(Refused({{"a.json", text}, {"a.jpg", ""}}, options), "");
  options.limits.max_json_token_bytes = 504;
  EXPECT_THAT(Refused({{"a.json", text}, {"a.jpg", ""}}, options), HasSubstr("limit=504"));
  options.limits.max_json_token_bytes = 64;
  for (const std::string& between :
       {std::string(70, ' '), std::string(70, '1'), "\"" + std::string(70, '\\') + "\"",
        std::string("[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]")}) {
    const std::string bomb = R"({"images":[{"id":1}],"x":[)" + between + "]}";
    EXPECT_THAT(Refused({{"a.json", bomb}, {"a.jpg", ""}}, options), HasSubstr("limit=64"))
        << between;
  }
}

// Two large pieces of a file: values that lie across them are whole.
TEST(Bounds, CocoFilesOfSeveralPiecesAreReadWhole) {
  const std::string text = CocoOf(1, 9'999);
  ASSERT_GT(text.size(), 2 * TreeStream::kPieceBytes);
  const Outcome outcome = ReadFiles({{"a.json", text}, {"a0.jpg", ""}});
  ASSERT_TRUE(outcome.raw.ok()) << outcome.raw.status();
  ASSERT_EQ(outcome.raw->pictures[0].boxes.size(), 9'999U);
  for (size_t i = 0; i < 9'999; ++i) {
    ASSERT_EQ(outcome.raw->pictures[0].boxes[i].corners[3], static_cast<double>(i + 1));
  }
}

TEST(Bounds, BoxesOfAPictureAreKeptUpToTheLimitAndCounted) {
  ReadOptions options;
  options.limits.max_boxes_a_picture = 4;
  const Files files = {{"a.json", CocoOf(1, 7)}, {"a0.jpg", Jpeg()}};
  const Outcome outcome = CheckFiles(files, options);
  ASSERT_TRUE(outcome.data.ok()) << outcome.data.status();
  EXPECT_EQ(outcome.raw->pictures[0].boxes.size(), 4U);
  EXPECT_EQ(outcome.data->pictures[0].annotations.size(), 4U);
  EXPECT_EQ(outcome.Count(DefectKind::kTooManyBoxes), 1U);
  EXPECT_EQ(outcome.defects.kept().back().detail, "boxes=7 limit=4");
  options.limits.max_boxes_a_picture = 2;
  const std::string line = "0 0.5 0.5 1 1\n";
  const Outcome yolo =
      CheckFiles({{"images/a.jpg", Jpeg()}, {"labels/a.txt", line + line + line}}, options);
  EXPECT_EQ(yolo.raw->pictures[0].boxes.size(), 2U);
  EXPECT_EQ(yolo.defects.kept().back().detail, "boxes=3 limit=2");
}

TEST(Bounds, WhatIsKeptInMemoryHasALimitWhateverItIsMadeOf) {
  const std::string box = VocObject("cat", {"1", "2", "3", "4"});
  const std::map<std::string, Files> sets = {
      {"a.json", {{"a.json", CocoOf(40, 400)}, {"a0.jpg", ""}}},
      {"b.xml", {{"a.jpg", ""}, {"b.xml", VocXml("a.jpg", box + box + box + box)}}},
      {"labels/a.txt",
       {{"images/a.jpg", ""}, {"labels/a.txt", "0 .5 .5 1 1\n0 .5 .5 1 1\n0 .5 .5 1 1\n"}}},
      {"l.csv", {{"l.csv", "path,label\na.jpg,x\nb.jpg,y\n"}, {"a.jpg", ""}}},
      {"train.txt",
       {{"JPEGImages/a.jpg", ""},
        {"Annotations/a.xml", VocXml("a.jpg", "")},
        {"ImageSets/Main/train.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n"}}}};
  for (const auto& [file, files] : sets) {
    SCOPED_TRACE(file);
    // The least that is enough, by halving.
    uint64_t too_little = 0;
    uint64_t enough = uint64_t{1} << 24;
    ReadOptions options;
    std::string message;
    while (enough - too_little > 1) {
      options.limits.max_kept_bytes = (enough + too_little) / 2;
      const std::string refused = Refused(files, options);
      if (refused.empty()) {
        enough = options.limits.max_kept_bytes;
      } else {
        too_little = options.limits.max_kept_bytes;
        message = refused;
      }
    }
    EXPECT_THAT(message, HasSubstr(base::StrCat("brings it to ", enough, ", limit=", too_little)));
    EXPECT_GT(enough, 500U);
  }
}

TEST(Bounds, LinesOfASplitsListEndAtTheFirstBeyondTheLimit) {
  const auto voc = [](const std::string& list) {
    return Files{{"JPEGImages/a.jpg", ""},
                 {"Annotations/a.xml", VocXml("a.jpg", "")},
                 {"ImageSets/Main/train.txt", list}};
  };
  ReadOptions options;
  options.limits.max_pictures = 3;
  EXPECT_EQ(Refused(voc("a\na\na\n"), options), "");
  EXPECT_THAT(Refused(voc("a\na\na\na\n"), options),
              HasSubstr("number of lines: ImageSets/Main/train.txt brings it to 4, limit=3"));
  options = {};
  options.limits.max_list_bytes = 6;
  EXPECT_EQ(Refused(voc("a\na\na\n"), options), "");
  EXPECT_THAT(Refused(voc("a\na\na\n\n"), options), HasSubstr("bytes=7 limit=6"));
  options = {};
  options.limits.max_splits = 1;
  Files two = voc("a\n");
  EXPECT_EQ(Refused(two, options), "");
  two["ImageSets/Main/val.txt"] = "a\n";
  EXPECT_THAT(Refused(two, options), HasSubstr("number of splits"));
}

TEST(Bounds, ALineHasALongest) {
  const Files csv = {{"l.csv", "path,label\na.jpg,123456789\n"}, {"a.jpg", ""}};
  ReadOptions options;
  options.limits.max_line_bytes = 15;
  EXPECT_EQ(Refused(csv, options), "");
  options.limits.max_line_bytes = 14;
  EXPECT_THAT(Refused(csv, options), HasSubstr("l.csv line 2 is longer than the limit"));
  options = {};
  options.limits.max_list_bytes = csv.at("l.csv").size() - 1;
  EXPECT_THAT(Refused(csv, options), HasSubstr("l.csv is larger than the limit"));
}

TEST(Bounds, CsvsOfMorePicturesThanTheLimitAreRefused) {
  const Files csv = {{"l.csv", "path,label\na.jpg,x\nb.jpg,x\n"}, {"a.jpg", ""}};
  ReadOptions options;
  options.limits.max_pictures = 2;
  EXPECT_EQ(Refused(csv, options), "");
  options.limits.max_pictures = 1;
  EXPECT_THAT(Refused(csv, options), HasSubstr("l.csv brings it to 2, limit=1"));
}

TEST(Bounds, ListsOfClassesAreSmall) {
  const Files yolo = {
      {"images/a.jpg", ""}, {"labels/a.txt", ""}, {"data.yaml", "names: [cat, dog]\n"}};
  ReadOptions options;
  options.limits.max_names_file_bytes = 18;
  EXPECT_EQ(Refused(yolo, options), "");
  options.limits.max_names_file_bytes = 17;
  EXPECT_THAT(Refused(yolo, options), HasSubstr("data.yaml is larger than the limit"));
}

// Summaries name every class and split: a name of 16 MiB makes each of them as large.
TEST(Bounds, NamesOfClassesAndSplitsHaveALongest) {
  const std::string fits(1'024, 'n');
  const std::string box = VocObject(fits + "n", {"1", "2", "3", "4"});
  const auto coco = [](const std::string& name, const std::string& file) {
    return Files{
        {file, R"({"images":[{"id":1,"file_name":"a.jpg"}],"categories":[{"id":7,"name":")" + name +
                   R"("}],"annotations":[]})"},
        {"a.jpg", Jpeg()}};
  };
  const auto refused = [](const Files& files, const ReadOptions& options = {}) {
    return Refused(CheckFiles(files, options).data.status());
  };
  EXPECT_EQ(refused(coco(fits, "x.json")), "");
  EXPECT_THAT(refused(coco(fits + "n", "x.json")),
              AllOf(HasSubstr("x.json: categories.name of id 7: the name 'nnn"),
                    HasSubstr("is longer than the limit: bytes=1025 limit=1024")));
  EXPECT_THAT(refused(coco("cat", fits + "n.json")), HasSubstr("split: the name"));
  EXPECT_THAT(refused({{"a.jpg", Jpeg()}, {"a.xml", VocXml("a.jpg", box)}}),
              HasSubstr("a.xml: class of a box: the name"));
  EXPECT_THAT(refused({{"l.csv", "path,label\na.jpg," + fits + "n\n"}, {"a.jpg", Jpeg()}}),
              HasSubstr("l.csv: label: the name"));
  EXPECT_THAT(refused({{"images/a.jpg", Jpeg()},
                       {"labels/a.txt", ""},
                       {"data.yaml", "names: [cat, " + fits + "n]\n"}}),
              HasSubstr("data.yaml: names[1]: the name"));
  ReadOptions options;
  options.class_map = {{"cat", fits + "n"}};
  EXPECT_THAT(refused(coco("cat", "x.json"), options), HasSubstr("class_map[cat]: the name"));
  options.classes = {fits + "n"};
  EXPECT_THAT(refused(coco("cat", "x.json"), options), HasSubstr("classes: the name"));
}

TEST(LineReader, ReadsWhatLinesOfReads) {
  // Ends that lie across two pieces, too.
  std::string text = "\xEF\xBB\xBFone\r\n\r\n \t\n" +
                     std::string(TreeStream::kPieceBytes - 17, 'x') + "\r\nlast \rend";
  for (size_t i = 0; i < 4; ++i) {
    text.insert(3, "y");
    const FileTree tree = MakeFileTree({{"a", text}});
    Ticker silent({});
    auto reader = LineReader::Open(tree, "a", text.size(), text.size(), silent);
    ASSERT_TRUE(reader.ok());
    std::vector<std::string> lines;
    std::vector<uint64_t> numbers;
    while (*reader->Next()) {
      lines.push_back(reader->line());
      numbers.push_back(reader->number());
    }
    EXPECT_EQ(lines, LinesOf(text));
    EXPECT_THAT(numbers, ElementsAre(1, 4, 5, 6));
  }
}

}  // namespace
}  // namespace lbw::dataset
