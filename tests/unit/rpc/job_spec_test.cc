#include "rpc/job_spec.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/json.h"

namespace lbw::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

v1::CreateJobRequest GoodRequest() {
  v1::CreateJobRequest request;
  request.mutable_spec()->mutable_evaluate()->set_version("models/m");
  request.mutable_spec()->mutable_evaluate()->set_dataset("datasets/faces");
  return request;
}

TEST(CheckCreateRequest, TakesEveryLimit) {
  v1::CreateJobRequest request = GoodRequest();
  request.set_request_id(std::string(64, 'r'));
  request.set_submitter(std::string(64, 's'));
  request.set_priority(-100);
  (*request.mutable_labels())["app.kubernetes.io/" + std::string(46, 'k')] = std::string(64, 'v');
  for (int i = 1; i < 16; ++i) (*request.mutable_labels())["k" + std::to_string(i)] = "";
  EXPECT_TRUE(CheckCreateRequest(request).ok()) << CheckCreateRequest(request);
}

TEST(CheckCreateRequest, RefusesEachCauseWithItsField) {
  struct Row {
    std::string name;
    std::function<void(v1::CreateJobRequest&)> spoil;
    std::string field;
  };
  using Request = v1::CreateJobRequest;
  const auto unknown = [](google::protobuf::Message* message) {
    message->GetReflection()->MutableUnknownFields(message)->AddVarint(500, 1);
  };
  const std::vector<Row> rows = {
      {"no spec", [](Request& r) { r.clear_spec(); }, "spec"},
      {"no kind", [](Request& r) { r.mutable_spec()->clear_kind(); }, "spec"},
      {"check_dataset",
       [](Request& r) { r.mutable_spec()->mutable_check_dataset()->set_dataset("datasets/d"); },
       "spec.check_dataset"},
      {"a kind of a newer client",
       [&](Request& r) {
         r.mutable_spec()->clear_kind();
         unknown(r.mutable_spec());
       },
       "spec"},
      {"unknown field", [&](Request& r) { unknown(r.mutable_spec()->mutable_evaluate()); },
       "spec.evaluate"},
      {"unknown option",
       [&](Request& r) { unknown(r.mutable_spec()->mutable_evaluate()->mutable_options()); },
       "spec.evaluate.options"},
      {"long request_id", [](Request& r) { r.set_request_id(std::string(65, 'r')); }, "request_id"},
      {"long submitter", [](Request& r) { r.set_submitter(std::string(65, 's')); }, "submitter"},
      {"line in submitter", [](Request& r) { r.set_submitter("a\nb"); }, "submitter"},
      {"low priority", [](Request& r) { r.set_priority(-101); }, "priority"},
      {"high priority", [](Request& r) { r.set_priority(101); }, "priority"},
      {"17 labels",
       [](Request& r) {
         for (int i = 0; i < 17; ++i) (*r.mutable_labels())["k" + std::to_string(i)] = "v";
       },
       "labels"},
      {"empty key", [](Request& r) { (*r.mutable_labels())[""] = "v"; }, "labels"},
      {"key with a space", [](Request& r) { (*r.mutable_labels())["a b"] = "v"; }, "labels"},
      {"long key", [](Request& r) { (*r.mutable_labels())[std::string(65, 'k')] = "v"; }, "labels"},
      {"long value", [](Request& r) { (*r.mutable_labels())["k"] = std::string(65, 'v'); },
       "labels.k"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    v1::CreateJobRequest request = GoodRequest();
    row.spoil(request);
    const absl::Status status = CheckCreateRequest(request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre(row.field));
  }
}

EvaluateFacts Facts() {
  EvaluateFacts facts;
  facts.version.model = "m";
  facts.version.number = 2;
  facts.version.bundle = std::string(64, 'a');
  facts.version.head_kind = "ssd";
  facts.model_spec.head.nms.iou = 0.4F;
  facts.model_spec.head.nms.per_class = true;
  facts.model_spec.head.nms.keep = 300;
  facts.dataset.set_name("datasets/faces");
  facts.dataset.set_task(v1::DATASET_TASK_DETECTION);
  facts.dataset.set_pixel_rule("continuous");
  facts.dataset.set_pack_artifact("artifacts/" + std::string(64, 'b'));
  facts.dataset.set_pictures(30);
  for (const char* name : {"train", "val", "test"}) {
    v1::DatasetSplit* split = facts.dataset.add_splits();
    split->set_name(name);
    split->set_pictures(10);
  }
  facts.threads = 3;
  return facts;
}

registry::Version OtherVersion() {
  registry::Version version;
  version.model = "m";
  version.number = 1;
  version.bundle = std::string(64, 'c');
  version.head_kind = "ssd";
  return version;
}

TEST(FillIn, ChoosesEverythingThatIsLeftOut) {
  const auto spec = FillIn(GoodRequest().spec().evaluate(), Facts());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->version(), "models/m/versions/2");
  EXPECT_EQ(spec->dataset(), "datasets/faces");
  EXPECT_EQ(spec->split(), "val");
  EXPECT_EQ(spec->against(), "");
  const v1::EvaluateOptions& options = spec->options();
  EXPECT_FLOAT_EQ(options.score_threshold(), 0.02F);
  EXPECT_FLOAT_EQ(options.iou_threshold(), 0.4F);
  EXPECT_TRUE(options.has_per_class_nms());
  EXPECT_TRUE(options.per_class_nms());
  EXPECT_EQ(options.max_detections(), 300U);
  EXPECT_EQ(options.pixel_rule(), "continuous");
  EXPECT_EQ(options.max_pictures(), 0U);
  EXPECT_EQ(options.top_k(), 5U);
  EXPECT_EQ(options.threads(), 3U);
}

