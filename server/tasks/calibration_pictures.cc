#include "tasks/calibration_pictures.h"

#include <algorithm>

#include "base/random.h"
#include "base/status.h"
#include "base/strings.h"
#include "tasks/predict.h"

namespace lbw::tasks {

absl::StatusOr<std::vector<size_t>> DrawPictures(const dataset::Pack& pack,
                                                 const PictureDraw& draw) {
  std::vector<size_t> order = draw.among;
  if (order.empty()) {
    LBW_ASSIGN_OR_RETURN(order, pack.PicturesOf(draw.split));
  }
  base::Random random(draw.seed);
  for (size_t i = 0; i + 1 < order.size(); ++i) {
    std::swap(order[i], order[i + random.Below(order.size() - i)]);
  }
  return order;
}

absl::Status CheckPictureBytes(uint64_t count, const detect::InputSpec& input) {
  // Sizes beyond any limit need not be multiplied out.
  static constexpr int64_t kMostSide = int64_t{1} << 24;
  const auto side = [](int64_t size) {
    return static_cast<uint64_t>(std::clamp<int64_t>(size, 0, kMostSide));
  };
  const uint64_t bytes =
      sizeof(float) * side(input.channels()) * side(input.height) * side(input.width);
  if (bytes == 0 || count <= kMaxPictureBytes / bytes) return absl::OkStatus();
  return base::Error(
      absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
      base::StrCat("too many pictures to keep in memory: count=", count, " bytes_a_picture=", bytes,
                   " limit=", kMaxPictureBytes, " bytes"));
}

absl::StatusOr<CalibrationPictures> ReadCalibrationPictures(
    const dataset::Pack& pack, const PictureDraw& draw, const detect::InputSpec& input, int threads,
    const std::function<absl::Status()>& keep_going) {
  LBW_ASSIGN_OR_RETURN(const std::vector<size_t> order, DrawPictures(pack, draw));
  CalibrationPictures pictures;
  const auto want = static_cast<size_t>(draw.count);
  LBW_RETURN_IF_ERROR(CheckPictureBytes(std::min(want, order.size()), input));
  for (size_t at = 0; at < order.size() && pictures.inputs.size() < want;) {
    if (keep_going) LBW_RETURN_IF_ERROR(keep_going());
    const size_t block = static_cast<size_t>(std::max(1, threads)) * 4;
    const size_t count = std::min({block, want - pictures.inputs.size(), order.size() - at});
    std::vector<PreparedPicture> prepared =
        ReadPictures(pack, absl::MakeConstSpan(order).subspan(at, count), input, threads);
    for (size_t i = 0; i < count; ++i) {
      if (prepared[i].status.ok()) {
        pictures.inputs.push_back(std::move(prepared[i].values));
        pictures.indices.push_back(order[at + i]);
      } else {
        pictures.failed.emplace_back(order[at + i], prepared[i].status);
      }
    }
    at += count;
  }
  if (!pictures.inputs.empty()) return pictures;
  const std::string why =
      pictures.failed.empty()
          ? "it has no pictures"
          : base::StrCat("none of its ", pictures.failed.size(), " pictures can be read; ",
                         pack.dataset().pictures[pictures.failed[0].first].name, ": ",
                         base::Std(pictures.failed[0].second.message()));
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                     base::StrCat("nothing to calibrate on: split \"", draw.split, "\": ", why));
}

}  // namespace lbw::tasks
