#include "dataset/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace lbw::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

FileTree Tree(const std::vector<std::string>& paths) {
  std::map<std::string, std::string> files;
  for (const std::string& path : paths) files[path] = "x";
  return MakeFileTree(files);
}

TEST(Paths, AreTakenApart) {
  EXPECT_EQ(FolderOf("a/b/c.JPG"), "a/b");
  EXPECT_EQ(FolderOf("c.jpg"), "");
  EXPECT_EQ(FileNameOf("image\\test_1.jpg"), "test_1.jpg");
  EXPECT_EQ(StemOf("a/b.rf.1.jpg"), "b.rf.1");
  EXPECT_EQ(StemOf("a/.hidden"), ".hidden");
  EXPECT_EQ(EndingOf("a/B.JPEG"), "jpeg");
  EXPECT_EQ(EndingOf("a.b/c"), "");
  EXPECT_TRUE(IsPictureName("a.GIF"));
  EXPECT_FALSE(IsPictureName("a.xml"));
}

TEST(LinesOf, TakesEveryEndAndSkipsBlankOnesAndTheMark) {
  EXPECT_THAT(LinesOf("\xEF\xBB\xBFone\r\n\r\n two \rthree\n \t\n"),
              ElementsAre("one", " two ", "three"));
  EXPECT_THAT(LinesOf(""), IsEmpty());
  EXPECT_THAT(WordsOf("\t a  b\tc "), ElementsAre("a", "b", "c"));
}

TEST(SharedFolderOf, DropsWhatTellsPicturesAndAnnotationsApart) {
  EXPECT_EQ(SharedFolderOf("VOC/Annotations/sub/a.xml"), "voc/sub/");
  EXPECT_EQ(SharedFolderOf("VOC/JPEGImages/Sub/a.jpg"), "voc/sub/");
  EXPECT_EQ(SharedFolderOf("a.jpg"), "");
  EXPECT_EQ(SharedFolderOf(".\\images\\x\\a.jpg"), "x/");
}

TEST(PictureIndex, FindsByTheEndOfAPath) {
  const FileTree tree = Tree({"set/images/train/a.jpg", "set/images/val/a.jpg", "set/b.PNG"});
  const PictureIndex index(tree);
  EXPECT_EQ(index.Find("set/images/val/a.jpg").path, "set/images/val/a.jpg");
  EXPECT_EQ(index.Find("train/a.jpg").path, "set/images/train/a.jpg");
  EXPECT_EQ(index.Find("C:\\data\\val\\A.jpg").path, "set/images/val/a.jpg");
  EXPECT_EQ(index.Find("./../val/a.jpg").path, "set/images/val/a.jpg");
  EXPECT_EQ(index.Find("a.jpg").path, "") << "two fit";
  EXPECT_EQ(index.Find("/data/set/b.png").path, "set/b.PNG");
  EXPECT_EQ(index.Find("b.jpg").path, "set/b.PNG") << "by its stem";
  EXPECT_EQ(index.Find("et/b.PNG").path, "set/b.PNG");
  EXPECT_EQ(index.Find("c.jpg").path, "");
  EXPECT_EQ(index.Find("").path, "");
}

TEST(SplitName, IsOneForAllThatAFolderMayBeCalled) {
  for (const char* folder : {"val", "valid", "Validation"}) EXPECT_EQ(SplitName(folder), "val");
  for (const char* folder : {"train", "TRAINING"}) EXPECT_EQ(SplitName(folder), "train");
  EXPECT_EQ(SplitName("Test"), "test");
  for (const char* folder : {"", "trainval", "testing", "values", "val2017"}) {
    EXPECT_EQ(SplitName(folder), "") << folder;
  }
  EXPECT_EQ(SplitOfFolder("val2017"), "val");
  EXPECT_EQ(SplitOfFolder("2017"), "");
}

TEST(PictureIndex, KnowsTheSplitsThatItsFoldersTell) {
  const PictureIndex index(Tree({"set/Valid2017/a.jpg", "train/notes.txt"}));
  EXPECT_TRUE(index.HasSplit("val"));
  EXPECT_FALSE(index.HasSplit("train")) << "no picture lies there";
  EXPECT_FALSE(index.HasSplit("test"));
}

TEST(PictureIndex, PrefersThePathItselfToOnesThatEndWithIt) {
  const PictureIndex index(Tree({"a.jpg", "x/a.jpg"}));
  EXPECT_EQ(index.Find("a.jpg").path, "a.jpg");
  EXPECT_EQ(index.Find("A.JPG").path, "a.jpg");
}

