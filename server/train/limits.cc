#include "train/limits.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::train {
namespace {

using Ends = Limits::Ends;

constexpr double kMany = 1e6;
constexpr double kMaxRate = 10;
constexpr double kMaxShare = 1'000;

struct Named {
  std::string_view name;
  Limits limits;
};
constexpr Named kLimits[] = {
    {"epochs", {1, 10'000}},
    {"batch", {1, 1'024}},
    {"steps_an_epoch", {0, kMany}},
    {"threads", {1, 1'024}},
    {"loader_threads", {1, 64}},
    {"batch_norm_momentum", {0, 1}},
    {"ema", {0, 1, Ends::kLowOnly}},

    {"rate", {0, kMaxRate}},
    {"bias_rate", {0, kMaxRate}},
    {"scale_rate", {0, kMaxRate}},
    {"beta1", {0, 1, Ends::kLowOnly}},
    {"beta2", {0, 1, Ends::kLowOnly}},
    {"momentum", {0, 1, Ends::kLowOnly}},
    {"weight_decay", {0, 10}},
    {"clip_norm", {0, kMany}},
    {"warmup_steps", {0, kMany}},
    {"step_gamma", {0, 1, Ends::kHighOnly}},

    {"labels", {0, kMaxShare}},
    {"distill", {0, kMaxShare}},
    {"focal_alpha", {0, 1}},
    {"focal_gamma", {0, 10}},
    {"negatives", {0, 1'000}},
    {"match_iou", {0, 1, Ends::kHighOnly}},
    {"force_iou", {0, 1, Ends::kHighOnly}},
    {"ignore_iou", {0, 1, Ends::kHighOnly}},
    {"box_weight", {0, kMaxShare}},
    {"label_smoothing", {0, 1, Ends::kLowOnly}},

    {"exponent_every", {0, kMany}},
    {"exponent_reach", {-1, 64}},
    {"blend_start", {0, kMany}},
    {"blend_growth", {1, 1'000}},
    {"freeze_flips", {0, 1}},
    {"codes_until", {0, 1, Ends::kHighOnly}},

    {"flip", {0, 1}},
    {"crop", {0, 1}},
    {"crop_scale", {0, 1, Ends::kHighOnly}},
    {"zoom_out", {0, 1}},
    {"zoom_scale", {1, 10}},
    {"photometric", {0, 1}},
    {"shift", {0, 1, Ends::kLowOnly}},
};

}  // namespace

std::string NumberText(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    return base::StrCat(static_cast<int64_t>(value));
  }
  return base::StrCat(value);
}

bool Limits::Hold(double value) const {
  const bool above = ends == Ends::kHighOnly ? value > low : value >= low;
  const bool below = ends == Ends::kLowOnly ? value < high : value <= high;
  return above && below;
}

std::string Limits::ToText() const {
  switch (ends) {
    case Ends::kBoth:
      break;
    case Ends::kHighOnly:
      return base::StrCat("above ", NumberText(low), " and at most ", NumberText(high));
    case Ends::kLowOnly:
      return base::StrCat("at least ", NumberText(low), " and below ", NumberText(high));
  }
  return base::StrCat(NumberText(low), "..", NumberText(high));
}

const Limits& LimitsOf(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kLimits), std::end(kLimits),
                                         [&](const Named& one) { return one.name == name; });
  LBW_CHECK(found != std::end(kLimits));
  return found->limits;
}

bool IsDeviceWord(std::string_view device) {
  constexpr std::string_view kNumbered = "cuda:";
  constexpr size_t kMostDigits = 3;
  if (device == "auto" || device == "cpu" || device == "cuda") return true;
  if (device.substr(0, kNumbered.size()) != kNumbered) return false;
  const std::string_view digits = device.substr(kNumbered.size());
  return !digits.empty() && digits.size() <= kMostDigits &&
         std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace lbw::train
