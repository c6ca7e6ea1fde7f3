#include "rpc/compare_job_spec.h"

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/json.h"
#include "tasks/compare_spec.h"

namespace lbw::rpc {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

CompareFacts Facts() {
  CompareFacts facts;
  facts.version.model = "m";
  facts.version.number = 3;
  facts.version.bundle = std::string(64, 'a');
  facts.version.head_kind = "ssd";
  facts.reference = facts.version;
  facts.reference.number = 1;
  facts.reference.bundle = std::string(64, 'b');
  facts.dataset.set_name("datasets/d");
  facts.dataset.set_task(v1::DATASET_TASK_DETECTION);
  facts.dataset.set_pack_artifact("artifacts/" + std::string(64, 'd'));
  facts.dataset.set_pictures(20);
  v1::DatasetSplit* split = facts.dataset.add_splits();
  split->set_name("val");
  split->set_pictures(20);
  facts.threads = 2;
  return facts;
}

TEST(FillInCompare, ChoosesEverythingThatIsLeftOut) {
  const auto spec = FillIn(v1::CompareSpec(), Facts());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->version(), "models/m/versions/3");
  EXPECT_EQ(spec->reference(), "models/m/versions/1");
  EXPECT_EQ(spec->dataset(), "datasets/d");
  EXPECT_EQ(spec->split(), "val");
  EXPECT_EQ(spec->count(), 32U);
  EXPECT_EQ(spec->options().threads(), 2U);
  EXPECT_EQ(PicturesOf(*spec, Facts().dataset), 20U);
  const std::string text = ToCanonicalJson(*spec);
  EXPECT_EQ(text, ToCanonicalJson(*FillIn(*spec, Facts())));
  EXPECT_TRUE(tasks::ParseCompareSpec(text).ok()) << tasks::ParseCompareSpec(text).status();
}

TEST(FillInCompare, RefusesEachCauseWithItsField) {
  struct Row {
    std::string name;
    std::function<void(v1::CompareSpec&, CompareFacts&)> spoil;
    std::string field;
    std::string reason = "BAD_ARGUMENT";
  };
  using Spec = v1::CompareSpec;
  using Facts_ = CompareFacts;
  const std::vector<Row> rows = {
      {"itself", [](Spec&, Facts_& f) { f.reference.number = 3; }, "spec.compare.reference"},
      {"another model", [](Spec&, Facts_& f) { f.reference.model = "n"; },
       "spec.compare.reference"},
      {"split", [](Spec& s, Facts_&) { s.set_split("vall"); }, "spec.compare.split"},
      {"count", [](Spec& s, Facts_&) { s.set_count(1'025); }, "spec.compare.count"},
      {"option", [](Spec& s, Facts_&) { s.mutable_options()->set_score_threshold(2); },
       "spec.compare.options.score_threshold"},
      {"checkpoints", [](Spec& s, Facts_&) { s.mutable_options()->set_checkpoint_pictures(2); },
       "spec.compare.options.checkpoint_pictures"},
      {"labels", [](Spec&, Facts_& f) { f.dataset.set_task(v1::DATASET_TASK_CLASSIFICATION); },
       "spec.compare.dataset", "NOT_THE_RIGHT_HEAD"},
      {"no pictures", [](Spec&, Facts_& f) { f.dataset.mutable_splits(0)->set_pictures(0); },
       "spec.compare.split", "BAD_DATASET"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    v1::CompareSpec asked;
    CompareFacts facts = Facts();
    row.spoil(asked, facts);
    const base::ErrorDetails details = base::GetErrorDetails(FillIn(asked, facts).status());
    EXPECT_EQ(details.reason, row.reason);
    EXPECT_THAT(details.fields, ElementsAre(row.field));
  }
}

TEST(DraftOfCompare, NamesWhatTheJobUsesAndHoldsOnce) {
  CompareFacts facts = Facts();
  auto draft = DraftOf({}, *FillIn({}, facts), facts);
  ASSERT_TRUE(draft.ok()) << draft.status();
  EXPECT_EQ(draft->kind, "compare");
  EXPECT_THAT(draft->uses,
              UnorderedElementsAre("models/m/versions/3", "models/m/versions/1", "datasets/d"));
  EXPECT_EQ(draft->artifacts.size(), 3U);
  facts.reference.bundle = facts.version.bundle;
  draft = DraftOf({}, *FillIn({}, facts), facts);
  EXPECT_EQ(draft->artifacts.size(), 2U);
}

}  // namespace
}  // namespace lbw::rpc
