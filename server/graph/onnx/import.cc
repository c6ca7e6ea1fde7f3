#include "graph/onnx/import.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "graph/batch.h"
#include "graph/onnx/steps.h"

namespace lbw::graph {
namespace {

// Before 7, broadcasting was an attribute; after 21, operators have changed that nobody checked.
constexpr int64_t kOldestOpset = 7;
constexpr int64_t kNewestOpset = 21;

absl::StatusOr<int64_t> ReadOpset(const onnx::ModelProto& model) {
  int64_t opset = 0;
  for (const onnx::OperatorSetIdProto& entry : model.opset_import()) {
    if (entry.domain().empty() || entry.domain() == "ai.onnx") opset = entry.version();
  }
  if (opset == 0) return BadFile("not an ONNX model: it imports no operator set");
  if (opset < kOldestOpset || opset > kNewestOpset) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedOperator,
                       base::StrCat("operator set ", opset, " is not known; opsets ", kOldestOpset,
                                    "..", kNewestOpset, " are"));
  }
  return opset;
}

absl::Status Parse(std::string_view bytes, const ImportLimits& limits, onnx::ModelProto& model) {
  const uint64_t limit =
      std::min<uint64_t>(limits.max_file_bytes, std::numeric_limits<int32_t>::max());
  if (bytes.size() > limit) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("an ONNX file may have ", limit, " bytes: ", bytes.size()));
  }
  if (!model.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return BadFile("not an ONNX model, or cut short");
  }
  if (!model.has_graph() || model.graph().output_size() == 0) {
    return BadFile("not an ONNX model: it has no graph with outputs");
  }
  return absl::OkStatus();
}

// Removes constants that nothing reads and lists them.
void DropUnused(Imported& imported) {
  std::set<std::string, std::less<>> read;
  for (const Node& node : imported.graph.nodes) read.insert(node.inputs.begin(), node.inputs.end());
  for (const ValueInfo& output : imported.graph.outputs) read.insert(output.name);
  for (auto it = imported.constants.begin(); it != imported.constants.end();) {
    if (read.count(it->first) != 0) {
      ++it;
      continue;
    }
    imported.dropped.push_back(it->first);
    it = imported.constants.erase(it);
  }
}

}  // namespace

base::Error BadFile(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile, message);
}

bool IsCleanText(std::string_view text) {
  if (text.size() > 4096) return false;
  while (!text.empty()) {
    const size_t length = base::Utf8Length(text);
    if (length == 0 || static_cast<uint8_t>(text[0]) < 0x20 || text[0] == 0x7F) return false;
    text.remove_prefix(length);
  }
  return true;
}

absl::StatusOr<Imported> ReadOnnx(std::string_view bytes, const ImportLimits& limits) {
  onnx::ModelProto model;
  LBW_RETURN_IF_ERROR(Parse(bytes, limits, model));
  Imported imported;
  LBW_ASSIGN_OR_RETURN(imported.graph.opset, ReadOpset(model));
  LBW_RETURN_IF_ERROR(ReadGraph(*model.mutable_graph(), limits, imported));
  model.Clear();
  if (imported.graph.inputs.empty()) return BadFile("the graph has no input");
  LBW_RETURN_IF_ERROR(SortNodes(imported.graph, imported.constants));
  DropUnused(imported);
  LBW_RETURN_IF_ERROR(Validate(imported.graph, imported.constants));
  imported.graph.max_batch = 1;
  return imported;
}

absl::StatusOr<Imported> ImportOnnx(std::string_view bytes, const ImportLimits& limits,
                                    const PictureSize& picture) {
  LBW_ASSIGN_OR_RETURN(Imported imported, ReadOnnx(bytes, limits));
  LBW_RETURN_IF_ERROR(
      MakeBatchSymbolic(imported.graph, imported.constants, picture, imported.notes));
  return imported;
}

bool LooksLikeOnnx(absl::Span<const std::byte> first_bytes) {
  // ModelProto: field 1, ir_version, a small varint; then one of the fields that follow it.
  if (first_bytes.size() < 3 || first_bytes[0] != std::byte{0x08}) return false;
  const auto version = static_cast<uint8_t>(first_bytes[1]);
  if (version < 1 || version > 32) return false;
  constexpr uint8_t kTags[] = {0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42};
  return std::find(std::begin(kTags), std::end(kTags), static_cast<uint8_t>(first_bytes[2])) !=
         std::end(kTags);
}

}  // namespace lbw::graph
