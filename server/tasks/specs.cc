#include "tasks/specs.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/digest.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

constexpr float kScoreThreshold = 0.02F;
constexpr uint64_t kDetections = 200;
constexpr uint64_t kMaxDetections = 1'000;
constexpr uint64_t kTopK = 5;
constexpr uint64_t kMaxTopK = 1'000;
constexpr uint64_t kMaxThreads = 1'024;
constexpr uint64_t kMaxUint32 = 0xFFFFFFFFU;

// By value of the enum.
constexpr std::array<std::string_view, 7> kFormats = {
    "DATASET_FORMAT_UNSPECIFIED",   "DATASET_FORMAT_VOC",       "DATASET_FORMAT_COCO",
    "DATASET_FORMAT_YOLO",          "DATASET_FORMAT_CLASS_FOLDERS",
    "DATASET_FORMAT_CLASS_CSV",     "DATASET_FORMAT_CIFAR"};
static_assert(kFormats.size() == static_cast<size_t>(dataset::Format::kCifar) + 1);

base::Error Bad(std::string_view field, std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message)
      .Field(field);
}

absl::StatusOr<EvaluateOptions> ReadOptionsOf(ObjectReader& reader) {
  EvaluateOptions options;
  LBW_RETURN_IF_ERROR(reader.Read("score_threshold", {0, 1}, options.score_threshold));
  LBW_RETURN_IF_ERROR(reader.Read("iou_threshold", {0, 1}, options.iou_threshold));
  LBW_RETURN_IF_ERROR(reader.Read("per_class_nms", options.per_class_nms));
  LBW_RETURN_IF_ERROR(reader.Read("max_detections", kMaxDetections, options.max_detections));
  LBW_RETURN_IF_ERROR(reader.Read("pixel_rule", options.pixel_rule));
  LBW_RETURN_IF_ERROR(reader.Read("max_pictures", kMaxUint32, options.max_pictures));
  LBW_RETURN_IF_ERROR(reader.Read("checkpoint_pictures", kMaxUint32, options.checkpoint_pictures));
  LBW_RETURN_IF_ERROR(reader.Read("top_k", kMaxTopK, options.top_k));
  LBW_RETURN_IF_ERROR(reader.Read("threads", kMaxThreads, options.threads));
  LBW_RETURN_IF_ERROR(reader.End());
  const std::string& rule = options.pixel_rule;
  if (!rule.empty() && rule != Name(eval::PixelRule::kInclusive) &&
      rule != Name(eval::PixelRule::kContinuous)) {
    return Bad("spec.options.pixel_rule",
               base::StrCat("pixel_rule must be \"inclusive\" or \"continuous\": pixel_rule=\"",
                            rule.substr(0, 32), "\""));
  }
  return options;
}

absl::Status ReadDigest(ObjectReader& reader, std::string_view key, std::string& out) {
  LBW_RETURN_IF_ERROR(reader.Read(key, out));
  if (base::IsSha256Hex(out)) return absl::OkStatus();
  return Bad(base::StrCat("inputs.", key),
             base::StrCat("inputs.", key, " is no SHA-256: \"", out.substr(0, 80), "\""));
}

absl::StatusOr<dataset::Format> FormatOf(std::string_view name) {
  if (name.empty()) return dataset::Format::kAuto;
  const auto found = std::find(kFormats.begin(), kFormats.end(), name);
  if (found != kFormats.end()) return static_cast<dataset::Format>(found - kFormats.begin());
  return Bad("spec.format", base::StrCat("unknown dataset format: \"", name.substr(0, 80), "\""));
}

}  // namespace

std::string_view Name(eval::PixelRule rule) {
  return rule == eval::PixelRule::kInclusive ? "inclusive" : "continuous";
}

std::string_view Name(dataset::Format format) {
  return kFormats.at(static_cast<size_t>(format));
}

absl::StatusOr<EvaluateSpec> ParseEvaluateSpec(std::string_view json) {
  LBW_ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::Parse(json, "spec"));
  EvaluateSpec spec;
  std::string version;
  std::string dataset;
  std::string against;
  LBW_RETURN_IF_ERROR(reader.Read("version", version));
  LBW_RETURN_IF_ERROR(reader.Read("dataset", dataset));
  LBW_RETURN_IF_ERROR(reader.Read("split", spec.split));
  LBW_RETURN_IF_ERROR(reader.Read("against", against));
  LBW_ASSIGN_OR_RETURN(std::optional<ObjectReader> options, reader.Object("options"));
  LBW_RETURN_IF_ERROR(reader.End());
  LBW_ASSIGN_OR_RETURN(spec.version, base::ParseModelRef(version, "spec.version"));
  LBW_ASSIGN_OR_RETURN(spec.dataset, base::ParseDatasetName(dataset, "spec.dataset"));
  if (!against.empty()) {
    LBW_ASSIGN_OR_RETURN(spec.against, base::ParseModelRef(against, "spec.against"));
  }
  if (options) {
    LBW_ASSIGN_OR_RETURN(spec.options, ReadOptionsOf(*options));
  }
  return spec;
}

