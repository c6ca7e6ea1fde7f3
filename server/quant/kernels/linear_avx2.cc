// Compiled for AVX2 alone; nothing here is shared with baseline code.
#include "quant/kernels/linear.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace lbw::quant {
namespace {

struct F32 {
  using T = float;
  using Vector = __m256;
  static constexpr int64_t kLanes = 8;
  static Vector Load(const float* p) { return _mm256_loadu_ps(p); }
  static void Store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
  static Vector Spread(float x) { return _mm256_set1_ps(x); }
  static Vector Step(Vector acc, Vector a, Vector b) {
    return _mm256_add_ps(acc, _mm256_mul_ps(a, b));
  }
};

struct F64 {
  using T = double;
  using Vector = __m256d;
  static constexpr int64_t kLanes = 4;
  static Vector Load(const double* p) { return _mm256_loadu_pd(p); }
  static void Store(double* p, Vector v) { _mm256_storeu_pd(p, v); }
  static Vector Spread(double x) { return _mm256_set1_pd(x); }
  static Vector Step(Vector acc, Vector a, Vector b) {
    return _mm256_add_pd(acc, _mm256_mul_pd(a, b));
  }
};

constexpr int64_t kTileRows = 4;

// kTileRows rows by two vectors in registers over the whole depth.
template <typename V>
void Tile(const OuterSum<typename V::T>& sum, int64_t i, int64_t j) {
  using Vector = typename V::Vector;
  Vector acc[kTileRows][2];
  for (int64_t r = 0; r < kTileRows; ++r) {
    const auto* const c = sum.c + (i + r) * sum.c_stride + j;
    acc[r][0] = V::Load(c);
    acc[r][1] = V::Load(c + V::kLanes);
  }
  const auto* a = sum.a + i * sum.a_stride_i;
  const auto* b = sum.b + j;
  for (int64_t k = 0; k < sum.depth; ++k) {
    const Vector b0 = V::Load(b);
    const Vector b1 = V::Load(b + V::kLanes);
    for (int64_t r = 0; r < kTileRows; ++r) {
      const Vector factor = V::Spread(sum.sign * a[r * sum.a_stride_i]);
      acc[r][0] = V::Step(acc[r][0], factor, b0);
      acc[r][1] = V::Step(acc[r][1], factor, b1);
    }
    a += sum.a_stride_k;
    b += sum.b_stride;
  }
  for (int64_t r = 0; r < kTileRows; ++r) {
    auto* const c = sum.c + (i + r) * sum.c_stride + j;
    V::Store(c, acc[r][0]);
    V::Store(c + V::kLanes, acc[r][1]);
  }
}

// What is left at the right and the bottom, element by element in the same order.
template <typename T>
void Rest(const OuterSum<T>& sum, int64_t first_row, int64_t rows, int64_t first_column) {
  for (int64_t i = first_row; i < first_row + rows; ++i) {
    T* const c = sum.c + i * sum.c_stride;
    for (int64_t k = 0; k < sum.depth; ++k) {
      const T factor = sum.sign * sum.a[i * sum.a_stride_i + k * sum.a_stride_k];
      const T* const b = sum.b + k * sum.b_stride;
      for (int64_t j = first_column; j < sum.n; ++j) c[j] += factor * b[j];
    }
  }
}

template <typename V>
void Outer(const OuterSum<typename V::T>& sum) {
  if (sum.depth == 0) return;
  const int64_t full_rows = sum.m / kTileRows * kTileRows;
  const int64_t full_columns = sum.n / (2 * V::kLanes) * (2 * V::kLanes);
  for (int64_t i = 0; i < full_rows; i += kTileRows) {
    for (int64_t j = 0; j < full_columns; j += 2 * V::kLanes) Tile<V>(sum, i, j);
  }
  if (full_columns < sum.n) Rest(sum, 0, full_rows, full_columns);
  if (full_rows < sum.m) Rest(sum, full_rows, sum.m - full_rows, 0);
}

void Axpy(float alpha, const float* x, float* y, int64_t n) {
  const F32::Vector factor = F32::Spread(alpha);
  int64_t i = 0;
  for (; i + F32::kLanes <= n; i += F32::kLanes) {
    F32::Store(y + i, F32::Step(F32::Load(y + i), factor, F32::Load(x + i)));
  }
  for (; i < n; ++i) y[i] += alpha * x[i];
}

}  // namespace

extern const LinearKernels kAvx2Linear = {Outer<F32>, Outer<F64>, Axpy};

}  // namespace lbw::quant
#endif
