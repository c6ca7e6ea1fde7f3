// Where things came from, as a tree with branches. Pure.
#ifndef LBW_CLIENT_LINEAGE_VIEW_H_
#define LBW_CLIENT_LINEAGE_VIEW_H_

#include <string>
#include <string_view>

#include "lbw/v1/model.pb.h"

namespace lbw::client {

// A tree from what was there first to what was made of it, each edge with its relation:
//
//   artifact 3f2a91aa0011  face.onnx, 7.2 MB
//   └─ imported: face/1  READY  float, ssd  ◀
//      └─ quantized: face/2  READY  4 bits
//
// A thing with several origins is shown whole under the first and as "…" under the others; in a
// graph with a cycle nothing is lost and nothing repeats. The one that was asked for has the mark
// at its end. Threads: safe to call concurrently.
std::string RenderLineage(const v1::Lineage& lineage, std::string_view start);

}  // namespace lbw::client

#endif  // LBW_CLIENT_LINEAGE_VIEW_H_
