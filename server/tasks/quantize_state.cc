#include "tasks/quantize_state.h"

#include <map>
#include <utility>
#include <variant>

#include "base/status.h"
#include "base/strings.h"
#include "tasks/evaluate_state.h"
#include "tensorfile/packed.h"

namespace lbw::tasks {
namespace {

constexpr char kVersionKey[] = "lbw.checkpoint";
constexpr char kVersion[] = "2";
constexpr char kStateKey[] = "lbw.state";

base::Error BadFile(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile, message);
}

Json FiguresJson(const SolvedLayer& layer) {
  const LayerFigures& figures = layer.figures;
  return {{"weight", layer.weight},
          {"samples", figures.samples},
          {"dead_rows", figures.dead_rows},
          {"output_power", figures.output_power},
          {"nearest_error", figures.nearest_error},
          {"error", figures.error},
          {"plain", figures.plain}};
}

absl::Status ReadFigures(const Json& json, SolvedLayer& layer) {
  LBW_ASSIGN_OR_RETURN(layer.weight, TextOf(json, "weight"));
  LBW_ASSIGN_OR_RETURN(layer.figures.samples, IntegerOf(json, "samples"));
  LBW_ASSIGN_OR_RETURN(layer.figures.dead_rows, IntegerOf(json, "dead_rows"));
  LBW_ASSIGN_OR_RETURN(const auto power, NumberOf(json, "output_power"));
  LBW_ASSIGN_OR_RETURN(const auto nearest, NumberOf(json, "nearest_error"));
  LBW_ASSIGN_OR_RETURN(const auto error, NumberOf(json, "error"));
  LBW_ASSIGN_OR_RETURN(layer.figures.plain, TextOf(json, "plain"));
  layer.figures.output_power = power.value_or(0);
  layer.figures.nearest_error = nearest.value_or(0);
  layer.figures.error = error.value_or(0);
  return absl::OkStatus();
}

absl::Status ReadTensors(const tensorfile::PackedFile& file, size_t index, SolvedLayer& layer) {
  const tensorfile::LogicalTensor* codes = file.Find(base::StrCat("layer.", index));
  if (codes == nullptr || !codes->quantized) {
    return BadFile(base::StrCat("a checkpoint without codes of layer ", index));
  }
  LBW_ASSIGN_OR_RETURN(tensorfile::AnyTensor tensor, file.Read(*codes));
  layer.tensor = std::get<quant::QuantizedTensor>(std::move(tensor));
  const tensorfile::LogicalTensor* bias = file.Find(base::StrCat("bias.", index));
  if (bias == nullptr) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const tensorfile::AnyTensor change, file.Read(*bias));
  const auto* values = std::get_if<base::Tensor>(&change);
  if (values == nullptr || values->dtype() != base::DType::kF32) {
    return BadFile(base::StrCat("a checkpoint whose bias of layer ", index, " is not F32"));
  }
  const absl::Span<const float> floats = values->as<float>();
  layer.bias_change.assign(floats.begin(), floats.end());
  return absl::OkStatus();
}

