#include "graph/operators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "unit/graph/nets.h"

namespace lbw::graph {
namespace {

using ::testing::HasSubstr;
using testing_support::MakeNode;
using Attributes = std::map<std::string, Attribute>;

absl::Status Check(const std::string& op, const Attributes& attributes) {
  return CheckAttributes(MakeNode(op, {"x"}, {"y"}, attributes));
}

TEST(CheckAttributes, WhatDoesNotChangeResultsIsKnown) {
  EXPECT_TRUE(Check("Dropout", {{"ratio", 0.5F}, {"seed", int64_t{1}}}).ok());
  EXPECT_TRUE(Check("MaxPool", {{"storage_order", int64_t{0}}}).ok());
  EXPECT_TRUE(Check("BatchNormalization",
                    {{"momentum", 0.9F}, {"spatial", int64_t{1}}, {"training_mode", int64_t{0}}})
                  .ok());
  EXPECT_TRUE(Check("Relu", {{"consumed_inputs", std::vector<int64_t>{0}}}).ok());
}

TEST(CheckAttributes, AnotherTypeIsRefusedWithTheOneThatIsExpected) {
  const absl::Status status = Check("Gemm", {{"transB", 1.0F}});
  EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_GRAPH");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("node y_node (Gemm): attribute transB is of type FLOAT; INT is expected"));
  EXPECT_EQ(base::GetErrorDetails(Check("LeakyRelu", {{"alpha", int64_t{1}}})).reason, "BAD_GRAPH");
  EXPECT_EQ(base::GetErrorDetails(Check("Transpose", {{"perm", std::string("0,1")}})).reason,
            "BAD_GRAPH");
}

TEST(CheckAttributes, AnUnknownNameIsRefusedWithTheKnownOnes) {
  const absl::Status status = Check("Transpose", {{"order", std::vector<int64_t>{0}}});
  EXPECT_EQ(base::GetErrorDetails(status).reason, "UNSUPPORTED_OPERATOR");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("node y_node (Transpose): attribute order is not known; known are: perm"));
  // Broadcasting of operator sets before 7.
  EXPECT_THAT(std::string(Check("Add", {{"axis", int64_t{1}}}).message()), HasSubstr("none"));
}

TEST(Validate, AttributesOfAStoredGraphAreChecked) {
  testing_support::Net net;
  net.Input("x", {kBatch, 4});
  net.Output("y");
  net.Add(MakeNode("LeakyRelu", {"x"}, {"y"}, {{"slope", 0.1F}}));
  EXPECT_EQ(base::GetErrorDetails(Validate(net.graph, net.constants)).reason,
            "UNSUPPORTED_OPERATOR");
}

}  // namespace
}  // namespace lbw::graph
