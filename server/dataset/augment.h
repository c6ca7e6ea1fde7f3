// A picture and its boxes as a network should see them in training: turned over, cropped, zoomed
// out, recoloured by chance, then laid out as the network's input.
//
// Source:    the kinds of W. Liu et al., "SSD: Single Shot MultiBox Detector", arXiv 1512.02325
//            (2015), section 2.2; a crop keeps the centre of a box that was drawn.
// Precision: the same bits for the same picture, options and seed.
// Threads:   pure; the calling thread alone.
#ifndef LBW_DATASET_AUGMENT_H_
#define LBW_DATASET_AUGMENT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "dataset/dataset.h"
#include "detect/box.h"
#include "detect/image/image.h"
#include "detect/spec.h"

namespace lbw::dataset {

// Chances in 0..1; all 0: the picture as detection sees it.
struct Augmentation {
  double flip = 0;          // left and right
  double crop = 0;          // detection
  double crop_scale = 0.4;  // of each side, to 1
  double zoom_out = 0;      // where there was no crop; detection
  double zoom_scale = 1.8;  // of each side, from 1
  double photometric = 0;   // brightness, contrast, saturation, hue
  double shift = 0;         // of a side, at most, filled with zeros of the input; classifiers
};

struct SampleBox {
  detect::BoxCxcywhNorm box;  // of the network's input
  int32_t class_index = 0;    // of the dataset
  bool difficult = false;
};
struct Sample {
  std::vector<float> values;     // [C, H, W], as detect::Preprocess lays it out
  std::vector<SampleBox> boxes;  // detection; those whose centre was cut off are left out
  int32_t label = -1;            // classification
};

// annotations: of the upright picture, as pixel_rule counts. Errors: those of detect::Preprocess.
absl::StatusOr<Sample> MakeSample(const detect::Image& image, const Picture& picture,
                                  PixelRule pixel_rule, const detect::InputSpec& input,
                                  const Augmentation& augmentation, uint64_t seed);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_AUGMENT_H_
