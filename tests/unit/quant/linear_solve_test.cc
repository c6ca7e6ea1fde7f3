#include "quant/linear_solve.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace lbw::quant {
namespace {

// A A' + I of a random A: well conditioned.
std::vector<double> Definite(int64_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<double> a(static_cast<size_t>(n * n));
  for (double& value : a) value = normal(generator) / std::sqrt(static_cast<double>(n));
  std::vector<double> h(a.size(), 0.0);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = i == j ? 1.0 : 0.0;
      for (int64_t k = 0; k < n; ++k) {
        sum += a[static_cast<size_t>(i * n + k)] * a[static_cast<size_t>(j * n + k)];
      }
      h[static_cast<size_t>(i * n + j)] = sum;
    }
  }
  return h;
}

class LinearSolveTest : public ::testing::TestWithParam<int> {};

TEST_P(LinearSolveTest, SolvesWhatItWasAsked) {
  const int64_t n = GetParam();
  constexpr int64_t kRows = 37;
  const std::vector<double> h = Definite(n, 7);
  std::mt19937 generator(8);
  std::normal_distribution<double> normal;
  std::vector<double> x(static_cast<size_t>(kRows * n));
  for (double& value : x) value = normal(generator);
  std::vector<double> z(x.size(), 0.0);
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t k = 0; k < n; ++k) {
      for (int64_t j = 0; j < n; ++j) {
        z[static_cast<size_t>(r * n + j)] +=
            x[static_cast<size_t>(r * n + k)] * h[static_cast<size_t>(k * n + j)];
      }
    }
  }
  std::vector<double> factor = h;
  ASSERT_TRUE(Cholesky(absl::MakeSpan(factor), n, {BestIsa(), 2}).value());
  std::vector<double> solved = z;
  ASSERT_TRUE(SolveRows(factor, n, absl::MakeSpan(solved), {BestIsa(), 2}).ok());
  for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(solved[i], x[i], 1e-9) << i;
  // Other threads and instructions: the same bits.
  std::vector<double> other = h;
  ASSERT_TRUE(Cholesky(absl::MakeSpan(other), n, {Isa::kScalar, 1}).value());
  for (int64_t i = 0; i < n; ++i) {
    ASSERT_EQ(std::memcmp(&other[static_cast<size_t>(i * n)], &factor[static_cast<size_t>(i * n)],
                          static_cast<size_t>(i + 1) * sizeof(double)),
              0)
        << "row " << i;
  }
  std::vector<double> again = z;
  ASSERT_TRUE(SolveRows(other, n, absl::MakeSpan(again), {Isa::kScalar, 3}).ok());
  EXPECT_EQ(std::memcmp(again.data(), solved.data(), again.size() * sizeof(double)), 0);
}

INSTANTIATE_TEST_SUITE_P(Sizes, LinearSolveTest, ::testing::Values(1, 2, 31, 63, 64, 65, 128, 150));

TEST(Cholesky, RefusesWhatIsNotDefinite) {
  std::vector<double> singular = {1, 1, 1, 1};
  EXPECT_FALSE(Cholesky(absl::MakeSpan(singular), 2, {}).value());
  std::vector<double> negative = {1, 0, 0, -1};
  EXPECT_FALSE(Cholesky(absl::MakeSpan(negative), 2, {}).value());
  std::vector<double> wrong = {1, 0, 0, std::nan("")};
  EXPECT_FALSE(Cholesky(absl::MakeSpan(wrong), 2, {}).value());
}

TEST(LinearSolve, StopsBetweenBlocksWhereItIsTold) {
  constexpr int64_t kSize = 200;
  int left = 0;
  SolveThreads threads;
  threads.keep_going = [&] {
    return left-- > 0 ? absl::OkStatus() : absl::CancelledError("enough");
  };
  std::vector<double> factor = Definite(kSize, 3);
  left = 2;
  EXPECT_TRUE(absl::IsCancelled(Cholesky(absl::MakeSpan(factor), kSize, threads).status()));
  factor = Definite(kSize, 3);
  ASSERT_TRUE(Cholesky(absl::MakeSpan(factor), kSize, {}).value());
  for (const int asked : {0, 5}) {  // on the way down, on the way back
    left = asked;
    std::vector<double> rows(kSize, 1.0);
    EXPECT_TRUE(absl::IsCancelled(SolveRows(factor, kSize, absl::MakeSpan(rows), threads)));
  }
}

}  // namespace
}  // namespace lbw::quant
