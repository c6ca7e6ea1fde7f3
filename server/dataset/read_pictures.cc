#include <utility>

#include "base/status.h"
#include "dataset/formats.h"

namespace lbw::dataset {

absl::StatusOr<RawDataset> ReadPictures(const ReadContext& context) {
  RawDataset raw;
  raw.task = Task::kDetection;
  for (const std::string& path : context.pictures.all()) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    RawPicture picture;
    picture.path = path;
    picture.wanted = path;
    LBW_RETURN_IF_ERROR(context.budget.KeepPicture(picture));
    raw.pictures.push_back(std::move(picture));
  }
  if (raw.pictures.empty()) return BadDataset("no picture: no file with a picture's ending");
  return raw;
}

}  // namespace lbw::dataset
