#include "rpc/convert_dataset.h"

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::rpc {
namespace {

using testing::ElementsAre;

const std::string kArtifact = "artifacts/" + std::string(64, 'a');

registry::Dataset ReadyDataset() {
  registry::Dataset dataset;
  dataset.name = "faces";
  dataset.state = registry::DatasetState::kReady;
  dataset.create_time = absl::FromUnixSeconds(1'700'000'000);
  dataset.source_artifact = std::string(64, 'a');
  dataset.pack_artifact = std::string(64, 'b');
  dataset.pack_bytes = 77;
  dataset.job = "01hf8z4vj3s0f2x7m9c1d5e6g8";
  dataset.summary_json =
      R"({"name": "datasets/other", "state": "DATASET_STATE_FAILED", "pictures": "12",
          "task": "DATASET_TASK_DETECTION", "splits": [{"name": "val", "pictures": "4"}]})";
  return dataset;
}

TEST(DatasetToProto, TheRowBeatsWhatTheCheckWrote) {
  v1::Dataset out;
  ToProto(ReadyDataset(), &out);
  EXPECT_EQ(out.name(), "datasets/faces");
  EXPECT_EQ(out.state(), v1::DATASET_STATE_READY);
  EXPECT_EQ(out.task(), v1::DATASET_TASK_DETECTION);
  EXPECT_EQ(out.pictures(), 12U);
  EXPECT_EQ(out.splits(0).pictures(), 4U);
  EXPECT_EQ(out.source_artifact(), kArtifact);
  EXPECT_EQ(out.pack_artifact(), "artifacts/" + std::string(64, 'b'));
  EXPECT_EQ(out.pack_bytes(), 77U);
  EXPECT_EQ(out.job(), "jobs/01hf8z4vj3s0f2x7m9c1d5e6g8");
}

TEST(DatasetToProto, OneThatIsCheckedHasNoPack) {
  registry::Dataset dataset = ReadyDataset();
  dataset.state = registry::DatasetState::kChecking;
  dataset.pack_artifact.clear();
  dataset.summary_json.clear();
  v1::Dataset out;
  ToProto(dataset, &out);
  EXPECT_EQ(out.state(), v1::DATASET_STATE_CHECKING);
  EXPECT_EQ(out.pack_artifact(), "");
}

v1::CreateDatasetRequest GoodRequest() {
  v1::CreateDatasetRequest request;
  request.set_dataset_id("faces");
  request.set_artifact(kArtifact);
  request.set_format(v1::DATASET_FORMAT_VOC);
  request.add_classes("face");
  request.add_classes("mask");
  (*request.mutable_class_map())["visage"] = "face";
  return request;
}

TEST(CheckSpecOf, CarriesEverything) {
  const auto spec = CheckSpecOf(GoodRequest());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->dataset(), "datasets/faces");
  EXPECT_EQ(spec->source_artifact(), kArtifact);
  EXPECT_EQ(spec->format(), v1::DATASET_FORMAT_VOC);
  EXPECT_THAT(spec->classes(), ElementsAre("face", "mask"));
  EXPECT_EQ(spec->class_map().at("visage"), "face");
}

