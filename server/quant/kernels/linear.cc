#include "quant/kernels/linear.h"

#include "base/status.h"

namespace lbw::quant {

bool CpuHas(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return true;
#if defined(__x86_64__)
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") != 0;
    case Isa::kAvx512:
      return __builtin_cpu_supports("avx512f") != 0;
#else
    case Isa::kAvx2:
    case Isa::kAvx512:
      return false;
#endif
  }
  return false;
}

Isa BestIsa() {
  if (CpuHas(Isa::kAvx512)) return Isa::kAvx512;
  return CpuHas(Isa::kAvx2) ? Isa::kAvx2 : Isa::kScalar;
}

const LinearKernels& KernelsFor(Isa isa) {
  LBW_CHECK(CpuHas(isa));
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return kAvx512Linear;
  if (isa == Isa::kAvx2) return kAvx2Linear;
#endif
  return kScalarLinear;
}

}  // namespace lbw::quant
