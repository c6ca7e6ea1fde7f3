#include "train/averages.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "train/named_tensors.h"

namespace lbw::train {
namespace {

Parameter Of(const char* name, float value) {
  Parameter one;
  one.name = name;
  one.value = std::make_shared<at::Tensor>(at::full({2}, value));
  one.gradient = std::make_shared<at::Tensor>();
  one.unit = std::make_shared<at::Tensor>();
  return one;
}

float At(const at::Tensor& tensor) { return tensor[0].item<float>(); }

TEST(Averages, FollowWithAGrowingDecay) {
  const Parameter one = Of("w", 1);
  Averages averages({one}, 0.5);
  one.value->fill_(2);
  averages.Update(0);  // d = min(0.5, 1 / 10)
  EXPECT_NEAR(At(averages.values()[0]), 0.1F * 1 + 0.9F * 2, 1e-6);
  const float before = At(averages.values()[0]);
  averages.Update(1'000);  // d = 0.5
  EXPECT_NEAR(At(averages.values()[0]), (before + 2) / 2, 1e-6);
  averages.CopyBack();
  EXPECT_EQ(At(*one.value), At(averages.values()[0]));
}

TEST(Averages, WithoutOneAreTheParametersThemselves) {
  const Parameter one = Of("w", 1);
  Averages averages({one}, 0);
  one.value->fill_(3);
  averages.Update(0);
  EXPECT_EQ(At(averages.values()[0]), 3);
}

TEST(NamedTensors, AreReadBackIntoTheSameStorage) {
  const Parameter one = Of("w", 4);
  NamedTensors tensors;
  ASSERT_TRUE(Save(KeyOf("param", one), *one.value, tensors).ok());
  EXPECT_EQ(tensors.begin()->first, "param.weight.w");
  one.value->fill_(0);
  ASSERT_TRUE(Load(tensors, "param.weight.w", *one.value).ok());
  EXPECT_EQ(At(*one.value), 4);
}

TEST(NamedTensors, WhatIsMissingOrOfAnotherShapeIsDataLoss) {
  const Parameter one = Of("w", 4);
  NamedTensors tensors;
  ASSERT_TRUE(Save("a", *one.value, tensors).ok());
  EXPECT_EQ(Load(tensors, "b", *one.value).code(), absl::StatusCode::kDataLoss);
  at::Tensor other = at::full({3}, 1.0F);
  EXPECT_EQ(Load(tensors, "a", other).code(), absl::StatusCode::kDataLoss);
}

TEST(NamedTensors, PartsAreTakenOutAndPutBackUnderTheirPrefix) {
  const Parameter one = Of("w", 4);
  NamedTensors tensors;
  for (const char* key : {"a", "opt.m", "opt.v", "optimal"}) {
    ASSERT_TRUE(Save(key, *one.value, tensors).ok());
  }
  NamedTensors part = Part(tensors, "opt.");
  ASSERT_EQ(part.size(), 2U);
  EXPECT_EQ(part.count("m"), 1U);
  NamedTensors again;
  Put("x.", std::move(part), again);
  EXPECT_EQ(again.count("x.v"), 1U);
}

}  // namespace
}  // namespace lbw::train
