// The pictures that calibration looks at: drawn from a split by a seed, laid out as the network
// reads them.
//
// Precision: the same pictures in the same order for the same pack, split, count and seed.
#ifndef LBW_TASKS_CALIBRATION_PICTURES_H_
#define LBW_TASKS_CALIBRATION_PICTURES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "dataset/pack.h"
#include "detect/spec.h"

namespace lbw::tasks {

struct PictureDraw {
  std::string split;  // "": all
  int64_t count = 64;
  uint64_t seed = 0;
  std::vector<size_t> among =
      {};  // indices into the pack, rising; where there are some, of them alone
};

struct CalibrationPictures {
  std::vector<std::vector<float>> inputs;  // [C, H, W] each
  std::vector<size_t> indices;             // into the pack
  // Those that were drawn and could not be read; the next ones took their places.
  std::vector<std::pair<size_t, absl::Status>> failed;
};

// Indices in the order in which they are drawn.
absl::StatusOr<std::vector<size_t>> DrawPictures(const dataset::Pack& pack,
                                                 const PictureDraw& draw);

// Whether so many inputs may lie in memory. Errors: kInvalidArgument, BAD_ARGUMENT - names count,
// bytes a picture and limit.
inline constexpr uint64_t kMaxPictureBytes = uint64_t{4} << 30;
absl::Status CheckPictureBytes(uint64_t count, const detect::InputSpec& input);

// Fewer than draw.count where the split has fewer that can be read. keep_going is asked now and
// then. Errors: CheckPictureBytes's, of those that there are; kFailedPrecondition, BAD_DATASET -
// none can be read (says why of the first); keep_going's.
absl::StatusOr<CalibrationPictures> ReadCalibrationPictures(
    const dataset::Pack& pack, const PictureDraw& draw, const detect::InputSpec& input, int threads,
    const std::function<absl::Status()>& keep_going);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_CALIBRATION_PICTURES_H_