TEST(FillIn, IsTheSameForWhatIsLeftOutAndWhatIsSaid) {
  v1::EvaluateSpec said = *FillIn(GoodRequest().spec().evaluate(), Facts());
  EXPECT_EQ(ToCanonicalJson(said), ToCanonicalJson(*FillIn(said, Facts())));
}

TEST(FillIn, TakesAtLeast200AndAtMost1000DetectionsOfTheModel) {
  EvaluateFacts facts = Facts();
  facts.model_spec.head.nms.keep = 20;
  EXPECT_EQ(FillIn(GoodRequest().spec().evaluate(), facts)->options().max_detections(), 200U);
  facts.model_spec.head.nms.keep = 5'000;
  EXPECT_EQ(FillIn(GoodRequest().spec().evaluate(), facts)->options().max_detections(), 1'000U);
}

TEST(FillIn, PrefersValThenTestThenTheOnlySplitThenEverything) {
  struct Row {
    std::vector<std::string> splits;
    std::string chosen;
  };
  const std::vector<Row> rows = {{{"test", "train", "val"}, "val"},
                                 {{"train", "test"}, "test"},
                                 {{"all"}, "all"},
                                 {{"a", "b"}, ""}};
  for (const Row& row : rows) {
    EvaluateFacts facts = Facts();
    facts.dataset.clear_splits();
    for (const std::string& name : row.splits) {
      v1::DatasetSplit* split = facts.dataset.add_splits();
      split->set_name(name);
      split->set_pictures(1);
    }
    const auto spec = FillIn(GoodRequest().spec().evaluate(), facts);
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->split(), row.chosen);
  }
}

struct BadSpecRow {
  std::string name;
  std::function<void(v1::EvaluateSpec&, EvaluateFacts&)> spoil;
  absl::StatusCode code;
  std::string reason;
  std::string field;
};

