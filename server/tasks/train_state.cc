#include "tasks/train_state.h"

#include <utility>
#include <variant>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

constexpr char kVersion[] = "1";
constexpr char kStateKey[] = "lbw.state";
constexpr std::string_view kStart = "start.";

base::Error BadFile(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile, message);
}

absl::Status ReadTensors(std::map<std::string, graph::Constant> tensors, TrainState& state) {
  for (auto& [name, constant] : tensors) {
    if (auto* codes = std::get_if<quant::QuantizedTensor>(&constant)) {
      if (name.compare(0, kStart.size(), kStart) != 0) {
        return BadFile(base::StrCat("a checkpoint with codes under ", name));
      }
      state.starts.emplace(name.substr(kStart.size()), std::move(*codes));
    } else {
      state.trainer.emplace(name, std::get<base::Tensor>(std::move(constant)));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadJson(const Json& json, TrainState& state) {
  LBW_ASSIGN_OR_RETURN(state.step, IntegerOf(json, "train_step"));
  LBW_ASSIGN_OR_RETURN(state.steps.step, IntegerOf(json, "step"));
  LBW_ASSIGN_OR_RETURN(state.steps.beats, IntegerOf(json, "beats"));
  LBW_ASSIGN_OR_RETURN(state.steps.units, IntegerOf(json, "units"));
  LBW_ASSIGN_OR_RETURN(state.isa, TextOf(json, "isa"));
  LBW_ASSIGN_OR_RETURN(state.threads, IntegerOf(json, "threads"));
  LBW_ASSIGN_OR_RETURN(state.device, TextOf(json, "device"));
  LBW_ASSIGN_OR_RETURN(const std::optional<bool> exact, SwitchOf(json, "bit_exact"));
  state.bit_exact = exact.value_or(false);
  LBW_ASSIGN_OR_RETURN(state.told, ObjectOf(json, "told"));
  if (state.step < 0) return BadFile("a checkpoint with a negative step");
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteTrainState(const TrainState& state, const model::Model& model,
                             std::string_view origin, base::ByteSink& sink) {
  model::BundleExtra extra;
  for (const auto& [name, tensor] : state.trainer) extra.tensors.emplace(name, tensor);
  for (const auto& [name, codes] : state.starts) {
    extra.tensors.emplace(base::StrCat(kStart, name), codes);
  }
  Json json;
  json["origin"] = std::string(origin);
  json["train_step"] = state.step;
  json["step"] = state.steps.step;
  json["beats"] = state.steps.beats;
  json["units"] = state.steps.units;
  json["isa"] = state.isa;
  json["threads"] = state.threads;
  json["device"] = state.device;
  json["bit_exact"] = state.bit_exact;
  json["told"] = state.told;
  extra.metadata = {{std::string(model::kCheckpointKey), kVersion}, {kStateKey, Dump(json)}};
  return model::WriteBundle(model, extra, sink);
}

absl::StatusOr<TrainCheckpoint> ReadTrainState(const base::RandomAccessReader& reader,
                                               std::string_view origin) {
  LBW_ASSIGN_OR_RETURN(model::BundleExtra extra, model::ReadBundleExtra(reader));
  const auto text = extra.metadata.find(kStateKey);
  if (text == extra.metadata.end() ||
      extra.metadata[std::string(model::kCheckpointKey)] != kVersion) {
    return BadFile("not a checkpoint of a training");
  }
  LBW_ASSIGN_OR_RETURN(const Json json, ParseObject(text->second, "the checkpoint's state"));
  LBW_ASSIGN_OR_RETURN(const std::string own, TextOf(json, "origin"));
  if (own != origin) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadArgument,
                       "a checkpoint of another spec or of other content");
  }
  TrainCheckpoint checkpoint;
  LBW_RETURN_IF_ERROR(ReadJson(json, checkpoint.state));
  LBW_RETURN_IF_ERROR(ReadTensors(std::move(extra.tensors), checkpoint.state));
  LBW_ASSIGN_OR_RETURN(checkpoint.model, model::ReadBundle(reader));
  return checkpoint;
}

}  // namespace lbw::tasks
