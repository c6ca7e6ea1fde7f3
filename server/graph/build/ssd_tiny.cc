#include "graph/build/ssd_tiny.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/random.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::graph {
namespace {

using Attributes = std::map<std::string, Attribute>;

constexpr int64_t kKernel = 3;
constexpr int64_t kBoxNumbers = 4;
constexpr double kHeadGain = 0.1;
constexpr double kClassPrior = 0.01;
constexpr double kForegroundPrior = 0.5;
constexpr float kEpsilon = 1e-5F;
// Width by height of the boxes that are not square.
constexpr double kAspect = 1.8;

// A stage halves the picture with its first convolution. side: of a level's two squares, as a
// fraction of the shorter side; 0 where the stage has no head.
struct Stage {
  std::string_view name;
  int64_t channels;
  int convolutions;
  std::array<double, 2> side;
};
// Steps of about 1.5 between sides: whatever a square's size, an anchor on its centre overlaps it
// by two thirds.
constexpr std::array<Stage, 5> kStages = {{{"stem", 16, 1, {0, 0}},
                                           {"stage4", 32, 2, {0, 0}},
                                           {"stage8", 64, 2, {0.07, 0.11}},
                                           {"stage16", 80, 2, {0.17, 0.26}},
                                           {"stage32", 80, 1, {0.40, 0.60}}}};

template <typename T>
absl::Status CheckRange(std::string_view name, T value, T low, T high) {
  // Not a number is in no range.
  if (value >= low && value <= high) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat(name, " must be in ", low, "..", high, ": ", name, "=", value));
}

absl::Status Check(const SsdTinyOptions& options) {
  LBW_RETURN_IF_ERROR(CheckRange<int64_t>("channels", options.channels, 1, 4));
  LBW_RETURN_IF_ERROR(CheckRange<int64_t>("height", options.height, 32, 1024));
  LBW_RETURN_IF_ERROR(CheckRange<int64_t>("width", options.width, 32, 1024));
  LBW_RETURN_IF_ERROR(CheckRange<int64_t>("classes", options.classes, 1, 1000));
  return CheckRange("width_multiplier", options.width_multiplier, kLeastWidthMultiplier,
                    kGreatestWidthMultiplier);
}

int64_t Widened(int64_t channels, double multiplier) {
  return std::max<int64_t>(1, std::llround(static_cast<double>(channels) * multiplier / 8)) * 8;
}

// What a convolution of stride 2 with a pixel of padding leaves.
int64_t Halved(int64_t side) { return (side + 1) / 2; }

std::vector<std::array<float, 2>> AnchorsOf(const Stage& stage, const SsdTinyOptions& options) {
  const auto width = static_cast<double>(options.width);
  const auto height = static_cast<double>(options.height);
  const double shorter = std::min(width, height);
  const double middle = std::sqrt(stage.side[0] * stage.side[1]);
  const double stretch = std::sqrt(kAspect);
  std::vector<std::array<float, 2>> wh;
  for (const auto& [w, h] :
       std::array<std::array<double, 2>, 4>{{{stage.side[0], stage.side[0]},
                                             {stage.side[1], stage.side[1]},
                                             {middle * stretch, middle / stretch},
                                             {middle / stretch, middle * stretch}}}) {
    wh.push_back(
        {static_cast<float>(w * shorter / width), static_cast<float>(h * shorter / height)});
  }
  return wh;
}

class Builder {
 public:
  explicit Builder(const SsdTinyOptions& options) : options_(options), random_(options.seed) {}

  SsdTiny Build() {
    result_.graph.name = "ssd_tiny";
    result_.graph.inputs = {
        {"image", base::DType::kF32, {kBatch, options_.channels, options_.height, options_.width}}};
    std::string value = "image";
    int64_t channels = options_.channels;
    int64_t rows = options_.height;
    int64_t cols = options_.width;
    for (const Stage& stage : kStages) {
      rows = Halved(rows);
      cols = Halved(cols);
      const int64_t wide = Widened(stage.channels, options_.width_multiplier);
      for (int i = 0; i < stage.convolutions; ++i) {
        const std::string name = base::StrCat(stage.name, ".", i);
        value = AddUnit(name, value, {wide, channels, kKernel, kKernel}, i == 0 ? 2 : 1);
        channels = wide;
      }
      if (stage.side[0] > 0) AddHead(stage, value, channels, {rows, cols, {}});
    }
    Join();
    return std::move(result_);
  }

 private:
  void Add(std::string op, std::vector<std::string> inputs, const std::string& output,
           Attributes attributes = {}) {
    result_.graph.nodes.push_back(
        {output, std::move(op), std::move(inputs), {output}, std::move(attributes)});
  }

  void AddConstant(const std::string& name, int64_t count, float value) {
    const std::vector<float> values(static_cast<size_t>(count), value);
    result_.constants.emplace(name, base::Tensor::FromF32({count}, values));
  }

  // gain: of the standard deviation that He's rule gives.
  void AddWeight(const std::string& name, const base::Shape& shape, double gain) {
    const int64_t fan_in = shape[1] * shape[2] * shape[3];
    const auto deviation = static_cast<float>(gain * std::sqrt(2.0 / static_cast<double>(fan_in)));
    base::Tensor weight(base::DType::kF32, shape);
    for (float& value : weight.mutable_as<float>()) value = deviation * random_.Bell();
    result_.constants.emplace(name, std::move(weight));
  }

