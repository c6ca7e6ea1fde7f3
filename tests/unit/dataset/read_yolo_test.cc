#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/dataset/reading.h"

namespace lbw::dataset {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Outcome ReadLabels(const std::string& labels, const std::string& yaml = "names: [cat, dog]\n") {
  return ReadFiles({{"images/a.jpg", ""}, {"labels/a.txt", labels}, {"data.yaml", yaml}});
}

std::vector<std::string> NamesOf(const std::string& file, const std::string& text) {
  const Outcome outcome = ReadFiles({{"images/a.jpg", ""}, {"labels/a.txt", ""}, {file, text}});
  EXPECT_TRUE(outcome.raw.ok()) << outcome.raw.status();
  return outcome.raw.ok() ? outcome.raw->classes : std::vector<std::string>();
}

TEST(ReadYolo, ReadsBoxesScoresAndPolygons) {
  const Outcome outcome = ReadLabels(
      "0 0.5 0.5 0.2 0.4\r\n"
      "1 0.5 0.5 0.2 0.4 0.9\n"
      "1 0.1 0.2 0.3 0.2 0.3 0.6 0.05 0.5\n");
  ASSERT_EQ(outcome.raw->pictures.size(), 1U);
  const std::vector<RawBox>& boxes = outcome.raw->pictures[0].boxes;
  ASSERT_EQ(boxes.size(), 3U);
  const auto is = [](double want) { return DoubleNear(want, 1e-12); };
  EXPECT_THAT(boxes[0].corners, ElementsAre(is(0.4), is(0.3), is(0.6), is(0.7)));
  EXPECT_THAT(boxes[1].corners, ElementsAre(is(0.4), is(0.3), is(0.6), is(0.7)));
  EXPECT_THAT(boxes[2].corners, ElementsAre(is(0.05), is(0.2), is(0.3), is(0.6)));
  EXPECT_EQ(boxes[2].class_name, "dog");
  EXPECT_TRUE(boxes[2].relative);
  EXPECT_EQ(outcome.Summary(), "");
}

TEST(ReadYolo, TakesKeypointsForPointsAndNotForAPolygon) {
  const Outcome outcome =
      ReadLabels("0 0.5 0.5 0.2 0.4 0.9 0.9 0.8 0.8\n", "kpt_shape: [2, 2]\nnames: [cat]\n");
  EXPECT_NEAR(outcome.raw->pictures[0].boxes[0].corners[0], 0.4, 1e-12);
}

TEST(ReadYolo, NamesBadLines) {
  const Outcome outcome =
      ReadLabels("0 0.5 0.5 0.2\nx 1 1 1 1\n-1 0 0 1 1\n0 nan 0 1 1\n9 0 0 1 1\n");
  EXPECT_THAT(outcome.raw->pictures[0].boxes, IsEmpty());
  EXPECT_EQ(outcome.Summary(), "bad_coordinates=4 left_out, unknown_class=1 left_out");
}

TEST(ReadYolo, ReadsEveryKindOfNames) {
  EXPECT_THAT(NamesOf("data.yaml", "nc: 2\nnames: ['a b', \"c,d\"]  # two\n"),
              ElementsAre("a b", "c,d"));
  EXPECT_THAT(NamesOf("data.yaml", "names: [a,\n  b]\nnc: 2\n"), ElementsAre("a", "b"));
  EXPECT_THAT(NamesOf("data.yaml", "names:\n- a\n- \"b\"  # the second\nnc: 2\n"),
              ElementsAre("a", "b"));
  EXPECT_THAT(NamesOf("data.yaml", "names:\n  # a map\n  0: a\n  2: c # gap\ntrain: x\n"),
              ElementsAre("a", "1", "c"));
  EXPECT_THAT(NamesOf("data.yaml", "names: {0: a, 1: 'b'}\n"), ElementsAre("a", "b"));
  EXPECT_THAT(NamesOf("labels/classes.txt", "a\r\n\r\nc #1\n\n"), ElementsAre("a", "1", "c #1"));
  EXPECT_THAT(NamesOf("obj.names", "a\nb"), ElementsAre("a", "b"));
  EXPECT_THAT(NamesOf("data.yaml", "names:\n  99999999999: a\n"), IsEmpty());
  EXPECT_THAT(NamesOf("data.yaml", "names: [a, b"), ElementsAre("a", "b"));
}

TEST(ReadYolo, FindsLabelsBesideAndBelow) {
  const Outcome outcome = ReadFiles({{"set/images/train/a.jpg", ""},
                                     {"set/labels/train/a.txt", "0 0.5 0.5 1 1\n"},
                                     {"set/images/val/a.jpg", ""},
                                     {"set/labels/val/a.txt", "1 0.5 0.5 1 1\n"},
                                     {"set/obj/c.png", ""},
                                     {"set/obj/c.txt", "2 0.5 0.5 1 1\n"},
                                     {"set/images/test/bare.jpg", ""},
                                     {"set/labels/test/lost.txt", "0 0.5 0.5 1 1\n"},
                                     {"set/labels/val/classes.txt", "x\ny\nz\n"},
                                     {"set/labels/train/classes.txt", "x\ny\nz\n"},
                                     {"README.dataset.txt", "Hello\n"}});
  ASSERT_TRUE(outcome.raw.ok()) << outcome.raw.status();
  ASSERT_EQ(outcome.raw->pictures.size(), 4U);
  const auto& pictures = outcome.raw->pictures;
  EXPECT_EQ(pictures[0].path, "set/images/test/bare.jpg");
  EXPECT_THAT(pictures[0].splits, ElementsAre("test"));
  EXPECT_THAT(pictures[0].boxes, IsEmpty());
  EXPECT_EQ(pictures[1].boxes[0].class_name, "x");
  EXPECT_THAT(pictures[1].splits, ElementsAre("train"));
  EXPECT_EQ(pictures[2].boxes[0].class_name, "y");
  EXPECT_EQ(pictures[3].boxes[0].class_name, "z");
  EXPECT_THAT(outcome.Files(DefectKind::kPictureMissing), ElementsAre("set/labels/test/lost.txt"));
  EXPECT_THAT(outcome.Files(DefectKind::kExtraFile), ElementsAre("README.dataset.txt"));
  EXPECT_THAT(outcome.Files(DefectKind::kAnnotationMissing),
              ElementsAre("set/images/test/bare.jpg"));
}

TEST(ReadYolo, ReadsDarknetsLists) {
  const Outcome outcome = ReadFiles({{"obj_train_data/a.jpg", ""},
                                     {"obj_train_data/a.txt", "0 0.5 0.5 1 1\n"},
                                     {"obj_train_data/b.jpg", ""},
                                     {"obj_train_data/b.txt", ""},
                                     {"obj.names", "cat\n"},
                                     {"obj.data", "classes = 1\n"},
                                     {"train.txt", "data/obj_train_data/a.jpg\nnowhere/z.jpg\n"},
                                     {"valid.txt", "./obj_train_data/b.jpg\n"}});
  EXPECT_THAT(outcome.raw->pictures[0].splits, ElementsAre("train"));
  EXPECT_THAT(outcome.raw->pictures[1].splits, ElementsAre("val"));
  EXPECT_EQ(outcome.Summary(), "split_unknown=1 left_out");
}

TEST(ReadYolo, NumbersClassesThatHaveNoNames) {
  const Files files = {{"a.jpg", ""}, {"a.txt", "2 0.5 0.5 1 1\n"}};
  EXPECT_THAT(ReadFiles(files).raw->classes, ElementsAre("0", "1", "2"));
  ReadOptions options;
  options.classes = {"x", "y", "z"};
  EXPECT_EQ(ReadFiles(files, options).raw->pictures[0].boxes[0].class_name, "z");
  options.class_map = {{"2", "y"}};
  EXPECT_EQ(ReadFiles(files, options).raw->pictures[0].boxes[0].class_name, "2");
  const Outcome huge = ReadFiles({{"a.jpg", ""}, {"a.txt", "4000000000 0.5 0.5 1 1\n"}});
  EXPECT_EQ(base::GetErrorDetails(huge.raw.status()).reason, base::reason::kBadDataset.text);
}

// A .yaml that comes before data.yaml need not be about classes at all.
TEST(ReadYolo, ALargeYamlThatIsNoListOfNamesDoesNotEndTheReading) {
  ReadOptions options;
  options.limits.max_names_file_bytes = 30;
  const std::string large(31, '#');
  const Outcome outcome = ReadFiles({{"images/a.jpg", ""},
                                     {"labels/a.txt", "1 0.5 0.5 1 1\n"},
                                     {"args.yaml", large},
                                     {"a/classes.txt", "x\ny\n"},
                                     {"data.yaml", "names: [cat, dog]\n"}},
                                    options);
  ASSERT_TRUE(outcome.raw.ok()) << outcome.raw.status();
  EXPECT_THAT(outcome.raw->classes, ElementsAre("cat", "dog")) << "data.yaml is asked first";
  const Outcome darknet = ReadFiles({{"images/a.jpg", ""},
                                     {"labels/a.txt", "1 0.5 0.5 1 1\n"},
                                     {"args.yaml", large},
                                     {"obj.names", "cat\ndog\n"},
                                     {"big.names", large}},
                                    options);
  ASSERT_TRUE(darknet.raw.ok()) << darknet.raw.status();
  EXPECT_THAT(darknet.raw->classes, ElementsAre("cat", "dog"));
  EXPECT_THAT(darknet.Files(DefectKind::kExtraFile), ElementsAre("args.yaml", "big.names"));
}

// One labels/a.txt cannot be two pictures'.
TEST(ReadYolo, GivesNoTwoPicturesTheSameLabels) {
  const Outcome outcome = ReadFiles({{"x/train/a.jpg", ""},
                                     {"x/val/a.jpg", ""},
                                     {"x/val/b.jpg", ""},
                                     {"labels/a.txt", "0 0.5 0.5 1 1\n"},
                                     {"labels/b.txt", "0 0.5 0.5 1 1\n"}});
  ASSERT_EQ(outcome.raw->pictures.size(), 3U);
  EXPECT_THAT(outcome.raw->pictures[0].boxes, IsEmpty());
  EXPECT_THAT(outcome.raw->pictures[1].boxes, IsEmpty());
  EXPECT_EQ(outcome.raw->pictures[2].boxes.size(), 1U);
  EXPECT_THAT(outcome.Files(DefectKind::kFilenameDiffers), ElementsAre("labels/b.txt"));
  EXPECT_THAT(outcome.Files(DefectKind::kPictureMissing), ElementsAre("labels/a.txt"));
}

TEST(ReadYolo, NamesAListedPictureThatIsMissingInItsFolder) {
  const Outcome outcome = ReadFiles({{"images/train/b.jpg", ""},
                                     {"images/val/a.jpg", ""},
                                     {"labels/train/b.txt", ""},
                                     {"labels/val/a.txt", ""},
                                     {"train.txt", "images/train/a.jpg\nimages/train/b.jpg\n"}});
  EXPECT_THAT(outcome.Files(DefectKind::kSplitUnknown), ElementsAre("train.txt"));
  EXPECT_THAT(outcome.raw->pictures[1].splits, ElementsAre("val"));
}

}  // namespace
}  // namespace lbw::dataset
