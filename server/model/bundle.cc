#include <map>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "graph/rounding_points.h"
#include "model/model.h"
#include "tensorfile/packed.h"
#include "tensorfile/safetensors.h"

namespace lbw::model {
namespace {

using tensorfile::AnyTensor;

constexpr char kGraphKey[] = "lbw.graph";
constexpr char kSpecKey[] = "lbw.spec";
constexpr char kActivationsKey[] = "lbw.activations";

base::Error BadFile(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile, message);
}

absl::StatusOr<std::string_view> Metadata(const tensorfile::PackedFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  if (found != file.metadata().end()) return std::string_view(found->second);
  return BadFile(base::StrCat("not a bundle: metadata ", key, " is missing"));
}

absl::StatusOr<graph::Activations> ReadActivations(const tensorfile::PackedFile& file,
                                                   const graph::Graph& graph) {
  const auto found = file.metadata().find(kActivationsKey);
  if (found == file.metadata().end()) return graph::Activations();
  LBW_ASSIGN_OR_RETURN(graph::Activations activations, graph::ActivationsFromJson(found->second));
  if (const absl::Status checked = graph::CheckActivations(activations, graph); !checked.ok()) {
    return BadFile(base::StrCat("metadata ", kActivationsKey, ": ", checked.message()));
  }
  return activations;
}

bool IsCheckpoint(const tensorfile::PackedFile& file) {
  return file.metadata().find(std::string(kCheckpointKey)) != file.metadata().end();
}

bool OfTraining(std::string_view tensor) {
  return tensor.substr(0, kTrainPrefix.size()) == kTrainPrefix;
}

}  // namespace

absl::Status WriteBundle(const Model& model, base::ByteSink& sink) {
  return WriteBundle(model, BundleExtra(), sink);
}

absl::Status WriteBundle(const Model& model, const BundleExtra& extra, base::ByteSink& sink) {
  std::map<std::string, const AnyTensor*> tensors;
  for (const auto& [name, constant] : model.constants) tensors.emplace(name, &constant);
  for (const auto& [name, tensor] : extra.tensors) {
    tensors.emplace(base::StrCat(kTrainPrefix, name), &tensor);
  }
  std::map<std::string, std::string> metadata = extra.metadata;
  metadata.emplace(kGraphKey, graph::ToJson(model.graph));
  metadata.emplace(kSpecKey, SpecToJson(model.spec));
  if (!model.activations.empty()) {
    LBW_RETURN_IF_ERROR(graph::CheckActivations(model.activations, model.graph));
    metadata.emplace(kActivationsKey, graph::ActivationsToJson(model.activations));
  }
  return tensorfile::WritePacked(sink, tensors, metadata);
}

absl::StatusOr<BundleExtra> ReadBundleExtra(const base::RandomAccessReader& reader) {
  LBW_ASSIGN_OR_RETURN(const tensorfile::PackedFile file, tensorfile::PackedFile::Open(reader));
  BundleExtra extra;
  for (const auto& [key, value] : file.metadata()) extra.metadata.emplace(key, value);
  if (!IsCheckpoint(file)) return BadFile("not a checkpoint of a training");
  for (const tensorfile::LogicalTensor& tensor : file.tensors()) {
    if (!OfTraining(tensor.name)) continue;
    LBW_ASSIGN_OR_RETURN(AnyTensor read, file.Read(tensor));
    extra.tensors.emplace(tensor.name.substr(kTrainPrefix.size()), std::move(read));
  }
  return extra;
}

absl::StatusOr<Model> ReadBundleHead(const tensorfile::PackedFile& file) {
  LBW_ASSIGN_OR_RETURN(const std::string_view graph_json, Metadata(file, kGraphKey));
  LBW_ASSIGN_OR_RETURN(const std::string_view spec_json, Metadata(file, kSpecKey));
  Model head;
  LBW_ASSIGN_OR_RETURN(head.graph, graph::FromJson(graph_json));
  LBW_ASSIGN_OR_RETURN(head.spec, ParseSpec(spec_json));
  return head;
}

absl::StatusOr<Model> ReadBundle(const base::RandomAccessReader& reader) {
  LBW_ASSIGN_OR_RETURN(const tensorfile::PackedFile file, tensorfile::PackedFile::Open(reader));
  LBW_ASSIGN_OR_RETURN(Model head, ReadBundleHead(file));
  graph::Constants constants;
  const bool checkpoint = IsCheckpoint(file);
  for (const tensorfile::LogicalTensor& tensor : file.tensors()) {
    if (checkpoint && OfTraining(tensor.name)) continue;
    LBW_ASSIGN_OR_RETURN(AnyTensor read, file.Read(tensor));
    constants.emplace(tensor.name, std::move(read));
  }
  LBW_ASSIGN_OR_RETURN(graph::Activations activations, ReadActivations(file, head.graph));
  LBW_ASSIGN_OR_RETURN(
      Model model, MakeModel(std::move(head.graph), std::move(constants), std::move(head.spec)));
  model.activations = std::move(activations);
  return model;
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
