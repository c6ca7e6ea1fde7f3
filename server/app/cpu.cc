#include "app/cpu.h"

#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"

namespace lbw::app {

std::string CpuModelName(std::string_view cpuinfo) {
  for (const absl::string_view line : absl::StrSplit(base::Absl(cpuinfo), '\n')) {
    const std::pair<absl::string_view, absl::string_view> entry =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (absl::StripAsciiWhitespace(entry.first) == "model name") {
      return std::string(absl::StripAsciiWhitespace(entry.second));
    }
  }
  return "";
}

std::string CpuInstructionSets() {
  std::string sets;
#if defined(__x86_64__)
  const auto add = [&sets](bool has, const char* name) {
    if (has) absl::StrAppend(&sets, sets.empty() ? "" : " ", name);
  };
  add(__builtin_cpu_supports("avx2") != 0, "avx2");
  add(__builtin_cpu_supports("avx512f") != 0, "avx512f");
  add(__builtin_cpu_supports("avx512vnni") != 0, "avx512_vnni");
  add(__builtin_cpu_supports("avx512bf16") != 0, "avx512_bf16");
#endif
  return sets;
}

std::string DescribeCpu() {
  std::ifstream file("/proc/cpuinfo");
  std::ostringstream text;
  text << file.rdbuf();
  const std::string name = CpuModelName(text.str());
  const std::string sets = CpuInstructionSets();
  return absl::StrCat(name.empty() ? "unknown CPU" : name, sets.empty() ? "" : " (", sets,
                      sets.empty() ? "" : ")");
}

}  // namespace lbw::app
