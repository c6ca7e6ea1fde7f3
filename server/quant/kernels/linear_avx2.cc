// Compiled for AVX2 alone; nothing compiled here is shared with baseline code.
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

#include "quant/kernels/linear_vector.inc"

}  // namespace

extern const LinearKernels kAvx2Linear = {Outer<F32>, Outer<F64>, Axpy};

}  // namespace lbw::quant
#endif
