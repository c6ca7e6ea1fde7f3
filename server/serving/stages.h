// What each stage does with a call's pictures. Everything that waits, queues or ends a call is
// elsewhere.
//
// Threads: a call is in one stage at a time; within PreparePicture and FinishPicture different
// pictures of a call may be worked on concurrently.
#ifndef LBW_SERVING_STAGES_H_
#define LBW_SERVING_STAGES_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "base/clock.h"
#include "serving/call.h"
#include "serving/detector.h"

namespace lbw::serving {

struct StageContext {
  detect::ImageLimits image;
  const base::Clock* clock = nullptr;
  ServingObserver* observer = nullptr;  // may be nullptr
};

// Bytes that a call brings: encoded, and as the network's input.
uint64_t EncodedBytes(const DetectRequest& request);
uint64_t InputBytes(const Network& network, size_t pictures);

// Ties the call to a network: class names to indices, batches of at most pictures_per_run with
// their inputs. Errors: kInvalidArgument - an unknown class.
absl::Status Plan(ServedVersion& version, Call& call);
// Decodes picture `index` and writes it into its batch. A picture that fails gets its own error.
void PreparePicture(const StageContext& context, Call& call, size_t index);
// Closes the gaps that failed pictures left. Returns the number of good ones.
size_t Compact(Call& call);
// Runs every batch. On the version's thread. Errors: the executor's, the cancel token's.
absl::Status RunBatches(const StageContext& context, Call& call);
// Boxes or classes of picture `index`, in the picture's pixels, drawn where asked for.
void FinishPicture(const StageContext& context, Call& call, size_t index);

}  // namespace lbw::serving

#endif  // LBW_SERVING_STAGES_H_
