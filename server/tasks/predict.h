// A batch of prepared pictures through a network: boxes or classes of each picture.
// Private to the room.
//
// Threads: the one that loaded the network.
#ifndef LBW_TASKS_PREDICT_H_
#define LBW_TASKS_PREDICT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/cancel.h"
#include "detect/decoder.h"
#include "tasks/network.h"
#include "tasks/picture_feed.h"

namespace lbw::tasks {

struct Prediction {
  std::vector<detect::Decoded> pictures;  // as those asked for; boxes in pixels of the picture
  double compute_ms = 0;                  // of the batch
  double postprocess_ms = 0;
};

struct PredictOrder {
  absl::Span<const PreparedPicture* const> pictures;  // good ones; at least one
  size_t input = 0;                                   // which of PreparedPicture::inputs
  const detect::DecodeOptions& decode;
  const base::CancelToken& cancel;
};
// Errors: the executor's, the decoder's; cancel's.
absl::StatusOr<Prediction> Predict(Network& network, const PredictOrder& order);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_PREDICT_H_
