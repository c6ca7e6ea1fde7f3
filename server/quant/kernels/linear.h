// The two inner loops of calibration: sums of outer products, and a row added to a row.
//
// Precision: every element of a result is one chain of multiply, then add, in the order of k (or
//            one such step): the same bits for every instruction set. No fused multiply-add.
// Dispatch:  the best that the CPU has; tests pass the one they mean.
// Threads:   pure.
#ifndef LBW_QUANT_KERNELS_LINEAR_H_
#define LBW_QUANT_KERNELS_LINEAR_H_

#include <cstdint>

namespace lbw::quant {

// c[i][j] += sign * sum_k a(i, k) * b[k][j] for i < m, j < n, k < depth; sign is +1 or -1.
// Strides in elements; rows of b and c are contiguous.
template <typename T>
struct OuterSum {
  int64_t m = 0;
  int64_t n = 0;
  int64_t depth = 0;
  const T* a = nullptr;
  int64_t a_stride_i = 0;
  int64_t a_stride_k = 0;
  const T* b = nullptr;
  int64_t b_stride = 0;
  T* c = nullptr;
  int64_t c_stride = 0;
  T sign = 1;
};

enum class Isa : uint8_t { kScalar, kAvx2, kAvx512 };
bool CpuHas(Isa isa);
Isa BestIsa();

struct LinearKernels {
  void (*outer_f32)(const OuterSum<float>& sum);
  void (*outer_f64)(const OuterSum<double>& sum);
  // y[i] += alpha * x[i] for i < n.
  void (*axpy_f32)(float alpha, const float* x, float* y, int64_t n);
};
// isa must be one that the CPU has.
const LinearKernels& KernelsFor(Isa isa);

// One each in its own translation unit.
extern const LinearKernels kScalarLinear;
extern const LinearKernels kAvx2Linear;
extern const LinearKernels kAvx512Linear;

}  // namespace lbw::quant

#endif  // LBW_QUANT_KERNELS_LINEAR_H_
