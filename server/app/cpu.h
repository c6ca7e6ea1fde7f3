// The CPU in words, for the log and the status call.
#ifndef LBW_APP_CPU_H_
#define LBW_APP_CPU_H_

#include <string>
#include <string_view>

namespace lbw::app {

// The first "model name" of /proc/cpuinfo's text; "" where there is none.
std::string CpuModelName(std::string_view cpuinfo);
// The instruction sets that matter here, of this machine: "avx2 avx512f avx512_vnni"; "" elsewhere
// than on x86.
std::string CpuInstructionSets();
// "Intel(R) Xeon(R) ... (avx2 avx512f)".
std::string DescribeCpu();

}  // namespace lbw::app

#endif  // LBW_APP_CPU_H_