TEST(CheckSpecOf, RefusesEachCauseWithItsField) {
  struct Row {
    std::string name;
    std::function<void(v1::CreateDatasetRequest&)> spoil;
    std::string reason;
    std::string field;
  };
  using Request = v1::CreateDatasetRequest;
  const std::vector<Row> rows = {
      {"no id", [](Request& r) { r.clear_dataset_id(); }, "BAD_NAME", "dataset_id"},
      {"full name", [](Request& r) { r.set_dataset_id("datasets/faces"); }, "BAD_NAME",
       "dataset_id"},
      {"capitals", [](Request& r) { r.set_dataset_id("Faces"); }, "BAD_NAME", "dataset_id"},
      {"64 letters", [](Request& r) { r.set_dataset_id(std::string(64, 'a')); }, "BAD_NAME",
       "dataset_id"},
      {"no artifact", [](Request& r) { r.clear_artifact(); }, "BAD_NAME", "artifact"},
      {"short digest", [](Request& r) { r.set_artifact("artifacts/abc"); }, "BAD_NAME", "artifact"},
      {"unknown format", [](Request& r) { r.set_format(static_cast<v1::DatasetFormat>(99)); },
       "BAD_ARGUMENT", "format"},
      {"empty class", [](Request& r) { r.add_classes(""); }, "BAD_ARGUMENT", "classes[2]"},
      {"class twice", [](Request& r) { r.add_classes("face"); }, "BAD_ARGUMENT", "classes[2]"},
      {"long class", [](Request& r) { r.add_classes(std::string(257, 'x')); }, "BAD_ARGUMENT",
       "classes[2]"},
      {"line break", [](Request& r) { r.add_classes("a\nb"); }, "BAD_ARGUMENT", "classes[2]"},
      {"map to nothing", [](Request& r) { (*r.mutable_class_map())["a"] = ""; }, "BAD_ARGUMENT",
       "class_map"},
      {"map to unknown", [](Request& r) { (*r.mutable_class_map())["a"] = "cat"; }, "BAD_ARGUMENT",
       "class_map"},
      {"too many classes",
       [](Request& r) {
         for (int i = 0; i < 10'000; ++i) r.add_classes("c" + std::to_string(i));
       },
       "BAD_ARGUMENT", "classes"},
      {"too large together",
       [](Request& r) {
         r.clear_class_map();
         for (int i = 0; i < 2'500; ++i) r.add_classes(std::to_string(i) + std::string(250, 'c'));
       },
       "BAD_ARGUMENT", "class_map"},
      {"long submitter", [](Request& r) { r.set_submitter(std::string(65, 's')); }, "BAD_ARGUMENT",
       "submitter"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    v1::CreateDatasetRequest request = GoodRequest();
    row.spoil(request);
    const absl::Status status = CheckSpecOf(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    const base::ErrorDetails details = base::GetErrorDetails(status);
    EXPECT_EQ(details.reason, row.reason);
    EXPECT_THAT(details.fields, ElementsAre(row.field));
  }
}

registry::Dataset WithDefects() {
  registry::Dataset dataset = ReadyDataset();
  dataset.defects_json = R"({"defects": [
      {"kind": "zero_area", "file": "a.xml", "detail": "x", "action": "left_out"},
      {"kind": "grey", "file": "b.jpg", "action": "noted"},
      {"kind": "zero_area", "file": "c.xml", "action": "left_out"},
      {"kind": "grey", "file": "d.jpg", "action": "noted"},
      {"kind": "zero_area", "file": "e.xml", "action": "left_out"}], "not_kept": "3"})";
  return dataset;
}

std::vector<std::string> AllFiles(const std::string& kind, int page_size, int* pages) {
  std::vector<std::string> files;
  v1::ListDefectsRequest request;
  request.set_kind(kind);
  do {
    v1::ListDefectsResponse page;
    const absl::Status status = DefectsToProto(WithDefects(), request, {page_size}, &page);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(page.not_kept(), 3U);
    for (const v1::DatasetDefect& defect : page.defects()) files.push_back(defect.file());
    request.set_page_token(page.next_page_token());
    ++*pages;
  } while (!request.page_token().empty() && *pages < 10);
  return files;
}

TEST(DefectsToProto, PagesMeetAndTheFilterHolds) {
  int pages = 0;
  EXPECT_THAT(AllFiles("", 2, &pages), ElementsAre("a.xml", "b.jpg", "c.xml", "d.jpg", "e.xml"));
  EXPECT_EQ(pages, 3);
  pages = 0;
  EXPECT_THAT(AllFiles("zero_area", 1, &pages), ElementsAre("a.xml", "c.xml", "e.xml"));
  EXPECT_EQ(pages, 3);
  pages = 0;
  EXPECT_THAT(AllFiles("cmyk", 1, &pages), ElementsAre());
  EXPECT_EQ(pages, 1);
}

TEST(DefectsToProto, RefusesATokenOfSomebodyElse) {
  for (const std::string token : {"x", "-1", "6", "99999999999999"}) {
    v1::ListDefectsRequest request;
    request.set_page_token(token);
    v1::ListDefectsResponse page;
    const absl::Status status = DefectsToProto(WithDefects(), request, {2}, &page);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << token;
    EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre("page_token"));
  }
}

TEST(RenderRequestFromProto, DefaultsLimitAndOneMore) {
  v1::RenderDatasetRequest request;
  EXPECT_EQ(FromProto(request)->columns, 6);
  EXPECT_EQ(FromProto(request)->rows, 4);
  request.set_columns(12);
  request.set_rows(12);
  EXPECT_EQ(FromProto(request)->columns, 12);
  request.set_columns(13);
  EXPECT_THAT(base::GetErrorDetails(FromProto(request).status()).fields, ElementsAre("columns"));
  request.set_columns(1);
  request.set_rows(4'000'000'000U);
  EXPECT_THAT(base::GetErrorDetails(FromProto(request).status()).fields, ElementsAre("rows"));
}

}  // namespace
}  // namespace lbw::rpc