ChosenOptions Choose(const EvaluateOptions& asked, const ChoiceFacts& facts) {
  ChosenOptions chosen;
  detect::DecodeOptions& decode = chosen.decode;
  decode.score_threshold = asked.score_threshold.value_or(kScoreThreshold);
  decode.iou_threshold = asked.iou_threshold.value_or(facts.nms.iou);
  decode.per_class = asked.per_class_nms.value_or(facts.nms.per_class);
  const auto keep = static_cast<uint64_t>(std::max<int64_t>(facts.nms.keep, 0));
  const uint64_t most = std::min(std::max(kDetections, keep), kMaxDetections);
  decode.max_detections =
      static_cast<int64_t>(asked.max_detections == 0 ? most : asked.max_detections);
  decode.top_k = static_cast<int64_t>(asked.top_k == 0 ? kTopK : asked.top_k);
  const bool inclusive = asked.pixel_rule.empty()
                             ? facts.pixel_rule == dataset::PixelRule::kInclusive
                             : asked.pixel_rule == Name(eval::PixelRule::kInclusive);
  chosen.pixels = inclusive ? eval::PixelRule::kInclusive : eval::PixelRule::kContinuous;
  chosen.max_pictures = asked.max_pictures;
  chosen.checkpoint_pictures = asked.checkpoint_pictures;
  chosen.threads = asked.threads == 0 ? std::max(facts.threads, 1) : static_cast<int>(asked.threads);
  return chosen;
}

Json ToJson(const ChosenOptions& options) {
  const detect::DecodeOptions& decode = options.decode;
  return {{"score_threshold", Shortest(*decode.score_threshold)},
          {"iou_threshold", Shortest(*decode.iou_threshold)},
          {"per_class_nms", *decode.per_class},
          {"max_detections", *decode.max_detections},
          {"pixel_rule", std::string(Name(options.pixels))},
          {"max_pictures", options.max_pictures},
          {"checkpoint_pictures", options.checkpoint_pictures},
          {"top_k", decode.top_k},
          {"threads", options.threads}};
}

std::string ToJson(const EvaluateInputs& inputs) {
  Json json = {{"bundle", inputs.bundle}, {"pack", inputs.pack}};
  if (!inputs.against_bundle.empty()) json["against_bundle"] = inputs.against_bundle;
  return Dump(json);
}

absl::StatusOr<EvaluateInputs> ParseEvaluateInputs(std::string_view json) {
  LBW_ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::Parse(json, "inputs"));
  EvaluateInputs inputs;
  LBW_RETURN_IF_ERROR(ReadDigest(reader, "bundle", inputs.bundle));
  LBW_RETURN_IF_ERROR(ReadDigest(reader, "pack", inputs.pack));
  LBW_RETURN_IF_ERROR(reader.Read("against_bundle", inputs.against_bundle));
  if (!inputs.against_bundle.empty()) {
    LBW_RETURN_IF_ERROR(ReadDigest(reader, "against_bundle", inputs.against_bundle));
  }
  LBW_RETURN_IF_ERROR(reader.End());
  return inputs;
}

absl::StatusOr<CheckDatasetSpec> ParseCheckDatasetSpec(std::string_view json) {
  LBW_ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::Parse(json, "spec"));
  CheckDatasetSpec spec;
  std::string dataset;
  std::string archive;
  std::string format;
  LBW_RETURN_IF_ERROR(reader.Read("dataset", dataset));
  LBW_RETURN_IF_ERROR(reader.Read("source_artifact", archive));
  LBW_RETURN_IF_ERROR(reader.Read("format", format));
  LBW_RETURN_IF_ERROR(reader.Read("classes", spec.read.classes));
  LBW_RETURN_IF_ERROR(reader.Read("class_map", spec.read.class_map));
  LBW_RETURN_IF_ERROR(reader.End());
  LBW_ASSIGN_OR_RETURN(spec.dataset, base::ParseDatasetName(dataset, "spec.dataset"));
  LBW_ASSIGN_OR_RETURN(spec.archive, base::ParseArtifactName(archive, "spec.source_artifact"));
  LBW_ASSIGN_OR_RETURN(spec.read.format, FormatOf(format));
  return spec;
}

std::string CheckInputsJson(std::string_view archive) {
  Json json = Json::object();
  json["archive"] = std::string(archive);
  return Dump(json);
}

absl::StatusOr<std::string> ParseCheckInputs(std::string_view json) {
  LBW_ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::Parse(json, "inputs"));
  std::string archive;
  LBW_RETURN_IF_ERROR(ReadDigest(reader, "archive", archive));
  LBW_RETURN_IF_ERROR(reader.End());
  return archive;
}

}  // namespace lbw::tasks