  static Attributes Window(int64_t stride) {
    return {{"kernel_shape", std::vector<int64_t>{kKernel, kKernel}},
            {"pads", std::vector<int64_t>{1, 1, 1, 1}},
            {"strides", std::vector<int64_t>{stride, stride}}};
  }

  // Convolution, batch normalization, ReLU. Returns the value.
  std::string AddUnit(const std::string& name, const std::string& input, const base::Shape& shape,
                      int64_t stride) {
    const std::string conv = base::StrCat(name, ".conv");
    const std::string norm = base::StrCat(name, ".norm");
    const std::string relu = base::StrCat(name, ".relu");
    AddWeight(base::StrCat(conv, ".weight"), shape, 1);
    Add("Conv", {input, base::StrCat(conv, ".weight")}, conv, Window(stride));
    std::vector<std::string> inputs = {conv};
    for (const auto& [part, value] :
         std::array<std::pair<std::string_view, float>, 4>{{{".weight", 1.0F},
                                                            {".bias", 0.0F},
                                                            {".running_mean", 0.0F},
                                                            {".running_var", 1.0F}}}) {
      inputs.push_back(base::StrCat(norm, part));
      AddConstant(inputs.back(), shape[0], value);
    }
    Add("BatchNormalization", std::move(inputs), norm, {{"epsilon", kEpsilon}});
    Add("Relu", {norm}, relu);
    return relu;
  }

  // A convolution of the head whose channels become rows [N, anchors, numbers].
  void AddBranch(const std::string& name, const std::string& input, const base::Shape& shape,
                 const std::string& rows_shape) {
    AddWeight(base::StrCat(name, ".weight"), shape, kHeadGain);
    Add("Conv", {input, base::StrCat(name, ".weight"), base::StrCat(name, ".bias")}, name,
        Window(1));
    const std::string last = base::StrCat(name, ".channels_last");
    Add("Transpose", {name}, last, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
    Add("Reshape", {last, rows_shape}, base::StrCat(name, ".rows"));
  }

  void AddHead(const Stage& stage, const std::string& input, int64_t channels, SsdTinyLevel level) {
    level.wh = AnchorsOf(stage, options_);
    const auto anchors = static_cast<int64_t>(level.wh.size());
    const std::string name = base::StrCat("head", stage.name.substr(sizeof("stage") - 1));
    const std::string boxes = base::StrCat(name, ".boxes");
    const std::string scores = base::StrCat(name, ".scores");
    AddConstant(base::StrCat(boxes, ".bias"), anchors * kBoxNumbers, 0);
    AddBranch(boxes, input, {anchors * kBoxNumbers, channels, kKernel, kKernel}, "boxes.shape");
    AddScoreBias(base::StrCat(scores, ".bias"), anchors);
    AddBranch(scores, input, {anchors * (options_.classes + 1), channels, kKernel, kKernel},
              "scores.shape");
    box_rows_.push_back(base::StrCat(boxes, ".rows"));
    score_rows_.push_back(base::StrCat(scores, ".rows"));
    result_.levels.push_back(std::move(level));
  }

  // softmax of (b, 0, ..., 0) is the prior for every class: e^b = (1 - classes * prior) / prior.
  void AddScoreBias(const std::string& name, int64_t anchors) {
    const auto classes = static_cast<double>(options_.classes);
    const double prior = std::min(kClassPrior, kForegroundPrior / classes);
    const auto background = static_cast<float>(std::log((1 - classes * prior) / prior));
    const auto row = static_cast<size_t>(options_.classes + 1);
    std::vector<float> bias(static_cast<size_t>(anchors) * row, 0.0F);
    for (size_t i = 0; i < bias.size(); i += row) bias[i] = background;
    const auto count = static_cast<int64_t>(bias.size());
    result_.constants.emplace(name, base::Tensor::FromF32({count}, bias));
  }

  void Join() {
    int64_t anchors = 0;
    for (const SsdTinyLevel& level : result_.levels) {
      anchors += level.rows * level.cols * static_cast<int64_t>(level.wh.size());
    }
    const int64_t score_numbers = options_.classes + 1;
    result_.constants.emplace("boxes.shape", base::Tensor::FromI64({3}, {0, -1, kBoxNumbers}));
    result_.constants.emplace("scores.shape", base::Tensor::FromI64({3}, {0, -1, score_numbers}));
    Add("Concat", box_rows_, "boxes", {{"axis", int64_t{1}}});
    Add("Concat", score_rows_, "scores", {{"axis", int64_t{1}}});
    result_.graph.outputs = {{"boxes", base::DType::kF32, {kBatch, anchors, kBoxNumbers}},
                             {"scores", base::DType::kF32, {kBatch, anchors, score_numbers}}};
  }

  const SsdTinyOptions& options_;
  base::Random random_;
  std::vector<std::string> box_rows_;
  std::vector<std::string> score_rows_;
  SsdTiny result_;
};

}  // namespace

absl::StatusOr<SsdTiny> BuildSsdTiny(const SsdTinyOptions& options) {
  LBW_RETURN_IF_ERROR(Check(options));
  return Builder(options).Build();
}

}  // namespace lbw::graph
