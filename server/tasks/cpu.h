// The instruction set that results were made with, for checkpoints and timings.
#ifndef LBW_TASKS_CPU_H_
#define LBW_TASKS_CPU_H_

#include <string>

namespace lbw::tasks {

// "avx512", "avx2", "sse2", ...; of the machine.
inline std::string CpuIsa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") != 0) return "avx512";
  if (__builtin_cpu_supports("avx2") != 0) return "avx2";
  return "sse2";
#elif defined(__aarch64__)
  return "neon";
#else
  return "generic";
#endif
}

}  // namespace lbw::tasks

#endif  // LBW_TASKS_CPU_H_
