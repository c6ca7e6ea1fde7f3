// The CPU in words, for the log and the status call.
#ifndef LBW_APP_CPU_H_
#define LBW_APP_CPU_H_

#include <string>
#include <string_view>

namespace lbw::app {

// cpuinfo: the text of /proc/cpuinfo. "AMD EPYC (avx2 avx512f avx512_vnni)": the model's name and
// those of its instruction sets that matter to low-bit networks.
std::string DescribeCpu(std::string_view cpuinfo);
// Of this machine.
std::string DescribeCpu();

}  // namespace lbw::app

#endif  // LBW_APP_CPU_H_