TEST(PictureIndex, TellsUpperAndLowerCaseApartWhereItMust) {
  const PictureIndex index(Tree({"A.jpg", "a.jpg"}));
  EXPECT_EQ(index.Find("a.jpg").path, "a.jpg");
  EXPECT_EQ(index.Find("A.jpg").path, "A.jpg");
  EXPECT_EQ(index.Find("a.JPG").path, "");
}

// Train's picture is missing: val's of the same name is another one.
TEST(PictureIndex, TakesNoOtherFoldersPictureWhereTheFolderIsThere) {
  const PictureIndex index(Tree({"set/images/train/b.jpg", "set/images/val/a.jpg"}));
  const FoundPicture found = index.Find("images/train/a.jpg");
  EXPECT_EQ(found.path, "");
  EXPECT_EQ(found.because, "not in images/train; set/images/val/a.jpg is not taken for it");
  EXPECT_EQ(index.Find("train/a.jpg").path, "");
  EXPECT_EQ(index.Find("/photos/train/a.jpg").path, "");
}

TEST(PictureIndex, TellsWhichPicturesAreTakenFromElsewhere) {
  const PictureIndex index(Tree({"set/images/val/a.jpg", "b.png", "set/c.jpg", "set2/c.jpg"}));
  EXPECT_FALSE(index.Find("a.jpg").elsewhere) << "below a root";
  EXPECT_FALSE(index.Find("val/a.jpg").elsewhere);
  EXPECT_FALSE(index.Find("data/set/images/val/a.jpg").elsewhere) << "given from further up";
  EXPECT_TRUE(index.Find("other/a.jpg").elsewhere);
  EXPECT_TRUE(index.Find("C:\\data\\val\\a.jpg").elsewhere);
  EXPECT_TRUE(index.Find("x/b.png").elsewhere);
  EXPECT_TRUE(index.Find("b.jpg").elsewhere) << "another ending";
  EXPECT_FALSE(index.Find("b").elsewhere) << "without an ending";
  EXPECT_EQ(index.Find("c.jpg").because, "several pictures have that name");
  EXPECT_EQ(index.Find("c.jpg", "set2").path, "set2/c.jpg");
  EXPECT_TRUE(index.Find("c.jpg", "set2").beside);
}

TEST(PictureIndex, FindsTheSiblingOfAnAnnotationAmongPicturesOfOneStem) {
  const PictureIndex index(
      Tree({"JPEGImages/1/a.jpg", "JPEGImages/2/a.jpg", "SegmentationClass/1/a.png", "only.jpg",
            "two/b.jpg", "two/b.png", "images/c.jpg", "x/c.jpg", "images/other_name.jpg"}));
  const auto beside = [&](const char* file, const char* wanted) {
    return index.FindBeside(file, wanted).path;
  };
  EXPECT_EQ(beside("Annotations/1/a.xml", ""), "JPEGImages/1/a.jpg");
  EXPECT_EQ(beside("Annotations/2/a.xml", ""), "JPEGImages/2/a.jpg");
  EXPECT_EQ(beside("Annotations/3/a.xml", ""), "");
  EXPECT_EQ(beside("Annotations/only.xml", ""), "only.jpg");
  EXPECT_EQ(beside("anywhere/only.xml", ""), "") << "not its place";
  EXPECT_EQ(beside("two/b.xml", ""), "") << "a JPEG and a PNG";
  EXPECT_EQ(beside("two/b.xml", "B.png"), "two/b.png");
  EXPECT_EQ(beside("annotations/c.xml", "c.jpg"), "images/c.jpg");
  EXPECT_EQ(beside("x/c.xml", "c.jpg"), "x/c.jpg");
  EXPECT_EQ(beside("annotations/7.xml", "other_name.jpg"), "images/other_name.jpg");
}

// 100,000 pictures of one name: a search that looks at each would take minutes.
TEST(PictureIndex, IsQuickWhereManyShareOneName) {
  constexpr int kPictures = 100'000;
  std::map<std::string, std::string> files;
  for (int i = 0; i < kPictures; ++i) files["d" + std::to_string(i) + "/image.jpg"] = "";
  const PictureIndex index(MakeFileTree(files));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kPictures; ++i) {
    const std::string folder = "d" + std::to_string(i) + "/";
    ASSERT_EQ(index.Find("x/" + folder + "image.jpg").path, folder + "image.jpg");
    ASSERT_EQ(index.FindBeside(folder + "image.xml", "image.jpg").path, folder + "image.jpg");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

}  // namespace
}  // namespace lbw::dataset
