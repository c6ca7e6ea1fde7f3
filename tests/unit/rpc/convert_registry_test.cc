#include "rpc/convert_registry.h"

#include <string>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::rpc {
namespace {

using testing::ElementsAre;

registry::Evaluation StoredEvaluation() {
  registry::Evaluation evaluation;
  evaluation.id = "01hf8z4vj3s0f2x7m9c1d5e6g8";
  evaluation.model = "m";
  evaluation.version = 2;
  evaluation.dataset = "faces";
  evaluation.pack_artifact = std::string(64, 'b');
  evaluation.split = "val";
  evaluation.job = evaluation.id;
  evaluation.create_time = absl::FromUnixSeconds(1'700'000'000);
  evaluation.options_json = R"({"top_k": 5})";
  evaluation.metric = "map_50";
  evaluation.metrics = {{"map_11", 0.8}, {"map_50", 0.9}};
  evaluation.summary_json = R"({"pictures": "12", "voc": {"map_50": 0.9}})";
  evaluation.result_json =
      R"({"pictures": "12", "voc": {"map_50": 0.9, "classes": [{"curve": [{"recall": 1}]}]}})";
  return evaluation;
}

TEST(EvaluationToProto, TheRowNamesItAndDetailDecides) {
  v1::Evaluation full;
  ToProto(StoredEvaluation(), Detail::kFull, &full);
  EXPECT_EQ(full.name(), "evaluations/01hf8z4vj3s0f2x7m9c1d5e6g8");
  EXPECT_EQ(full.version(), "models/m/versions/2");
  EXPECT_EQ(full.dataset(), "datasets/faces");
  EXPECT_EQ(full.pack_artifact(), "artifacts/" + std::string(64, 'b'));
  EXPECT_EQ(full.split(), "val");
  EXPECT_EQ(full.job(), "jobs/01hf8z4vj3s0f2x7m9c1d5e6g8");
  EXPECT_EQ(full.options().top_k(), 5U);
  EXPECT_EQ(full.metric(), "map_50");
  EXPECT_DOUBLE_EQ(full.value(), 0.9);
  EXPECT_EQ(full.voc().classes(0).curve_size(), 1);
  v1::Evaluation brief;
  ToProto(StoredEvaluation(), Detail::kSummary, &brief);
  EXPECT_EQ(brief.pictures(), 12U);
  EXPECT_EQ(brief.voc().classes_size(), 0);
}

// Scenario: a dataset without an object of any class, kept by a program that wrote 0 for what is
// not defined, and by one that leaves it out.
TEST(EvaluationToProto, WhatIsNotDefinedIsLeftOut) {
  for (const char* json :
       {R"({"metric": "map_50", "value": 0.0, "voc": {}, "timings": {"decode_ms": 0}})",
        R"({"metric": "map_50", "voc": {}, "timings": {}})"}) {
    registry::Evaluation row = StoredEvaluation();
    row.metrics.clear();
    row.summary_json = json;
    v1::Evaluation out;
    ToProto(row, Detail::kSummary, &out);
    EXPECT_FALSE(out.has_value()) << json;
    EXPECT_FALSE(out.timings().has_decode_ms()) << json;
  }
  v1::Evaluation zero;  // found, and wrong every time
  zero.set_metric("map_50");
  zero.set_value(0);
  zero.mutable_voc()->set_map_50(0);
  zero.set_pictures(1);
  zero.mutable_timings()->set_decode_ms(0);
  DropUndefined(&zero);
  EXPECT_TRUE(zero.has_value());
  EXPECT_TRUE(zero.timings().has_decode_ms());
}

TEST(AliasMoveToProto, UnsetVersionsAreEmptyNames) {
  registry::AliasMove move;
  move.model = "m";
  move.alias = "prod";
  move.version = 3;
  move.action = "set";
  move.passed = {"map_50 on datasets/faces (val): 0.9 >= 0.8"};
  v1::AliasMove out;
  ToProto(move, &out);
  EXPECT_EQ(out.alias(), "models/m/aliases/prod");
  EXPECT_EQ(out.version(), "models/m/versions/3");
  EXPECT_EQ(out.previous(), "");
  EXPECT_EQ(out.passed_size(), 1);
  v1::AliasMove deleted;
  move.previous = 3;
  move.version.reset();
  ToProto(move, &deleted);
  EXPECT_EQ(deleted.version(), "");
  EXPECT_EQ(deleted.previous(), "models/m/versions/3");
}

TEST(LineageToProto, KeepsNodesEdgesAndWhatIsGone) {
  registry::Lineage lineage;
  lineage.nodes.push_back(
      {"datasets/d", "dataset", "READY", "3 pictures", absl::FromUnixSeconds(1), false});
  lineage.nodes.push_back({"jobs/j", "job", "", "", std::nullopt, true});
  lineage.edges.push_back({"datasets/d", "jobs/j", "ran"});
  lineage.truncated = true;
  v1::Lineage out;
  ToProto(lineage, &out);
  ASSERT_EQ(out.nodes_size(), 2);
  EXPECT_EQ(out.nodes(0).create_time().seconds(), 1);
  EXPECT_FALSE(out.nodes(1).has_create_time());
  EXPECT_TRUE(out.nodes(1).gone());
  EXPECT_EQ(out.edges(0).relation(), "ran");
  EXPECT_TRUE(out.truncated());
}

TEST(PromotionRuleFromProto, CarriesFiguresAndLeavesUnsetUnset) {
  v1::PromotionRule rule;
  rule.set_dataset("datasets/faces");
  rule.set_max_drop(0.0);
  const auto result = FromProto(rule, "require[0]");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->dataset, "faces");
  EXPECT_FALSE(result->min_value.has_value());
  ASSERT_TRUE(result->max_drop.has_value());
  EXPECT_EQ(*result->max_drop, 0.0);
}

TEST(PromotionRuleFromProto, RefusesEachCauseWithItsField) {
  v1::PromotionRule rule;
  const auto field = [&rule] {
    const absl::Status status = FromProto(rule, "require[2]").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return base::GetErrorDetails(status).fields;
  };
  EXPECT_THAT(field(), ElementsAre("require[2].dataset"));
  rule.set_dataset("faces");
  EXPECT_THAT(field(), ElementsAre("require[2].dataset"));
  rule.set_dataset("datasets/faces");
  rule.set_split(std::string(65, 's'));
  EXPECT_THAT(field(), ElementsAre("require[2].split"));
  rule.clear_split();
  rule.set_metric("a\nb");
  EXPECT_THAT(field(), ElementsAre("require[2].metric"));
}

TEST(QueryOf, TakesNothingAModelOrAVersion) {
  v1::ListEvaluationsRequest request;
  EXPECT_EQ(QueryOf(request)->model, "");
  request.set_version("models/m");
  EXPECT_EQ(QueryOf(request)->model, "m");
  EXPECT_EQ(QueryOf(request)->version, 0);
  request.set_version("models/m/versions/4");
  request.set_dataset("datasets/faces");
  EXPECT_EQ(QueryOf(request)->version, 4);
  EXPECT_EQ(QueryOf(request)->dataset, "faces");
  request.set_version("models/m/aliases/prod");
  EXPECT_THAT(base::GetErrorDetails(QueryOf(request).status()).fields, ElementsAre("version"));
  request.clear_version();
  request.set_dataset("faces");
  EXPECT_THAT(base::GetErrorDetails(QueryOf(request).status()).fields, ElementsAre("dataset"));
}

}  // namespace
}  // namespace lbw::rpc
