#include "quant/kernels/linear.h"

namespace lbw::quant {
namespace {

template <typename T>
void Outer(const OuterSum<T>& sum) {
  for (int64_t i = 0; i < sum.m; ++i) {
    T* const row = sum.c + i * sum.c_stride;
    for (int64_t k = 0; k < sum.depth; ++k) {
      const T factor = sum.sign * sum.a[i * sum.a_stride_i + k * sum.a_stride_k];
      const T* const b = sum.b + k * sum.b_stride;
      for (int64_t j = 0; j < sum.n; ++j) row[j] += factor * b[j];
    }
  }
}

void Axpy(float alpha, const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += alpha * x[i];
}

}  // namespace

extern const LinearKernels kScalarLinear = {Outer<float>, Outer<double>, Axpy};

}  // namespace lbw::quant
