// Compiled for AVX-512F alone; nothing compiled here is shared with baseline code.
#include "quant/kernels/linear.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace lbw::quant {
namespace {

struct F32 {
  using T = float;
  using Vector = __m512;
  static constexpr int64_t kLanes = 16;
  static Vector Load(const float* p) { return _mm512_loadu_ps(p); }
  static void Store(float* p, Vector v) { _mm512_storeu_ps(p, v); }
  static Vector Spread(float x) { return _mm512_set1_ps(x); }
  static Vector Step(Vector acc, Vector a, Vector b) {
    return _mm512_add_ps(acc, _mm512_mul_ps(a, b));
  }
};

struct F64 {
  using T = double;
  using Vector = __m512d;
  static constexpr int64_t kLanes = 8;
  static Vector Load(const double* p) { return _mm512_loadu_pd(p); }
  static void Store(double* p, Vector v) { _mm512_storeu_pd(p, v); }
  static Vector Spread(double x) { return _mm512_set1_pd(x); }
  static Vector Step(Vector acc, Vector a, Vector b) {
    return _mm512_add_pd(acc, _mm512_mul_pd(a, b));
  }
};

#include "quant/kernels/linear_vector.inc"

}  // namespace

extern const LinearKernels kAvx512Linear = {Outer<F32>, Outer<F64>, Axpy};

}  // namespace lbw::quant
#endif
