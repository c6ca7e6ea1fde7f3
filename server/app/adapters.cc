#include "app/adapters.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

#include "absl/types/span.h"
#include "graph/onnx/import.h"
#include "tensorfile/packed.h"
#include "tensorfile/safetensors.h"

namespace lbw::app {
namespace {

std::string_view StageName(serving::ServingObserver::Stage stage) {
  using Stage = serving::ServingObserver::Stage;
  switch (stage) {
    case Stage::kQueue:
      return "queue";
    case Stage::kDecode:
      return "decode";
    case Stage::kPreprocess:
      return "preprocess";
    case Stage::kCompute:
      return "compute";
    case Stage::kPostprocess:
      return "postprocess";
    case Stage::kDraw:
      return "draw";
  }
  return "";
}

// What is worth knowing of a CPU that runs low-bit networks.
constexpr std::array<std::string_view, 9> kInterestingFlags = {
    "avx2",        "f16c",     "avx_vnni", "avx512f", "avx512_vnni",
    "avx512_bf16", "amx_int8", "amx_bf16", "asimddp"};

std::string AfterColon(const std::string& line) {
  const size_t colon = line.find(": ");
  return colon == std::string::npos ? "" : line.substr(colon + 2);
}

}  // namespace

void ServingMetrics::StageDone(std::string_view model, Stage stage, double seconds) {
  metrics_.StageDone(model, StageName(stage), seconds);
}
void ServingMetrics::PictureDone(std::string_view model, bool ok) {
  metrics_.PictureDone(model, ok);
}
void ServingMetrics::QueueLength(std::string_view model, int64_t version, size_t calls) {
  metrics_.QueueLength(model, version, calls);
}
void ServingMetrics::LoadDone(std::string_view model, double seconds, bool ok) {
  metrics_.LoadDone(model, seconds, ok);
}
void ServingMetrics::LoadedChanged(size_t versions, uint64_t bytes) {
  metrics_.LoadedChanged(versions, bytes);
}
void ServingMetrics::Unloaded(std::string_view model, int64_t version) {
  metrics_.RemoveVersion(model, version);
}

store::ArtifactFormat DetectFormat(const base::RandomAccessReader& reader) {
  constexpr uint64_t kHeadBytes = 4096;
  std::vector<std::byte> head(std::min(reader.size(), kHeadBytes));
  if (!reader.ReadAt(0, absl::MakeSpan(head)).ok()) return store::ArtifactFormat::kUnknown;
  if (tensorfile::LooksLikeSafetensors(head)) {
    const auto file = tensorfile::PackedFile::Open(reader);
    // A broken file keeps the name of what it wanted to be, so that its reader can say what is
    // wrong with it.
    if (!file.ok()) return store::ArtifactFormat::kSafetensors;
    return file->is_packed() ? store::ArtifactFormat::kPackedSafetensors
                             : store::ArtifactFormat::kSafetensors;
  }
  return graph::LooksLikeOnnx(head) ? store::ArtifactFormat::kOnnx : store::ArtifactFormat::kOther;
}

std::string DescribeCpu() {
  std::ifstream file("/proc/cpuinfo");
  std::string model = "unknown CPU";
  std::string flags;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) model = AfterColon(line);
    if (line.rfind("flags", 0) == 0 || line.rfind("Features", 0) == 0) {
      flags = AfterColon(line);
      break;
    }
  }
  std::istringstream words(flags);
  std::set<std::string> have;
  for (std::string word; words >> word;) have.insert(word);
  std::string text = model + ";";
  for (const std::string_view flag : kInterestingFlags) {
    if (have.count(std::string(flag)) > 0) text += " " + std::string(flag);
  }
  return text;
}

}  // namespace lbw::app
