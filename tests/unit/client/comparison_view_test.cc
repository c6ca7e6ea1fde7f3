#include "client/cpp/comparison_view.h"

#include "gmock/gmock.h"
#include "unit/client/make_calibration.h"

namespace lbw::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

TEST(RenderComparison, ValuesInOrderAndPicturesWorstFirst) {
  const std::string text = RenderComparison(MakeComparison());
  EXPECT_THAT(text, StartsWith("face/2 against face/1 on 4 pictures of face-pictures-01234567\n"));
  EXPECT_LT(text.find("node0"), text.find("node5"));
  EXPECT_THAT(text, AllOf(HasSubstr("only face/2"), HasSubstr("only face/1"), HasSubstr("head")));
  EXPECT_LT(text.find("bad.jpg"), text.find("shifted.jpg"));
  EXPECT_LT(text.find("shifted.jpg"), text.find("good.jpg"));
  EXPECT_LT(text.find("good.jpg"), text.find("broken.jpg"));
  EXPECT_THAT(text, HasSubstr("cut short"));
  EXPECT_THAT(text, HasSubstr("12 matched, 2 only face/2, 0 only face/1; agreement 0.9731\n"));
}

TEST(RenderComparison, MarksTheLeastAlikeAndOnlyThose) {
  const std::string text = RenderComparison(MakeComparison());
  size_t marks = 0;
  for (size_t at = text.find("◀"); at != std::string::npos; at = text.find("◀", at + 1)) ++marks;
  EXPECT_EQ(marks, 2U);
  EXPECT_GT(text.find("◀"), text.find("node4"));
}

TEST(RenderComparison, AClassifierAndNothingAtAll) {
  v1::Comparison comparison;
  EXPECT_THAT(RenderComparison(comparison), Not(HasSubstr("◀")));
  comparison.mutable_agreement()->set_same_top1(0.985);
  EXPECT_THAT(RenderComparison(comparison), HasSubstr("the same best class for 98.5 %"));
}

TEST(RenderComparison, CountsWhatIsTooMuch) {
  v1::Comparison comparison;
  for (int i = 0; i < 103; ++i) AddPicture(std::to_string(i), 0, comparison);
  EXPECT_THAT(RenderComparison(comparison), HasSubstr("and 3 pictures more\n"));
}

TEST(WorstPictures, BoxesThenOverlapThenScoresThenOrder) {
  v1::Comparison comparison;
  AddPicture("a", 0, comparison);
  AddPicture("b", 0, comparison).set_max_score_difference(0.3);
  AddPicture("c", 1, comparison);
  AddPicture("d", 0, comparison).set_only_reference(1);
  AddPicture("e", 9, comparison).set_error("no picture");
  AddPicture("f", 0, comparison).clear_mean_iou();
  EXPECT_THAT(WorstPictures(comparison), ElementsAre(2, 3, 1, 0, 5, 4));
  EXPECT_THAT(WorstPictures({}), IsEmpty());
}

TEST(PictureWord, TellsBothSides) {
  const v1::Comparison comparison = MakeComparison();
  EXPECT_EQ(PictureWord(comparison, comparison.compared(1)),
            "bad.jpg: 3 matched, 2 only face/2, 0 only face/1, mean IoU 0.90");
  EXPECT_EQ(ComparisonWord(comparison), "face/2 against face/1: agreement 0.9731");
}

TEST(FindPictureFile, ByPathElseByTheOnlyEnd) {
  const std::vector<std::string> files = {"photos/a.jpg", "photos/x/b.jpg", "photos/y/b.jpg",
                                          "b.jpg", "photos/ca.jpg"};
  EXPECT_EQ(FindPictureFile(files, "photos/a.jpg"), "photos/a.jpg");
  EXPECT_EQ(FindPictureFile(files, "a.jpg"), "photos/a.jpg");
  EXPECT_EQ(FindPictureFile(files, "x/b.jpg"), "photos/x/b.jpg");
  EXPECT_EQ(FindPictureFile(absl::MakeConstSpan(files).subspan(0, 3), "b.jpg"), "");
  EXPECT_EQ(FindPictureFile(files, "no.jpg"), "");
}

}  // namespace
}  // namespace lbw::client
