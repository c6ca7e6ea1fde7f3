#include "client/cpp/promotion.h"

#include "gmock/gmock.h"

namespace lbw::client {
namespace {

using ::testing::HasSubstr;

TEST(ParsePromotionRule, FloorsAndDrops) {
  const auto floor = ParsePromotionRule("face", "dataset=faces,min=0.85,metric=map_11,split=val");
  ASSERT_TRUE(floor.ok()) << floor.status();
  EXPECT_EQ(floor->ShortDebugString(),
            "dataset: \"datasets/faces\" split: \"val\" metric: \"map_11\" min_value: 0.85");
  for (const auto& [text, name] : std::vector<std::pair<std::string, std::string>>{
           {"1", "models/face/versions/1"},
           {"face/1", "models/face/versions/1"},
           {"stable", "models/face/aliases/stable"},
           {"face@stable", "models/face/aliases/stable"}}) {
    const auto drop = ParsePromotionRule("face", "dataset=faces,max-drop=0,against=" + text);
    ASSERT_TRUE(drop.ok()) << drop.status();
    EXPECT_EQ(drop->against(), name);
    EXPECT_TRUE(drop->has_max_drop());
  }
}

TEST(ParsePromotionRule, SaysWhatIsWrong) {
  const auto message = [](const std::string& text) {
    const auto rule = ParsePromotionRule("face", text);
    EXPECT_EQ(rule.status().code(), absl::StatusCode::kInvalidArgument) << text;
    return std::string(rule.status().message());
  };
  EXPECT_THAT(message(""), HasSubstr("a dataset is wanted"));
  EXPECT_THAT(message("min=0.5"), HasSubstr("a dataset is wanted"));
  EXPECT_THAT(message("dataset=d"), HasSubstr("either min or max-drop"));
  EXPECT_THAT(message("dataset=d,min=0.5,max-drop=0.1,against=1"),
              HasSubstr("either min or max-drop"));
  EXPECT_THAT(message("dataset=d,max-drop=0.1"), HasSubstr("max-drop and against go together"));
  EXPECT_THAT(message("dataset=d,min=0.5,against=1"), HasSubstr("go together"));
  EXPECT_THAT(message("dataset=d,min=85"), HasSubstr("min must be a fraction 0..1: '85'"));
  EXPECT_THAT(message("dataset=d,min=nan"), HasSubstr("fraction"));
  EXPECT_THAT(message("dataset=d,minimum=0.5"), HasSubstr("'minimum' is not known"));
  EXPECT_THAT(message("dataset=d,min"), HasSubstr("'min' has no value"));
  EXPECT_THAT(message("dataset=D,min=0.5"), HasSubstr("'D'"));
}

v1::Evaluation Make(const std::string& split, const std::string& pack, float score) {
  v1::Evaluation one;
  one.set_dataset("datasets/faces");
  one.set_split(split);
  one.set_pack_artifact(pack);
  one.mutable_options()->set_score_threshold(score);
  return one;
}

TEST(ParsePromotionRule, OptionsOfTheEvaluationsThatAreWanted) {
  const auto rule =
      ParsePromotionRule("face", "dataset=faces,min=0.85,score=0.5,iou=0.25,pictures=500");
  ASSERT_TRUE(rule.ok()) << rule.status();
  EXPECT_EQ(rule->options().ShortDebugString(),
            "score_threshold: 0.5 iou_threshold: 0.25 max_pictures: 500");
  for (const char* wrong : {"pictures=0", "pictures=some", "score=2", "iou=-1"}) {
    EXPECT_FALSE(ParsePromotionRule("face", std::string("dataset=d,min=0.5,") + wrong).ok());
  }
}

TEST(NewestFor, TheDatasetsPresentContentTheSplitAndTheOptions) {
  google::protobuf::RepeatedPtrField<v1::Evaluation> list;
  *list.Add() = Make("val", "old", 0.02F);
  *list.Add() = Make("test", "new", 0.02F);
  *list.Add() = Make("val", "new", 0.02F);
  list[2].mutable_options()->set_max_pictures(5);
  *list.Add() = Make("val", "new", 0.02F);
  list[3].mutable_options()->set_threads(8);
  v1::PromotionRule rule;
  rule.set_dataset("datasets/faces");
  rule.set_split("val");
  rule.mutable_options()->set_score_threshold(0.02F);
  v1::EvaluateSpec wanted = WantedBy(rule, "models/face/versions/2");
  EXPECT_EQ(wanted.version(), "models/face/versions/2");
  EXPECT_EQ(NewestFor(wanted, "new", list), &list[3]);
  EXPECT_EQ(NewestFor(wanted, "newer", list), nullptr);
  wanted.mutable_options()->set_max_pictures(5);
  EXPECT_EQ(NewestFor(wanted, "new", list), &list[2]);
  wanted.set_dataset("datasets/others");
  EXPECT_EQ(NewestFor(wanted, "new", list), nullptr);
}

TEST(NewestLike, AskedTheSameWayWhateverTheThreads) {
  google::protobuf::RepeatedPtrField<v1::Evaluation> list;
  *list.Add() = Make("val", "new", 0.5F);
  *list.Add() = Make("val", "new", 0.02F);
  list[1].mutable_options()->set_threads(8);
  v1::Evaluation like = Make("val", "new", 0.02F);
  like.mutable_options()->set_checkpoint_pictures(100);
  EXPECT_EQ(NewestLike(like, list), &list[1]);
  like.set_split("test");
  EXPECT_EQ(NewestLike(like, list), nullptr);
}

}  // namespace
}  // namespace lbw::client
