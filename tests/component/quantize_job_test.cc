// Creating jobs of kind quantize and compare against the whole server.
#include <functional>
#include <string>
#include <vector>

#include "component/two_versions.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::testing {
namespace {

using ::testing::HasSubstr;

class CalibrationJobs : public TwoVersionsTest {
 protected:
  v1::CreateJobRequest Quantize() const {
    v1::CreateJobRequest request;
    v1::QuantizeSpec* spec = request.mutable_spec()->mutable_quantize();
    spec->set_version(model_);
    spec->mutable_options()->set_bits(3);
    spec->mutable_calibration()->set_dataset(dataset_);
    return request;
  }
  v1::CreateJobRequest Compare() const {
    v1::CreateJobRequest request;
    request.mutable_spec()->mutable_compare()->set_version(model_ + "/versions/2");
    request.mutable_spec()->mutable_compare()->set_dataset(dataset_);
    return request;
  }
};

TEST_F(CalibrationJobs, AQuantizationIsFilledInAndEstimated) {
  v1::Job job;
  const grpc::Status status = Create(Quantize(), &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(job.kind(), "quantize");
  const v1::QuantizeSpec& spec = job.spec().quantize();
  EXPECT_EQ(spec.version(), model_ + "/versions/1");
  EXPECT_EQ(spec.calibration().split(), "train");
  EXPECT_EQ(spec.calibration().count(), 64U);
  EXPECT_EQ(spec.measure().dataset(), dataset_);
  EXPECT_EQ(spec.measure().split(), "val");
  EXPECT_GT(job.estimate().memory_bytes(), uint64_t{300} << 20);
  EXPECT_THAT(job.estimate().basis(), HasSubstr("solver"));
  EXPECT_EQ(driver_.Take("quantize").job.kind, "quantize");
}

TEST_F(CalibrationJobs, AComparisonIsWithTheFloatAncestorUnlessToldOtherwise) {
  v1::CreateJobRequest request = Compare();
  v1::Job job;
  ASSERT_TRUE(Create(request, &job).ok());
  EXPECT_EQ(job.spec().compare().reference(), model_ + "/versions/1");
  EXPECT_EQ(job.spec().compare().split(), "val");
  EXPECT_THAT(job.estimate().basis(), HasSubstr("two times"));
  request.mutable_spec()->mutable_compare()->set_version(model_ + "/versions/1");
  request.mutable_spec()->mutable_compare()->set_reference(model_ + "/versions/2");
  ASSERT_TRUE(Create(request, &job).ok());
  EXPECT_EQ(job.spec().compare().reference(), model_ + "/versions/2");
}

TEST_F(CalibrationJobs, RefusesEachCauseWithItsField) {
  using Request = v1::CreateJobRequest;
  struct Row {
    std::string name;
    Request request;
    std::function<void(Request&)> spoil;
    grpc::StatusCode code;
    std::string reason;
    std::string field;
  };
  const auto quantize = [](Request& r) { return r.mutable_spec()->mutable_quantize(); };
  const auto compare = [](Request& r) { return r.mutable_spec()->mutable_compare(); };
  const std::vector<Row> rows = {
      {"a quantized version", Quantize(),
       [&](Request& r) { quantize(r)->set_version(model_ + "/versions/2"); },
       grpc::StatusCode::FAILED_PRECONDITION, "ALREADY_QUANTIZED", ""},
      {"no dataset", Quantize(), [&](Request& r) { quantize(r)->clear_calibration(); },
       grpc::StatusCode::INVALID_ARGUMENT, "BAD_NAME", "spec.quantize.calibration.dataset"},
      {"no such dataset", Quantize(),
       [&](Request& r) { quantize(r)->mutable_measure()->set_dataset("datasets/none"); },
       grpc::StatusCode::NOT_FOUND, "NOT_FOUND", ""},
      {"a tiny budget", Quantize(),
       [&](Request& r) { quantize(r)->mutable_widths()->set_budget_bytes(1); },
       grpc::StatusCode::INVALID_ARGUMENT, "BAD_ARGUMENT", "spec.quantize.widths.budget_bytes"},
      {"a float version alone", Compare(), [&](Request& r) { compare(r)->set_version(model_); },
       grpc::StatusCode::INVALID_ARGUMENT, "BAD_ARGUMENT", "spec.compare.reference"},
      {"itself", Compare(), [&](Request& r) { compare(r)->set_reference(model_ + "/versions/2"); },
       grpc::StatusCode::INVALID_ARGUMENT, "BAD_ARGUMENT", "spec.compare.reference"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Request request = row.request;
    row.spoil(request);
    v1::Job job;
    const grpc::Status status = Create(request, &job);
    EXPECT_EQ(status.error_code(), row.code) << status.error_message();
    EXPECT_EQ(ReasonOf(status), row.reason) << status.error_message();
    EXPECT_EQ(FieldOf(status), row.field) << status.error_message();
  }
}

}  // namespace
}  // namespace lbw::testing
