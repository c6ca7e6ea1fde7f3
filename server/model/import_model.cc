#include "model/import_model.h"

#include <utility>
#include <variant>

#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "graph/onnx/import.h"

namespace lbw::model {

absl::StatusOr<ImportedModel> ImportOnnxModel(std::string_view onnx, ModelSpec spec) {
  // What a graph with open sizes does is settled for the spec's picture.
  const graph::PictureSize picture{spec.input.channels(), spec.input.height, spec.input.width};
  LBW_ASSIGN_OR_RETURN(graph::Imported imported, graph::ImportOnnx(onnx, {}, picture));
  ImportedModel result;
  result.notes = std::move(imported.notes);
  if (!imported.dropped.empty()) {
    result.notes.push_back(
        base::StrCat("dropped ", imported.dropped.size(),
                     " initializers that no node reads: ", absl::StrJoin(imported.dropped, ", ")));
  }
  LBW_ASSIGN_OR_RETURN(result.model, MakeModel(std::move(imported.graph),
                                               std::move(imported.constants), std::move(spec)));
  return result;
}

absl::StatusOr<QuantizeFileOutcome> QuantizeOnnx(std::string_view onnx,
                                                 const QuantizeOptions& options, WriteMode mode,
                                                 base::ByteSink& sink,
                                                 const QuantizeProgress& progress) {
  LBW_ASSIGN_OR_RETURN(const graph::Imported imported, graph::ReadOnnx(onnx));
  LBW_ASSIGN_OR_RETURN(
      QuantizeFileOutcome outcome,
      QuantizeConstants(imported.graph, imported.constants, options, mode, sink, progress));
  outcome.dropped = imported.dropped;
  return outcome;
}

absl::StatusOr<std::vector<InitializerInfo>> ListOnnxInitializers(std::string_view onnx) {
  LBW_ASSIGN_OR_RETURN(const graph::Imported imported, graph::ReadOnnx(onnx));
  std::vector<InitializerInfo> result;
  for (const auto& [name, constant] : imported.constants) {
    const auto* tensor = std::get_if<base::Tensor>(&constant);
    if (tensor == nullptr) continue;
    result.push_back({name, tensor->dtype(), tensor->shape(), tensor->size_bytes()});
  }
  return result;
}

}  // namespace lbw::model
