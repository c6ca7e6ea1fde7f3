#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "quant/kernels/linear.h"

namespace lbw::quant {
namespace {

std::string NameOf(const ::testing::TestParamInfo<Isa>& info) {
  return info.param == Isa::kScalar ? "Scalar" : info.param == Isa::kAvx2 ? "Avx2" : "Avx512";
}

template <typename T>
std::vector<T> Random(size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal(0.0, 3.0);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(normal(generator));
  return values;
}

class LinearKernelsTest : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!CpuHas(GetParam())) GTEST_SKIP() << "this CPU has no such instructions";
  }
};

// Every size around the tiles, both signs, transposed and plain a: the bits of the scalar loops,
// and nothing beside the result is touched.
template <typename T>
void CompareOuter(Isa isa, void (*LinearKernels::*member)(const OuterSum<T>&)) {
  constexpr T kGuard = static_cast<T>(12345.0);
  for (const int64_t m : {1, 3, 4, 5, 9}) {
    for (const int64_t n : {1, 7, 8, 15, 16, 17, 31, 32, 33, 67}) {
      for (const int64_t depth : {0, 1, 5, 33}) {
        const bool transposed = (m + n + depth) % 2 == 0;
        const auto a = Random<T>(static_cast<size_t>(m * depth), 1);
        const auto b = Random<T>(static_cast<size_t>(depth * (n + 2)), 2);
        std::vector<T> expected = Random<T>(static_cast<size_t>(m * (n + 3)), 3);
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = n; j < n + 3; ++j)
            expected[static_cast<size_t>(i * (n + 3) + j)] = kGuard;
        }
        std::vector<T> got = expected;
        OuterSum<T> sum;
        sum.m = m;
        sum.n = n;
        sum.depth = depth;
        sum.a = a.data();
        sum.a_stride_i = transposed ? 1 : depth;
        sum.a_stride_k = transposed ? m : 1;
        sum.b = b.data();
        sum.b_stride = n + 2;
        sum.c_stride = n + 3;
        sum.sign = n % 2 == 0 ? T{1} : T{-1};
        sum.c = expected.data();
        (kScalarLinear.*member)(sum);
        sum.c = got.data();
        (KernelsFor(isa).*member)(sum);
        ASSERT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(T)), 0)
            << "m=" << m << " n=" << n << " depth=" << depth;
      }
    }
  }
}

TEST_P(LinearKernelsTest, OuterSumsHaveTheScalarsBits) {
  CompareOuter<float>(GetParam(), &LinearKernels::outer_f32);
  CompareOuter<double>(GetParam(), &LinearKernels::outer_f64);
}

TEST_P(LinearKernelsTest, AxpyHasTheScalarsBits) {
  for (const int64_t n : {0, 1, 7, 8, 9, 15, 16, 17, 33, 127}) {
    const auto x = Random<float>(static_cast<size_t>(n), 4);
    std::vector<float> expected = Random<float>(static_cast<size_t>(n) + 1, 5);
    std::vector<float> got = expected;
    kScalarLinear.axpy_f32(-0.3F, x.data(), expected.data(), n);
    KernelsFor(GetParam()).axpy_f32(-0.3F, x.data(), got.data(), n);
    EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, LinearKernelsTest,
                         ::testing::Values(Isa::kScalar, Isa::kAvx2, Isa::kAvx512), NameOf);

TEST(LinearKernels, TheBestIsOneThatTheCpuHas) { EXPECT_TRUE(CpuHas(BestIsa())); }

}  // namespace
}  // namespace lbw::quant
