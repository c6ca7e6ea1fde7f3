// Synthetic scenes for demonstrations, tests and benchmarks: textured backgrounds, shapes of
// several classes at many scales that overlap each other, blur, noise and uneven light, with their
// boxes.
//
// The same bits for the same options and seed, on every machine: integer and float arithmetic of
// our own, no library's random numbers.
#ifndef LBW_DATASET_SCENES_H_
#define LBW_DATASET_SCENES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataset/dataset.h"
#include "detect/image/image.h"

namespace lbw::dataset {

struct SceneOptions {
  int64_t width = 320;
  int64_t height = 240;
  int min_shapes = 1;
  int max_shapes = 8;
  double min_size = 0.06;  // of a shape's longer side, as a fraction of the picture's shorter one
  double max_size = 0.5;
  double max_occlusion =
      0.5;           // of a shape's area hidden by later ones; beyond 0.8 of this it is difficult
  double noise = 8;  // standard deviation in levels of 255
  double clutter = 0.5;  // 0..1: how much the background resembles shapes
};

// The classes: "disc", "square", "triangle", "ring", "cross", "star".
const std::vector<std::string>& SceneClasses();

struct Scene {
  detect::Image image;
  std::vector<Annotation> annotations;  // visible part's box, VOC inclusive coordinates from 1
};
// Errors: kInvalidArgument - an option out of range (names it, its value and the limits).
absl::StatusOr<Scene> MakeScene(const SceneOptions& options, uint64_t seed);

// A VOC folder: Annotations/, JPEGImages/ (quality 92) and ImageSets/Main/{train,val}.txt; picture
// i of a split has its own seed. FOLDER must not exist or be empty. Errors: kInvalidArgument;
// kFailedPrecondition - the folder is not empty; kInternal - the disk.
struct SceneSet {
  int train = 100;
  int val = 50;
  uint64_t seed = 1;
};
absl::Status WriteScenes(const std::string& folder, const SceneOptions& options,
                         const SceneSet& set);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_SCENES_H_