absl::Status ReadRuns(const tensorfile::PackedFile& file, const Json& json, QuantizeState& state) {
  const ReadTensor read = [&file](const std::string& name) -> absl::StatusOr<base::Tensor> {
    const tensorfile::LogicalTensor* found = file.Find(name);
    if (found == nullptr || found->quantized) {
      return BadFile(base::StrCat("a checkpoint without the list ", name));
    }
    LBW_ASSIGN_OR_RETURN(tensorfile::AnyTensor tensor, file.Read(*found));
    return std::get<base::Tensor>(std::move(tensor));
  };
  const auto runs = json.find("runs");
  if (runs == json.end() || !runs->is_array()) return BadFile("a checkpoint without runs");
  for (size_t i = 0; i < runs->size(); ++i) {
    LBW_ASSIGN_OR_RETURN(const std::string name, TextOf((*runs)[i], "name"));
    PartialRun partial;
    LBW_ASSIGN_OR_RETURN(partial.done, IntegerOf((*runs)[i], "done"));
    LBW_ASSIGN_OR_RETURN(partial.run, ReadRun(base::StrCat("run.", i, "."), partial.done, read));
    state.runs.emplace(name, std::move(partial));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteQuantizeState(const QuantizeState& state, std::string_view origin,
                                base::ByteSink& sink) {
  std::map<std::string, tensorfile::AnyTensor> owned;
  Json layers = Json::array();
  for (size_t i = 0; i < state.solved.size(); ++i) {
    const SolvedLayer& layer = state.solved[i];
    layers.push_back(FiguresJson(layer));
    owned.emplace(base::StrCat("layer.", i), layer.tensor);
    if (!layer.bias_change.empty()) {
      owned.emplace(base::StrCat("bias.", i),
                    base::Tensor::FromF32({static_cast<int64_t>(layer.bias_change.size())},
                                          layer.bias_change));
    }
  }
  Json runs = Json::array();
  for (const auto& [name, partial] : state.runs) {
    std::map<std::string, base::Tensor> lists;
    AddRun(base::StrCat("run.", runs.size(), "."), partial.run, lists);
    for (auto& [list, tensor] : lists) owned.emplace(list, std::move(tensor));
    runs.push_back({{"name", name}, {"done", partial.done}});
  }
  std::map<std::string, const tensorfile::AnyTensor*> tensors;
  for (const auto& [name, tensor] : owned) tensors.emplace(name, &tensor);
  Json json;
  json["origin"] = std::string(origin);
  json["step"] = state.steps.step;
  json["beats"] = state.steps.beats;
  json["units"] = state.steps.units;
  json["isa"] = state.isa;
  json["threads"] = state.threads;
  json["finished"] = state.finished;
  json["calibration"] = state.calibration;
  json["layers"] = std::move(layers);
  json["runs"] = std::move(runs);
  return tensorfile::WritePacked(sink, tensors, {{kVersionKey, kVersion}, {kStateKey, Dump(json)}});
}

absl::StatusOr<QuantizeState> ReadQuantizeState(const base::RandomAccessReader& reader,
                                                std::string_view origin) {
  LBW_ASSIGN_OR_RETURN(const tensorfile::PackedFile file, tensorfile::PackedFile::Open(reader));
  const auto version = file.metadata().find(kVersionKey);
  const auto text = file.metadata().find(kStateKey);
  if (version == file.metadata().end() || version->second != kVersion ||
      text == file.metadata().end()) {
    return BadFile("not a checkpoint of a quantization");
  }
  LBW_ASSIGN_OR_RETURN(const Json json, ParseObject(text->second, "the checkpoint's state"));
  LBW_ASSIGN_OR_RETURN(const std::string own, TextOf(json, "origin"));
  if (own != origin) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadArgument,
                       "a checkpoint of another spec or of other content");
  }
  QuantizeState state;
  LBW_ASSIGN_OR_RETURN(state.steps.step, IntegerOf(json, "step"));
  LBW_ASSIGN_OR_RETURN(state.steps.beats, IntegerOf(json, "beats"));
  LBW_ASSIGN_OR_RETURN(state.steps.units, IntegerOf(json, "units"));
  LBW_ASSIGN_OR_RETURN(state.isa, TextOf(json, "isa"));
  LBW_ASSIGN_OR_RETURN(state.threads, IntegerOf(json, "threads"));
  LBW_ASSIGN_OR_RETURN(state.finished, ObjectOf(json, "finished"));
  LBW_ASSIGN_OR_RETURN(state.calibration, TextOf(json, "calibration"));
  const auto layers = json.find("layers");
  if (layers == json.end() || !layers->is_array()) return BadFile("a checkpoint without layers");
  for (size_t i = 0; i < layers->size(); ++i) {
    SolvedLayer layer;
    LBW_RETURN_IF_ERROR(ReadFigures((*layers)[i], layer));
    LBW_RETURN_IF_ERROR(ReadTensors(file, i, layer));
    state.solved.push_back(std::move(layer));
  }
  LBW_RETURN_IF_ERROR(ReadRuns(file, json, state));
  return state;
}

}  // namespace lbw::tasks
