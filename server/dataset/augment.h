// A picture and its boxes as a network should see them in training: turned over, cropped, zoomed
// out, recoloured by chance, then laid out as the network's input.
//
// Source:    the kinds of W. Liu et al., "SSD: Single Shot MultiBox Detector", arXiv 1512.02325
//            (2015), section 2.2; a crop keeps the centre of a box that was drawn.
// Precision: the same bits for the same picture, options and seed. Without chances the values are
//            those of detect::Preprocess, bit for bit.
// Threads:   pure; the calling thread alone.
#ifndef LBW_DATASET_AUGMENT_H_
#define LBW_DATASET_AUGMENT_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "dataset/dataset.h"
#include "detect/box.h"
#include "detect/image/image.h"
#include "detect/spec.h"

namespace lbw::dataset {

inline constexpr double kMostZoom = 16;

// Chances in 0..1; all 0: the picture as detection sees it.
struct Augmentation {
  double flip = 0;          // left and right
  double crop = 0;          // detection
  double crop_scale = 0.4;  // of each side, to 1; at least 0.01
  double zoom_out = 0;      // where there was no crop; detection; on the mean of the input spec, or
                            // mid grey where that has none
  double zoom_scale = 1.8;  // of both sides, from 1; at most kMostZoom
  double photometric = 0;   // brightness, contrast, saturation, hue; each with a chance of a half
  double shift = 0;         // of a side, at most, filled with zeros of the input; classifiers; 0..1
};

struct SampleBox {
  detect::BoxCxcywhNorm box;  // of the network's input
  int32_t class_index = 0;    // of the dataset
  bool difficult = false;     // or a crowd: neither an object nor background
};
struct Sample {
  std::vector<float> values;     // [C, H, W], as detect::Preprocess lays it out
  std::vector<SampleBox> boxes;  // detection; those whose centre was cut off are left out
  int32_t label = -1;            // classification
};

// Errors: kInvalidArgument, BAD_ARGUMENT - a number outside its range, with its name as the field.
absl::Status CheckAugmentation(const Augmentation& augmentation);

// annotations: of the upright picture, as pixel_rule counts; an inclusive box covers its last
// pixel. A picture with a label and no annotations is a classifier's. augmentation must be sound.
// Errors: those of detect::Preprocess.
absl::StatusOr<Sample> MakeSample(const detect::Image& image, const Picture& picture,
                                  PixelRule pixel_rule, const detect::InputSpec& input,
                                  const Augmentation& augmentation, uint64_t seed);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_AUGMENT_H_
