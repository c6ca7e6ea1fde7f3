#include <charconv>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "model/model.h"
#include "model/spec_names.h"

namespace lbw::model {
namespace {

using nlohmann::json;

// The shortest decimal that reads back as this float: 0.1 and not 0.10000000149011612.
json Number(float value) {
  char text[48];
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text) - 1, value);
  *end.ptr = '\0';
  return std::strtod(text, nullptr);
}

json Channels(const std::array<float, 3>& values, int64_t channels) {
  json list = json::array();
  for (int64_t i = 0; i < channels; ++i) list.push_back(Number(values[static_cast<size_t>(i)]));
  return list;
}

template <typename T, size_t N>
json Text(const std::array<Word<T>, N>& words, T value) {
  return std::string(TextOf(words, value));
}

json ResizeToJson(const detect::InputSpec& input) {
  const json pad = Number(input.pad_value);
  switch (input.resize) {
    case detect::Resize::kLetterbox:
      return {{"letterbox", {{"pad", pad}}}};
    case detect::Resize::kShortestSide:
      return {{"shortest_side",
               {{"min", input.shortest_side_min}, {"max", input.shortest_side_max}, {"pad", pad}}}};
    case detect::Resize::kStretch:
      break;
  }
  return "stretch";
}

json SlicesToJson(const std::vector<detect::ValueSlice>& slices) {
  json list = json::array();
  for (const detect::ValueSlice& slice : slices) {
    json item = {{"value", slice.value}};
    if (slice.channel_begin && slice.channel_end) {
      item["channels"] = {*slice.channel_begin, *slice.channel_end};
    }
    list.push_back(std::move(item));
  }
  return list;
}

json RoleToJson(const detect::Role& role) {
  json result = {{"values", SlicesToJson(role.values)}};
  if (role.activation) result["activation"] = Text(kActivations, *role.activation);
  if (!role.logits.empty()) result["logits"] = SlicesToJson(role.logits);
  return result;
}

json BoxesToJson(const detect::BoxSpec& box) {
  json priors = json::array();
  for (const detect::PriorLevel& level : box.priors) {
    json wh = json::array();
    for (const auto& size : level.wh) wh.push_back({Number(size[0]), Number(size[1])});
    json item = {{"cells", {level.rows, level.cols}}, {"wh", std::move(wh)}, {"clip", level.clip}};
    if (level.step_px) item["step_px"] = Number(*level.step_px);
    priors.push_back(std::move(item));
  }
  if (!box.prior_tensor.empty()) priors = {{"tensor", box.prior_tensor}};
  return {{"encoding", Text(kEncodings, box.encoding)},
          {"units", Text(kUnits, box.units)},
          {"variances", {Number(box.variances[0]), Number(box.variances[1])}},
          {"priors", std::move(priors)}};
}

}  // namespace

std::string SpecToJson(const ModelSpec& spec) {
  const detect::InputSpec& input = spec.input;
  const detect::HeadSpec& head = spec.head;
  json outputs = {{"scores", RoleToJson(head.scores)}};
  json head_json = {{"kind", head.kind},
                    {"score",
                     {{"activation", Text(kActivations, head.score_activation)},
                      {"background", Text(kBackgrounds, head.background)}}}};
  if (head.kind != "logits") {
    outputs["boxes"] = RoleToJson(head.boxes);
    head_json["boxes"] = BoxesToJson(head.box);
    head_json["nms"] = {{"iou", Number(head.nms.iou)},
                        {"per_class", head.nms.per_class},
                        {"score", Number(head.nms.score)},
                        {"keep", head.nms.keep}};
  }
  head_json["outputs"] = std::move(outputs);
  const json result = {{"input",
                        {{"size", {input.height, input.width}},
                         {"resize", ResizeToJson(input)},
                         {"interpolation", Text(kInterpolations, input.interpolation)},
                         {"color", Text(kColors, input.color)},
                         {"mean", Channels(input.mean, input.channels())},
                         {"scale", Channels(input.scale, input.channels())}}},
                       {"classes", spec.classes},
                       {"head", std::move(head_json)}};
  // A spec that was not parsed may hold any bytes; dump must not throw for them.
  return result.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace lbw::model
