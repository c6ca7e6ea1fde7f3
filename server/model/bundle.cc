#include <map>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "model/model.h"
#include "tensorfile/packed.h"
#include "tensorfile/safetensors.h"

namespace lbw::model {
namespace {

using tensorfile::AnyTensor;

constexpr char kGraphKey[] = "lbw.graph";
constexpr char kSpecKey[] = "lbw.spec";

absl::StatusOr<std::string_view> Metadata(const tensorfile::PackedFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  if (found != file.metadata().end()) return std::string_view(found->second);
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                     base::StrCat("not a bundle: metadata ", key, " is missing"));
}

}  // namespace

absl::Status WriteBundle(const Model& model, base::ByteSink& sink) {
  std::map<std::string, const AnyTensor*> tensors;
  for (const auto& [name, constant] : model.constants) tensors.emplace(name, &constant);
  return tensorfile::WritePacked(
      sink, tensors, {{kGraphKey, graph::ToJson(model.graph)}, {kSpecKey, SpecToJson(model.spec)}});
}

absl::StatusOr<Model> ReadBundle(const base::RandomAccessReader& reader) {
  LBW_ASSIGN_OR_RETURN(const tensorfile::PackedFile file, tensorfile::PackedFile::Open(reader));
  LBW_ASSIGN_OR_RETURN(const std::string_view graph_json, Metadata(file, kGraphKey));
  LBW_ASSIGN_OR_RETURN(const std::string_view spec_json, Metadata(file, kSpecKey));
  LBW_ASSIGN_OR_RETURN(graph::Graph graph, graph::FromJson(graph_json));
  LBW_ASSIGN_OR_RETURN(ModelSpec spec, ParseSpec(spec_json));
  graph::Constants constants;
  for (const tensorfile::LogicalTensor& tensor : file.tensors()) {
    LBW_ASSIGN_OR_RETURN(AnyTensor read, file.Read(tensor));
    constants.emplace(tensor.name, std::move(read));
  }
  return MakeModel(std::move(graph), std::move(constants), std::move(spec));
}

absl::Status WriteFloatTensors(const Model& model, base::ByteSink& sink) {
  std::vector<tensorfile::SafetensorsWriter::Declared> declared;
  for (const auto& [name, constant] : model.constants) {
    const auto* plain = std::get_if<base::Tensor>(&constant);
    declared.push_back(
        {name, plain != nullptr ? plain->dtype() : base::DType::kF32, graph::ShapeOf(constant)});
  }
  LBW_ASSIGN_OR_RETURN(tensorfile::SafetensorsWriter writer,
                       tensorfile::SafetensorsWriter::Start(sink, std::move(declared), {}));
  for (const auto& next : writer.order()) {
    const graph::Constant& constant = model.constants.find(next.name)->second;
    if (const auto* plain = std::get_if<base::Tensor>(&constant)) {
      LBW_RETURN_IF_ERROR(writer.Append(next.name, plain->bytes()));
    } else {
      LBW_ASSIGN_OR_RETURN(const base::Tensor values, graph::ConstantAsF32(constant));
      LBW_RETURN_IF_ERROR(writer.Append(next.name, values.bytes()));
    }
  }
  return writer.Finish();
}

}  // namespace lbw::model
