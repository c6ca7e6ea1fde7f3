// What tests of jobs share: a server with a model of two versions, float and 4 bits, and a dataset.
#ifndef LBW_TESTS_COMPONENT_TWO_VERSIONS_H_
#define LBW_TESTS_COMPONENT_TWO_VERSIONS_H_

#include <string>

#include "component/job_driver.h"
#include "component/server_fixture.h"
#include "gtest/gtest.h"

namespace lbw::testing {

class TwoVersionsTest : public ::testing::Test {
 protected:
  TwoVersionsTest() : driver_(fixture_.data_dir()) {
    model_ = fixture_.CreateDiscModel();
    v1::ModelVersion quantized;
    EXPECT_TRUE(fixture_.Quantize(model_, 4, &quantized).ok());
    dataset_ = MakeDataset(fixture_, driver_, "discs").name();
  }
  grpc::Status Create(const v1::CreateJobRequest& request, v1::Job* job) {
    grpc::ClientContext context;
    return fixture_.jobs().CreateJob(&context, request, job);
  }

  ServerFixture fixture_;
  JobDriver driver_;
  std::string model_;
  std::string dataset_;
};

}  // namespace lbw::testing

#endif  // LBW_TESTS_COMPONENT_TWO_VERSIONS_H_
