#include "app/artifact_format.h"

#include <algorithm>
#include <vector>

#include "graph/onnx/import.h"
#include "tensorfile/packed.h"
#include "tensorfile/safetensors.h"

namespace lbw::app {

store::ArtifactFormat DetectFormat(const base::RandomAccessReader& reader) {
  constexpr uint64_t kFirstBytes = 4096;
  std::vector<std::byte> first(std::min(reader.size(), kFirstBytes));
  if (!reader.ReadAt(0, absl::MakeSpan(first)).ok()) return store::ArtifactFormat::kUnknown;
  if (tensorfile::LooksLikeSafetensors(first)) {
    const absl::StatusOr<tensorfile::PackedFile> file = tensorfile::PackedFile::Open(reader);
    // A broken file keeps the name of what it wanted to be, so that its reader can say what is
    // wrong.
    if (!file.ok()) return store::ArtifactFormat::kSafetensors;
    return file->is_packed() ? store::ArtifactFormat::kPackedSafetensors
                             : store::ArtifactFormat::kSafetensors;
  }
  return graph::LooksLikeOnnx(first) ? store::ArtifactFormat::kOnnx : store::ArtifactFormat::kOther;
}

}  // namespace lbw::app
