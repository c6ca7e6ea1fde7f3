#include "app/cpu.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"

namespace lbw::app {
namespace {

constexpr std::array<const char*, 9> kInteresting = {"avx2",     "f16c",        "avx_vnni",
                                                     "avx512f",  "avx512_vnni", "avx512_bf16",
                                                     "amx_int8", "amx_bf16",    "asimddp"};

}  // namespace

std::string DescribeCpu(std::string_view cpuinfo) {
  std::string model = "unknown CPU";
  std::vector<std::string> flags;
  for (const absl::string_view line : absl::StrSplit(base::Absl(cpuinfo), '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (parts.size() != 2) continue;
    const absl::string_view key = absl::StripAsciiWhitespace(parts[0]);
    if (key == "model name") model = std::string(absl::StripAsciiWhitespace(parts[1]));
    if (key != "flags" && key != "Features") continue;
    flags = absl::StrSplit(parts[1], ' ', absl::SkipEmpty());
    break;  // every core says the same
  }
  std::string sets;
  for (const char* name : kInteresting) {
    if (std::find(flags.begin(), flags.end(), name) == flags.end()) continue;
    absl::StrAppend(&sets, sets.empty() ? "" : " ", name);
  }
  return sets.empty() ? model : absl::StrCat(model, " (", sets, ")");
}

std::string DescribeCpu() {
  std::ifstream file("/proc/cpuinfo");
  std::ostringstream text;
  text << file.rdbuf();
  return DescribeCpu(text.str());
}

}  // namespace lbw::app
