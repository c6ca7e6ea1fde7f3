#include "engine/torch/device.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/status.h"

namespace lbw::engine {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ResolveDevice, KnowsItsWords) {
  EXPECT_EQ(*ResolveDevice("cpu"), "cpu");
  EXPECT_THAT(*ResolveDevice("auto"), AnyOf("cpu", "cuda:0"));
}

TEST(ResolveDevice, RefusesOtherWordsByName) {
  for (const char* word : {"", "gpu", "CPU", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "cuda:1x",
                           "cuda0", "cuda:1000", " cuda", "cuda:0 "}) {
    const absl::Status status = ResolveDevice(word).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << word;
    EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_ARGUMENT");
    EXPECT_THAT(std::string(status.message()), HasSubstr("\"" + std::string(word) + "\""));
  }
}

TEST(ResolveDevice, SaysWhetherTheBuildOrTheMachineHasNoCuda) {
  const bool build = c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA);
  const absl::Status status = ResolveDevice("cuda:999").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(base::GetErrorDetails(status).reason, build ? "NO_CUDA_DEVICE" : "NO_CUDA_BUILD");
  EXPECT_THAT(std::string(status.message()), HasSubstr("cuda:999"));
  const auto first = ResolveDevice("cuda");
  if (*ResolveDevice("auto") == "cpu") {
    EXPECT_EQ(first.status().code(), absl::StatusCode::kFailedPrecondition);
  } else {
    EXPECT_EQ(*first, "cuda:0");
    EXPECT_EQ(*ResolveDevice("cuda:0"), "cuda:0");
  }
}

TEST(DescribeDevice, NamesTheDeviceAndWhatItIs) {
  EXPECT_THAT(DescribeDevice("cpu"), StartsWith("cpu, "));
  EXPECT_THAT(DescribeDevice("cuda:3"), StartsWith("cuda:3"));
}

TEST(HasBf16, IsWhatTheCpuSaysOfItself) {
  std::ifstream file("/proc/cpuinfo");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  if (text.empty()) GTEST_SKIP() << "no /proc/cpuinfo";
  const bool has =
      text.find(" avx512_bf16") != std::string::npos || text.find(" amx_bf16") != std::string::npos;
  EXPECT_EQ(HasBf16("cpu"), has);
}

TEST(Synchronize, OfTheCpuReturns) { Synchronize("cpu"); }

at::ScalarType ProductType() {
  const at::Tensor ones = at::ones({2, 2});
  return at::mm(ones, ones).scalar_type();
}

TEST(AutocastScope, LastsAsLongAsItLives) {
  EXPECT_EQ(ProductType(), at::kFloat);
  {
    const AutocastScope scope("cpu", true);
    EXPECT_EQ(ProductType(), at::kBFloat16);
  }
  EXPECT_EQ(ProductType(), at::kFloat);
  const AutocastScope off("cpu", false);
  EXPECT_EQ(ProductType(), at::kFloat);
}

TEST(AutocastScope, ANestedOneChangesNothing) {
  const AutocastScope outer("cpu", true);
  {
    const AutocastScope on("cpu", true);
    const AutocastScope off("cpu", false);
    EXPECT_EQ(ProductType(), at::kBFloat16);
  }
  EXPECT_EQ(ProductType(), at::kBFloat16);
}

// A weight is overwritten between two runs of one scope.
TEST(AutocastScope, KeepsNoCopiesOfWeights) {
  at::Tensor weight = at::ones({1, 1}).requires_grad_(true);
  const at::Tensor one = at::ones({1, 1});
  const AutocastScope scope("cpu", true);
  EXPECT_EQ(at::mm(one, weight).to(at::kFloat).item<float>(), 1);
  weight.detach().fill_(4);
  EXPECT_EQ(at::mm(one, weight).to(at::kFloat).item<float>(), 4);
}

}  // namespace
}  // namespace lbw::engine
