#include "model/build_model.h"

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "graph/build/ssd_tiny.h"
#include "model/headless_spec.h"

namespace lbw::model {
namespace {

constexpr std::string_view kSsdTiny = "ssd_tiny";

ModelSpec SsdTinyDefaults() {
  ModelSpec spec;
  spec.input.height = 128;
  spec.input.width = 128;
  spec.input.mean.fill(128);
  spec.input.scale.fill(1.0F / 128);
  spec.head.kind = "ssd";
  spec.head.boxes.values = {{"boxes", {}, {}}};
  spec.head.scores.values = {{"scores", {}, {}}};
  spec.head.box.encoding = detect::BoxEncoding::kCenterSize;
  spec.head.box.units = detect::BoxUnits::kRelative;
  spec.head.box.variances = {0.1F, 0.2F};
  spec.head.score_activation = detect::Activation::kSoftmax;
  spec.head.background = detect::Background::kFirst;
  spec.head.nms.iou = 0.45F;
  spec.head.nms.per_class = true;
  spec.head.nms.score = 0.5F;
  spec.head.nms.keep = 200;
  return spec;
}

absl::StatusOr<Model> BuildSsd(const BuildOptions& options, std::string_view text) {
  LBW_ASSIGN_OR_RETURN(ModelSpec spec, ParseHeadlessSpec(text, SsdTinyDefaults()));
  graph::SsdTinyOptions network;
  network.channels = spec.input.channels();
  network.height = spec.input.height;
  network.width = spec.input.width;
  network.classes = static_cast<int64_t>(spec.classes.size());
  network.width_multiplier = options.width_multiplier;
  network.seed = options.seed;
  LBW_ASSIGN_OR_RETURN(graph::SsdTiny built, graph::BuildSsdTiny(network));
  for (graph::SsdTinyLevel& level : built.levels) {
    detect::PriorLevel priors;
    priors.rows = level.rows;
    priors.cols = level.cols;
    priors.wh = std::move(level.wh);
    spec.head.box.priors.push_back(std::move(priors));
  }
  return MakeModel(std::move(built.graph), std::move(built.constants), std::move(spec));
}

}  // namespace

std::vector<std::string_view> ArchNames() { return {kSsdTiny}; }

absl::StatusOr<Model> BuildModel(const BuildOptions& options, std::string_view spec) {
  if (options.arch == kSsdTiny) return BuildSsd(options, spec);
  std::string known;
  for (const std::string_view name : ArchNames()) {
    base::StrAppend(&known, known.empty() ? "" : ", ", name);
  }
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat("there is no built-in architecture \"", options.arch,
                                  "\"; those there are: ", known));
}

std::string Describe(const BuildOptions& options) {
  return base::StrCat("built-in architecture ", options.arch, ", width multiplier ",
                      options.width_multiplier, ", seed ", options.seed);
}

}  // namespace lbw::model
