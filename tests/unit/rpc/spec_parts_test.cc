#include "rpc/spec_parts.h"

#include <string>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(CheckCount, NamesTheFieldsLastPartItsValueAndItsLimits) {
  EXPECT_TRUE(CheckCount(1, 1, 3, "spec.a.count").ok());
  EXPECT_TRUE(CheckCount(3, 1, 3, "spec.a.count").ok());
  const absl::Status status = CheckCount(4, 1, 3, "spec.a.count");
  EXPECT_EQ(status.message(), "count must be 1..3: count=4");
  EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre("spec.a.count"));
}

TEST(BelowPath, PutsFieldsBehindThePathOnce) {
  struct Row {
    std::vector<std::string> fields;
    std::vector<std::string> below;
  };
  const std::vector<Row> rows = {{{"options.bits"}, {"spec.q.options.bits"}},
                                 {{"rules[0].match"}, {"spec.q.options.rules[0].match"}},
                                 {{"spec.q.options.scheme"}, {"spec.q.options.scheme"}},
                                 {{}, {"spec.q.options"}}};
  for (const Row& row : rows) {
    base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions, "no");
    for (const std::string& field : row.fields) error.Field(field);
    const absl::Status status = BelowPath(error, "spec.q.options");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), "no");
    EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_OPTIONS");
    EXPECT_EQ(base::GetErrorDetails(status).fields, row.below);
  }
  EXPECT_TRUE(BelowPath(absl::OkStatus(), "spec").ok());
}

TEST(CheckSplit, TellsThoseThatThereAre) {
  v1::Dataset dataset;
  dataset.set_name("datasets/d");
  for (const char* name : {"train", "val"}) dataset.add_splits()->set_name(name);
  EXPECT_TRUE(CheckSplit(dataset, "", "f").ok());
  EXPECT_TRUE(CheckSplit(dataset, "val", "f").ok());
  EXPECT_THAT(std::string(CheckSplit(dataset, "vall", "f").message()), HasSubstr("train, val"));
}

TEST(CheckTask, HeadsGoWithLabelsOfTheirKindOrNone) {
  struct Row {
    std::string head;
    v1::DatasetTask task;
    uint64_t boxes;
    bool fits;
  };
  const std::vector<Row> rows = {{"ssd", v1::DATASET_TASK_DETECTION, 7, true},
                                 {"ssd", v1::DATASET_TASK_DETECTION, 0, true},
                                 {"ssd", v1::DATASET_TASK_CLASSIFICATION, 0, false},
                                 {"logits", v1::DATASET_TASK_CLASSIFICATION, 0, true},
                                 {"logits", v1::DATASET_TASK_DETECTION, 0, true},
                                 {"logits", v1::DATASET_TASK_DETECTION, 7, false}};
  for (const Row& row : rows) {
    registry::Version version;
    version.model = "m";
    version.number = 1;
    version.head_kind = row.head;
    v1::Dataset dataset;
    dataset.set_name("datasets/d");
    dataset.set_task(row.task);
    dataset.set_boxes(row.boxes);
    const absl::Status status = CheckTask(version, dataset, "spec.x.dataset");
    EXPECT_EQ(status.ok(), row.fits) << status << row.head << " " << row.task << " " << row.boxes;
    if (row.fits) continue;
    EXPECT_EQ(base::GetErrorDetails(status).reason, "NOT_THE_RIGHT_HEAD");
    EXPECT_THAT(std::string(status.message()), HasSubstr("datasets/d"));
  }
}

TEST(AddOnce, KeepsTheOrder) {
  std::vector<std::string> names;
  for (const char* name : {"b", "a", "b"}) AddOnce(name, names);
  EXPECT_THAT(names, ElementsAre("b", "a"));
}

}  // namespace
}  // namespace lbw::rpc
