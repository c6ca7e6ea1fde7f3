// Tells what kind of file an artifact is, by its content.
#ifndef LBW_APP_ARTIFACT_FORMAT_H_
#define LBW_APP_ARTIFACT_FORMAT_H_

#include "base/io.h"
#include "store/artifact_store.h"

namespace lbw::app {

// Reads the first bytes, and the header of a safetensors file; never more. A file that begins like
// one and does not parse is kOther.
store::ArtifactFormat DetectFormat(const base::RandomAccessReader& reader);

}  // namespace lbw::app

#endif  // LBW_APP_ARTIFACT_FORMAT_H_
