// Reads and decodes pictures on several threads, and hands them over in order. Private to the room.
#ifndef LBW_DATASET_LOOK_AT_PICTURES_H_
#define LBW_DATASET_LOOK_AT_PICTURES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dataset/file_tree.h"
#include "dataset/picture_facts.h"
#include "dataset/read.h"

namespace lbw::dataset {

// What a picture's bytes tell by themselves; pixels are gone.
struct LookedAt {
  const RawPicture* raw = nullptr;
  absl::StatusOr<std::string> encoded = std::string();  // an error: it could not be read
  PictureFacts facts;
  absl::Status decoded;  // what DecodeImage answers; not asked where facts say neither JPEG nor PNG
  int64_t width = 0;     // upright
  int64_t height = 0;
  std::string sha256;  // of a picture that was decoded
};

// threads: at most; less than 1 is 1.
// take is called on the caller's thread, once a picture, in their order; a status other than OK
// ends the work. Bytes that wait, encoded and decoded, are at most kDecodingBytes, or one picture.
// Errors: take's.
absl::Status LookAtPictures(const FileTree& tree, const DatasetLimits& limits, int threads,
                            const std::vector<const RawPicture*>& pictures,
                            const std::function<absl::Status(LookedAt looked)>& take);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_LOOK_AT_PICTURES_H_