std::vector<BadSpecRow> BadSpecs() {
  using Spec = v1::EvaluateSpec;
  constexpr auto kArgument = absl::StatusCode::kInvalidArgument;
  constexpr auto kState = absl::StatusCode::kFailedPrecondition;
  const auto option = [](std::string name, std::function<void(v1::EvaluateOptions&)> set,
                         const std::string& field) {
    return BadSpecRow{
        std::move(name),
        [set = std::move(set)](Spec& s, EvaluateFacts&) { set(*s.mutable_options()); }, kArgument,
        "BAD_ARGUMENT", "spec.evaluate.options." + field};
  };
  using Options = v1::EvaluateOptions;
  return {
      option(
          "negative score", [](Options& o) { o.set_score_threshold(-0.01F); }, "score_threshold"),
      option(
          "score above 1", [](Options& o) { o.set_score_threshold(1.01F); }, "score_threshold"),
      option(
          "score NaN", [](Options& o) { o.set_score_threshold(std::nanf("")); }, "score_threshold"),
      option(
          "iou infinite",
          [](Options& o) { o.set_iou_threshold(std::numeric_limits<float>::infinity()); },
          "iou_threshold"),
      option(
          "no detections", [](Options& o) { o.set_max_detections(0); }, "max_detections"),
      option(
          "1001 detections", [](Options& o) { o.set_max_detections(1'001); }, "max_detections"),
      option(
          "pixel rule", [](Options& o) { o.set_pixel_rule("half-open"); }, "pixel_rule"),
      option(
          "top_k", [](Options& o) { o.set_top_k(1'001); }, "top_k"),
      option(
          "threads", [](Options& o) { o.set_threads(1'025); }, "threads"),
      {"unknown split", [](Spec& s, EvaluateFacts&) { s.set_split("vall"); }, kArgument,
       "BAD_ARGUMENT", "spec.evaluate.split"},
      {"empty split", [](Spec&, EvaluateFacts& f) { f.dataset.mutable_splits(1)->set_pictures(0); },
       kState, "BAD_DATASET", "spec.evaluate.split"},
      {"against itself",
       [](Spec&, EvaluateFacts& f) {
         f.against = OtherVersion();
         f.against->number = 2;
       },
       kArgument, "BAD_ARGUMENT", "spec.evaluate.against"},
      {"classifier on boxes", [](Spec&, EvaluateFacts& f) { f.version.head_kind = "logits"; },
       kState, "NOT_THE_RIGHT_HEAD", "spec.evaluate.dataset"},
      {"boxes on labels",
       [](Spec&, EvaluateFacts& f) { f.dataset.set_task(v1::DATASET_TASK_CLASSIFICATION); }, kState,
       "NOT_THE_RIGHT_HEAD", "spec.evaluate.dataset"},
      {"against a classifier",
       [](Spec&, EvaluateFacts& f) {
         f.against = OtherVersion();
         f.against->head_kind = "logits";
       },
       kState, "NOT_THE_RIGHT_HEAD", "spec.evaluate.against"},
  };
}

TEST(FillIn, RefusesEachCauseWithItsField) {
  for (const BadSpecRow& row : BadSpecs()) {
    SCOPED_TRACE(row.name);
    v1::EvaluateSpec spec = GoodRequest().spec().evaluate();
    EvaluateFacts facts = Facts();
    row.spoil(spec, facts);
    const absl::Status status = FillIn(spec, facts).status();
    EXPECT_EQ(status.code(), row.code) << status;
    const base::ErrorDetails details = base::GetErrorDetails(status);
    EXPECT_EQ(details.reason, row.reason);
    EXPECT_THAT(details.fields, ElementsAre(row.field));
  }
}

TEST(FillIn, AnUnknownSplitIsToldThoseThatThereAre) {
  v1::EvaluateSpec spec = GoodRequest().spec().evaluate();
  spec.set_split("vall");
  EXPECT_THAT(std::string(FillIn(spec, Facts()).status().message()), HasSubstr("train, val, test"));
}

TEST(PicturesOf, IsTheSplitsOrWhatTheCallerWants) {
  v1::EvaluateSpec spec = *FillIn(GoodRequest().spec().evaluate(), Facts());
  EXPECT_EQ(PicturesOf(spec, Facts().dataset), 10U);
  spec.mutable_options()->set_max_pictures(4);
  EXPECT_EQ(PicturesOf(spec, Facts().dataset), 4U);
  spec.clear_split();
  spec.mutable_options()->set_max_pictures(0);
  EXPECT_EQ(PicturesOf(spec, Facts().dataset), 30U);
}

TEST(DraftOf, NamesWhatTheJobUsesAndHolds) {
  v1::CreateJobRequest request = GoodRequest();
  request.set_request_id("r1");
  request.set_submitter("ada");
  request.set_priority(7);
  (*request.mutable_labels())["team"] = "vision";
  EvaluateFacts facts = Facts();
  facts.against = OtherVersion();
  const v1::EvaluateSpec spec = *FillIn(request.spec().evaluate(), facts);
  const jobs::JobDraft draft = *DraftOf(request, spec, facts);
  EXPECT_EQ(draft.kind, "evaluate");
  EXPECT_EQ(draft.request_id, "r1");
  EXPECT_EQ(draft.submitter, "ada");
  EXPECT_EQ(draft.priority, 7);
  EXPECT_EQ(draft.labels.at("team"), "vision");
  EXPECT_THAT(draft.uses,
              UnorderedElementsAre("models/m/versions/2", "models/m/versions/1", "datasets/faces"));
  EXPECT_THAT(draft.artifacts, UnorderedElementsAre(std::string(64, 'a'), std::string(64, 'b'),
                                                    std::string(64, 'c')));
  v1::EvaluateSpec stored;
  MergeJson(draft.spec_json, &stored);
  EXPECT_EQ(stored.SerializeAsString(), spec.SerializeAsString());
}

TEST(DraftOf, VersionsThatShareABundleHoldItOnce) {
  EvaluateFacts facts = Facts();
  facts.against = OtherVersion();
  facts.against->bundle = facts.version.bundle;
  const v1::CreateJobRequest request = GoodRequest();
  const v1::EvaluateSpec spec = *FillIn(request.spec().evaluate(), facts);
  EXPECT_THAT(DraftOf(request, spec, facts)->artifacts,
              UnorderedElementsAre(std::string(64, 'a'), std::string(64, 'b')));
}

}  // namespace
}  // namespace lbw::rpc
